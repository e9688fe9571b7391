"""Scores on gym rows, and the numbers that tell how a trained pool is doing."""
