"""Run what is missing of the studies of one configuration beside the project's own settings."""

import sys

from dpf_core.errors import ConfigError
from pipeline.refusals import in_one_sentence
from pipeline.science.curves import describe, write_studies
from pipeline.science.jobs import default_jobs
from pipeline.science.layout import Layout
from pipeline.science.protocol import open_place
from pipeline.science.running import run_cells, tune
from pipeline.science.studies_file import load_studies
from pipeline.science.studying import run_studies
from pipeline.steady import unchanged


@in_one_sentence("science configuration")
def main() -> int:
    """Write the records and summary of what the command line names and return the exit code."""
    named, known = sys.argv[1:], {each.params.stem: each for each in Layout().configurations()}
    if len(named) != 1 or named[0] not in known:
        raise ConfigError(
            f"the argument must be one of {', '.join(known)}, which have studies of their own, got "
            f"{' '.join(named) or 'none'}. Name one."
        )
    layout = known[named[0]]
    with unchanged(layout.params, layout.study_params):
        return _run(layout)


def _run(layout: Layout) -> int:
    place = open_place(layout, mirror=None, jobs=1)
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
