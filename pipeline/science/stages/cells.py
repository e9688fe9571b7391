"""Run the cells of the table that are missing."""

import sys

from pipeline.refusals import in_one_sentence
from pipeline.science.jobs import default_jobs
from pipeline.science.layout import Layout
from pipeline.science.protocol import open_place
from pipeline.science.running import run_cells
from pipeline.science.settings import PARAMS
from pipeline.steady import unchanged


@in_one_sentence("science cells")
@unchanged(PARAMS)
def main() -> int:
    """Write the records and return the exit code."""
    place = open_place(Layout(), mirror=None, jobs=1)
    names = list(place.settings.methods)
    done = run_cells(place, names, num_processes=default_jobs(place.settings))
    print(f"{done.ran} cells, {done.kept} were recorded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
