"""What a stage reads stays as it is while the stage runs, or the stage fails.

DVC hashes dependencies and parameters after the command has ended. What was changed meanwhile would
stand in dvc.lock, and in the run cache, as what the outputs were made of.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dpf_core.errors import ConfigError
from dpf_core.files import md5_file
from pipeline import dvc_project

_STAGE = "DVC_STAGE"
"""DVC's environment variable with the address of the stage that it runs, `train` or
`../dvc.yaml:train`."""


@contextmanager
def steady() -> Iterator[Callable[[], None]]:
    """Give a function that looks whether an input has changed, and call it at the end of the block.

    Without DVC, which alone records inputs, nothing is looked at. Files are compared by content,
    folders by names, sizes and times of what is in them.

    Raises:
        ConfigError: An input has changed; the function raises the same.
    """
    address = os.environ.get(_STAGE)
    stage = address and address.rpartition(":")[2]
    before = None if stage is None else _inputs(stage)

    def check() -> None:
        if stage is None or before is None:
            return
        _refuse_changes(before, _inputs(stage), stage)

    yield check
    check()


@contextmanager
def unchanged(*paths: Path) -> Iterator[None]:
    """Fail at the end of the block if a file is not as it was; for stages of other graphs.

    Without DVC, which alone records inputs, nothing is looked at.

    Raises:
        ConfigError: A file has changed, or is gone.
    """
    looked_at = paths if _STAGE in os.environ else ()
    before = {str(path): _signature(path) for path in looked_at}
    yield
    now = {str(path): _signature(path) for path in looked_at}
    _refuse_changes(before, now, os.environ.get(_STAGE, ""))


def _refuse_changes(before: Mapping[str, Any], now: Mapping[str, Any], stage: str) -> None:
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        raise ConfigError(
            f"what a stage reads must stay as it is while it runs, got a change of "
            f"{', '.join(changed[:5])} (stage {stage}). DVC would record it as what the "
            "outputs were made of, so nothing is recorded: run the stage again."
        )


def _inputs(name: str) -> dict[str, Any]:
    """Return each parameter's value and what tells a dependency's content from another one."""
    root = Path()
    stage = dvc_project.read_stages(root).get(name)
    if stage is None:  # of somebody else's graph
        return {}
    params = dvc_project.params(root, stage)
    return {
        **{f"{key} in params.yaml": value for key, value in params.items()},
        **{dep: _signature(root / dep) for dep in stage.deps},
    }


def _signature(path: Path) -> Any:
    if path.is_file():
        return md5_file(path)
    files = [(file, file.stat()) for file in path.rglob("*") if file.is_file()]
    return sorted((str(file), found.st_size, found.st_mtime_ns) for file, found in files)
