import hashlib

import matplotlib
import numpy as np
import pytest

from dpf_core.errors import DPFError
from pipeline.plots import remove_others
from pipeline.plots.evaluation import draw_scheduler, evaluate_plots
from pipeline.plots.history import (
    HISTORY_HEADER,
    align,
    curves_by_quantity,
    moving_mean,
    read_history,
)
from pipeline.plots.style import shorten, spread
from pipeline.plots.training import train_plots
from tests.pipeline.report_fixture import evaluation, history, pictures

ONE_TASK = [(step, "trec", "loss", 1.0 / step) for step in (1, 2, 3)]


def digests(paths):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_equal_data_gives_equal_bytes(tmp_path):
    again = {path.name: path.read_bytes() for path in evaluate_plots(evaluation(), tmp_path)}
    assert again == pictures()["evaluate"]


def test_the_order_of_the_history_changes_nothing(tmp_path):
    rows = [row for row in history() if row[1] in {"trec", "sick"} and row[0] % 100 == 0]
    first = digests(train_plots(rows, tmp_path / "a"))
    assert first == digests(train_plots(rows[::-1], tmp_path / "b"))


def test_the_style_of_the_user_changes_nothing(tmp_path):
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        mine = digests(train_plots(ONE_TASK, tmp_path / "a"))
    assert mine == digests(train_plots(ONE_TASK, tmp_path / "b"))


def test_no_software_name_or_date_enters_a_file():
    chunks = {name: data[:300] for stage in pictures().values() for name, data in stage.items()}
    assert not [name for name, head in chunks.items() if b"tEXt" in head or b"tIME" in head]


def test_every_quantity_has_its_figure():
    assert {stage: sorted(files) for stage, files in pictures().items()} == {
        "train": ["dev_score.png", "fusion.png", "loss.png", "task_weight.png"],
        "evaluate": ["gate_histogram.png", "scheduler.png", "scores.png"],
    }


def test_a_model_without_pool_has_no_figure_of_gate_or_scheduler(tmp_path):
    scores = {"tasks": evaluation()["tasks"], "scheduler": None, "gate_histogram": None}
    assert [path.name for path in train_plots(ONE_TASK, tmp_path)] == ["loss.png"]
    assert [path.name for path in evaluate_plots(scores, tmp_path)] == ["scores.png"]


def test_a_single_step_of_a_single_task_can_be_drawn(tmp_path):
    rows = [(5, "trec", name, 1.0) for name in ("loss", "task_weight", "gate_mean", "dev_score")]
    assert len(train_plots(rows, tmp_path, best_step=5)) == 4


def test_a_picture_grows_with_the_number_of_tasks(tmp_path):
    def height(num_tasks):
        weights = np.full((num_tasks, 4), 0.25)
        names = [f"task-{index}" for index in range(num_tasks)]
        draw_scheduler({"tasks": names, "mixing_weights": weights}, tmp_path / "a.png")
        return int.from_bytes((tmp_path / "a.png").read_bytes()[20:24], "big")

    assert height(40) > 2 * height(12)


def test_a_history_without_losses_is_refused(tmp_path):
    with pytest.raises(DPFError, match=r"'loss', got \['dev_score'\]"):
        train_plots([(1, "all", "dev_score", 0.5)], tmp_path)


def test_a_written_history_is_read_back(tmp_path):
    lines = [HISTORY_HEADER, *("\t".join(map(str, row)) for row in ONE_TASK)]
    (tmp_path / "history.tsv").write_text("\n".join(lines) + "\n")
    assert read_history(tmp_path / "history.tsv") == ONE_TASK


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step,task\n", "the header must be"),
        ("", "the header must be"),
        (f"{HISTORY_HEADER}\n1\ttrec\tloss\t0.5\n2\ttrec\tloss\n", "line 3"),
        (f"{HISTORY_HEADER}\n1\ttrec\tloss\tlow\n", "line 2"),
    ],
)
def test_a_damaged_history_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "history.tsv").write_text(text)
    with pytest.raises(DPFError, match=message):
        read_history(tmp_path / "history.tsv")


def test_a_gap_in_a_curve_holds_the_value_before_it():
    curves = curves_by_quantity([(1, "a", "q", 1.0), (3, "a", "q", 3.0), (2, "b", "q", 9.0)])["q"]
    steps, table = align([curves["a"], curves["b"]])
    assert steps.tolist() == [1, 2, 3]
    assert table.tolist() == [[1.0, 1.0, 3.0], [9.0, 9.0, 9.0]]


def test_the_moving_mean_of_a_constant_is_that_constant_up_to_the_ends():
    assert moving_mean(np.full(7, 2.5), 3) == pytest.approx(np.full(7, 2.5))


def test_labels_keep_their_order_and_distance():
    moved = spread([0.50, 0.51, 0.52, 0.9], 0.1)
    assert np.all(np.diff(moved) >= 0.1 - 1e-12)
    assert np.mean(moved) == pytest.approx(np.mean([0.50, 0.51, 0.52, 0.9]))


def test_a_long_name_keeps_both_ends():
    assert shorten("superglue-multirc", 9) == "supe…tirc"
    assert shorten("trec", 4) == "trec"


def test_a_figure_that_a_new_run_does_not_draw_goes(tmp_path):
    for folder, names in (("old", ("scores", "scheduler")), ("fresh", ("scores",))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.png").write_bytes(b"png")
    remove_others(tmp_path / "old", tmp_path / "fresh")
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["scores.png"]
