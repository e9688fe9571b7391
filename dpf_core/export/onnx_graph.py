"""From a torch module to an ONNX graph with the same bytes on every run and in every folder."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from google.protobuf.message import Message  # type: ignore[import-untyped]
from torch import Tensor, nn

from dpf_core.errors import ConfigError, ExportError

_MAX_BYTES = 2**31
"""Of one protobuf message, and so of a model without external data."""


Example = tuple[Tensor, tuple[str, ...]]
"""An example of an input, and the names of its axes."""


def trace_onnx(
    module: nn.Module,
    inputs: Mapping[str, Example],
    outputs: Sequence[str],
    *,
    opset: int,
    tensors: Mapping[str, Tensor],
) -> onnx.ModelProto:
    """Return the module as an ONNX model that says nothing of where or when it was made.

    Args:
        module: In evaluation mode.
        inputs: By name; every axis is dynamic.
        outputs: Names, in the module's order.
        opset: ONNX operator set.
        tensors: The names that these tensors get in the graph, where it holds them unchanged.

    Raises:
        ConfigError: The operator set is not known to the installed onnx.
        ExportError: The model would not fit one file, or the exporter kept another operator set.
    """
    _check_opset(opset)
    _check_size(module)
    dims = {axis: torch.export.Dim(axis) for _, axes in inputs.values() for axis in axes}
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            module,
            tuple(example.clone() for example, _ in inputs.values()),  # one tensor, one input
            dynamo=True,
            external_data=False,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=opset,
            dynamic_shapes={
                name: {i: dims[axis] for i, axis in enumerate(axes)}
                for name, (_, axes) in inputs.items()
            },
            verbose=False,
        )
    if program is None:
        raise AssertionError("the exporter returns a program when it is not given a file")
    model: onnx.ModelProto = program.model_proto
    _check_exported_opset(model, opset)
    _strip(model)
    _name_initialisers(model.graph, tensors)
    return model


def serialise(model: onnx.ModelProto) -> bytes:
    """Return the bytes of a model; equal models give equal bytes."""
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def signature(values: Sequence[onnx.ValueInfoProto]) -> list[dict[str, Any]]:
    """Return name, dtype and shape of a graph's inputs or outputs; a string is a dynamic axis."""
    return [
        {
            "name": value.name,
            "dtype": onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name,
            "shape": [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim],
        }
        for value in values
    ]


def messages(root: Message) -> Iterator[Message]:
    """Yield a protobuf message and every message inside it, subgraphs and functions included."""
    yield root
    for _, value in root.ListFields():
        children = [value] if isinstance(value, Message) else value
        if isinstance(children, str | bytes | int | float):
            continue
        for child in children:
            if isinstance(child, Message):
                yield from messages(child)


def _check_opset(opset: int) -> None:
    newest = onnx.defs.onnx_opset_version()
    if opset > newest:
        raise ConfigError(
            f"opset must be <= {newest}, the newest of onnx {onnx.__version__}, got {opset} "
            "(export.opset in params.yaml). Choose an older one such as 20."
        )


def _check_size(module: nn.Module) -> None:
    size = sum(t.numel() * t.element_size() for t in module.state_dict().values())
    if size >= _MAX_BYTES:
        raise ExportError(
            f"an ONNX file must stay under {_MAX_BYTES} bytes, because external data is never "
            f"written, got {size} bytes of tensors. Choose a backbone with fewer word embeddings."
        )


def _check_exported_opset(model: onnx.ModelProto, opset: int) -> None:
    found = {entry.domain: entry.version for entry in model.opset_import}
    if found != {"": opset}:
        raise ExportError(
            f"the exported graph must use opset {opset} alone, got {found} (export.opset in "
            "params.yaml). Choose the one that the exporter gives, or another torch."
        )


def _strip(model: onnx.ModelProto) -> None:
    """Remove stack traces with source paths, the names of traced symbols, and inferred shapes."""
    model.graph.ClearField("value_info")
    for message in messages(model):
        known = message.DESCRIPTOR.fields_by_name
        for name in ("metadata_props", "doc_string"):
            if name in known:
                message.ClearField(name)


def _name_initialisers(graph: onnx.GraphProto, tensors: Mapping[str, Tensor]) -> None:
    """Give initialisers the names of the tensors that they hold, and keep one copy of each."""
    own = {
        name: onnx.numpy_helper.from_array(tensor.detach().cpu().numpy())
        for name, tensor in tensors.items()
    }
    by_content = {_content(tensor): name for name, tensor in own.items()}
    names = {
        initialiser.name: by_content[_content(initialiser)]
        for initialiser in graph.initializer
        if _content(initialiser) in by_content
    }
    reshaped = {
        (tensor.data_type, tensor.raw_data): name
        for name, tensor in own.items()
        if name not in names.values()
    }
    for initialiser in graph.initializer:  # the exporter folds a change of shape into its tensor
        if initialiser.name not in names:
            name = reshaped.pop((initialiser.data_type, initialiser.raw_data), None)
            names |= {} if name is None else {initialiser.name: name}
    kept: dict[str, onnx.TensorProto] = {}
    for initialiser in graph.initializer:
        initialiser.name = names.get(initialiser.name, initialiser.name)
        kept.setdefault(initialiser.name, initialiser)
    unique = list(kept.values())
    del graph.initializer[:]
    graph.initializer.extend(unique)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


def _content(tensor: onnx.TensorProto) -> tuple[int, tuple[int, ...], bytes]:
    """Return what makes two tensors one; zeros of other types or shapes have equal bytes."""
    return tensor.data_type, tuple(tensor.dims), tensor.raw_data


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop three remarks of the exporter that no user can act on.

    It reports torchvision's absence, each axis name used by two inputs, and its own use of a
    deprecated class.
    """
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*The axis name", UserWarning)
            warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
            yield
    finally:
        logger.setLevel(level)
