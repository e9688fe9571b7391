import io
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pyarrow
import pytest
from pyarrow import parquet

from dpf_core.errors import GymError
from dpf_core.gym.hub import HubSource
from dpf_core.gym.hub_table import EXPORT, HubEntry
from tests.core.gym.conftest import TEST, TRAIN
from tests.core.gym.hub_server import COMMIT, serve

HEAD = """---
configs:
- config_name: unrelated
  data_files: unrelated.csv
- config_name: plain
  data_files:
  - split: train
    path: plain/train-*
  - split: dev
    path: [plain/dev-0.parquet]
---
# Reviews
"""


NOWHERE = "http://127.0.0.1:9"


def packed(columns):
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


STATED = {
    "README.md": HEAD.encode(),
    ".gitattributes": b"",
    "plain/train-0.parquet": packed({name: values[:6] for name, values in TRAIN.items()}),
    "plain/train-1.parquet": packed({name: values[6:] for name, values in TRAIN.items()}),
    "plain/dev-0.parquet": packed(TEST),
}
EXPORTED = {
    ".gitattributes": b"",
    "default/train/0000.parquet": packed(TRAIN),
    "default/validation/0000.parquet": packed(TEST),
}


def head(configs):
    return {"README.md": f"---\nconfigs:\n{configs}\n---\n".encode()}


STATED_ENTRY = {"hub_config": "plain", "splits": {"validation": "dev"}}


def hub_table(**changes):
    fields = {
        "source_id": "reviews",
        "source_config": None,
        "hub_id": "org/reviews",
        "hub_config": None,
        "revision": "main",
        "splits": {},
        "columns": {},
        "labels": {},
        "status": "available",
        "confirmed": True,
        "note": "",
    }
    return {("reviews", None): HubEntry(**fields | changes)}


@pytest.fixture
def clone(tmp_path):
    """Write a repository's files and return the folder of repositories."""

    def write(files):
        for path, data in files.items():
            file = tmp_path / "clones" / "org" / "reviews" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return tmp_path / "clones"

    return write


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    from datasets import config

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")


def read_all(source, spec):
    return [list(source.rows(spec, split)) for split in spec.splits]


def columns(rows):
    rows = list(rows)
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize(
    ("files", "entry"), [(STATED, STATED_ENTRY), (EXPORTED, {"revision": EXPORT})]
)
def test_a_repository_gives_the_rows_of_its_splits_in_order(clone, make_spec, files, entry):
    source, spec = HubSource(clone(files), table=hub_table(**entry)), make_spec()
    assert columns(source.rows(spec, "train")) == TRAIN
    assert columns(source.rows(spec, "validation")) == TEST
    assert all(path.is_file() for path in source.files(spec).values())


def test_columns_that_the_hub_renamed_get_their_old_names_back(clone, make_spec):
    old = {"text": TRAIN["text"], "class": TRAIN["label"], "unused": TRAIN["label"]}
    folder = clone(EXPORTED | {"default/train/0000.parquet": packed(old)})
    source = HubSource(folder, table=hub_table(columns={"label": "class"}))
    assert columns(source.rows(make_spec(), "train")) == TRAIN


def test_a_renumbered_column_gives_the_labels_themselves(clone, make_spec):
    source = HubSource(clone(EXPORTED), table=hub_table(labels={"label": ("good", "bad")}))
    labels = ["good" if number == 0 else "bad" for number in TRAIN["label"]]
    assert columns(source.rows(make_spec(), "train"))["label"] == labels


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (b"text,label\ndull,0\nfun,1\n", "csv"),
        (b'{"text": "dull", "label": 0}\n{"text": "fun", "label": 1}\n', "jsonl"),
    ],
)
def test_csv_and_json_lines_are_read_too(clone, make_spec, data, suffix):
    head = f"---\nconfigs:\n- data_files: rows.{suffix}\n---\n".encode()
    source = HubSource(clone({"README.md": head, f"rows.{suffix}": data}), table=hub_table())
    assert columns(source.rows(make_spec(), "train")) == {"text": ["dull", "fun"], "label": [0, 1]}


@pytest.mark.parametrize(
    ("files", "entry", "message"),
    [
        (STATED | {"reviews.py": b""}, {}, "got the loading script reviews.py, which is never run"),
        (STATED, {"hub_config": "plian"}, "'plian', got plain, unrelated. Did you mean 'plain'?"),
        (EXPORTED | {"b/train/0.parquet": b""}, {}, "exactly one configuration, got b, default"),
        ({"README.md": b"# no head\n"}, {}, "README.md must state the data files"),
        ({"README.md": b"---\na: [\n---\n"}, {}, "the head of README.md must be YAML, got"),
        (head("- data_files: a.csv\n- data_files: b.csv"), {}, "got two configurations 'default'"),
        (head("- data_files: [{split: a, path: b}, {split: a, path: c}]"), {}, "two splits 'a'"),
        (head("- data_files: [{split: a}]"), {}, "not of that form ('path')"),
        (head("- train.csv"), {}, "got an entry that is not of that form"),
        (head("- data_files: '**.csv'") | {"a.csv": b"a\n"}, {}, "must state the data files"),
        (STATED, {"hub_config": "plain"}, "the split 'validation', got train, dev"),
        (
            EXPORTED | {"default/train/0002.parquet": packed(TRAIN)},
            {"revision": EXPORT},
            "'train' as files from 0000.parquet on without a gap, got 0000.parquet, 0002.parquet",
        ),
        (
            {
                "README.md": HEAD.replace("dev", "validation").encode(),
                "plain/train-00001-of-00002.parquet": packed(TRAIN),
                "plain/validation-0.parquet": packed(TEST),
            },
            {"hub_config": "plain"},
            "must have all 2 files plain/train-*-of-00002, got 1",
        ),
        ({"default/partial-train/0000.parquet": b""}, {}, "'train', got partial-train"),
        (
            EXPORTED,
            {"columns": {"label": "lable"}},
            "'lable', got text, label. Did you mean 'label'",
        ),
        (
            EXPORTED | {"default/train/0000.parquet": packed(TRAIN)[:200]},
            {},
            "must have complete files, got: ",
        ),
        (EXPORTED, {"labels": {"label": ("good",)}}, "must hold numbers from 0 to 0, got 1"),
        (EXPORTED, {"hub_id": "org/other"}, "must have org/other, got no such folder"),
        (
            EXPORTED,
            {"status": "gone", "note": "taken down."},
            "must be on the hub, got: taken down.",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_name(clone, make_spec, files, entry, message):
    source = HubSource(clone(files), table=hub_table(**entry))
    with pytest.raises(GymError) as caught:
        read_all(source, make_spec())
    assert message in str(caught.value)


def test_a_source_that_the_table_lacks_is_named(make_spec):
    with pytest.raises(GymError, match=r"the source 'reviews' must be on the hub, got: no line"):
        HubSource(table={}).files(make_spec())


READ = """
import json, sys
from dpf_core.errors import GymError
from dpf_core.gym.hub import HubSource
from dpf_core.gym.hub_table import HubEntry
from dpf_core.gym.spec import spec_from_mapping

entry, task = json.loads(sys.argv[1])
source = HubSource(table={("reviews", None): HubEntry(**entry)})
spec = spec_from_mapping("reviews", task)
try:
    files = {name: path.is_file() for name, path in source.files(spec).items()}
    print(json.dumps([files, *(list(source.rows(spec, split)) for split in spec.splits)]))
except GymError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture
def read(tmp_path):
    """Read the task in a process of its own: the client takes its settings when imported."""
    from dataclasses import asdict

    from tests.core.gym.conftest import REVIEWS

    def run(endpoint, **entry):
        settings = {"HF_ENDPOINT": endpoint or NOWHERE, "HF_HOME": str(tmp_path / "home")}
        offline = {"HF_HUB_OFFLINE": "0" if endpoint else "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        value = json.dumps([asdict(hub_table(**entry)["reviews", None]), REVIEWS])
        done = subprocess.run(
            [sys.executable, "-c", READ, value],
            env=os.environ | settings | offline,
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    return run


def test_the_hub_is_asked_once_and_its_cache_serves_without_a_network(read):
    with serve({("org/reviews", "main"): STATED}) as hub:
        hub.cut = 100
        first = read(hub.endpoint, **STATED_ENTRY)
    assert columns(first[1]) == TRAIN
    assert columns(first[2]) == TEST
    assert first[0] == {
        f"org/reviews@{COMMIT}/{path}": True for path in STATED if path.startswith("plain")
    }
    assert not any("unrelated" in asked for asked in hub.asked)
    assert read(None, **STATED_ENTRY) == first


def test_a_cache_of_another_revision_is_not_taken_for_the_one_asked_for(read):
    with serve({("org/reviews", EXPORT): EXPORTED}) as hub:
        assert columns(read(hub.endpoint, revision=EXPORT)[1]) == TRAIN
    assert "must be reachable or whole in the hub's cache" in read(None, revision="f" * 40)
    assert "must be reachable or whole" in read(None, hub_id="org/other", revision=EXPORT)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"hub_id": "org/gone"}, "org/gone at main must be a public data set of the hub, got none"),
        ({"revision": "v9"}, "org/reviews at v9 must be a revision that exists, got none"),
    ],
)
def test_an_id_or_revision_that_the_hub_lacks_is_named(read, entry, message):
    with serve({("org/reviews", "main"): STATED}) as hub:
        assert message in read(hub.endpoint, **entry)


def test_after_one_failed_connection_only_the_cache_is_asked(make_spec, monkeypatch):
    asked = []

    def unreachable(hub_id, revision, *, cache_only):
        asked.append(cache_only)
        raise httpx2.ConnectError("no route")

    monkeypatch.setattr("dpf_core.gym.hub.HubRepository", unreachable)
    source = HubSource(table=hub_table())
    for _ in range(2):
        with pytest.raises(GymError, match=r"cache, got: no route\. Run again with a network"):
            source.files(make_spec())
    assert asked == [False, True]
