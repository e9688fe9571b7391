"""Building one task: its rows once over, then CrossFit's fifteen files and the training rows.

Memory: a row costs 8 bytes for its place, 4 for its label, 1 for its readability, 4 to 12 for the
row numbers of shuffles, and what growing arrays keep in reserve; `BYTES_PER_ROW` and `FIXED_BYTES`
bound the sum, whatever the length of the texts, which stay on disk. Not counted: the interpreter
and its libraries, the batch that a source reads, what a generator of `computed` gathers, and 36
bytes for each line that no reader can read.
"""

import shutil
from collections import Counter
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from dpf_core.errors import GymError
from dpf_core.files import sha256_file
from dpf_core.gym.manifest import (
    NO_OFFICIAL_FILES,
    UNVERIFIED,
    VERIFIED,
    FileRecord,
    OfficialCount,
    RowCounts,
    SourceRecord,
    TaskRecord,
)
from dpf_core.gym.official import SEEDS, few_shot_file, full_train_file, official_md5
from dpf_core.gym.row_store import RowStore
from dpf_core.gym.rows import read_pairs
from dpf_core.gym.sampling import RowNumbers, carved, distinct, each, few_shot, held_out_part
from dpf_core.gym.source_rows import row_count_differences
from dpf_core.gym.sources import Source
from dpf_core.gym.task_spec import TaskSpec
from dpf_core.gym.terms import MULTIPLE_CHOICE

BYTES_PER_ROW = 40
"""Upper bound of the memory that each row takes while a task is built."""
FIXED_BYTES = 16 << 20
"""Upper bound of the memory that a build takes besides."""


def build_task(source: Source, spec: TaskSpec, out_dir: Path) -> TaskRecord:
    """Write one task's 16 files under `out_dir/<task>/` and return its record.

    Raises:
        GymError: The source or a row breaks the task's specification; no folder is left.
    """
    folder = out_dir / spec.name
    folder.mkdir()
    try:
        return _TaskBuild(source, spec, folder).run()
    except GymError:
        shutil.rmtree(folder)
        raise


class _TaskBuild:
    """One task under construction."""

    def __init__(self, source: Source, spec: TaskSpec, folder: Path) -> None:
        self.source, self.spec, self.folder = source, spec, folder
        self.where = f"task {spec.name!r}"
        self.dropped = Counter(source.dropped(spec))
        self.files: dict[str, FileRecord] = {}
        self.source_rows: dict[str, int] = {}

    def run(self) -> TaskRecord:
        if self.spec.test_split is None:
            self._carve()
        else:
            self._read_train()
            self._read_test(self.spec.test_split)
        return self._record()

    def _carve(self) -> None:
        with closing(self._read("rows", self.spec.train_split, labelled=True)) as store:
            store.finish()
            train, test = carved(len(store), self.spec.carve)
            self._write_part(full_train_file(self.spec.name), store, train, "train")
            self._write_part(self._first_test_file, store, test, "test")
            self._sample(store, train)
        store.path.unlink()
        self._copy_test()

    def _read_train(self) -> None:
        file = full_train_file(self.spec.name)
        with closing(self._read(file, self.spec.train_split, labelled=True)) as store:
            self.files[file] = store.finish()
            self.dropped.update(store.dropped())
            self._sample(store, None)

    def _read_test(self, split: str) -> None:
        file, fraction = self._first_test_file, self.spec.test_fraction
        if fraction is None:
            with closing(self._read(file, split, labelled=False)) as store:
                self.files[file] = store.finish()
                self.dropped.update(store.dropped())
        else:
            with closing(self._read("rows", split, labelled=False)) as store:
                store.finish()
                self._write_part(file, store, held_out_part(len(store), fraction), "test")
            store.path.unlink()
        self._copy_test()

    def _read(self, file: str, split: str, *, labelled: bool) -> RowStore:
        labelled = labelled and (self.spec.sampling == "per_label" or bool(self.spec.labels))
        where = f"{self.where}, split {split!r}"
        store = RowStore(self.folder / file, where, labelled=labelled)
        dropped: Counter[str] = Counter()
        try:
            for pair in read_pairs(self.source, self.spec, split, dropped):
                store.add(pair)
            _check_rows(len(store), where)
        except BaseException:
            store.close()
            raise
        self.dropped.update(dropped)
        self.source_rows[split] = len(store) + dropped.total()
        return store

    def _write_part(self, file: str, store: RowStore, rows: RowNumbers, role: str) -> None:
        _check_rows(len(rows), f"{self.where}, {role} rows")
        self.files[file] = store.write(self.folder / file, each(rows))
        self.dropped.update(store.dropped(each(rows)))

    def _sample(self, store: RowStore, train: RowNumbers | None) -> None:
        spec, labels = self.spec, store.labels
        count = len(store)
        if train is not None:
            count = len(train)
            labels = None if labels is None else labels[train]
        if labels is not None and spec.labels and not spec.official:
            _check_label_cover(spec, {store.outputs[label] for label in distinct(labels)}, count)
        if spec.sampling != "per_label":
            labels = None
        for seed in SEEDS:
            samples = few_shot(
                count, shots=spec.shots, seed=seed, labels=labels, num_labels=len(store.outputs)
            )
            for split, rows in zip(("train", "dev"), samples, strict=True):
                numbers = rows if train is None else train[rows].tolist()
                file = few_shot_file(spec.name, spec.shots, seed, split)
                self.files[file] = store.write(self.folder / file, numbers)
            _check_dev(spec, len(samples[1]), count)

    @property
    def _first_test_file(self) -> str:
        return few_shot_file(self.spec.name, self.spec.shots, SEEDS[0], "test")

    def _copy_test(self) -> None:
        """Write the test file of every further seed, which is the same."""
        first = self._first_test_file
        for seed in SEEDS[1:]:
            file = few_shot_file(self.spec.name, self.spec.shots, seed, "test")
            shutil.copyfile(self.folder / first, self.folder / file)
            self.files[file] = self.files[first]

    def _record(self) -> TaskRecord:
        spec = self.spec
        sources = {key: sha256_file(path) for key, path in sorted(self.source.files(spec).items())}
        official, reason = _compare(spec, self.files, self.source_rows)
        return TaskRecord(
            name=spec.name,
            kind=spec.kind,
            category=spec.category,
            labels=spec.labels or None,
            label_texts=dict(spec.label_texts),
            metric=spec.metric,
            shots=spec.shots,
            source=SourceRecord(name=self.source.name, id=spec.source_name, files=sources),
            provenance=spec.provenance,
            licence=spec.licence,
            description=spec.description,
            status=_status(official),
            official=official,
            reason=reason,
            known=spec.known,
            rows=_count_rows(spec, self.files),
            dropped=dict(self.dropped),
            files=self.files,
            options="lettered" if spec.kind == MULTIPLE_CHOICE else None,
        )


def _compare(
    spec: TaskSpec, files: dict[str, FileRecord], source_rows: dict[str, int]
) -> tuple[OfficialCount | None, str]:
    """Return how many files equal CrossFit's, and in words which do not and why, where known."""
    if not spec.official:
        return None, ""
    expected = official_md5(spec.name)
    differing = sorted(file for file, md5 in expected.items() if files[file].md5 != md5)
    count = OfficialCount(matching=len(expected) - len(differing), of=len(expected))
    if not differing:
        return count, ""
    causes = row_count_differences(spec, source_rows)
    if spec.order_unknown:
        causes.append("CrossFit's order of several answers is not known")
    return count, "; ".join([*causes, f"CrossFit's differ: {', '.join(differing)}"])


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


def _check_rows(count: int, where: str) -> None:
    if not count:
        raise GymError(
            f"{where}: there must be at least one row, got none. Add rows, or leave the task out."
        )


def _check_dev(spec: TaskSpec, num_dev_rows: int, count: int) -> None:
    if not num_dev_rows:
        raise GymError(
            f"task {spec.name!r}, split 'train': there must be more rows than {spec.shots} "
            f"shots{' of a label' if spec.labels else ''}, got {count} rows in all, "
            "which leaves none for dev. Add rows or lower `shots`."
        )


def _check_label_cover(spec: TaskSpec, present: Collection[str], count: int) -> None:
    if missing := [label for label in spec.labels if label not in present]:
        raise GymError(
            f"task {spec.name!r}, split 'train': every label must occur, got no row of "
            f"{', '.join(map(repr, missing))} in {count} rows. Add rows, or remove the label."
        )
