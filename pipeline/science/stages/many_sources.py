"""Run what is missing of the studies with more source tasks than the table can have."""

import sys
from pathlib import Path

from pipeline.refusals import in_one_sentence
from pipeline.science.curves import describe, write_studies
from pipeline.science.jobs import default_jobs
from pipeline.science.layout import Layout
from pipeline.science.protocol import open_place
from pipeline.science.running import run_cells, tune
from pipeline.science.settings import PARAMS
from pipeline.science.studies_file import load_studies
from pipeline.science.studying import run_studies

SETTINGS = PARAMS.parent / "configurations" / "many_sources.yaml"


@in_one_sentence("science many_sources")
def main() -> int:
    """Write the records and their summary and return the exit code."""
    place = open_place(Layout.below(Path(), SETTINGS), mirror=None, jobs=1)
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
