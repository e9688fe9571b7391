"""Fixtures of the library's tests."""

from functools import cache

import pytest

EXPORTS = {
    "dpf": (20, {}),
    "deep": (18, {"prompted_depth": 2}),
    "shared": (23, {"method": "shared_prompt"}),
}
"""Operator set and model settings of the exports that tests share; an export takes seconds."""


@pytest.fixture(scope="session")
def exported(world, tmp_path_factory):
    """Return the folder with the export of a name, made when first asked for; read-only."""

    @cache
    def folder(name):
        from dpf_core.export.onnx_export import export_onnx

        opset, changes = EXPORTS[name]
        out = tmp_path_factory.mktemp(name) / "onnx"
        export_onnx(world.model(**changes), out, opset=opset, extra={"pool_sha256": "abc"})
        return out

    return folder
