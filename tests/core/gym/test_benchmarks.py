import pytest

from dpf_core.gym.catalogue import load_benchmarks, load_catalogue, select_tasks
from dpf_core.gym.fields import CLEANINGS
from dpf_core.gym.hub_table import hub_table
from dpf_core.gym.official import official_tasks
from dpf_core.gym.rows import task_rows
from dpf_core.gym.sources import MirrorSource

EXAM = {
    "question": ["Which is\nprime?", "Which hold?"],
    "subject": ["number_theory", "formal_logic"],
    "choices": [["4", "6", "7", "9"], ["one", "two", "(A) and (B)", "none"]],
    "answer": [2, 2],
}
ANSWERED = {
    "paragraph": ["It rained.\nAnn stayed."] * 2,
    "question": ["Who stayed?"] * 2,
    "answer": ["Bob", "Ann"],
    "label": [0, 1],
}


@pytest.fixture
def mirror_source(tmp_path, put):
    for split in ("dev", "test"):
        put(split, EXAM, "mmlu/all")
    for split in ("train", "validation"):
        put(split, ANSWERED, "super_glue/multirc")
    return MirrorSource(tmp_path / "mirror")


def test_an_mmlu_row_begins_with_its_subject_and_keeps_four_options(mirror_source):
    (spec,) = select_tasks(mirror_source, ["mmlu"]).specs
    rows = task_rows(mirror_source, spec)
    assert rows.train == rows.test == [
        ("number_theory: Which is prime? (A) 4 (B) 6 (C) 7 (D) 9", "7"),
        ("formal_logic: Which hold? (A) one (B) two (C) A and B (D) none", "A and B"),
    ]  # fmt: skip


def test_a_multirc_answer_is_a_row_of_its_own(mirror_source):
    (spec,) = select_tasks(mirror_source, ["multirc-answers"]).specs
    start, end = "question: Who stayed? [SEP] answer: ", " [SEP] context: It rained. Ann stayed."
    assert task_rows(mirror_source, spec).test == [
        (f"{start}Bob{end}", "false"),
        (f"{start}Ann{end}", "true"),
    ]


def test_benchmarks_are_built_by_name_and_no_part_of_all():
    assert load_benchmarks("mirror").keys() == {"mmlu", "multirc-answers"}
    assert not load_benchmarks("mirror").keys() & {*load_catalogue("mirror"), *official_tasks()}
    assert load_benchmarks("starter") == {}


def test_the_hub_has_the_sources_of_the_benchmarks():
    wanted = {(spec.source_id, spec.source_config) for spec in load_benchmarks("hub").values()}
    assert wanted - hub_table().keys() == set()


def test_letters_lose_their_brackets_and_other_texts_keep_theirs():
    assert CLEANINGS["letters_without_brackets"]("(A) or f(x) (I am)") == "A or f(x) (I am)"
