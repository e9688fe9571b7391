import pytest

from pipeline.stages import report
from tests.pipeline.report_fixture import write_inputs


@pytest.fixture
def project(tmp_path, monkeypatch):
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_PIPES_CONTEXT", raising=False)
    return tmp_path


def test_the_stage_writes_the_page_where_dvc_expects_it(project, capsys):
    assert report.main() == 0
    page = (project / "data/report/index.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert capsys.readouterr().out == "report: data/report/index.html\n"


def test_the_page_says_nothing_about_the_machine(project):
    report.main()
    assert str(project) not in (project / "data/report/index.html").read_text(encoding="utf-8")


def test_a_missing_input_ends_the_stage_with_its_name_and_the_cure(project, capsys):
    (project / "data/metrics/export.json").unlink()
    assert report.main() == 1
    assert capsys.readouterr().err == (
        "report: data/metrics/export.json must exist, got no such file. Run `dvc repro export`.\n"
    )
    assert not (project / "data/report").exists()


def test_an_output_folder_that_cannot_be_written_ends_the_stage(project, capsys):
    (project / "data/report").write_text("a file where the folder should be")
    assert report.main() == 1
    assert "data/report" in capsys.readouterr().err
