"""Build the gym: the chosen source's tasks and a user's own, in CrossFit's format."""

import sys
from collections import Counter
from pathlib import Path

from dpf_core.gym.build import build_gym
from dpf_core.gym.catalogue import select_tasks
from dpf_core.gym.config import IngestConfig
from dpf_core.gym.sources import open_source
from pipeline.gym_progress import progress
from pipeline.gym_summary import describe_build
from pipeline.incoming import ignored_folders
from pipeline.params import load_section
from pipeline.paths import GYM, INCOMING
from pipeline.pipes import report as report_to_dagster
from pipeline.refusals import in_one_sentence
from pipeline.steady import steady


@in_one_sentence("ingest")
@steady()
def main() -> int:
    """Write data/gym and return the exit code."""
    config = IngestConfig.from_section(load_section("ingest"))
    folder = Path(config.mirror_dir) if config.mirror_dir else None
    source = open_source(config.source, mirror_dir=folder)
    selection = select_tasks(source, config.tasks)
    with progress(Counter()) as watch:
        manifest = build_gym(
            source,
            selection.specs,
            GYM,
            jobs=config.jobs,
            incoming=INCOMING,
            missing=selection.missing,
            watch=watch,
        )
    waiting = ignored_folders(INCOMING)
    print("\n".join([describe_build(manifest), *waiting]))
    report_to_dagster(
        {
            "tasks": len(manifest.tasks),
            "missing": len(manifest.missing),
            "failed": len(manifest.failed),
            "waiting": len(waiting),
        }
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
