"""Names of the tasks that the next run is expected to have, found without building anything."""

from pathlib import Path

from dpf_core.errors import DPFError
from dpf_core.files import read_json
from dpf_core.gym.catalogue import ALL, load_catalogue
from dpf_core.gym.config import IngestConfig
from dpf_core.gym.manifest import MANIFEST_FILE
from dpf_core.gym.terms import KINDS
from pipeline.incoming import complete_tasks
from pipeline.params import PARAMS, load_section
from pipeline.paths import GYM, INCOMING


def known_tasks(root: Path) -> set[str]:
    """Return the tasks that params.yaml asks for and those of `data/incoming/`.

    With parameters that the ingest stage would refuse, the tasks of the gym on disk: what is wrong
    is for the stage to say, and must not hide the runs and reports of yesterday.
    """
    found = complete_tasks(root / INCOMING)
    try:
        config = IngestConfig.from_section(load_section("ingest", root / PARAMS))
        asked = _asked(config)
    except DPFError:
        asked = _built_tasks(root / GYM)
    return asked | found


def _asked(config: IngestConfig) -> set[str]:
    if config.tasks != (ALL,) and not set(config.tasks) <= set(KINDS):
        return set(config.tasks)
    kinds = KINDS if config.tasks == (ALL,) else config.tasks
    return {name for name, spec in load_catalogue(config.source).items() if spec.kind in kinds}


def _built_tasks(folder: Path) -> set[str]:
    try:
        return {str(task["name"]) for task in read_json(folder / MANIFEST_FILE)["tasks"]}
    except (OSError, ValueError, LookupError, TypeError):  # none, or damaged: for a stage to say
        return set()
