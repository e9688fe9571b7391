import importlib.metadata
import shutil
import warnings
from types import SimpleNamespace

import pytest
import torch
from peft.tuners.multitask_prompt_tuning import MultitaskPromptEmbedding
from safetensors.torch import load_file

from dpf_core.errors import ConfigError, GymError
from dpf_core.files import read_json, sha256_file, write_json
from pipeline import cli
from pipeline.peft_classifier import PeftClassifier
from pipeline.science.records import read_cells
from pipeline.science.reference_config import peft_config
from pipeline.science.reference_running import open_reference, run_reference
from pipeline.science.references import LEARNING_RATES, MPT, PROMPT_TUNING, REFERENCES
from pipeline.science.report import build_report
from pipeline.science.running import Done
from pipeline.science.transfer import build_transfer, describe, write_transfer
from tests.pipeline.science import small_science
from tests.pipeline.science.small_science import place, write_params
from tests.pipeline.science.test_transfer import SCORES, fill


def run(project, name):
    here = place(project)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT and the Trainer are not ours
        return run_reference(here, open_reference(here, name), num_processes=1)


def cells(project, name):
    return read_cells(project.reference(name)).cells


@pytest.fixture(scope="module")
def run_once(tmp_path_factory, science_gym, backbone_folder):
    """A project in which both references have run; read-only by agreement."""
    made = small_science.project(tmp_path_factory.mktemp("ran"), science_gym, backbone_folder)
    assert {name: run(made, name) for name in REFERENCES} == dict.fromkeys(
        REFERENCES, Done(ran=2, kept=0)
    )
    return made


@pytest.fixture
def ran(run_once, project):
    """The same, to be changed."""
    for old, new in ((run_once.metrics, project.metrics), (run_once.work, project.work)):
        shutil.copytree(old, new, dirs_exist_ok=True)
    return project


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_tuned_and_run_on_every_classification_target_and_seed(ran, name):
    found = cells(ran, name)
    assert found.keys() == {("mood", 13), ("mood", 21)}  # pick is multiple choice
    points = read_json(ran.reference_sweep(name))["points"]
    assert [point["learning_rate"] for point in points] == list(LEARNING_RATES)
    assert {cell.steps for cell in found.values()} == {4}
    assert {cell.best_step for cell in found.values()} <= {2, 4}
    assert {len(cell.resamples) for cell in found.values()} == {5}


@pytest.mark.parametrize("name", REFERENCES)
def test_what_is_there_is_not_run_again_and_what_is_lost_comes_out_the_same(ran, name):
    before = cells(ran, name)
    assert run(ran, name) == Done(ran=0, kept=2)
    ran.reference(name).unlink()
    assert run(ran, name) == Done(ran=2, kept=0)
    after = cells(ran, name)
    assert {w: (c.score, c.resamples) for w, c in after.items()} == {
        w: (c.score, c.resamples) for w, c in before.items()
    }


def test_prompt_and_classifier_alone_learn(ran):
    hidden, labels, prompt = 16, 2, 3
    trained = {cell.num_trainable for cell in cells(ran, PROMPT_TUNING).values()}
    assert trained == {prompt * hidden + labels * hidden + labels}


def test_multitask_prompts_start_from_what_the_sources_taught(ran):
    (path,) = (ran.work / "references").iterdir()
    tensors = load_file(path)
    assert tensors["prefix_task_cols"].shape == (2, 3, 1)  # topic and sound
    assert tensors["prompt_embeddings"].shape == (3, 16)
    setup = read_cells(ran.reference(MPT)).setup
    assert path.stem.endswith(setup["source"]["key"])
    assert setup["source"]["settings"]["tasks"] == ["topic", "sound"]
    job = SimpleNamespace(name=MPT, setup=setup)
    encoder = MultitaskPromptEmbedding(config_of(job, path), torch.nn.Embedding(3, 16))
    assert torch.equal(encoder.embedding.weight, tensors["prompt_embeddings"])
    assert torch.equal(encoder.prefix_task_rows, tensors["prefix_task_rows"].mean(0, keepdim=True))


def test_changed_rows_of_a_source_are_refused(project):
    fill(project, **SCORES)
    here = place(project)
    path = next(project.gym.glob("topic/*_full_train.tsv"))
    path.write_bytes(path.read_bytes().replace(b"\t", b" \t", 1))
    with pytest.raises(GymError, match=r"must have the SHA-256 .*full_train"):
        run_reference(here, open_reference(here, MPT), num_processes=1)
    assert not (project.work / "references").exists()


def config_of(job, path):
    config = peft_config(job.name, job.setup, path, 1)
    config.num_transformer_submodules, config.token_dim = 1, 16
    return config


def test_a_sweep_reads_no_test_file(project, monkeypatch):
    place(project)  # the search for leaks reads every file
    for path in project.gym.glob("*/*_test.tsv"):
        path.unlink()
    monkeypatch.setattr("pipeline.science.reference_running._missing", lambda *_: [])
    run(project, PROMPT_TUNING)
    assert read_json(project.reference_sweep(PROMPT_TUNING))["chosen"] in range(4)


def test_cells_of_other_settings_are_named_before_anything_is_trained(ran, backbone_folder):
    write_params(ran, backbone_folder, adaptation__max_steps=6)
    with pytest.raises(ConfigError, match=r"got 2 of others \(.*Remove it and .*run again"):
        run(ran, PROMPT_TUNING)


@pytest.fixture
def recorded(ran):
    """A project with a whole table and a reference that scores 0.4 where the baseline has 0.5."""
    fill(ran, **SCORES)
    value = read_json(ran.reference(PROMPT_TUNING))
    for cell in value["cells"]["mood"].values():
        cell |= {"score": 0.4, "resamples": [4000] * 5}
    write_json(ran.reference(PROMPT_TUNING), value)
    return ran


def test_the_table_has_references_apart_and_on_their_targets_alone(recorded):
    table = write_transfer(recorded)
    found = table["references"][PROMPT_TUNING]
    assert found["scores"] == {"mood": {"13": 0.4, "21": 0.4}}
    assert found["ptg"]["mean_ratio"] == pytest.approx(0.8)
    assert found["made_with"]["left_out"] == ["pick"]
    assert found["made_with"]["peft"] == importlib.metadata.version("peft")
    assert PROMPT_TUNING not in table["methods"]
    assert PROMPT_TUNING in describe(table)


def test_a_reference_of_which_every_target_is_left_out_is_not_in_the_table(recorded):
    assert "references" not in build_transfer(recorded, without=["mood"])
    found = build_transfer(recorded, without=["pick"])["references"][PROMPT_TUNING]
    assert found["ptg"]["mean_ratio"] == pytest.approx(0.8)


def test_without_records_the_table_has_no_references(project):
    assert "references" not in build_transfer(fill(project, **SCORES))


def test_a_reference_of_other_settings_has_no_figure(ran, backbone_folder):
    write_params(ran, backbone_folder, adaptation__batch_size=3)
    found = build_transfer(fill(ran, single_task=0.5))["references"][PROMPT_TUNING]
    assert (found["ptg"], found["why"]) == (None, "2 cells are missing")


def test_the_page_shows_references_and_what_they_leave_out(recorded):
    write_transfer(recorded)
    page = build_report(recorded, commit="c0ffee")
    part = page.split('<section id="references">')[1].split("</section>")[0]
    assert "<b>0.800</b>" in part
    assert "Left out: pick." in part


def test_without_peft_one_sentence_says_what_to_install(project, monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    here = place(project)
    monkeypatch.setattr("pipeline.peft_classifier.version", absent)
    with pytest.raises(ConfigError, match=r"pip install 'dynamic-prompt-fusion\[peft\]'"):
        open_reference(here, PROMPT_TUNING)


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("peft_lora", {}, "must be one of peft_prompt_tuning, peft_mpt, got 'peft_lora'"),
        (
            PROMPT_TUNING, {"gym__targets": ["pick"], "tuning__targets": ["pick"]},
            "must have a classification target, .* got pick",
        ),
        (MPT, {"gym__sources": ["pick"], "gym__targets": ["mood"]}, "got pick .*gym.sources"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_reference_is_refused(project, backbone_folder, name, changes, says):
    write_params(project, backbone_folder, **changes)
    here = place(project)
    with pytest.raises(ConfigError, match=says):
        open_reference(here, name)


def test_the_command_names_what_it_leaves_out(ran, tmp_path, capsys):
    words = ["science", "reference", PROMPT_TUNING, "--project", str(tmp_path), "--jobs", "1"]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "no classification, left out: pick" in said
    assert "0 cells, 2 were there" in said


def test_the_frozen_encoder_stays_as_it_was(project, monkeypatch):
    kept = []

    class Watched(PeftClassifier):
        def train(self, *args, **kwargs):
            frozen = [p for p in self.model.parameters() if not p.requires_grad]
            before = [p.detach().clone() for p in frozen]
            super().train(*args, **kwargs)
            kept.append(all(map(torch.equal, before, frozen)))

    monkeypatch.setattr("pipeline.science.reference_training.PeftClassifier", Watched)
    run(project, PROMPT_TUNING)
    assert set(kept) == {True}


def test_what_the_sources_taught_is_recorded_and_another_one_is_refused(ran):
    (path,) = (ran.work / "references").iterdir()
    source = read_json(ran.reference_sweep(MPT))["source"]
    assert source["sha256"] == sha256_file(path)
    assert 0 <= source["dev_score"] <= 1
    assert source["seconds"] > 0
    assert "source" not in read_json(ran.reference_sweep(PROMPT_TUNING))
    ran.reference(MPT).unlink()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ConfigError, match="must have the recorded SHA-256"):
        run(ran, MPT)


def test_what_the_sources_taught_is_not_made_again_where_every_cell_is_there(ran):
    shutil.rmtree(ran.work / "references")
    assert run(ran, MPT) == Done(ran=0, kept=2)
    assert not (ran.work / "references").exists()
