"""Benchmarks of `dpf bench`: one module each, and what they share (machine, clock, rows)."""
