"""CrossFit's own files from data sets as the hub has them today, made from the mirror's rows."""

import os
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from dpf_core.gym.build import build_gym
from dpf_core.gym.catalogue import load_catalogue
from dpf_core.gym.hub import HubSource
from dpf_core.gym.hub_table import hub_table
from dpf_core.gym.manifest import VERIFIED

HEAD = "---\nconfigs:\n- config_name: plain_text\n  data_files: data/train-*\n---\n"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    from datasets import config

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def rows():
    """Return one source's training rows as a table."""
    if "DPF_MIRROR" not in os.environ:
        pytest.skip("needs DPF_MIRROR, a folder with CrossFit's source data sets as parquet files")
    mirror = Path(os.environ["DPF_MIRROR"])
    return lambda source: parquet.read_table(mirror / source / "default/train.parquet")


def build(folder, *names):
    specs = [load_catalogue("hub")[name] for name in names]
    return build_gym(HubSource(folder), specs, folder / "gym")


def test_sms_spam_from_a_repository_with_a_readme_is_verified(tmp_path, rows):
    data = tmp_path / "ucirvine/sms_spam/data"
    data.mkdir(parents=True)
    (data.parent / "README.md").write_text(HEAD)
    parquet.write_table(rows("sms_spam"), data / "train-00000-of-00001.parquet")
    assert build(tmp_path, "sms_spam").task("sms_spam").status == VERIFIED


def test_trec_is_verified_although_the_hub_renamed_and_renumbered_its_labels(tmp_path, rows):
    table, entry, tasks = rows("trec"), hub_table()["trec", None], ("trec", "trec-finegrained")
    for task in tasks:
        spec = load_catalogue("hub")[task]
        theirs = entry.labels[spec.answer]
        numbers = [theirs.index(spec.labels[n]) for n in table[spec.answer].to_pylist()]
        table = table.append_column(entry.columns[spec.answer], pyarrow.array(numbers))
    data = tmp_path / "CogComp/trec/default/train"
    data.mkdir(parents=True)
    renamed = table.drop_columns(list(entry.columns))
    parquet.write_table(renamed, data / "0000.parquet")
    manifest = build(tmp_path, *tasks)
    assert [task.status for task in manifest.tasks] == [VERIFIED, VERIFIED]
