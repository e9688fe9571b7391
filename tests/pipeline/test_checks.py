import os
import re

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks import check_results, check_specs, task_check_name, task_of_check

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True)
FOUND = {"expectation": "no blank", "split": "train", "rows": [2, 5], "count": 2, "detail": "x"}


def task(name, *, critical=(), warnings=()):
    return {
        "name": name,
        "passed": not critical,
        "critical": list(critical),
        "warnings": list(warnings),
        "rows": {"train": 16},
    }


@given(NAMES)
def test_a_task_name_survives_the_way_to_its_check_and_back(name):
    check = task_check_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_]+", check)
    assert task_of_check(check) == name


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("glue-sst2", "task_glue__sst2"),
        ("sms_spam", "task_sms_spam"),
        ("a__b", "taskhex_615f5f62"),  # would be read back as a-b
    ],
)
def test_usual_names_stay_readable(name, check):
    assert task_check_name(name) == check


def test_critical_findings_fail_the_tasks_check_and_name_their_rows():
    result = check_results("validate", {"tasks": [task("a", critical=[FOUND])]})["task_a"]
    (row,) = result.metadata["findings"].records
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (row.data["split"], row.data["rows"]) == ("train", "[2, 5]")


def test_warnings_leave_the_task_green_and_fail_one_check_as_a_warning():
    results = check_results("validate", {"tasks": [task("a", warnings=[FOUND]), task("b")]})
    assert results["task_a"].passed
    assert results["no_warnings"].severity is dg.AssetCheckSeverity.WARN
    assert not results["no_warnings"].passed
    assert results["no_warnings"].metadata["count"].value == 1


@pytest.mark.parametrize(("score", "passed"), [(0.31, True), (0.3, False)])
def test_a_model_must_beat_the_majority_label(score, passed):
    metrics = {"mean_score": score, "majority_mean_score": 0.3, "alarms": []}
    assert check_results("evaluate", metrics)["beats_majority"].passed is passed


def test_an_alarm_is_a_warning_with_its_numbers():
    alarm = {"name": "gate_saturation", "value": 0.9, "threshold": 0.5, "message": "m"}
    metrics = {"mean_score": 1.0, "majority_mean_score": 0.3, "alarms": [alarm]}
    result = check_results("evaluate", metrics)["no_alarms"]
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.metadata["found"].records[0].data["value"] == 0.9


@pytest.mark.parametrize(("difference", "passed"), [(1e-4, True), (2e-4, False)])
def test_an_export_must_stay_within_its_tolerance(difference, passed):
    metrics = {"max_abs_diff": difference, "tolerance": 1e-4}
    assert check_results("export", metrics)["matches_torch"].passed is passed


@pytest.mark.parametrize("stage", ["validate", "export"])
def test_what_guards_the_next_stage_blocks_it(stage):
    blocking = {spec.name for spec in check_specs(stage, ["a"]) if spec.blocking}
    assert blocking == {"validate": {"task_a"}, "export": {"matches_torch"}}[stage]


@pytest.mark.parametrize("stage", ["validate", "train", "evaluate", "export"])
def test_every_declared_check_gets_a_result(stage):
    metrics = {
        "validate": {"tasks": [task("a")]},
        "train": {"alarms": ["gate"]},
        "evaluate": {"mean_score": 1.0, "majority_mean_score": 0.0, "alarms": []},
        "export": {"max_abs_diff": 0.0, "tolerance": 1.0},
    }[stage]
    declared = {spec.name for spec in check_specs(stage, ["a"])}
    assert declared == check_results(stage, metrics).keys()


def test_a_folder_whose_name_is_no_utf8_has_a_check_too():
    name = os.fsdecode(b"caf\xe9")
    assert task_of_check(task_check_name(name)) == name
