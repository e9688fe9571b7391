import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import dpf_core

MODULES = sorted(
    str(path.with_suffix("")).replace("/", ".")
    for path in Path("dpf_core").rglob("*.py")
    if path.name != "__init__.py"
)


def undocumented(module):
    """The public names of a module's own classes and functions that have no docstring."""
    own = {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value) or inspect.isfunction(value)
        if value.__module__ == module.__name__ and value.__name__ == name
    }
    return [name for name, value in own.items() if name[0] != "_" and not value.__doc__]


def test_the_public_names_are_sorted_and_each_once():
    assert dpf_core.__all__ == sorted(set(dpf_core.__all__))


@pytest.mark.parametrize("name", dpf_core.__all__)
def test_every_public_name_can_be_imported_and_says_what_it_is(name):
    value = getattr(dpf_core, name)
    assert value.__name__ == name
    assert inspect.getdoc(value)


def test_an_unknown_name_raises_what_python_raises():
    with pytest.raises(AttributeError, match="module 'dpf_core' has no attribute 'Trainer'"):
        dpf_core.Trainer  # noqa: B018


def test_the_letters_of_the_dimensions_are_listed_once_in_the_package():
    doc = dpf_core.__doc__
    for letter in "BSPDKTHCV":
        assert f" {letter} " in doc


def test_importing_the_package_loads_no_torch():
    code = "import dpf_core, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", MODULES)
def test_every_public_class_and_function_of_a_module_is_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__
    assert undocumented(module) == []
