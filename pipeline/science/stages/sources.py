"""Train the source models of which there is no record."""

import sys

from pipeline.refusals import in_one_sentence
from pipeline.science.jobs import default_jobs
from pipeline.science.layout import Layout
from pipeline.science.protocol import open_place
from pipeline.science.running import record_sources
from pipeline.science.settings import PARAMS
from pipeline.steady import unchanged


@in_one_sentence("science sources")
@unchanged(PARAMS)
def main() -> int:
    """Write the records and return the exit code."""
    place = open_place(Layout(), mirror=None, jobs=1)
    done = record_sources(place, num_processes=default_jobs(place.settings))
    print(f"{done.ran} source models, {done.kept} were recorded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
