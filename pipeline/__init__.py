"""The thin layer that decides what runs, on which files, and what to report."""

import os

# A thread of torch that waits for the next operator spins, by GNU OpenMP's default for a very long
# time: beside another busy process a training step then takes up to nine times as long. A short
# spin costs nothing on a quiet machine (README, "Speed"). OpenMP reads this once, with torch.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
