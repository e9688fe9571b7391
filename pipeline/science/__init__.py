"""How well prompts transfer: sources, few-shot targets, tuning, and the table that follows."""
