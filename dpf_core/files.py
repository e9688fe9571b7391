"""Deterministic, atomic files and their hashes.

Writers here never leave a half-written file under its final name: content goes to a sibling
temporary file, reaches the disk, and is renamed. What a file means belongs to the module that owns
its format.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1 << 20


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    return _digest(path, "sha256")


def md5_file(path: str | os.PathLike[str]) -> str:
    """Return the hexadecimal MD5 of a file's bytes, CrossFit's own fingerprint."""
    return _digest(path, "md5")


def write_bytes_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        OSError: The folder cannot be written or the disk is full, with the file's name; an earlier
            file is untouched.
    """
    target = Path(path)
    try:
        _write_and_rename(target, data)
    except OSError as error:
        error.filename = str(target)  # a full disk names none, a refused folder the temporary one
        raise


def write_text_atomic(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically, line ends as given."""
    write_bytes_atomic(path, text.encode())


@contextmanager
def staged_folders(*targets: Path) -> Iterator[list[Path]]:
    """Give an empty folder for each target; their files move in when the block succeeds.

    JSON moves last, because it holds the hashes of other files.

    Raises:
        OSError: A target cannot be written; earlier files are untouched.
    """
    with ExitStack() as stack:
        scratch = []
        for target in targets:
            target.mkdir(parents=True, exist_ok=True)
            fresh = tempfile.TemporaryDirectory(dir=target, prefix=".new.")
            scratch.append(Path(stack.enter_context(fresh)))
        yield scratch
        for folder, target in zip(scratch, targets, strict=True):
            for path in sorted(folder.iterdir(), key=lambda path: (path.suffix == ".json", path)):
                path.replace(target / path.name)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON with sorted keys, so that equal values give equal bytes."""
    write_text_atomic(
        path,
        json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n",
    )


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return the value in a JSON file.

    Raises:
        OSError: The file cannot be read.
        ValueError: The content is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("JSON must not be nested so deeply") from error


def _write_and_rename(target: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _digest(path: str | os.PathLike[str], algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with Path(path).open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
