"""Run the cells of a study that are missing."""

import sys

from dpf_core.errors import ConfigError
from pipeline.refusals import in_one_sentence
from pipeline.science.jobs import default_jobs
from pipeline.science.layout import STUDIES, Layout
from pipeline.science.protocol import open_place
from pipeline.science.settings import PARAMS
from pipeline.science.studies_file import load_studies
from pipeline.science.studying import run_studies
from pipeline.steady import unchanged


@in_one_sentence("science study")
@unchanged(PARAMS, STUDIES)
def main() -> int:
    """Write the records of the study that the command line names and return the exit code."""
    named = sys.argv[1:]
    if len(named) != 1:
        raise ConfigError(
            f"the argument must be one study of {STUDIES}, got {' '.join(named) or 'none'}. Name "
            "one."
        )
    place = open_place(Layout(), mirror=None, jobs=1)
    studies = load_studies(place.layout.study_params, place.settings)
    jobs = default_jobs(place.settings)
    done = run_studies(place, studies, named, num_processes=jobs)
    print(f"{done.ran} cells, {done.kept} were recorded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
