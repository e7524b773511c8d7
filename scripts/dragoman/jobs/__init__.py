"""Running jobs on this machine: locks of a results folder, and a worker that shares its imports with all jobs."""
