import shutil
from pathlib import Path

import pytest
import yaml

from dpf_core.backbone.families import SERVED_KINDS, family_of
from dpf_core.gym.catalogue import load_catalogue
from dpf_core.gym.hub_table import hub_table
from dpf_core.gym.partitions import partitions
from pipeline.science.cell import CellJob
from pipeline.science.layout import Layout
from pipeline.science.protocol import open_place
from pipeline.science.running import make_sources
from pipeline.science.settings_file import load_science
from tests import tiny
from tests.pipeline.science.small_science import SOUND

FOLDER = Path("pipeline/science/configurations")
FAMILIES = {"t5": "t5", "bart": "bart", "llama": "llama"}
PARTITIONS = {"t5": "random", "bart": "random", "llama": "45cls"}
LEFT_OUT = {
    "random": {
        "eli5-askh", "glue-rte", "race-middle", "yelp_review_full",
        "ethos-directed_vs_generalized", "ethos-gender", "ethos-national_origin", "ethos-race",
        "ethos-religion", "break-QDMR-high-level", "hotpot_qa", "kilt_hotpotqa", "spider",
        "squad-no_context", "squad-with_context", "lama-squad", "adversarialqa",
    },
    "45cls": {
        "ethos-directed_vs_generalized", "ethos-disability", "ethos-gender",
        "ethos-sexual_orientation",
    },
}  # fmt: skip
"""Source tasks of a partition that the files leave out, for reasons that they give."""
TOYS = {
    "random": {"targets": ["mood", "pick", "reply"], "sources": ["topic", "sound", "answer"]},
    "45cls": {"targets": ["mood"], "sources": ["topic", "sound"]},
}
"""Tasks of the kinds that a partition holds."""
TASKS = tiny.TASKS_OF_WRITERS | {
    "sound": ({"kind": "classification", "labels": ["loud", "quiet"]}, SOUND),
    "answer": ({"kind": "text", "metric": "EM"}, [(text, label) for text, label in SOUND]),
}


@pytest.fixture(scope="module")
def writers_gym(tmp_path_factory):
    return tiny.gym(tmp_path_factory.mktemp("writers"), TASKS)


@pytest.fixture(params=FAMILIES)
def name(request):
    return request.param


@pytest.fixture
def here(name, writers_gym, tmp_path):
    """A place with a file's settings, but for its sizes: a tiny random backbone and toy rows."""
    values = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    tasks = TOYS[PARTITIONS[name]]
    values["runtime"]["device"] = "cpu"
    values["gym"] |= {**tasks, "seeds": [13], "max_leak_fraction": 1.0}
    folder = tiny.backbone_folder(tmp_path / "backbone", FAMILIES[name])
    sizes = {"max_length": 16, "max_answer_length": 6, "batch_tokens": 4096}
    values["backbone"] |= {"name": str(folder), "revision": None, **sizes}
    values["model"] |= {"prompt_length": 3, "pool_size": 4}
    steps = {"max_steps": 2, "batch_size": 4, "eval_every_steps": 2}
    values["source_training"] |= {**steps, "dev_rows": 2, "initial_loss_rows": 2}
    values["adaptation"] |= steps
    values["tuning"]["targets"] = tasks["targets"][:1]
    params = tmp_path / f"{name}.yaml"
    params.write_text(yaml.safe_dump(values))
    layout = Layout.below(tmp_path, params)
    shutil.copytree(writers_gym, layout.gym)
    return open_place(layout, mirror=None, jobs=1)


def test_one_source_training_and_a_cell_of_each_kind_run_to_their_end(here):
    make_sources(here, {"dpf"}, num_processes=1)
    worker = here.worker()
    for method in {"dpf", "single_task", "full_finetune_direct"} & here.settings.methods.keys():
        for target in here.settings.gym.targets:
            cell = CellJob(name=method, point=0, target=target, seed=13, setup={}).run(worker)
            assert (cell.steps, 0 <= cell.score <= 1) == (2, True)
    assert here.layout.source_record("dpf").exists()


def test_every_method_that_the_family_serves_is_there(name):
    settings = load_science(FOLDER / f"{name}.yaml")
    whole = {"dpf", "single_task", "shared_prompt", "spot", "attempt", "mpt"}
    if settings.backbone.precision == "fp32":
        whole |= {"full_finetune_multitask", "full_finetune_direct"}
    assert settings.methods.keys() == whole
    assert {len(method.sweep) for method in settings.methods.values()} == {4}


def test_tasks_are_those_of_a_published_partition_but_what_is_named_as_left_out(name):
    text = (FOLDER / f"{name}.yaml").read_text()
    settings, partition = load_science(FOLDER / f"{name}.yaml"), partitions()[PARTITIONS[name]]
    left_out = LEFT_OUT[partition.name]
    assert settings.gym.targets == partition.test
    assert settings.gym.sources == tuple(t for t in partition.train if t not in left_out)
    assert left_out <= set(partition.train)
    said = text.split("# Left out")[1].split("sources:")[0]
    assert [task for task in left_out if not task.startswith("ethos") and task not in said] == []


def test_the_hub_has_every_task_and_the_family_serves_it(name):
    settings, specs, hub = load_science(FOLDER / f"{name}.yaml"), load_catalogue("hub"), hub_table()
    served = SERVED_KINDS[family_of(FAMILIES[name], "").kind]
    for task in (*settings.gym.targets, *settings.gym.sources):
        spec = specs[task]
        assert hub[spec.source_id, spec.source_config].status not in ("gone", "gated")
        assert spec.kind in served


def test_every_file_is_tried(name):
    backbones = {
        path: yaml.safe_load(path.read_text()).get("backbone") for path in FOLDER.iterdir()
    }
    larger = {path for path, own in backbones.items() if own and own["name"] != "bundled"}
    assert larger == {FOLDER / f"{family}.yaml" for family in FAMILIES}
    config = load_science(FOLDER / f"{name}.yaml").backbone
    assert len(config.revision) == 40
