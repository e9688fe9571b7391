import html
import re

import pytest

from dpf_core.errors import DPFError
from dpf_core.files import read_json, sha256_file, write_json
from pipeline.report import build_report, write_report
from pipeline.report_words import DIAGNOSTICS, FILTERS, METHODS, usage_example
from tests.pipeline.report_fixture import NAMES, write_inputs

EVIL = "<script>alert('x')</script>"


@pytest.fixture
def inputs(tmp_path):
    return write_inputs(tmp_path)


def change(path, **values):
    write_json(path, read_json(path) | values)


def change_gym(inputs, **values):
    """Change the first task and let the pool name the new manifest."""
    gym = read_json(inputs.gym)
    gym["tasks"][0] |= values
    write_json(inputs.gym, gym)
    change(inputs.pool, gym_manifest_sha256=sha256_file(inputs.gym))


def text_of(page):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def test_two_reports_of_one_run_have_the_same_bytes_wherever_it_lies(tmp_path):
    pages = [build_report(write_inputs(tmp_path / name)) for name in ("here", "there")]
    assert pages[0] == pages[1]


def test_the_headline_compares_the_mean_score_with_the_majority(inputs):
    change(inputs.evaluate, mean_score=0.7126, majority_mean_score=0.3)
    page = text_of(build_report(inputs))
    assert "scores 0.713 on average, against 0.300" in page
    assert "+0.413 against the majority baseline" in page


@pytest.mark.parametrize(
    "method",
    ["dpf", "shared_prompt", "single_task", "mpt", "attempt", "heads_only", "full_finetune"],
)
def test_the_headline_says_what_steers_the_backbone(inputs, method):
    model = read_json(inputs.pool)["model"]
    change(inputs.pool, model=model | {"method": method})
    assert f"14 tasks {METHODS[method][0]}, scores" in text_of(build_report(inputs))


@pytest.mark.parametrize("section", ["gym", "validation", "training", "evaluation"])
def test_every_task_is_named_in_every_table(inputs, section):
    page = build_report(inputs)
    part = page.split(f'<section id="{section}">')[1].split("</section>")[0]
    assert [name for name in NAMES if f'<th scope="row">{name}<' not in part] == []


def test_every_link_leads_to_a_section(inputs):
    page = build_report(inputs)
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(re.findall(r'id="([^"]*)"', page))


def test_the_page_loads_nothing_from_elsewhere(inputs):
    page = build_report(inputs)
    assert not re.search(r"https?://|@import|url\(|<link|srcset", page)
    assert all(source.startswith("data:image/png;base64,") for source in _sources(page))
    assert len(_sources(page)) == 7


def _sources(page):
    return re.findall(r'src="([^"]*)"', page)


def test_texts_of_the_data_are_escaped(inputs):
    change_gym(inputs, name=EVIL, description=EVIL, licence=EVIL, category=EVIL)
    change(inputs.train, alarms=[EVIL])
    page = build_report(inputs)
    assert EVIL not in page
    assert page.count("<script>") == 1
    assert page.count(html.escape("alert('x')").replace("&#x27;", "&#39;")) >= 5


def test_an_alarm_is_shown_beside_the_number_that_it_watches(inputs):
    page = build_report(inputs)
    tile = page.split("<h3>Gate saturation")[1].split("</h3>")[0]
    assert "alarm" in tile
    assert "Gate saturation : Most gate values stand at 0 or 1." in text_of(page)


def test_a_run_without_alarms_says_so(inputs):
    change(inputs.evaluate, alarms=[])
    change(inputs.train, alarms=[])
    assert "No alarm rang." in build_report(inputs)


def test_every_diagnostic_is_explained(inputs):
    page = text_of(build_report(inputs))
    assert [words.title for words in DIAGNOSTICS.values() if words.meaning not in page] == []


def test_a_diagnostic_without_words_is_shown_under_its_own_name(inputs):
    change(inputs.evaluate, diagnostics={"share_hurt": 0.125})
    assert "Share hurt 0.125" in text_of(build_report(inputs))


def test_a_model_without_pool_has_no_diagnostics_and_no_heat_map(inputs):
    change(inputs.evaluate, diagnostics={}, scheduler=None, gate_histogram=None, alarms=[])
    for name in ("scheduler", "gate_histogram"):
        (inputs.evaluate_plots / f"{name}.png").unlink()
    page = build_report(inputs)
    assert "figure-scheduler" not in page
    assert "figure-scores" in page


def test_an_unverified_task_is_marked_in_gym_and_evaluation(inputs):
    page = build_report(inputs)
    marks = re.findall(r"superglue-wic.{0,900}?unverified(?: 11/15)?</span>", page, re.DOTALL)
    assert len(marks) == 2


def test_rows_that_were_left_out_are_counted_with_their_reason(inputs):
    assert "3 rows left out: blank input." in text_of(build_report(inputs))


def test_critical_findings_are_shown_with_their_lines(inputs):
    validate = read_json(inputs.validate)
    found = {"expectation": "blank_text", "split": "dev", "file": "sick_16_13_dev.tsv"}
    found |= {"rows": [2, 7], "count": 30, "detail": "30 inputs are blank"}
    validate["tasks"][9] |= {"passed": False, "critical": [found]}
    write_json(inputs.validate, validate | {"num_critical": 1})
    page = text_of(build_report(inputs))
    assert "critical sick : 30 inputs are blank" in page
    assert "sick_16_13_dev.tsv , lines 2, 7 and 28 more" in page


def test_hashes_of_gym_pool_backbone_and_files_are_printed_in_full(inputs):
    page = build_report(inputs)
    pool, export = read_json(inputs.pool), read_json(inputs.export)
    hashes = [pool["gym_manifest_sha256"], pool["backbone"]["sha256"], *pool["sha256"].values()]
    hashes += [file["sha256"] for file in export["files"].values()]
    assert [digest for digest in hashes if digest not in page] == []


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("gym", "ingest"),
        ("validate", "validate"),
        ("pool", "train"),
        ("train", "train"),
        ("evaluate", "evaluate"),
        ("onnx", "export"),
        ("export", "export"),
    ],
)
def test_a_missing_or_damaged_file_is_named_with_the_stage_to_run(inputs, name, stage):
    path = getattr(inputs, name)
    path.write_text("{}")
    with pytest.raises(DPFError, match=rf"{path.name} must hold .* Run `dvc repro {stage}`"):
        build_report(inputs)
    path.write_text('{"tasks": [')
    with pytest.raises(DPFError, match=rf"{path.name} must be JSON.* Run `dvc repro {stage}`"):
        build_report(inputs)
    path.unlink()
    with pytest.raises(DPFError, match=rf"{path.name} must exist.* Run `dvc repro {stage}`"):
        build_report(inputs)


def test_a_folder_without_pictures_is_named_with_the_stage_to_run(inputs):
    for path in inputs.train_plots.iterdir():
        path.unlink()
    with pytest.raises(DPFError, match=r"train must hold PNG files.* Run `dvc repro train`"):
        build_report(inputs)


@pytest.mark.parametrize("value", [None, "high", []])
def test_a_number_that_is_none_is_refused(inputs, value):
    change(inputs.evaluate, mean_score=value)
    with pytest.raises(DPFError, match="the form of this version"):
        build_report(inputs)


def test_a_metrics_file_of_another_form_is_refused(inputs):
    tasks = read_json(inputs.evaluate)["tasks"]
    del tasks[3]["accuracy"]
    change(inputs.evaluate, tasks=tasks)
    with pytest.raises(DPFError, match="no attribute 'accuracy'"):
        build_report(inputs)


def test_an_export_without_tasks_is_refused(inputs):
    change(inputs.onnx, tasks=[])
    with pytest.raises(DPFError, match="must have the form of this version"):
        build_report(inputs)


def test_a_pool_of_another_gym_is_refused(inputs):
    change(inputs.pool, gym_manifest_sha256="0" * 64)
    with pytest.raises(DPFError, match="the pool must be trained on this gym"):
        build_report(inputs)


def test_a_failed_report_leaves_the_earlier_one(inputs, tmp_path):
    page = write_report(inputs, tmp_path / "out")
    before = page.read_bytes()
    inputs.export.unlink()
    with pytest.raises(DPFError):
        write_report(inputs, tmp_path / "out")
    assert page.read_bytes() == before


def test_the_usage_example_is_python_and_ten_lines():
    example = usage_example("trec")
    compile(example, "usage", "exec")
    assert len(example.splitlines()) <= 10
    assert "tasks['trec']" in example


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("score", 0.71249, "0.712"),
        ("score", None, "\N{EN DASH}"),
        ("signed", -0.0126, "\N{MINUS SIGN}0.013"),
        ("signed", 0.5, "+0.500"),
        ("count", 1234567, "1,234,567"),
        ("size", 999, "999 B"),
        ("size", 47_915_002, "47.9 MB"),
        ("capitalised", "pool_use of K", "Pool use of K"),
    ],
)
def test_numbers_and_names_are_written(name, value, text):
    assert FILTERS[name](value) == text


@pytest.mark.parametrize(("name", "stage"), [("evaluate", "evaluate"), ("onnx", "export")])
def test_scores_or_files_of_another_pool_are_refused(inputs, name, stage):
    change(getattr(inputs, name), pool_sha256="abc")
    with pytest.raises(DPFError, match=rf"must be made of this pool .*of abc.*dvc repro {stage}"):
        build_report(inputs)


def test_a_part_of_the_test_files_is_not_called_the_whole(inputs):
    assert "scored on its whole test file" in text_of(build_report(inputs))
    tasks = read_json(inputs.evaluate)["tasks"]
    change(inputs.evaluate, tasks=[task | {"num_test_rows": 10} for task in tasks])
    page = text_of(build_report(inputs))
    assert "scored on a part of its test file, drawn with a seed (140 of " in page
    assert "whole test file" not in page
