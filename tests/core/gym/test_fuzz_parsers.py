"""Whatever a file or text holds, parsers return a value or refuse it in one sentence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpf_core.errors import GymError
from dpf_core.gym.interpreter import Interpreter
from dpf_core.gym.options import letter_options, parse_options
from dpf_core.gym.reader import load_manifest, read_rows
from dpf_core.gym.spec import spec_from_mapping
from dpf_core.gym.task_file import check_task_file
from dpf_core.gym.template import Template
from dpf_core.gym.yaml_file import load_plain_yaml, load_yaml_mapping
from tests.core.gym.conftest import REVIEWS
from tests.core.gym.damage import cells, damaged, plain_pairs, tsv_file

words = st.sampled_from(
    ["{", "}", "{{", "}}", "|", ".", "strip", "join", "flatten", "number", "a", "b", "0", ":", "!r",
     "[", " (A) ", " (B) ", " (C) ", "(A)", " (1) ", " (2) ", " [SEP] ", " ", "x", "é", "options"]
)  # fmt: skip
phrases = st.lists(words, max_size=8).map("".join) | cells
yaml_words = st.sampled_from(
    ["name: mood\n", "kind: text\n", "labels:\n", "  - ", "shots: ", "0x", "9" * 30, "f" * 30,
     "2020-13-45", "1:99", "!!int ", "!!float ", "!!binary ", "!!timestamp ", "!!omap ", "!!map ",
     "? ", "- ", ": ", "[", "]", "{", "}", "&a ", "*a", "<<: ", "\n", "'", '"', "|\n", ">", "%",
     "@", "\t", "~", "a", "é", "---\n", "...\n", ", ", ".inf", "\\x", "=", "_", "e+", "\u2028", "#",
     "\x85"]
)  # fmt: skip
yaml_texts = st.lists(yaml_words, max_size=12).map("".join) | cells
leaves = st.none() | st.booleans() | st.integers() | st.floats() | phrases | st.binary(max_size=3)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(phrases | st.just("a"), inner),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "mood"
    folder.mkdir()
    return folder


@given(st.binary(max_size=40) | yaml_texts.map(str.encode))
def test_any_yaml_is_a_mapping_with_lines_or_refused(folder, data):
    (folder / "task.yaml").write_bytes(data)
    try:
        file = load_plain_yaml(folder / "task.yaml", "task 'mood'")
    except GymError:
        assert check_task_file(folder).problems
        return
    assert load_yaml_mapping(folder / "task.yaml", "task 'mood'").keys() == file.value.keys()
    assert check_task_file(folder).problems  # a name, a kind, labels, ... are never all there


@given(st.binary(max_size=40) | damaged(plain_pairs.map(tsv_file)))
def test_every_line_of_a_gyms_file_is_a_row_or_the_file_is_refused(folder, data):
    (folder / "t.tsv").write_bytes(data)
    try:
        rows = read_rows(folder / "t.tsv", task="t")
    except GymError:
        return
    assert [row.line for row in rows] == list(range(1, data.count(b"\n") + 1))


@given(phrases, trees)
def test_a_template_fills_any_row_or_says_why_not(text, row):
    try:
        template = Template.parse(text, where="task 't'")
    except GymError:
        return
    try:
        assert isinstance(template.fill({"a": row, "b": 3}), str)
    except (KeyError, ValueError):
        return


@given(phrases)
def test_options_are_found_or_refused(text):
    try:
        question, options = parse_options(text)
    except ValueError:
        return
    assert len(options) >= 2
    assert all(option in text for option in options)
    assert len(question) < len(text)


@given(st.lists(st.text("ab ", min_size=1).map(str.strip).filter(len), min_size=2, max_size=9))
def test_lettered_options_are_read_back(options):
    assert parse_options("Which?" + letter_options(options)) == ("Which?", tuple(options))


kinds = {
    "classification": {},
    "multiple_choice": {"labels": None, "options": ["a"]},
    "text": {"labels": None},
}


@given(
    st.sampled_from(sorted(kinds)), st.dictionaries(st.sampled_from(["text", "label", "a"]), trees)
)
def test_any_row_is_a_pair_or_refused(kind, row):
    fields = {k: v for k, v in (REVIEWS | {"kind": kind} | kinds[kind]).items() if v is not None}
    interpreter = Interpreter(spec_from_mapping("reviews", fields))
    try:
        pair = interpreter.pair(row)
    except (KeyError, ValueError):
        return
    assert all(isinstance(text, str) for text in (pair.input, *pair.answers, *pair.options))


manifest = st.fixed_dictionaries(
    {
        "format": st.just("dpf-gym/1") | trees,
        "source": trees,
        "seeds": st.just([100, 13, 21, 42, 87]) | trees,
        "tasks": st.lists(
            st.dictionaries(st.sampled_from(["name", "kind", "rows", "files"]), trees)
        )
        | trees,
    }
)


@given(damaged(manifest.map(lambda value: json.dumps(value, default=repr).encode())))
def test_any_manifest_is_refused_in_a_sentence(folder, data):
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(GymError):
        load_manifest(folder)
