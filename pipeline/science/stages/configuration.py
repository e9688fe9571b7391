"""Run what is missing of the studies of one configuration beside the project's own settings."""

import sys
from pathlib import Path

from pipeline.refusals import in_one_sentence
from pipeline.science.curves import describe, write_studies
from pipeline.science.jobs import default_jobs
from pipeline.science.layout import CONFIGURATIONS, Layout
from pipeline.science.protocol import open_place
from pipeline.science.running import run_cells, tune
from pipeline.science.settings import PARAMS
from pipeline.science.studies_file import load_studies
from pipeline.science.studying import run_studies


@in_one_sentence("science configuration")
def main() -> int:
    """Write the records and summary of what the command line names and return the exit code."""
    [name] = sys.argv[1:]
    params = PARAMS.parent / CONFIGURATIONS / f"{name}.yaml"
    place = open_place(Layout.below(Path(), params), mirror=None, jobs=1)
    studies = load_studies(place.layout.study_params, place.settings)
    jobs = default_jobs(place.settings)
    baseline = place.settings.gain.baseline
    tune(place, [studies.method, baseline], num_processes=jobs)
    run_cells(place, [baseline], num_processes=jobs)
    done = run_studies(place, studies, list(studies.studies), num_processes=jobs)
    print(f"{done.ran} cells, {done.kept} were recorded")
    print(describe(write_studies(place.layout)["studies"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
