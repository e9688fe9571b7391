"""CrossFit's 160 specifications against facts that were taken from its public scripts by hand.

`crossfit_reading.tsv` holds what each script reads and how it samples: source, splits, sampler, and
the rows of train and test that remain of 12,000 in each split. `crossfit_rows.yaml` holds invented
rows and what the script makes of them.
"""

import csv
from collections import Counter
from pathlib import Path

import pytest
import yaml

from dpf_core.gym.catalogue import load_catalogue
from dpf_core.gym.official import official_tasks
from dpf_core.gym.rows import read_pairs
from dpf_core.gym.sampling import carved, held_out_part

SPECS = load_catalogue("mirror")
HERE = Path(__file__).parent
ROWS = yaml.safe_load((HERE / "crossfit_rows.yaml").read_text(encoding="utf-8"))
READING = list(csv.DictReader((HERE / "crossfit_reading.tsv").open(), delimiter="\t"))
SOURCE_ROWS = 12_000
GROUPS = {
    "classification": 65,
    "question answering": 51,
    "conditional generation": 13,
    "other": 31,
}


class Rows:
    """A source with the same rows in every split, each with the columns that the task reads."""

    name = "invented"

    def __init__(self, rows):
        self._rows = rows

    def rows(self, spec, split):
        return ({column: row[column] for column in spec.columns} for row in self._rows)

    def files(self, spec):
        return {}

    def dropped(self, spec):
        return {}


def sizes(spec):
    if spec.test_split is None:
        return tuple(map(len, carved(SOURCE_ROWS, spec.carve)))
    if spec.test_fraction is None:
        return SOURCE_ROWS, SOURCE_ROWS
    return SOURCE_ROWS, len(held_out_part(SOURCE_ROWS, spec.test_fraction))


def has_few_named_labels(name):
    spec = SPECS[name]
    return 0 < len(spec.labels) <= 14 and spec.category != "other/regression"


def test_each_of_the_160_official_tasks_has_one_specification():
    assert SPECS.keys() == official_tasks().keys()
    assert all(spec.official for spec in SPECS.values())


def test_the_groups_of_the_ontology_are_complete():
    assert Counter(spec.category.split("/")[0] for spec in SPECS.values()) == GROUPS


def test_the_facts_of_the_scripts_cover_all_tasks():
    assert [fact["task"] for fact in READING] == sorted(official_tasks())


@pytest.mark.parametrize("fact", READING, ids=[fact["task"] for fact in READING])
def test_a_task_reads_and_samples_what_the_script_does(fact):
    spec = SPECS[fact["task"]]
    assert spec.source_name == fact["source"]
    assert ",".join(spec.splits) == fact["splits"]
    assert spec.sampling == fact["sampling"]
    assert sizes(spec) == (int(fact["train_rows"]), int(fact["test_rows"]))


@pytest.mark.parametrize("name", sorted(ROWS))
def test_invented_rows_become_what_the_script_makes_of_them(name):
    spec, dropped = SPECS[name], Counter()
    pairs = list(read_pairs(Rows(ROWS[name]["rows"]), spec, spec.train_split, dropped))
    assert [[pair.input, pair.output] for pair in pairs] == ROWS[name]["pairs"]
    assert len(pairs) + dropped.total() == len(ROWS[name]["rows"])


@pytest.mark.parametrize("name", [name for name in sorted(ROWS) if has_few_named_labels(name)])
def test_every_label_occurs_among_the_invented_rows(name):
    assert {output for _, output in ROWS[name]["pairs"]} == set(SPECS[name].labels)
