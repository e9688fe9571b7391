"""One run at a time in a project: two would write the same records and take each other's cells."""

from contextlib import AbstractContextManager

from pipeline.exclusive import exclusive
from pipeline.science.layout import Layout


def alone(layout: Layout) -> AbstractContextManager[None]:
    """Keep every other run of a project out while the block runs; as `exclusive`."""
    return exclusive(layout.work, "write a project's records")
