"""Multi-task training: examples, batches, optimiser, checkpoints and the loop."""
