import dataclasses
import json

import pytest
import torch

from dpf_core.config import TrainConfig
from dpf_core.training.loop import train
from dpf_core.training.mixing import mixing_table
from pipeline import cli
from pipeline.bench import ours
from pipeline.bench.peft_peer import PeftPeer
from pipeline.bench.table import bench_table
from pipeline.bench.train import TrainPlan, bench_train
from pipeline.bench.workload import hash_row_ids, load_workload

PLAN = TrainPlan(repeats=2, turn_steps=2, max_train_rows=8, held_out_rows=2, gemm_sizes=(16,))
PROMISED = {
    "ratio_vs_peft_fp32", "ratio_vs_peft_bf16", "ratio_vs_peft_bf16_reason", "mfu",
    "gemm_peak_fp32_gflops", "peak_memory_ratio", "examples_per_second_ours",
    "examples_per_second_peft_fp32", "real_tokens_per_second_ours",
    "real_tokens_per_second_peft_fp32", "final_loss_ours", "final_loss_peft_fp32", "batch_size",
    "prompt_length", "num_tasks", "row_ids_sha256", "machine", "order",
}  # fmt: skip


@pytest.fixture
def workload(tiny_gym):
    return load_workload(tiny_gym, num_steps=12, batch_size=4, max_train_rows=8, held_out_rows=2)


@pytest.fixture
def without_bf16(monkeypatch):
    monkeypatch.setattr("pipeline.bench.train.why_no_bf16", lambda _: "no AMX here")


def all_row_ids(workload):
    steps = range(workload.num_steps)
    return [workload.row_id(*pair) for step in steps for pair in workload.batch(step)]


def test_both_sides_train_the_same_rows_and_the_figures_are_written(
    tiny_gym, settings, without_bf16, in_this_process
):
    result = json.loads(json.dumps(bench_train(tiny_gym, settings, PLAN), allow_nan=False))
    assert result.keys() >= PROMISED
    assert result["row_ids_sha256"] == result["row_ids_sha256_peft"]
    assert result["order"] == ["ours", "peft", "ours", "peft"]
    assert (result["ratio_vs_peft_bf16"], result["ratio_vs_peft_bf16_reason"]) == (
        None, "no AMX here",
    )  # fmt: skip
    assert result["mfu"] > 0
    assert result["padded_over_real_tokens_peft"] > 1
    assert result["peak_memory_mb_ours"] >= result["peak_memory_mb_ours_before_model"] > 0
    assert ["ratio_vs_peft_bf16_reason", "no AMX here"] in [
        line.split(maxsplit=1) for line in bench_table(result).splitlines()
    ]


def test_bf16_is_measured_on_both_sides_where_the_processor_has_it(
    tiny_gym, settings, in_this_process, monkeypatch
):
    monkeypatch.setattr("pipeline.bench.train.why_no_bf16", lambda _: None)
    ours_in_bf16 = dataclasses.replace(settings, precision="bf16")
    result = bench_train(tiny_gym, ours_in_bf16, PLAN)
    assert result["ratio_vs_peft_bf16"] > 0
    assert result["ratio_vs_peft_bf16_reason"] is None
    assert result["mfu_precision"] == "bf16"
    assert result["gemm_peak_bf16_gflops"] > 0
    assert result["gemm_peak_fp32_gflops"] > 0


def test_the_peer_trains_every_row_of_the_batches_and_its_loss_falls(workload, settings):
    peer, seen = PeftPeer(workload, settings), []
    before, _ = peer.held_out_quality()
    peer.train(seen.append)
    assert seen == list(range(workload.num_steps + 1))
    assert hash_row_ids(peer.trained_rows) == hash_row_ids(all_row_ids(workload))
    assert peer.held_out_quality()[0] < before


def test_the_peer_trains_prompt_and_classifier_alone(workload, settings):
    named = PeftPeer(workload, settings).model.named_parameters()
    trained = {name.rpartition("base_model.")[2] for name, p in named if p.requires_grad}
    assert trained == {
        "prompt_encoder.default.embedding.weight",
        "classifier.modules_to_save.default.weight", "classifier.modules_to_save.default.bias",
    }  # fmt: skip


def test_both_sides_read_the_same_tokens(workload, settings):
    peer, backbone = PeftPeer(workload, settings), ours.open_backbone(settings)
    for rows, own in zip(
        workload.train_rows,
        ours.encode_all(workload.train_rows, workload.tasks, backbone),
        strict=True,
    ):
        assert [peer.token_ids(row.input) for row in rows] == own.token_ids


def test_the_steps_of_the_benchmark_are_those_of_training(world):
    config = TrainConfig(
        max_steps=5, batch_size=4, dev_rows=3, initial_loss_rows=4, seed=1,
        loss_balancing="gradnorm", eval_every_steps=5,
    )  # fmt: skip
    trained, timed = world.model(), world.model()
    train(trained, world.train_sets, world.dev_sets, config)
    training = ours.OwnTraining(timed, world.train_sets, config)
    table = mixing_table(
        [len(task) for task in world.train_sets], num_steps=5, batch_size=4, seed=1,
        sampling_temperature=config.sampling_temperature,
    )  # fmt: skip
    for step in table:
        training.advance([(world.train_sets[task], int(row)) for task, row in step])
    for name, tensor in trained.trainable_parameters().items():
        torch.testing.assert_close(timed.trainable_parameters()[name], tensor, msg=name)


def test_parameters_are_counted_without_embedding_tables(settings):
    backbone = ours.open_backbone(settings)
    every = sum(p.numel() for p in backbone.model.parameters())
    tables = sum(p.numel() for n, p in backbone.model.named_parameters() if "_embeddings" in n)
    assert ours.count_parameters(backbone) == every - tables


def test_the_command_needs_rows(capsys):
    assert cli.main(["bench", "train"]) == 1
    assert "one of --gym DIR and --mirror DIR, got neither" in capsys.readouterr().err


def test_the_command_writes_json_and_prints_a_table(tiny_gym, tmp_path, monkeypatch, capsys):
    found = {"benchmark": "train", "machine": {"processor": "P", "cores": 1, "load_average": 0.0,
             "versions": {}}, "mfu": 0.5}  # fmt: skip
    monkeypatch.setattr("pipeline.bench.train.bench_train", lambda *_: found)
    file = tmp_path / "train.json"
    assert cli.main(["bench", "train", "--gym", str(tiny_gym), "--json", str(file)]) == 0
    assert json.loads(file.read_text()) == found
    assert "mfu  0.5" in capsys.readouterr().out
