"""What `dvc.yaml` and `dvc.lock` say, and the versions that follow from them.

Reads the two files and nothing else: DVC itself is never imported, so that loading Dagster's
definitions stays cheap. Templating (`${...}`), `foreach` and `matrix` are not understood.
"""

import ast
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpf_core.errors import ConfigError, GymError
from dpf_core.files import md5_file
from dpf_core.gym.yaml_file import load_yaml_mapping
from dpf_core.naming import nearest

_DATA = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of `dvc.yaml`; every path is relative to the project's root."""

    name: str
    cmd: str
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]
    """Every path that the stage writes, its metrics and plots included."""
    metrics: tuple[str, ...]
    dagster: Mapping[str, Any]
    """`meta.dagster`: group and kinds of the asset."""

    @property
    def code_deps(self) -> tuple[str, ...]:
        """The dependencies that are source files rather than data."""
        return tuple(dep for dep in self.deps if Path(dep).parts[0] != _DATA)

    @property
    def script(self) -> str:
        """The path of the Python file that `cmd` runs, as `python -m a.b` or `python a/b.py`."""
        words = self.cmd.split()
        if "-m" in words:
            return words[words.index("-m") + 1].replace(".", "/") + ".py"
        return words[1]


def read_stages(root: Path) -> dict[str, Stage]:
    """Return the stages of `dvc.yaml` by name, in the file's order.

    Raises:
        ConfigError: The file is missing, damaged or holds no stages, or a stage has no `cmd`.
    """
    path = root / "dvc.yaml"
    if not path.exists():
        raise ConfigError(
            f"the working directory must hold dvc.yaml, got {root.resolve()}. "
            "Change to the project's directory."
        )
    stages = _yaml(path).get("stages")
    if not stages:
        raise ConfigError(f"{path} must hold `stages`, got none. Restore the file from Git.")
    return {name: _stage(name, body, path) for name, body in stages.items()}


def read_lock(root: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of `dvc.lock` by stage; empty before the first run.

    Raises:
        ConfigError: The file is damaged, as by a merge.
    """
    path = root / "dvc.lock"
    if not path.exists():
        return {}
    return dict(_yaml(path).get("stages") or {})


def upstream(stage: Stage, stages: Mapping[str, Stage]) -> tuple[str, ...]:
    """Return the names of the stages whose outs the stage reads, in the order of `dvc.yaml`."""
    return tuple(
        other.name
        for other in stages.values()
        if other.name != stage.name
        and any(_overlap(dep, out) for dep in stage.deps for out in other.outs)
    )


def description(root: Path, stage: Stage) -> str:
    """Return the docstring of the stage's script, which is parsed and never imported."""
    path = root / stage.script
    if not path.exists():
        return ""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def data_version(entry: Mapping[str, Any]) -> str:
    """Return one hash for all that a lock entry says the stage wrote."""
    return _digest(sorted((out["path"], out["md5"]) for out in entry.get("outs", ())))


def code_version(root: Path, stage: Stage) -> str:
    """Return one hash for a stage's command, parameters and source files as they are now."""
    code = {dep: md5_file(root / dep) for dep in stage.code_deps if (root / dep).is_file()}
    return _digest([stage.cmd, params(root, stage), code])


def params(root: Path, stage: Stage) -> dict[str, Any]:
    """Return the values of a stage's parameters as they are now, none where the file is wrong."""
    if not stage.params:
        return {}
    try:
        document = _yaml(root / "params.yaml")
    except ConfigError:  # the stage says what is wrong; it must not hide the runs of yesterday
        return {}
    return {name: _param(document, name) for name in stage.params}


def locked_code_version(entry: Mapping[str, Any]) -> str:
    """Return what `code_version` was when the lock entry was written."""
    code = {
        dep["path"]: dep["md5"]
        for dep in entry.get("deps", ())
        if Path(dep["path"]).parts[0] != _DATA
    }
    return _digest([entry["cmd"], entry.get("params", {}).get("params.yaml", {}), code])


def _yaml(path: Path) -> dict[str, Any]:
    try:
        return load_yaml_mapping(path, "a file of DVC's graph")
    except GymError as error:
        raise ConfigError(f"{error} Restore it from Git, or finish the merge.") from error


def _stage(name: str, body: Mapping[str, Any], path: Path) -> Stage:
    if "cmd" not in body:
        near = nearest("cmd", body)
        raise ConfigError(f"stage {name!r} must have `cmd`, got {sorted(body)} ({path}).{near}")
    written = {key: _paths(body.get(key, ())) for key in ("outs", "metrics", "plots")}
    return Stage(
        name=name,
        cmd=body["cmd"],
        deps=_paths(body.get("deps", ())),
        params=_paths(body.get("params", ())),
        outs=written["outs"] + written["metrics"] + written["plots"],
        metrics=written["metrics"],
        dagster=(body.get("meta") or {}).get("dagster", {}),
    )


def _paths(entries: Sequence[Any]) -> tuple[str, ...]:
    """DVC writes an entry as `path` or as `{path: {option: value}}`."""
    return tuple(next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries)


def _overlap(dep: str, out: str) -> bool:
    return Path(dep).is_relative_to(out) or Path(out).is_relative_to(dep)


def _param(document: Mapping[str, Any], dotted: str) -> Any:
    value: Any = document
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
