import itertools
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from dpf_core.errors import ConfigError, GymError
from dpf_core.evaluation.metrics import macro_f1
from dpf_core.evaluation.suites.catalogue import load_suite, suite_names
from dpf_core.evaluation.suites.measures import MEASURES, answer_f1, question_match
from dpf_core.evaluation.suites.scoring import Answered, chance_level, member_result, suite_result
from dpf_core.evaluation.suites.suite import Member, Suite
from dpf_core.gym.partitions import partitions

judged = st.lists(st.tuples(*[st.sampled_from(["true", "false"])] * 2), min_size=1, max_size=30)


def answered(answers, predictions, choices, **changes):
    defaults = {
        "metric": "ACC", "status": "verified", "inputs": [""] * len(answers),
        "constant": [choices[0]] * len(answers), "truncated_rows": 0,
    }  # fmt: skip
    return Answered(
        answers=answers, predictions=predictions, choices=[choices] * len(answers),
        **defaults | changes,
    )  # fmt: skip


def asked(question, answer):
    return f"question: {question} [SEP] answer: {answer} [SEP] context: It rained."


@pytest.fixture
def suite_file(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_every_named_suite_loads_under_its_name():
    assert [load_suite(name).name for name in suite_names()] == list(suite_names())


def test_superglue_has_eight_tasks_and_two_measures_for_three_of_them():
    members = load_suite("superglue").members
    assert len(members) == 8
    assert sum(len(member.own) == 2 for member in members) == 3


def test_mmlu_has_57_subjects_in_four_groups():
    (member,) = load_suite("mmlu").members
    sizes = {group: len(subjects) for group, subjects in member.subjects.items()}
    assert sizes == {"STEM": 18, "humanities": 13, "social sciences": 12, "other": 14}


def test_a_partition_scores_its_targets_and_knows_its_sources():
    suite, partition = load_suite("45cls"), partitions()["45cls"]
    assert tuple(member.task for member in suite.members) == partition.test
    assert suite.sources == partition.train


def test_a_users_suite_is_a_list_of_tasks_or_tasks_with_measures(suite_file):
    start = "name: mine\ndescription: Two tasks.\n"
    plain = load_suite(suite_file(start + "tasks: [mood, pick]"))
    assert plain.members == (Member(task="mood"), Member(task="pick"))
    fields = load_suite(suite_file(start + "tasks: {mood: {own: [ACC, EM]}, pick: }"))
    assert fields.members == (Member(task="mood", own=("ACC", "EM")), Member(task="pick"))


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("[]", "tasks must be a list of names, or a mapping"),
        ("[a, a]", "got 'a' twice"),
        ("[../a]", r"a task name must be .* got '\.\./a'"),
        ("{a: {own: [AC]}}", "got 'AC'. Did you mean 'ACC'"),
        ("{a: {owned: [ACC]}}", "got 'owned'. Did you mean 'own'"),
        ("{a: {own: ACC}}", "own must be a list of texts, got 'ACC'"),
        ("{a: [ACC]}", "the fields must be a mapping"),
        ("{a: {subjects: {g: [x], h: [x]}}}", "got 'x' twice"),
    ],
)
def test_a_wrong_suite_file_is_refused_with_what_is_wrong(suite_file, tasks, message):
    with pytest.raises(ConfigError, match=message):
        load_suite(suite_file(f"name: mine\ndescription: Wrong.\ntasks: {tasks}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: mine\ntasks: [a]", "description must be given"),
        ("- a", "must be a mapping"),
        ("name: 3\ndescription: x\ntasks: [a]", "name must be a text, got 3"),
    ],
)
def test_a_suite_file_must_have_a_name_and_a_description(suite_file, text, message):
    with pytest.raises(ConfigError, match=message):
        load_suite(suite_file(text))


def test_an_unknown_suite_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"got 'superglu'\. Did you mean 'superglue'"):
        load_suite("superglu")


@given(judged)
def test_answer_f1_is_scikit_learns_f1_of_true(rows):
    predictions, answers = zip(*rows, strict=True)
    expected = f1_score(answers, predictions, pos_label="true", zero_division=0.0)
    assert answer_f1(predictions, answers, [""] * len(rows)) == pytest.approx(expected)


def test_a_question_counts_where_each_of_its_answers_is_judged_rightly():
    inputs = [asked("who", "Ann"), asked("when", "now"), asked("who", "Bob"), asked("where", "x")]
    answers = ["true", "true", "false", "false"]
    assert question_match(answers, answers, inputs) == 1
    assert question_match(["true", "true", "true", "false"], answers, inputs) == 2 / 3


def test_a_row_without_an_answer_has_no_question_to_match():
    with pytest.raises(GymError, match="must read `question"):
        question_match(["true"], ["true"], ["question: who"])


def test_the_chance_of_a_row_wise_measure_is_the_mean_share_of_right_choices():
    rows = answered(["a", "b"], ["a", "a"], ["a", "b"])
    assert chance_level("ACC", rows) == 0.5
    assert chance_level("ACC", answered(["a", "b"], ["a", "a"], ["a", "A", "b"])) == 0.5


def test_the_chance_of_another_measure_is_its_mean_over_all_guesses():
    answers, labels = ["a", "a", "b"], ["a", "b"]
    every = [macro_f1(guess, answers) for guess in itertools.product(labels, repeat=3)]
    found = chance_level("Classification-F1", answered(answers, answers, labels))
    assert found == pytest.approx(mean(every), abs=0.05)


def test_a_task_is_scored_by_the_mean_of_the_suites_measures_and_by_crossfits():
    rows = answered(["a", "a", "b"], ["a", "b", "b"], ["a", "b"])
    result = member_result(Member(task="t", own=("ACC", "Classification-F1")), rows)
    f1 = macro_f1(rows.predictions, rows.answers)
    assert result["own"]["score"] == pytest.approx((2 / 3 + f1) / 2)
    assert result["crossfit"]["measure"] == "ACC"
    assert result["crossfit"]["score"] == pytest.approx(2 / 3)
    assert result["crossfit"]["majority"] == pytest.approx(2 / 3)


def test_means_are_over_the_tasks_present_and_say_how_many_are_absent():
    suite = Suite(
        name="s", description="d", members=tuple(Member(task=name) for name in ("a", "b", "c"))
    )
    scored = {
        "a": answered(["x", "y"], ["x", "x"], ["x", "y"]),
        "c": answered(["x", "y"], ["x", "y"], ["x", "y"]),
    }
    result = suite_result(suite, scored, {"b": "the gym does not have it"})
    assert result["means"]["own"]["score"] == 0.75
    assert result["means"]["own"]["over"] == "2 of 3 tasks"
    assert result["absent"] == [{"task": "b", "reason": "the gym does not have it"}]


def test_subjects_groups_and_the_whole_are_scored_over_their_own_rows():
    subjects = {"odd": ("one", "three"), "even": ("two",), "none": ("zero",)}
    rows = answered(
        ["x"] * 4, ["x", "y", "x", "x"], ["x", "y"],
        inputs=["one: q", "one: q", "two: q", "three: q: r"],
    )  # fmt: skip
    result = member_result(Member(task="t", subjects=subjects), rows)
    assert {name: value["score"] for name, value in result["subjects"].items()} == {
        "one": 0.5, "three": 1, "two": 1,
    }  # fmt: skip
    assert result["groups"]["odd"] == {
        "num_rows": 3, "score": pytest.approx(2 / 3), "chance": 0.5, "majority": 1,
    }  # fmt: skip
    assert result["absent_subjects"] == ["zero"]
    assert result["subject_mean"] == pytest.approx(2.5 / 3)
    assert result["own"]["score"] == 0.75


def test_a_row_of_an_unknown_subject_is_refused():
    rows = answered(["x"], ["x"], ["x", "y"], inputs=["ones: q"])
    with pytest.raises(GymError, match=r"got 'ones: q'\. Did you mean 'one'"):
        member_result(Member(task="t", subjects={"g": ("one",)}), rows)


@pytest.mark.parametrize("measure", sorted({*MEASURES} - {"Pearson-Correlation"}))
def test_right_answers_score_1_by_every_measure(measure):
    answers = ["acceptable", "unacceptable", "true"]
    inputs = [asked(str(i), "x") for i in range(3)]
    assert MEASURES[measure](answers, answers, inputs) == 1
