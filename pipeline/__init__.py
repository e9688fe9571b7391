"""The thin layer that decides what runs, on which files, and what to report."""
