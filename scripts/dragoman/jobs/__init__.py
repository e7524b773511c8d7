"""How jobs run on this machine: locks of a results folder, and a worker that has imported what every job imports."""
