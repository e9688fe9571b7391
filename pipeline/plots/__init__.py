"""The figures of the train and evaluate stages: plain data in, PNG files out.

Each figure stays readable at 40 tasks: small multiples, heat maps and one row a task instead of one
colour a task. The same data gives the same bytes. The two halves are apart, so that a change in one
stage's figures does not run the other stage again.
"""

from pathlib import Path


def remove_others(folder: Path, fresh: Path) -> None:
    """Remove the figures of a folder that a new run did not draw, so that none outlives its run.

    Args:
        folder: With the figures of an earlier run.
        fresh: With those that will move there.
    """
    for path in folder.glob("*.png"):
        if not (fresh / path.name).exists():
            path.unlink()
