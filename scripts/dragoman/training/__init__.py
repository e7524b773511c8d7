"""Training of a model: the loop, and one module for each part of it.

loop         the Trainer with our batches, loss and checkpoints; `fit` is the way in
losses       the forward pass that methods use in their losses, and cross-entropy
entropy      cross-entropy over large vocabularies, a few rows at a time
batches      which examples make a micro-batch, and in which order
trainable    adapters, recomputed activations, compiled blocks
optimizers   Muon with AdamW
launch       one process per device, on one machine or several
sharding     one model shared out among several devices
preemption   SIGTERM: a checkpoint before a cluster ends the job
progress     the lines that a training prints while it runs
"""
