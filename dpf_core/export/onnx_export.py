"""The export folder: two ONNX files, the tokenizer, and the manifest that ties them together.

Nothing in it names a folder, a machine or a time. Running the files belongs to `onnx_session.py`,
comparing them with torch to `compare.py`.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import tokenizers
import torch
import transformers
from torch import Tensor

from dpf_core import __version__
from dpf_core.backbone.files import portable_name
from dpf_core.backbone.frozen import Backbone
from dpf_core.errors import ConfigError, ExportError
from dpf_core.export.front_end import FusedPrompt, PromptedInput
from dpf_core.export.onnx_graph import Example, serialise, signature, trace_onnx
from dpf_core.files import sha256_file, write_bytes_atomic, write_json
from dpf_core.front_end import AnyFrontEnd, FrontEnd
from dpf_core.model import DPFModel
from dpf_core.pool_io import TENSOR_NAMES, task_record
from dpf_core.prompt_attention import AttentionPrompts

FORMAT = "dpf-onnx/1"
FUSED_PROMPT_FILE = "fused_prompt.onnx"
FRONT_END_FILE = "front_end.onnx"
TOKENIZER_FILE = "tokenizer.json"
MANIFEST_FILE = "manifest.json"


def export_onnx(
    model: DPFModel, out_dir: Path, *, opset: int, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the front end of a model as ONNX files and return their manifest.

    Args:
        model: With a front end; exported in float32 whatever the backbone's precision.
        out_dir: Made if missing; other files in it stay.
        opset: ONNX operator set.
        extra: Further JSON values for the manifest, such as the hash of the pool.

    Raises:
        ConfigError: The model has no prompt, or the operator set is unknown.
        ExportError: The folder cannot be written; earlier files are untouched.
    """
    with staged_folder(out_dir) as folder:
        return write_export(model, folder, opset=opset, extra=extra)


def write_export(
    model: DPFModel, folder: Path, *, opset: int, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the files of an export into a folder, the manifest last, and return the manifest.

    Raises:
        ConfigError: The model has no prompt, or the operator set is unknown.
        OSError: The folder cannot be written.
    """
    graphs = _graphs(model, opset)
    for name, graph in graphs.items():
        write_bytes_atomic(folder / name, serialise(graph))
    write_bytes_atomic(folder / TOKENIZER_FILE, portable_tokenizer(model.backbone).encode())
    files = {name: file_record(folder / name) for name in (*graphs, TOKENIZER_FILE)}
    for name, graph in graphs.items():
        files[name]["inputs"] = signature(graph.graph.input)
        files[name]["outputs"] = signature(graph.graph.output)
    manifest = _manifest(model) | {"opset": opset, "files": files} | dict(extra)
    write_json(folder / MANIFEST_FILE, manifest)
    return manifest


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder whose files move into the target when the block succeeds.

    The manifest moves last. It holds the hash of every file, so even a crash between two moves
    leaves nothing that would pass for a complete export.

    Raises:
        ExportError: The target cannot be written (read-only, disk full, a file of that name).
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".new.") as scratch:
            yield Path(scratch)
            for path in sorted(Path(scratch).iterdir(), key=lambda p: p.name == MANIFEST_FILE):
                path.replace(target / path.name)
    except OSError as error:
        raise ExportError(
            f"the export folder must be writable, with room for the files, got "
            f"{error.strerror or error} ({target}). Free space or choose another folder; earlier "
            "files were not changed."
        ) from error


def file_record(path: Path) -> dict[str, Any]:
    """Return SHA-256 and size of a file."""
    return {"sha256": sha256_file(path), "bytes": path.stat().st_size}


def portable_tokenizer(backbone: Backbone) -> str:
    """Return tokenizer.json for a program without this library.

    It cuts to the backbone's max_length as training did, and pads a batch to its longest; where the
    tokenizer has no token for that, with the one that ends a text, which the mask leaves out.
    """
    source = backbone.tokenizer
    copy = tokenizers.Tokenizer.from_str(source.backend_tokenizer.to_str())
    copy.enable_truncation(backbone.config.max_length)
    padding = next((i for i in (source.pad_token_id, source.eos_token_id) if i is not None), 0)
    copy.enable_padding(pad_id=padding, pad_token=source.convert_ids_to_tokens(padding))
    text: str = copy.to_str(pretty=True)
    return text + "\n"


def _graphs(model: DPFModel, opset: int) -> dict[str, onnx.ModelProto]:
    fused_prompt = FusedPrompt(_exportable_front_end(model), len(model.tasks)).eval()
    prompted_input = PromptedInput(fused_prompt, model.backbone.embedding_table()).eval()
    tensors: dict[str, Tensor] = {
        TENSOR_NAMES[name]: tensor
        for name, tensor in model.trainable_parameters().items()
        if name.startswith("front_end.")
    }
    example = torch.zeros(2, dtype=torch.int64)
    tokens = torch.ones(2, 3, dtype=torch.int64)
    task_id: dict[str, Example] = {"task_id": (example, ("batch",))}
    text = dict.fromkeys(("input_ids", "attention_mask"), (tokens, ("batch", "sequence")))
    outputs = ["inputs_embeds", "prompted_attention_mask"]
    if model.config.prompted_depth > 1:
        outputs.append("layer_prompts")
    graphs = {
        FUSED_PROMPT_FILE: trace_onnx(
            fused_prompt, task_id, ["fused_prompt"], opset=opset, tensors=tensors
        ),
        FRONT_END_FILE: trace_onnx(
            prompted_input,
            task_id | text,
            outputs,
            opset=opset,
            tensors=tensors | {"word_embeddings": prompted_input.word_embeddings},
        ),
    }
    for name, graph in graphs.items():
        graph.graph.name = Path(name).stem
    return graphs


def _exportable_front_end(model: DPFModel) -> AnyFrontEnd:
    if model.front_end is None or isinstance(model.front_end, AttentionPrompts):
        raise ConfigError(
            "the method of an exported model must be one with prompts by task, got "
            f"{model.config.method!r} (model.method in params.yaml): it has no prompt, or one "
            "for each example. Train a pool with another method, or run the backbone itself."
        )
    return model.front_end


def _manifest(model: DPFModel) -> dict[str, Any]:
    backbone, config = model.backbone, model.config
    pool = model.front_end if isinstance(model.front_end, FrontEnd) else None
    return {
        "format": FORMAT,
        "tasks": [task_record(task_id, spec) for task_id, spec in enumerate(model.tasks)],
        "method": config.method,
        "temperature": None if pool is None else pool.scheduler.temperature,
        "pool_size": None if pool is None else config.pool_size,
        "prompt_length": config.prompt_length,
        "prompted_depth": config.prompted_depth,
        "hidden_size": backbone.hidden_size,
        "max_length": backbone.config.max_length,
        "backbone": {
            "name": portable_name(backbone.config),
            "revision": backbone.config.revision,
            "sha256": backbone.sha256,
            "model_type": backbone.model_type,
        },
        "versions": {
            "dpf": __version__,
            "torch": str(torch.__version__),
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
            "transformers": transformers.__version__,
        },
    }
