import ast
import subprocess
import sys
from pathlib import Path

import dpf_core
from tests.architecture.import_graph import imported_names, module_file

CORE = sorted(Path("dpf_core").rglob("*.py"))
PIPELINE = sorted(Path("pipeline").rglob("*.py"))
ORCHESTRATION = {"dagster", "dagster_pipes", "dvc", "great_expectations", "pipeline"}

LAYERS = {
    "foundation": [
        "__init__", "errors", "config", "config_checks", "config_reading", "files", "naming",
    ],
    "parts": [
        "prompts", "task_scheduler", "fusion", "baselines", "prompt_attention", "backbone", "heads",
        "loss_balancing", "gym",
    ],
    "composition": [
        "front_end", "model", "initialisation", "assembly", "pool_io", "adapters", "earlier",
        "build", "adaptation", "adaptation_sources", "distillation", "examples", "batching",
    ],
    "evaluation": ["evaluation"],
    "use": ["training", "export"],
}  # fmt: skip
"""From bottom to top; a module imports its own folder and lower layers only."""


def unit(path):
    """The part of dpf_core that a file belongs to: its folder, or its module."""
    return path.with_suffix("").parts[1]


def layer(name):
    return next((i for i, names in enumerate(LAYERS.values()) if name in names), None)


def expressions(module):
    nodes = ast.walk(ast.parse(module.read_text()))
    return [ast.unparse(n) for n in nodes if isinstance(n, ast.Attribute | ast.Subscript)]


def modules_after(statement):
    code = f"{statement}\nimport sys; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def upward_imports(module):
    """The parts that a module imports although they lie above it, or beside it."""
    mine = unit(module)
    files = {file for name in imported_names(module) if (file := module_file(name))}
    siblings_may = mine in LAYERS["foundation"] + LAYERS["composition"]
    limit = layer(mine) + siblings_may
    return {other for file in files if (other := unit(file)) != mine and layer(other) >= limit}


def test_the_library_imports_no_orchestration():
    roots = {m: {name.split(".")[0] for name in imported_names(m)} for m in CORE}
    assert [m for m in CORE if roots[m] & ORCHESTRATION] == []


def test_every_part_of_the_library_has_a_layer():
    assert {unit(m) for m in CORE if layer(unit(m)) is None} == set()


def test_the_library_imports_downwards_only():
    inner = [m for m in CORE if unit(m) != "__init__"]
    assert {str(m): up for m in inner if (up := upward_imports(m))} == {}


def test_project_code_imports_from_the_module_that_has_the_name():
    # The package's lazy names are for users; here they would hide an import from dvc.yaml.
    names = {name for module in CORE + PIPELINE for name in imported_names(module)}
    names |= {e for module in CORE + PIPELINE for e in expressions(module)}
    lazy = {name for name in names if name in {f"dpf_core.{public}" for public in dpf_core.__all__}}
    assert lazy == set()


def test_the_library_reads_no_environment_variable():
    # Setting one is another thing: cuBLAS takes its determinism from nowhere else.
    reads = ("os.getenv", "os.environ.get", "os.environ[")
    assert [m for m in CORE if any(e.startswith(reads) for e in expressions(m))] == []


def test_dagster_sees_real_annotations():
    # With string annotations Dagster refuses a context argument.
    both = {"dagster", "__future__.annotations"}
    assert [m for m in PIPELINE if both <= set(imported_names(m))] == []


def test_importing_the_library_loads_nothing_heavy():
    loaded = modules_after("import dpf_core")
    assert loaded & (ORCHESTRATION | {"torch", "transformers", "datasets", "pandas"}) == set()


def test_the_gym_works_without_torch():
    gym = [".".join(m.with_suffix("").parts) for m in CORE if unit(m) == "gym"]
    statement = "import " + ", ".join(name.removesuffix(".__init__") for name in gym)
    assert modules_after(statement) & (ORCHESTRATION | {"torch", "transformers"}) == set()


def test_dagsters_definitions_load_without_the_stages_libraries():
    heavy = {"torch", "transformers", "dvc", "great_expectations", "matplotlib", "onnx"}
    assert modules_after("from pipeline.definitions import defs; defs()") & heavy == set()
