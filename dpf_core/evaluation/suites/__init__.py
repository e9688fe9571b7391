"""Evaluation suites: named sets of tasks with their measures, means and chance levels."""
