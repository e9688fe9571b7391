"""Building a gym: every task's files in CrossFit's format, and the manifest beside them."""

import os
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from pathlib import Path

from dpf_core.errors import GymError
from dpf_core.files import md5_file, sha256_file, write_bytes_atomic, write_json
from dpf_core.gym.incoming import incoming_tasks
from dpf_core.gym.manifest import (
    MANIFEST_FILE,
    NO_OFFICIAL_FILES,
    UNVERIFIED,
    VERIFIED,
    FileRecord,
    Manifest,
    OfficialCount,
    RowCounts,
    SourceRecord,
    TaskRecord,
)
from dpf_core.gym.official import SEEDS, few_shot_file, full_train_file, official_md5
from dpf_core.gym.rows import TaskRows, task_rows
from dpf_core.gym.sampling import Row, sample_few_shot
from dpf_core.gym.sources import Source
from dpf_core.gym.spec import CLASSIFICATION, MULTIPLE_CHOICE, TaskSpec
from dpf_core.gym.staging import replaced_directory
from dpf_core.gym.tsv import encode_rows, is_readable


def build_gym(
    source: Source,
    specs: Sequence[TaskSpec],
    out_dir: Path,
    *,
    jobs: int = 1,
    incoming: Path | None = None,
) -> Manifest:
    """Build tasks into a folder and return its manifest.

    The folder is replaced as a whole, and only when every task is built.

    Args:
        source: Where the rows of `specs` are.
        specs: The tasks to build.
        out_dir: The gym's folder: new, empty, or an earlier gym.
        jobs: Processes that build tasks; 1 builds in this one. The result is the same.
        incoming: A folder with a user's own tasks, which are built too; it may be absent.

    Raises:
        GymError: A task cannot be built, two tasks have one name, there is no task, or the folder
            cannot be written. An earlier gym is then untouched.
    """
    work = [(source, spec) for spec in specs]
    if incoming is not None:
        own_source, own_specs = incoming_tasks(incoming)
        work += [(own_source, spec) for spec in own_specs]
    _check_names([(origin.name, spec.name) for origin, spec in work])
    work.sort(key=lambda item: item[1].name)
    with replaced_directory(Path(out_dir), marker=MANIFEST_FILE) as fresh:
        records = _build_all(work, fresh, jobs)
        manifest = Manifest(source=source.name, tasks=tuple(records))
        write_json(fresh / MANIFEST_FILE, manifest.to_json())
    return manifest


def build_task(source: Source, spec: TaskSpec, out_dir: Path) -> TaskRecord:
    """Write one task's 16 files under `out_dir/<task>/` and return its record.

    Raises:
        GymError: The source or a row breaks the task's specification.
    """
    rows = task_rows(source, spec)
    folder = out_dir / spec.name
    folder.mkdir()
    files = {
        name: _write(folder / name, pairs, spec) for name, pairs in _file_rows(spec, rows).items()
    }
    sources = {key: sha256_file(path) for key, path in sorted(source.files(spec).items())}
    official = _compare(spec, files)
    return TaskRecord(
        name=spec.name,
        kind=spec.kind,
        category=spec.category,
        labels=spec.labels or None,
        label_texts=dict(spec.label_texts),
        metric=spec.metric,
        shots=spec.shots,
        source=SourceRecord(name=source.name, id=spec.source_name, files=sources),
        provenance=spec.provenance,
        licence=spec.licence,
        description=spec.description,
        status=_status(official),
        official=official,
        rows=_count_rows(spec, files),
        dropped=_count_dropped(rows),
        files=files,
        options="lettered" if spec.kind == MULTIPLE_CHOICE else None,
    )


def _file_rows(spec: TaskSpec, rows: TaskRows) -> dict[str, Sequence[Row]]:
    result: dict[str, Sequence[Row]] = {full_train_file(spec.name): rows.train}
    for seed in SEEDS:
        train, dev = sample_few_shot(
            rows.train, shots=spec.shots, seed=seed, per_label=spec.kind == CLASSIFICATION
        )
        if not dev:
            raise GymError(
                f"task {spec.name!r}, split 'train': there must be more rows than {spec.shots} "
                f"shots{' of a label' if spec.labels else ''}, got {len(rows.train)} rows in all, "
                "which leaves none for dev. Add rows or lower `shots`."
            )
        for split, pairs in (("train", train), ("dev", dev), ("test", rows.test)):
            result[few_shot_file(spec.name, spec.shots, seed, split)] = pairs
    return result


def _write(path: Path, rows: Sequence[Row], spec: TaskSpec) -> FileRecord:
    data, unreadable = encode_rows(rows, f"task {spec.name!r}, file {path.name}")
    write_bytes_atomic(path, data)
    return FileRecord(
        md5=md5_file(path),
        sha256=sha256_file(path),
        rows=sum(map(is_readable, rows)),
        unreadable_lines=tuple(unreadable),
    )


def _compare(spec: TaskSpec, files: dict[str, FileRecord]) -> OfficialCount | None:
    if not spec.official:
        return None
    expected = official_md5(spec.name)
    return OfficialCount(
        matching=sum(files[name].md5 == md5 for name, md5 in expected.items()), of=len(expected)
    )


def _status(official: OfficialCount | None) -> str:
    if official is None:
        return NO_OFFICIAL_FILES
    return VERIFIED if official.matching == official.of else UNVERIFIED


def _count_rows(spec: TaskSpec, files: dict[str, FileRecord]) -> RowCounts:
    def count(split: str, seed: int) -> int:
        return files[few_shot_file(spec.name, spec.shots, seed, split)].rows

    return RowCounts(
        full_train=files[full_train_file(spec.name)].rows,
        test=count("test", SEEDS[0]),
        train={str(seed): count("train", seed) for seed in SEEDS},
        dev={str(seed): count("dev", seed) for seed in SEEDS},
    )


def _count_dropped(rows: TaskRows) -> dict[str, int]:
    dropped = Counter(rows.dropped)
    if unreadable := sum(not is_readable(row) for row in (*rows.train, *rows.test)):
        dropped["tab or line end in a text"] = unreadable
    return dict(dropped)


def _check_names(tasks: list[tuple[str, str]]) -> None:
    origins: dict[str, str] = {}
    for origin, name in tasks:
        if name in origins:
            raise GymError(
                f"a task name must occur once in a gym, got {name!r} twice (from "
                f"{origins[name]} and from {origin}). Rename or leave out one of them."
            )
        origins[name] = origin
    if not tasks:
        raise GymError("a gym must have at least one task, got none. Name tasks, or use 'all'.")


def _build_all(work: list[tuple[Source, TaskSpec]], out_dir: Path, jobs: int) -> list[TaskRecord]:
    if jobs == 1 or len(work) == 1:
        return [build_task(source, spec, out_dir) for source, spec in work]
    sources, specs = zip(*work, strict=True)
    pool = ProcessPoolExecutor(
        min(jobs, len(work)), mp_context=get_context("spawn"), initializer=_end_with_parent
    )
    with pool:
        try:
            return list(pool.map(build_task, sources, specs, [out_dir] * len(work)))
        except BrokenProcessPool as error:
            raise GymError(
                f"a building process must run to its end, got one that was killed ({jobs} jobs), "
                "as when memory runs out. Use fewer jobs."
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Let a worker end when its parent is killed, so that no orphan stays behind."""
    parent = parent_process()
    assert parent is not None  # this runs in a worker

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
