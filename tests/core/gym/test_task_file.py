import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dpf_core.errors import GymError
from dpf_core.gym.fields import CLEANINGS
from dpf_core.gym.incoming import KEYS, REQUIRED_KEYS, TASK_FILE, task_spec
from dpf_core.gym.scaffold import WRITERS
from dpf_core.gym.task_check import check_task
from dpf_core.gym.task_file import check_task_file, schema, schema_faults
from dpf_core.gym.terms import KINDS, METRICS, PROVENANCES

MOOD = {
    "name": "mood",
    "kind": "classification",
    "labels": ["sad", "happy"],
    "category": "emotion",
    "licence": "CC0-1.0",
    "description": "Whether a sentence is happy.",
}
SHOWN_BY_THE_PARSER_ALONE = re.compile(
    "label_texts must describe labels of the task|a template must have|a template field must be"
    "|a field must be|a filter must be|a cleaning must be|{options} must stand once"
    "|name in task.yaml must equal"
)
"""What relates two values or has a grammar of its own, which a JSON schema cannot say."""

texts = st.sampled_from(["", " ", "\n", "a", "sad", "real", "{input", "{x|y}", "q|strip", "input"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.floats() | texts | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
likely = {
    "kind": st.sampled_from(KINDS),
    "labels": st.lists(texts, max_size=3),
    "label_texts": st.dictionaries(texts, texts, max_size=2),
    "metric": st.sampled_from(METRICS),
    "options": st.lists(texts, max_size=2),
    "clean": st.lists(st.sampled_from([*CLEANINGS, "tidy"]), max_size=2),
    "provenance": st.sampled_from(PROVENANCES),
}
changes = st.lists(
    st.sampled_from([*sorted(KEYS), "shoots"]).flatmap(
        lambda key: st.tuples(st.just(key), likely.get(key, anything) | anything)
    ),
    max_size=4,
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mood").mkdir()
    return tmp_path / "mood"


@pytest.fixture
def check(folder):
    def check(text=None, **changes):
        text = yaml.safe_dump(MOOD | changes, sort_keys=False) if text is None else text
        (folder / TASK_FILE).write_text(text)
        return check_task_file(folder)

    return check


def test_a_right_file_has_no_problem_and_a_specification(check):
    checked = check()
    assert checked.problems == ()
    assert checked.spec.labels == ("sad", "happy")


def test_everything_that_is_wrong_is_said_at_once_with_its_line(check):
    checked = check(
        "name: mood\nkind: classification\nlabels:\n  - sad\n  - true\nshoots: 2\nshots: 0\n"
        "metric: F1\nlicence: ' '\ndescription: Whether.\n"
    )
    assert [(problem.line, problem.message.split(" ")[0]) for problem in checked.problems] == [
        (None, "category"), (5, "labels"), (6, "every"), (7, "shots"), (8, "metric"),
        (9, "licence"),
    ]  # fmt: skip
    assert "got 'shoots'. Did you mean 'shots'?" in checked.problems[2].message


@pytest.mark.parametrize(
    ("changes", "line", "message"),
    [
        ({"kind": "clasification"}, 2, "got 'clasification'. Did you mean 'classification'?"),
        ({"kind": "text"}, 3, "labels must be left out unless kind is classification, got ['sad'"),
        ({"name": "moods"}, 1, "name in task.yaml must equal the folder's name, got 'moods'"),
        ({"label_texts": {"happi": "glad"}}, 9, "got 'happi'. Did you mean 'happy'?"),
        ({"input": "{text"}, None, "a template must have matching braces"),
        ({"shots": 16.0}, 9, "shots must be a whole number >= 1"),
        ({"labels": ["a"]}, 3, "labels must be a list of two or more different"),
        ({"clean": ["tidy"]}, None, "a cleaning must be one of strip, "),
    ],
)
def test_one_wrong_value_is_one_problem(check, changes, line, message):
    (problem,) = check(**changes).problems
    assert problem.line == line
    assert message in problem.message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: mood\nkind: [\n", 3),
        ("name: mood\nname: mood\n", 2),
        ("name: mood\nshots: 2020-13-45\n", 2),
        ("name: mood\nlabels: &l [a]\noptions: *l\n", 3),
        ("? [a]\n: b\n", 1),
        ("- a\n", 1),
        ("", 1),
        ("name: \x00\n", None),
        ("[" * 3000, None),
        ("shots: " + "9" * 5000, 1),
        ("shots: 0x" + "f" * 9000, 1),
        ("kind: text\nshots: !!int\n", 2),
    ],
)
def test_what_is_no_plain_mapping_is_one_problem(check, text, line):
    checked = check(text)
    assert ([problem.line for problem in checked.problems], checked.spec) == ([line], None)


def test_rows_can_be_checked_in_spite_of_a_wrong_description(check):
    assert check(description=3, shoots=2).spec.labels == ("sad", "happy")
    assert check(labels="sad").spec is None


def test_the_readmes_task_is_right_as_it_stands(folder):
    readme = Path("README.md").read_text()
    text = next(block for block in readme.split("```yaml\n") if block.startswith("name: my_task"))
    (folder.parent / "my_task").mkdir()
    (folder.parent / "my_task" / TASK_FILE).write_text(text.split("```")[0])
    rows = [
        {"title": "A", "question": f"Why, {n}?", "choices": ["x", "y"], "right": n % 2}
        for n in range(90)
    ]
    WRITERS["jsonl"](folder.parent / "my_task" / "train.jsonl", rows)
    assert check_task(folder.parent / "my_task").problems == []


def test_the_schema_lists_what_the_parser_knows():
    properties = schema()["properties"]
    assert set(properties) == KEYS
    assert set(schema()["required"]) == REQUIRED_KEYS
    for key, known in (("kind", KINDS), ("metric", METRICS), ("provenance", PROVENANCES)):
        assert set(properties[key]["enum"]) == set(known)


@given(changes)
def test_the_schema_agrees_with_the_parser(tmp_path_factory, changes):
    value = MOOD | dict(changes)
    try:
        task_spec(tmp_path_factory.getbasetemp() / "mood", value)
        refusal = None
    except GymError as error:
        refusal = str(error)
    if schema_faults(value):
        assert refusal
    elif refusal:
        assert SHOWN_BY_THE_PARSER_ALONE.search(refusal)
