"""Names of the tasks that the next run is expected to have, found without building anything."""

from pathlib import Path

from dpf_core.files import read_json
from pipeline.incoming import incoming_tasks
from pipeline.paths import GYM, INCOMING


def known_tasks(root: Path) -> set[str]:
    """Return the tasks of the gym that is on disk and of the directories in `data/incoming/`."""
    manifest = root / GYM / "manifest.json"
    built = {task["name"] for task in read_json(manifest)["tasks"]} if manifest.exists() else set()
    found, _ = incoming_tasks(root / INCOMING)
    return built | found.keys()
