import json
import textwrap
from functools import cache

import pytest

from dpf_core.backbone.loading import load_backbone
from dpf_core.config import EvaluateConfig, RuntimeConfig
from dpf_core.errors import CheckpointError, ConfigError
from dpf_core.evaluation.per_task import score_task
from dpf_core.evaluation.suites.catalogue import load_suite
from dpf_core.evaluation.suites.scoring import Answered, suite_result
from dpf_core.evaluation.suites.suite import Member, Suite
from dpf_core.examples import encode_rows, most_frequent_answer
from dpf_core.gym.reader import read_split
from dpf_core.pool_io import backbone_config, load_pool, read_pool_config, save_pool
from pipeline import cli
from pipeline.suite_table import suite_table
from pipeline.suites import run_suite
from tests import tiny


@pytest.fixture(scope="module")
def pool(tmp_path_factory, world):
    folder = tmp_path_factory.mktemp("suites") / "pool"
    save_pool(folder, world.model(), extra={})
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the pool of a model that writes, made for a family, max_length and gym."""

    def make(family, max_length, gym):
        folder = tmp_path_factory.mktemp(family)
        tiny.backbone_folder(folder / "backbone", family, max_position_embeddings=256)
        backbone = tiny.backbone(folder / "backbone", family, max_length=max_length)
        save_pool(folder / "pool", tiny.world(backbone, gym).model(), extra={})
        return folder / "pool"

    return cache(make)


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    """A gym whose task has two subjects; the rows of one are short, those of the other long."""
    rows = [
        (f"{subject}: {question} (A) rain (B) sun", "sun")
        for question in ("which is warm", "which is bright", "which is hot", "which is a star")
        for subject, question in (("short", question), ("long", f"{question} " * 4 + "now"))
    ]
    fields = {"kind": "multiple_choice", "metric": "ACC"}
    return tiny.gym(tmp_path_factory.mktemp("exam"), {"exam": (fields, rows)})


def suite(*tasks, **changes):
    members = tuple(Member(task=task) for task in tasks)
    return Suite(name="mine", description="Some tasks.", members=members, **changes)


def score(gym, pool, chosen, **changes):
    return run_suite(
        chosen, gym=gym, pool=pool, runtime=tiny.config(RuntimeConfig),
        config=tiny.config(EvaluateConfig), **changes,
    )  # fmt: skip


def test_a_suite_scores_as_the_evaluation_does(tiny_gym, pool, world):
    found = score(tiny_gym, pool, suite("topic", "pick")).result["tasks"]
    for task in found:
        i = [spec.name for spec in world.specs].index(task["task"])
        record = tiny.record(tiny_gym, task["task"])
        rows = encode_rows(read_split(tiny_gym, record, "test"), world.specs[i], i, world.backbone)
        train = read_split(tiny_gym, record, "full_train")
        majority = most_frequent_answer(train, world.specs[i])
        expected = score_task(world.model(), rows, majority)
        assert task["crossfit"]["score"] == pytest.approx(expected.score)
        assert task["crossfit"]["majority"] == pytest.approx(expected.majority_score)
        assert task["num_rows"] == expected.num_test_rows


def test_tasks_that_gym_or_pool_lack_are_named_with_the_reason(tiny_gym, pool, tmp_path):
    more = tiny.gym(tmp_path, tiny.TASKS | {"tune": tiny.TASKS["mood"]})
    result = score(more, pool, suite("mood", "tune", "boolq")).result
    assert {item["task"]: item["reason"] for item in result["absent"]} == {
        "tune": "the pool was not trained on it", "boolq": "the gym does not have it",
    }  # fmt: skip
    assert result["means"]["own"]["over"] == "1 of 3 tasks"


def test_a_suite_without_any_task_in_the_gym_is_refused(tiny_gym, pool):
    with pytest.raises(ConfigError, match="must share a task of suite 'mine', got none of boolq"):
        score(tiny_gym, pool, suite("boolq"))


def test_a_gym_whose_labels_are_others_is_refused(pool, tmp_path):
    fields, rows = tiny.TASKS["mood"]
    other = tiny.gym(tmp_path, {"mood": (fields | {"labels": ["happy", "sad"]}, rows)})
    with pytest.raises(CheckpointError, match="must have the pool's task 'mood'"):
        score(other, pool, suite("mood"))


def test_shots_in_the_context_of_an_encoder_are_refused_with_the_reason(tiny_gym, pool):
    with pytest.raises(ConfigError, match=r"must be 0 for .*, got 5 .*continues no text"):
        score(tiny_gym, pool, suite("mood"), context_shots=5)


def test_shots_in_the_context_of_an_encoder_decoder_are_refused_too(tiny_gym, written):
    with pytest.raises(ConfigError, match=r"must be 0 for .* got 1 .* 't5'"):
        score(tiny_gym, written("t5", 40, tiny_gym), suite("mood"), context_shots=1)


def test_without_shots_a_decoder_scores_as_the_evaluation_does(tiny_gym, written):
    folder = written("llama", 200, tiny_gym)
    model = load_pool(folder, load_backbone(backbone_config(read_pool_config(folder))))
    rows = read_split(tiny_gym, tiny.record(tiny_gym, "pick"), "test")
    expected = score_task(model, encode_rows(rows, model.tasks[1], 1, model.backbone), 0)
    result = score(tiny_gym, folder, suite("pick"), context_shots=0).result
    assert (result["context_shots"], result["tasks"][0]["mean_shots"]) == (0, 0)
    assert result["tasks"][0]["own"]["score"] == pytest.approx(expected.score)
    assert "solved rows" not in suite_table(result)


def test_shots_stand_before_every_row_of_a_decoder_and_change_scores(tiny_gym, written):
    names, folder = ("mood", "pick", "topic"), written("llama", 200, tiny_gym)
    members = tuple(Member(task=name, own=("ACC",), crossfit="ACC") for name in names)
    every = Suite(name="mine", description="d", members=members)
    plain = score(tiny_gym, folder, every).result
    shown = score(tiny_gym, folder, every, context_shots=2).result
    assert shown["context_shots"] == 2
    assert [(t["mean_shots"], t["rows_with_fewer_shots"]) for t in shown["tasks"]] == [(2, 0)] * 3
    scores = [[task["own"]["score"] for task in result["tasks"]] for result in (plain, shown)]
    assert scores[0] != scores[1]
    assert "note: 2 solved rows stand before each row" in suite_table(shown)
    assert "fewer" not in suite_table(shown)


def test_rows_without_room_for_all_shots_are_counted_by_task_and_subject(exam, written):
    member = Member(task="exam", subjects={"all": ("short", "long")})
    chosen = Suite(name="mine", description="d", members=(member,))
    result = score(exam, written("llama", 80, exam), chosen, context_shots=2).result
    (task,) = result["tasks"]
    assert (task["num_rows"], task["rows_with_fewer_shots"]) == (4, 2)
    fewer = {name: value["rows_with_fewer_shots"] for name, value in task["subjects"].items()}
    assert fewer == {"short": 0, "long": 2}
    table = suite_table(result)
    assert f"2 rows with fewer shots ({task['mean_shots']:.2f} on average)" in table
    assert "2 of 4 rows have fewer, since backbone.max_length" in table


def test_shots_that_fit_before_no_row_are_refused(exam, written):
    member = Member(task="exam", subjects={"all": ("short", "long")})
    chosen = Suite(name="mine", description="d", members=(member,))
    with pytest.raises(ConfigError, match=r"'exam', got 1 .* none fits: .*max_length 16\."):
        score(exam, written("llama", 16, exam), chosen, context_shots=1)


def test_more_shots_than_a_subject_has_and_negative_ones_are_refused(exam, written):
    member = Member(task="exam", subjects={"all": ("short", "long")})
    chosen = Suite(name="mine", description="d", members=(member,))
    with pytest.raises(ConfigError, match=r"must be <= 4, .* 'exam', subject 'short' .* got 5"):
        score(exam, written("llama", 80, exam), chosen, context_shots=5)
    with pytest.raises(ConfigError, match="must be >= 0, got -1"):
        score(exam, written("llama", 80, exam), chosen, context_shots=-1)


def test_the_table_of_a_partition_counts_the_sources_of_the_pool(tiny_gym, pool):
    result = score(tiny_gym, pool, suite("mood", sources=("topic", "boolq"))).result
    assert "sources: the pool was trained on 1 of 2" in suite_table(result)


def test_the_table_marks_rows_that_were_cut_and_tasks_that_differ_from_crossfits():
    rows = Answered(
        metric="ACC", status="unverified", inputs=["x: q"], answers=["a"], predictions=["a"],
        constant=["b"], choices=[["a", "b"]], truncated_rows=1,
    )  # fmt: skip
    members = (Member(task="t", own=("ACC", "EM"), subjects={"group": ("x",)}),)
    own = Suite(name="mine", description="d", members=members)
    result = suite_result(own, {"t": rows}, {}) | {
        "sources": None, "max_test_rows": None, "context_shots": 0,
    }  # fmt: skip
    table = suite_table(result)
    assert "ACC 1.000, EM 1.000; CrossFit: t by ACC; unverified; 1 rows cut" in table
    assert "mean over 1 subjects: 1.000" in table


def test_the_help_shows_a_suite_file_that_loads(capsys, tmp_path):
    with pytest.raises(SystemExit):
        cli.main(["suites", "--help"])
    example = capsys.readouterr().out.partition("YAML file:\n")[2]
    (tmp_path / "mine.yaml").write_text(textwrap.dedent(example))
    loaded = load_suite(str(tmp_path / "mine.yaml"))
    assert [member.task for member in loaded.members] == ["reviews", "questions"]
    assert loaded.members[1].own == ("ACC", "EM")


def test_the_command_prints_a_users_suite_with_chance_and_rows(tiny_gym, pool, tmp_path, capsys):
    own = tmp_path / "mine.yaml"
    own.write_text("name: mine\ndescription: Mine.\ntasks: {mood: {own: [ACC]}, boolq: }")
    params = tmp_path / "params.yaml"
    params.write_text(
        "runtime: {num_threads: 1, num_processes: 1, device: cpu, gradient_checkpointing: false}\n"
        "evaluate: {max_test_rows: 3, sample_seed: 1, "
        "neighbour_temperatures: [0.7], min_mixing_divergence: 0.01, max_gate_saturation: 0.5, "
        "max_unused_share: 0.5}"
    )
    words = ["evaluate", "--suite", str(own), "--gym", str(tiny_gym), "--pool", str(pool),
             "--params", str(params), "--out", str(tmp_path / "out")]  # fmt: skip
    assert cli.main(words) == 0
    table = capsys.readouterr().out
    assert "absent: boolq: the gym does not have it" in table
    assert "at most 3 rows of each task" in table
    assert cli.main([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "suite-mine.json").read_text())
    assert printed["tasks"][0]["own"]["chance"] == 0.5
    assert printed["tasks"][0]["num_rows"] == 3


def test_context_shots_without_a_suite_are_refused(capsys):
    assert cli.main(["evaluate", "--context-shots", "5"]) == 1
    assert "--context-shots must come with --suite" in capsys.readouterr().err


def test_the_suites_are_listed_with_their_tasks(capsys):
    assert cli.main(["suites"]) == 0
    assert "superglue" in capsys.readouterr().out
    assert cli.main(["suites", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["held-out-mcqa"]["tasks"]) == 22
