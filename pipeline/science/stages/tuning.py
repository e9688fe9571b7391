"""Try the points of every method's sweep that were not tried."""

import sys

from pipeline.refusals import in_one_sentence
from pipeline.science.jobs import default_jobs
from pipeline.science.layout import Layout
from pipeline.science.protocol import open_place
from pipeline.science.running import tune
from pipeline.science.settings import PARAMS
from pipeline.steady import unchanged


@in_one_sentence("science tuning")
@unchanged(PARAMS)
def main() -> int:
    """Write the records and return the exit code."""
    place = open_place(Layout(), mirror=None, jobs=1)
    names = list(place.settings.methods)
    done = tune(place, names, num_processes=default_jobs(place.settings))
    print(f"{done.ran} runs, {done.kept} were recorded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
