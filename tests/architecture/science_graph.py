"""What pipeline/science/dvc.yaml must say: the modules that a stage imports, the records it writes.

`python -m tests.architecture.science_graph` writes it, after an import or a method has changed.
"""

from pathlib import Path
from typing import Any

import yaml

from pipeline.science.layout import STUDIES, Layout
from pipeline.science.settings import PARAMS
from tests.architecture.import_graph import code_deps

GRAPH = Path("pipeline/science/dvc.yaml")
FOLDER = Path("pipeline/science")
STAGES = FOLDER / "stages"
ITEM = "${item}"
"""What DVC replaces by each study."""


def graph() -> dict[str, dict[str, Any]]:
    """Return the stages of the file; of one that runs for each item of a list, what it does."""
    stages: dict[str, dict[str, Any]] = yaml.safe_load(GRAPH.read_text(encoding="utf-8"))["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


def items(stage: str) -> list[str]:
    """Return the list that a stage runs for."""
    stages = yaml.safe_load(GRAPH.read_text(encoding="utf-8"))["stages"]
    return list(stages[stage]["foreach"])


def studies() -> list[str]:
    """Return the names of the studies."""
    return list(yaml.safe_load(STUDIES.read_text(encoding="utf-8"))["studies"])


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
        "curves": ("protocol", "sources", "tuning", "cells"),
    }  # fmt: skip
    data = [path for name in before[stage] for path in records(name)]
    if stage == "curves":
        data += [Layout().study(name).as_posix() for name in studies()]
    code = [dep for dep in code_deps(STAGES / f"{stage}.py") if Path(dep).is_relative_to(FOLDER)]
    return sorted(data) + sorted(set(code) - {PARAMS.as_posix(), STUDIES.as_posix()})


def written(stage: dict[str, Any]) -> list[str]:
    """Return the files that the graph says a stage writes."""
    return [next(iter(entry)) for entry in stage.get("outs", []) + stage.get("metrics", [])]


def _write() -> None:
    from ruamel.yaml import YAML

    reader = YAML()
    reader.indent(mapping=2, sequence=4, offset=2)
    reader.width = 100
    document = reader.load(GRAPH)
    document["stages"]["study"]["foreach"] = studies()
    for name, whole in document["stages"].items():
        stage = whole.get("do", whole)
        stage["deps"] = deps(name)
        if "outs" in stage:
            stage["outs"] = [{path: {"cache": False, "persist": True}} for path in records(name)]
    reader.dump(document, GRAPH)


if __name__ == "__main__":
    _write()
