import html
import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from dpf_core.errors import DPFError
from dpf_core.files import read_json, write_json
from pipeline.science.keys import data_key, digest
from pipeline.science.layout import Layout
from pipeline.science.matrix import matrix_jobs, parts_of, scheduler_job
from pipeline.science.records import read_cells
from pipeline.science.report import METHODS, build_report, current_commit, write_report
from pipeline.science.settings import PARAMS
from pipeline.science.settings_file import load_science
from pipeline.science.transfer import write_transfer
from tests.pipeline.science.small_science import place, write_params, write_studies
from tests.pipeline.science.test_curves import tell
from tests.pipeline.science.test_matrix import MATRIX
from tests.pipeline.science.test_transfer import SCORES, drop, fill

EVIL = "<script>alert('x')</script>"


@pytest.fixture
def told(project):
    """A project with a whole table."""
    write_transfer(fill(project, **SCORES))
    return project


def page_of(layout):
    return build_report(layout, commit="c0ffee")


def text_of(page):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def test_equal_records_give_equal_bytes(told):
    assert page_of(told) == page_of(told)


def test_the_headline_is_the_challengers_gain(told):
    assert "dpf gains 1.200 over single_task" in text_of(page_of(told))


def test_every_figure_names_command_commit_and_rows(told):
    rows = read_json(told.transfer)["made_with"]["gym_manifest_sha256"][:16]
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page_of(told), re.S)
    assert len(captions) == 3
    for caption in map(text_of, captions):
        assert "Command: dpf science transfer" in caption
        assert "Commit: c0ffee." in caption
        assert rows in caption


def test_a_page_of_other_settings_names_them_in_its_commands(told):
    other = replace(
        told, params=told.params.with_name("t5.yaml"), study_params=Path("t5.studies.yaml")
    )
    told.params.rename(other.params)
    write_transfer(other)
    said = text_of(page_of(other))
    options = f"--params {other.params}"
    assert f"dpf science transfer {options} && dpf science report {options} --out DIR" in said


def test_every_method_and_target_is_in_the_tables(told):
    page = page_of(told)
    for section, names in (("methods", SCORES), ("targets", ("mood", "pick"))):
        part = page.split(f'<section id="{section}">')[1].split("</section>")[0]
        assert [name for name in names if f'<th scope="row">{name}<' not in part] == []


def test_a_target_that_a_method_hurts_is_marked(told):
    page = page_of(told)
    assert page.count('class="heat num hurt"') == 4  # spot and heads_only, on both targets


def test_a_difference_is_coloured_by_its_side(told):
    page = page_of(told)
    assert re.search(r"var\(--accent\) \d+%, transparent\)\"><b>0.600", page)
    assert re.search(r"var\(--alarm\) \d+%, transparent\)\"><b>0.300", page)


def test_the_chosen_point_of_a_sweep_is_marked(told):
    part = page_of(told).split('<section id="tuning">')[1].split("</section>")[0]
    assert part.count('class="chosen"') == len(SCORES)


def test_a_method_without_all_its_cells_says_how_many_are_missing(told):
    drop(told, "spot", ("pick", 21))
    write_transfer(told)
    page = text_of(page_of(told))
    assert "1 of 4 cells are missing" in page
    assert "15 of 16 cells are there" in page


def test_a_page_without_any_gain_says_why(told):
    drop(told, "single_task", ("pick", 21))
    write_transfer(told)
    page = page_of(told)
    assert "dpf has no gain yet: single_task: 1 of 4 cells are missing" in text_of(page)
    assert "<figure" not in page


def test_without_studies_the_page_says_so(told):
    assert "There is no studies.yaml" in text_of(page_of(told))


def test_a_study_without_cells_says_what_to_run(told):
    write_studies(told)
    page = text_of(page_of(told))
    assert "0 of 4 cells are there. Run: dpf science study temperature" in page


def test_a_whole_study_is_drawn_and_told(told):
    page = page_of(tell(told))
    figures = re.findall(r'<figure id="figure-study-(\w+)">', page)
    assert figures == ["temperature", "weights"]
    part = page.split('<section id="sensitivity">')[1].split("</section>")[0]
    assert part.count('class="chosen"') == 2  # the defaults
    assert "Command: dpf science study weights && dpf science report" in text_of(part)
    assert "single_task scores 0.500 on the same cells" in text_of(part)


def test_studies_of_a_configuration_stand_on_the_page_once_they_are_recorded(told):
    other = told.params.parent / "configurations" / "many.yaml"
    other.parent.mkdir()
    shutil.copy(told.params, other)
    write_studies(told)
    shutil.copy(told.study_params, other.with_name("many.studies.yaml"))
    assert "many" not in page_of(told)
    beside = Layout.below(told.params.parents[2], other)
    beside.metrics.mkdir(parents=True)
    shutil.copy(told.protocol, beside.protocol)
    shutil.copytree(told.gym, beside.gym)
    tell(beside)
    page = page_of(told)
    figures = re.findall(r'<figure id="figure-study-([\w-]+)">', page)
    assert figures == ["many-temperature", "many-weights"]
    assert f"Command: dpf science study weights --params {other}" in text_of(page)


def test_the_matrix_is_drawn_where_it_is_there(told):
    assert "Run: dpf science matrix" in text_of(page_of(told))
    here = place(told)
    parts = parts_of(here.settings)
    rows = list(MATRIX["targets"].values())
    targets = {
        job.target: row | {"key": job.key}
        for job, row in zip(matrix_jobs(here, parts), rows, strict=False)
    }
    scheduler = MATRIX["scheduler"] | {"key": scheduler_job(here, parts).key}
    made = {"targets": targets, "scheduler": scheduler, "environment": asdict(here.environment)}
    told.cells(parts.heads).unlink()  # it rests on the sweep, not on the table's cells
    write_transfer(told)
    write_json(told.matrix, MATRIX | made)
    page = page_of(told)
    assert re.findall(r'<figure id="figure-(matrix|scheduler)">', page) == ["matrix", "scheduler"]
    assert "2 of 2 targets with seed 13" in text_of(page)
    for stale in ({"targets": MATRIX["targets"]}, {"scheduler": MATRIX["scheduler"]}):
        write_json(told.matrix, {**read_json(told.matrix), **stale})
        assert "Run: dpf science matrix" in text_of(page_of(told))


def test_the_page_loads_nothing_from_elsewhere(told):
    page = page_of(told)
    assert not re.search(r"https?://|@import|url\(|<link|srcset", page)


def test_every_link_leads_to_a_section(told):
    page = page_of(told)
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(re.findall(r'id="([^"]*)"', page))


def test_texts_of_the_data_are_escaped(told):
    text = told.cells("spot").read_text()
    told.cells("spot").write_text(text.replace('"c0de"', json.dumps(EVIL)))
    write_transfer(told)
    page = page_of(told)
    assert EVIL not in page
    assert html.escape(EVIL).replace("&#x27;", "&#39;") in page


def test_without_a_table_one_sentence_says_what_to_run(project):
    with pytest.raises(DPFError, match="Run: dpf science transfer"):
        page_of(project)


def test_a_table_that_does_not_follow_from_the_records_is_refused(told):
    drop(told, "spot", ("pick", 21))
    with pytest.raises(DPFError, match=r"be that of the records as they are.*science transfer"):
        page_of(told)


def test_a_record_of_another_form_is_refused(told):
    path = told.source_record("dpf")
    write_json(path, {**read_json(path), "tasks": 3})
    with pytest.raises(DPFError, match="must have the form of this version"):
        page_of(told)


def test_the_commit_is_that_of_the_project(told, tmp_path):
    page = write_report(told, tmp_path / "out").read_text()
    assert "Commit: no commit: not a Git repository." in page


def test_the_page_is_written_beside_nothing_else(told, tmp_path):
    page = write_report(told, tmp_path / "out")
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]


def test_every_method_of_the_project_is_explained():
    assert load_science(PARAMS).methods.keys() <= METHODS.keys()


def test_a_folder_that_is_no_repository_has_no_commit(tmp_path):
    assert current_commit(tmp_path) == "no commit: not a Git repository"


def section(page, name):
    return text_of(page.split(f'<section id="{name}">')[1].split("</section>")[0])


def test_what_was_tried_is_on_the_page_with_its_differences(told):
    assert "There is no ideas.json" in section(page_of(told), "ideas")
    idea = {"expected": "More.", "against": None}
    old = {"name": "old", "verdict": "kept", "scores": {"mood": {"13": 0.5}, "pick": {"13": 0.6}}}
    new = {"name": EVIL, "verdict": "lost", "scores": {"mood": {"13": 0.4}, "pick": {"13": 0.4}}}
    write_json(told.ideas, {"ideas": [idea | old, idea | new | {"against": "old"}]})
    page = page_of(told)
    assert EVIL not in page
    assert f"{EVIL} against old More. 0.400 \N{MINUS SIGN}0.150 0.050 2 lost" in section(
        page, "ideas"
    )


def test_what_joining_did_is_on_the_page(told):
    assert "Run: dpf science append" in section(page_of(told), "append")
    here = place(told)
    setup = read_cells(told.cells("dpf")).setup
    rows = [data_key(here.gym, target, 13) for target in ("mood", "pick")]
    record = {
        "key": digest(["dpf", setup, rows, 13]), "environment": asdict(here.environment),
        "method": "dpf", "seed": 13, "earlier_tasks": 2, "changed_prompts": 0,
        "compared_rows": 1234, "changed_rows": 0,
        "tasks": {"mood": {"seconds": 1.23, "num_trainable": 500, "dev_score": 0.25}},
    }  # fmt: skip
    write_json(told.append_record, record)
    found = section(page_of(told), "append")
    assert "2 fused prompts 0 changed by any bit, and of 1,234 rows the logits of 0 ." in found
    assert "mood 1.2 500 0.250" in found
    write_json(told.append_record, record | {"key": "of other settings"})
    assert "Run: dpf science append" in section(page_of(told), "append")


def test_sweeps_and_source_models_of_other_settings_are_not_on_the_page(told, backbone_folder):
    assert "dpf" in section(page_of(told), "tuning")
    assert "dpf" in section(page_of(told), "sources")
    write_params(told, backbone_folder, source_training__max_steps=5)
    for name in SCORES:
        told.cells(name).unlink()
    write_transfer(told)
    assert "dpf" not in section(page_of(told), "tuning")
    assert "dpf" not in section(page_of(told), "sources")
