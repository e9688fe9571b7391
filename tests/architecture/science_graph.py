"""What the science's two graphs must say: the modules that a stage imports, the records it writes.

`python -m tests.architecture.science_graph` writes them, after an import or a method has changed.
"""

import os
from pathlib import Path
from typing import Any

import yaml

from pipeline.science.layout import CONFIGURATIONS, STUDIES, Layout
from pipeline.science.settings import PARAMS
from tests.architecture.import_graph import code_deps

FOLDER = Path("pipeline/science")
GRAPH = FOLDER / "dvc.yaml"
"""Of the table."""
ABLATIONS = FOLDER / "ablations" / "dvc.yaml"
"""Of the studies and the matrix."""
STAGES = FOLDER / "stages"
REFERENCES = Layout().reference("any").parent
"""What stands beside the table."""
ITEM = "${item}"
"""What DVC replaces by each study."""


def graph(path: Path) -> dict[str, dict[str, Any]]:
    """Return the stages of a file; of one that runs for each item of a list, what it does."""
    return {name: stage.get("do", stage) for name, stage in _stages(path).items()}


def items(stage: str) -> list[str]:
    """Return the list that a stage of the ablations runs for."""
    return list(_stages(ABLATIONS)[stage]["foreach"])


def _stages(path: Path) -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8"))["stages"])


def project_folder(path: Path) -> str:
    """Return the project's folder, as seen from a graph's."""
    return Path(os.path.relpath(".", path.parent)).as_posix()


def studies() -> list[str]:
    """Return the names of the studies."""
    return list(yaml.safe_load(STUDIES.read_text(encoding="utf-8"))["studies"])


def configurations() -> list[str]:
    """Return the names of the configurations that have studies of their own."""
    return [layout.params.stem for layout in Layout().configurations()]


LISTS = {"study": studies, "configuration": configurations}
"""Of the stages that run for each item of a list."""


def records(stage: str) -> list[str]:
    """Return the files that a stage writes."""
    layout, params = Layout(), yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    methods, sources = list(params["methods"]), list(params["sources"])
    paths = {
        "protocol": [layout.protocol],
        "sources": [layout.source_record(name) for name in sources],
        "tuning": [layout.tuning_record(name) for name in methods],
        "cells": [layout.cells(name) for name in methods],
        "transfer": [layout.transfer],
        "study": [layout.study(ITEM)],
        "curves": [layout.studies],
        "matrix": [layout.matrix],
        "append": [layout.append_record],
        "configuration": [layout.metrics / CONFIGURATIONS / ITEM],
    }
    return sorted(path.as_posix() for path in paths[stage])


def deps(stage: str) -> list[str]:
    """Return the records that a stage reads, and its modules of the science."""
    before = {
        "protocol": (), "sources": ("protocol",), "tuning": ("protocol", "sources"),
        "cells": ("protocol", "sources", "tuning"),
        "transfer": ("protocol", "sources", "tuning", "cells"),
        "study": ("protocol", "tuning"), "matrix": ("protocol", "sources", "tuning"),
        "append": ("protocol", "sources", "tuning"),
        "curves": ("protocol", "sources", "tuning", "cells"), "configuration": (),
    }  # fmt: skip
    data = [path for name in before[stage] for path in records(name)]
    if stage == "transfer":  # no stage makes them: `dpf science reference` does
        data.append(REFERENCES.as_posix())
    if stage == "curves":
        data += [Layout().study(name).as_posix() for name in studies()]
    code = [dep for dep in code_deps(STAGES / f"{stage}.py") if Path(dep).is_relative_to(FOLDER)]
    return sorted(data) + sorted(set(code) - {PARAMS.as_posix(), STUDIES.as_posix()})


def written(stage: dict[str, Any]) -> list[str]:
    """Return the files that the graph says a stage writes."""
    return [next(iter(entry)) for entry in stage.get("outs", []) + stage.get("metrics", [])]


def _write() -> None:
    for path in (GRAPH, ABLATIONS):
        _write_graph(path)


def _write_graph(path: Path) -> None:
    from ruamel.yaml import YAML

    reader = YAML()
    reader.indent(mapping=2, sequence=4, offset=2)
    reader.width = 100
    document = reader.load(path)
    for name, whole in document["stages"].items():
        if "foreach" in whole:
            whole["foreach"] = LISTS[name]()
        stage = whole.get("do", whole)
        stage["deps"] = deps(name)
        if "outs" in stage:
            stage["outs"] = [{out: {"cache": False, "persist": True}} for out in records(name)]
    reader.dump(document, path)


if __name__ == "__main__":
    _write()
