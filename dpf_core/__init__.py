"""Dynamic Prompt Fusion: one frozen backbone, one soft prompt for each task, fused from a shared pool."""

__version__ = "0.1.0"
