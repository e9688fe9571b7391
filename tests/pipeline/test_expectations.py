"""Each gate of the gym is proven to fail on one broken task, and only that gate."""

import dataclasses
import os
from pathlib import Path

import pandas as pd
import pytest

from dpf_core.errors import ConfigError, DPFError, GymError
from dpf_core.gym.build import build_gym
from dpf_core.gym.catalogue import select_tasks
from dpf_core.gym.manifest import OfficialCount
from dpf_core.gym.sources import MirrorSource
from pipeline.expectations import file_suite
from pipeline.validation import validate_gym
from pipeline.validation_config import ValidateConfig
from pipeline.validation_findings import Finding
from pipeline.validation_gates import GATES
from pipeline.validation_report import GymReport
from pipeline.validation_run import failed_results
from pipeline.validation_table import FILE_COLUMNS
from tests.pipeline.small_gym import (
    REVIEWS,
    Files,
    add,
    build,
    classification,
    free_text,
    lines,
    multiple_choice,
    questions,
    reviews,
    stories,
)

LIMITS = {
    "jobs": 1,
    "leak_similarity": 0.8,
    "max_chars": 80,
    "max_conflict_fraction": 0.4,
    "max_rows": 18,
    "min_label_fraction": 0.2,
    "warn_constant_fraction": 0.7,
    "warn_duplicate_fraction": 0.0,
    "warn_leak_fraction": 1.0,  # these tasks are much alike; leaks are in test_validation.py
    "warn_overlap_fraction": 0.0,
}
CONFIG = ValidateConfig.from_section(LIMITS)
OFFICIAL = {"official": OfficialCount(matching=15, of=15), "status": "verified"}
MANY_NEGATIVE = [(f"dull {number}", "negative") for number in "abc"]
MANY_POSITIVE = [(f"good film number {n}", "positive") for n in range(12)]

# task -> (split to append to, what, gate, line numbers named)
REVIEW_FAULTS = {
    "three-columns": ("full_train", b"fine\tpositive\textra\n", "two_columns", [7]),
    "empty-line": ("full_train", b"\n", "two_columns", [7]),
    "latin-1": ("dev", "caf\xe9\tpositive\n".encode("latin-1"), "utf8", [5]),
    "cut-short": ("test", b"a fine film\tpositive", "line_end", [3]),
    "blank-input": ("full_train", " \u00a0\u3000\tpositive\n".encode(), "blank_text", [7]),
    "nul": ("full_train", b"good\x00film\tpositive\n", "nul_text", [7]),
    "typo": ("test", b"watch it\tpostive\n", "known_label", [3]),
    "windows-line-end": ("full_train", b"watch it\tpositive\r\n", "known_label", [7]),
    "rare": ("full_train", lines(MANY_POSITIVE), "label_balance", [2, 4, 6]),
    "long": ("full_train", b"very " * 20 + b"long\tpositive\n", "long_text", [7]),
    "twice": ("full_train", lines(REVIEWS[:1]), "duplicate_rows", [1, 7]),
    "quarrel": ("full_train", lines([(REVIEWS[0][0], "negative")]), "conflicting_rows", [1, 7]),
    "leak": ("test", lines(REVIEWS[:1]), "test_overlap", [3]),
    "dull": ("test", lines(MANY_NEGATIVE), "constant_answer", [2, 3, 4, 5]),
}
QUESTION_FAULTS = {
    "one-option": ("full_train", b"Which is cold? ice\tice\n", "two_options", [5]),
    "other-answer": ("test", b"Which? (A) a cat (B) a dog\ta cow\n", "answer_is_option", [3]),
    "same-options": ("full_train", b"Which? (A) ice (B) ice\tice\n", "equal_options", [5]),
    "always-second": (
        "test",
        lines([(f"Which {n}? (A) no (B) yes {n}", f"yes {n}") for n in "abc"]),
        "constant_answer",
        [2, 3, 4, 5],
    ),
}
TEXT_FAULTS = {
    "no-answer": ("full_train", b"Who came?\n", "two_columns", [5]),
    "blank-output": ("test", b"Who came?\t \n", "blank_text", [3]),
    "blank-second": ("test", b"Who came?\tAnn\t\n", "blank_answer", [3]),
    "same-answers": ("test", b"Who came?\tAnn\tBo\tAnn\n", "repeated_answer", [3]),
}
FAULTS = REVIEW_FAULTS | QUESTION_FAULTS | TEXT_FAULTS
WARNINGS = {"rare", "long", "twice", "quarrel", "leak", "dull", "same-options", "always-second"}
WARNINGS |= {"same-answers"}


def _broken(name: str) -> Files:
    if name in QUESTION_FAULTS:
        return add(questions(name), *QUESTION_FAULTS[name][:2])
    if name in TEXT_FAULTS:
        return add(stories(name), *TEXT_FAULTS[name][:2])
    return add(reviews(name), *REVIEW_FAULTS[name][:2])


def _two_faults(name: str) -> Files:
    files = add(reviews(name), *REVIEW_FAULTS["leak"][:2])
    return add(files, *REVIEW_FAULTS["three-columns"][:2])


def _late_label(name: str) -> Files:
    good = [(f"good film {number}", "positive") for number in range(18)]
    return reviews(name) | {f"{name}_full_train.tsv": lines(good + REVIEWS)}


def _at_war(name: str) -> Files:
    other = {"positive": "negative", "negative": "positive"}
    return add(reviews(name), "full_train", lines([(t, other[o]) for t, o in REVIEWS]))


def _without_label(name: str) -> Files:
    files = reviews(name)
    files[f"{name}_16_21_train.tsv"] = lines([REVIEWS[0], REVIEWS[2]])
    return files


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> GymReport:
    """One run over a gym with a good task of each kind and a task for each fault."""
    listed = {"listed_full_train.tsv": (7,)}
    tasks = [
        (classification("good"), reviews("good")),
        (multiple_choice("good-choice"), questions("good-choice")),
        (free_text("good-text"), stories("good-text")),
        *((classification(name), _broken(name)) for name in REVIEW_FAULTS),
        *((multiple_choice(name), _broken(name)) for name in QUESTION_FAULTS),
        *((free_text(name), _broken(name)) for name in TEXT_FAULTS),
        (classification("no-label"), _without_label("no-label")),
        (classification("empty"), reviews("empty") | {"empty_16_13_dev.tsv": b""}),
        (classification("gone"), reviews("gone")),
        (classification("edited"), reviews("edited")),
        (
            classification("listed", unreadable_lines=listed),
            add(reviews("listed"), "full_train", b"a\tb\tc\n"),
        ),
        (
            classification("two-faults"),
            _two_faults("two-faults"),
        ),
        (classification("large"), _late_label("large")),
        (classification("war"), _at_war("war")),
        (classification("official-war", **OFFICIAL), _at_war("official-war")),
    ]
    gym = build(tmp_path_factory.mktemp("gym"), tasks)
    (gym / "gone" / "gone_16_21_dev.tsv").unlink()
    edited = gym / "edited" / "edited_full_train.tsv"
    edited.write_bytes(edited.read_bytes() + b"a late addition\tpositive\n")
    return validate_gym(gym, CONFIG)


def _findings(report: GymReport, name: str) -> tuple[Finding, ...]:
    return next(task.findings for task in report.tasks if task.task.name == name)


@pytest.mark.parametrize("name", ["good", "good-choice", "good-text"])
def test_a_good_task_has_no_findings(report: GymReport, name: str) -> None:
    assert _findings(report, name) == ()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_its_gate_alone_and_names_its_lines(report: GymReport, name: str) -> None:
    split, _, gate, rows = FAULTS[name]
    (finding,) = _findings(report, name)
    assert (finding.gate, finding.split, list(finding.rows)) == (gate, split, rows)
    assert finding.severity == ("warning" if name in WARNINGS else "critical")


@pytest.mark.parametrize(
    ("name", "gate", "file"),
    [
        ("no-label", "label_in_train", "no-label_16_21_train.tsv"),
        ("empty", "file_not_empty", "empty_16_13_dev.tsv"),
        ("gone", "file_present", "gone_16_21_dev.tsv"),
        ("edited", "file_unchanged", "edited_full_train.tsv"),
        ("large", "every_row", "large_full_train.tsv"),
    ],
)
def test_a_fault_of_a_whole_file_names_the_file(
    report: GymReport, name: str, gate: str, file: str
) -> None:
    (finding,) = _findings(report, name)
    assert (finding.gate, finding.file) == (gate, file)
    assert finding.severity == GATES[gate].severity


def test_lines_that_the_manifest_lists_as_unreadable_are_a_warning(report: GymReport) -> None:
    (finding,) = _findings(report, "listed")
    assert (finding.gate, finding.severity, finding.rows) == ("unreadable_line", "warning", (7,))


def test_conflicts_above_the_limit_are_critical_and_told_once(report: GymReport) -> None:
    (finding,) = _findings(report, "war")
    assert (finding.gate, finding.severity, finding.count) == ("conflicting_rows", "critical", 12)


def test_what_crossfits_own_files_have_wrong_is_a_warning(report: GymReport) -> None:
    (finding,) = _findings(report, "official-war")
    assert (finding.gate, finding.severity, finding.count) == ("conflicting_rows", "warning", 12)


def test_a_constant_answer_is_told_by_the_options_place(report: GymReport) -> None:
    (finding,) = _findings(report, "always-second")
    assert "'option B' in 4 rows" in finding.detail


def test_critical_findings_come_first(report: GymReport) -> None:
    findings = _findings(report, "two-faults")
    assert [finding.severity for finding in findings] == ["critical", "warning"]
    assert {type(finding.severity) for finding in findings} == {str}


def test_every_gate_but_the_tables_own_shape_was_seen_to_fail(report: GymReport) -> None:
    seen = {finding.gate for severity in ("critical", "warning") for finding in report.of(severity)}
    assert seen == set(GATES) - {"columns", "leak"}


def test_an_unknown_label_is_shown_with_the_nearest_known_one(report: GymReport) -> None:
    (finding,) = _findings(report, "typo")
    assert "'postive' in 1 row (Did you mean 'positive'?)" in finding.detail


def test_a_fault_of_a_text_says_in_which_column(report: GymReport) -> None:
    (finding,) = _findings(report, "blank-input")
    assert finding.detail == "1 of 7 rows (14.3%) have no visible text; in the input"


def test_equal_test_files_are_read_once_and_said_so(report: GymReport) -> None:
    (finding,) = _findings(report, "leak")
    assert "the same bytes are in 1 more file" in finding.detail


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    gym = build(tmp_path, [(classification("odd", kind="clasification"), reviews("odd"))])
    with pytest.raises(GymError, match=r"multiple_choice, text, got 'clasification'"):
        validate_gym(gym, CONFIG)


def test_a_table_with_a_further_column_fails() -> None:
    table = pd.DataFrame(
        {name: ["x"] for name in [*FILE_COLUMNS, "further"]} | {"rows": [1], "unchecked_rows": [0]}
    )
    (result,) = failed_results(table, file_suite())
    assert result.expectation_config.meta["gate"] == "columns"


def test_a_table_of_another_shape_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gym = build(tmp_path, [(classification("good"), reviews("good"))])
    monkeypatch.setattr("pipeline.validation_table.pd.DataFrame.assign", lambda rows, **_: rows)
    with pytest.raises(DPFError, match=r"must be computable on the table of good"):
        validate_gym(gym, CONFIG)


@pytest.mark.skipif("DPF_MIRROR" not in os.environ, reason="needs DPF_MIRROR, a folder of parquet")
def test_test_rows_of_sms_spam_that_are_trained_on_are_counted(tmp_path: Path) -> None:
    source = MirrorSource(Path(os.environ["DPF_MIRROR"]))
    build_gym(source, select_tasks(source, ("sms_spam",)).specs, tmp_path / "gym")
    config = dataclasses.replace(CONFIG, max_rows=10_000)
    found = validate_gym(tmp_path / "gym", config).of("warning")
    (overlap,) = [finding for finding in found if finding.gate == "test_overlap"]
    # 102 different inputs in both files, counted with sort, uniq and comm on their first columns.
    assert "; 102 different inputs;" in overlap.detail


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_chars": 0}, r"max_chars must be a whole number > 0, got 0"),
        ({"jobs": 0.5}, r"jobs must be a whole number > 0, got 0.5"),
        ({"min_label_fraction": 5}, r"min_label_fraction must be a share .*, got 5"),
        ({"max_char": 9}, r"got 'max_char' .*Did you mean 'max_chars'"),
    ],
)
def test_a_wrong_parameter_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ValidateConfig.from_section(LIMITS | change)


def test_a_missing_parameter_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"got none for max_chars"):
        ValidateConfig.from_section({k: v for k, v in LIMITS.items() if k != "max_chars"})
