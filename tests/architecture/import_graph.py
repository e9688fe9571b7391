"""What the project's modules import, found in their source text and never by importing them.

`python -m tests.architecture.import_graph` writes the result into dvc.yaml: each stage's source
files among its `deps`, and the sections of params.yaml that it reads as its `params`.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from dpf_core.config import SECTIONS

PACKAGES = ("dpf_core", "pipeline")
SCIENCE = Path("pipeline/science")


@cache
def code_deps(script: Path) -> frozenset[str]:
    """Return every source and package-data file that a stage's result can depend on."""
    modules = closure(script)
    data = {path for module in modules for path in data_files(module)}
    return frozenset(path.as_posix() for path in modules | data)


def param_sections(script: Path) -> frozenset[str]:
    """Return the sections that a stage reads with `load_section("x")` or `load_config(XConfig)`."""
    sections = {cls.__name__: section for cls, section in SECTIONS.items()}
    calls = [node for node in ast.walk(_parse(script)) if isinstance(node, ast.Call)]
    firsts = {
        ast.unparse(call.args[0]).strip("'")
        for call in calls
        if ast.unparse(call.func) in {"load_section", "load_config"}
    }
    return frozenset(sections.get(first, first) for first in firsts)


def closure(module: Path) -> set[Path]:
    """Return the module and every project module that it imports, directly or through others."""
    seen: set[Path] = set()
    waiting = [module]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += [file for name in imported_names(path) if (file := module_file(name))]
            waiting += [p for p in _packages(path) if any(map(module_file, imported_names(p)))]
    return seen


def _packages(module: Path) -> list[Path]:
    """Return the `__init__.py` files that importing a module runs first."""
    return [init for folder in module.parents if (init := folder / "__init__.py").exists()]


@cache
def imported_names(module: Path) -> tuple[str, ...]:
    """Return the dotted names that a module imports, lazily too; `from a import b` is `a.b`."""
    return tuple(_names(_parse(module), module))


def module_file(name: str) -> Path | None:
    """Return the file of the longest prefix of a dotted name that is a project module."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return None
    for length in range(len(parts), 0, -1):
        stem = Path(*parts[:length])
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.exists():
                return path
    return None


@cache
def data_files(module: Path) -> frozenset[Path]:
    """Return the package data that a module names in a string, and what that data names again.

    A module may name only data that lies in its folder or below.
    """
    tree = _parse(module)
    docstrings = {ast.get_docstring(n, clean=False) for n in ast.walk(tree) if _has_docstring(n)}
    strings = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)} - docstrings
    candidates = {p for p in module.parent.rglob("*") if p.is_file() and _is_data(p)}
    if SCIENCE not in module.parents:  # it has a params.yaml and a dvc.yaml of its own
        candidates = {path for path in candidates if SCIENCE not in path.parents}
    found: set[Path] = set()
    texts = [text for text in strings if isinstance(text, str)]
    while new := {p for p in candidates - found if any(p.name in text for text in texts)}:
        found |= new
        texts = [path.read_text(encoding="utf-8", errors="ignore") for path in new]
    return frozenset(found)


@cache
def _parse(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def _is_data(path: Path) -> bool:
    return path.suffix not in {".py", ".pyc", ".md"}


def _has_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


def _names(tree: ast.AST, module: Path) -> Iterator[str]:
    for node in _running_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} must use absolute imports"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk all nodes but the body of `if TYPE_CHECKING:`, which never runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _running_nodes(node)


def _write_deps(path: Path) -> None:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    document = yaml.load(path)
    for name, stage in document["stages"].items():
        script = Path("pipeline/stages") / f"{name}.py"
        if script.exists():
            data = [dep for dep in stage["deps"] if dep.startswith("data/")]
            stage["deps"][:] = sorted(data) + sorted(code_deps(script))
            if sections := sorted(param_sections(script)):
                stage["params"][:] = sections
    yaml.dump(document, path)


if __name__ == "__main__":
    _write_deps(Path("dvc.yaml"))
