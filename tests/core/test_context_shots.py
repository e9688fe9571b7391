import pytest
import torch

from dpf_core.batching import collate
from dpf_core.errors import ConfigError, GymError
from dpf_core.evaluation.per_task import predict
from dpf_core.evaluation.suites.context_shots import choose_shots, context_text, with_shots
from dpf_core.evaluation.suites.suite import Member
from dpf_core.examples import encode_rows
from dpf_core.heads import HeadSpec
from tests import tiny

MOOD = HeadSpec(
    name="mood", kind="classification", labels=("0", "1"), label_texts=("sad", "happy"),
    metric="ACC", description="How someone feels.",
)  # fmt: skip
PICK = HeadSpec(
    name="pick", kind="multiple_choice", labels=(), label_texts=(), metric="ACC",
    description="Which of some things fits.",
)  # fmt: skip
EXAM = Member(task="exam", subjects={"sciences": ("physics", "biology")})
SCORED = tiny.rows(*tiny.PICK[4:])
SOLVED = tiny.rows(*tiny.PICK[:4])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("shots") / "llama"
    return tiny.backbone_folder(made, "llama", max_position_embeddings=256)


@pytest.fixture(scope="module")
def writers(folder, tiny_gym):
    """The tiny gym's tasks for a decoder whose texts may be long."""
    return tiny.world(tiny.backbone(folder, "llama", max_length=200), tiny_gym)


def shown(backbone, count, rows=SCORED, solved=SOLVED, spec=PICK):
    """Return rows of a task without shots, with them, and how many each has."""
    plain = encode_rows(rows, spec, 1, backbone)
    shots = choose_shots(rows, solved, Member(task=spec.name), count)
    return plain, *with_shots(plain, rows, shots, spec, backbone)


def test_solved_rows_with_their_answers_stand_before_the_row_and_empty_lines_between(writers):
    _, examples, counts = shown(writers.backbone, 2)
    assert writers.backbone.tokenizer.decode(examples.token_ids[0]) == (
        "[CLS]which can run (A) dog (B) nail dog\n\n"
        "which is food (A) saw (B) bread bread\n\n"
        "which is dark (A) day (B) night"
    )
    assert counts == [2] * len(SCORED)


def test_the_answer_of_a_shot_is_what_a_decoder_ranks_for_its_label():
    shots = tiny.rows(("it rains", "0"), ("we won", "1"))
    assert context_text("a cake", shots, MOOD) == "it rains sad\n\nwe won happy\n\na cake"
    with pytest.raises(GymError, match="must be one of 0, 1, got '2'"):
        context_text("a cake", tiny.rows(("it rains", "2")), MOOD)


def test_shots_are_the_first_rows_of_the_rows_own_subject():
    solved = tiny.rows(
        ("physics: a", "x"), ("biology: b", "x"), ("biology: c: d", "y"), ("physics: e", "y"),
        ("biology: f", "z"),
    )  # fmt: skip
    rows = tiny.rows(("biology: q", "x"), ("physics: q", "x"))
    chosen = choose_shots(rows, solved, EXAM, 2)
    assert [[shot.line for shot in shots] for shots in chosen] == [[2, 3], [1, 4]]
    (first, _) = choose_shots(rows, solved, Member(task="exam"), 3)
    assert [shot.line for shot in first] == [1, 2, 3]


def test_a_solved_row_that_asks_what_the_row_asks_is_passed_over():
    chosen = choose_shots(SOLVED[:2], SOLVED, Member(task="pick"), 2)
    assert [[shot.line for shot in shots] for shots in chosen] == [[2, 3], [1, 3]]


def test_more_shots_than_a_task_or_a_subject_has_are_refused():
    with pytest.raises(ConfigError, match=r"must be <= 4, .* of task 'pick' in the gym, got 5"):
        choose_shots(SCORED, SOLVED, Member(task="pick"), 5)
    solved = tiny.rows(("physics: a", "x"), ("physics: b", "x"), ("biology: c", "x"))
    with pytest.raises(ConfigError, match=r"<= 1, .* 'exam', subject 'biology' .* got 2 \(--cont"):
        choose_shots(tiny.rows(("biology: q", "x")), solved, EXAM, 2)
    assert choose_shots(tiny.rows(("physics: q", "x")), solved, EXAM, 2) == [solved[:2]]


@pytest.mark.parametrize("max_length", [16, 30, 45, 62, 200])
def test_a_row_is_never_cut_for_shots_and_has_as_many_as_fit(folder, max_length):
    backbone = tiny.backbone(folder, "llama", max_length=max_length)
    plain, examples, counts = shown(backbone, 4)
    for i, row in enumerate(SCORED):
        own = plain.token_ids[i]
        texts = [context_text(row.input, SOLVED[4 - n :] if n else [], PICK) for n in range(5)]
        lengths = [len(ids) for ids in backbone.tokenizer(texts)["input_ids"]]
        assert counts[i] == max([n for n in range(5) if lengths[n] <= max_length], default=0)
        assert examples.token_ids[i][-len(own) + 1 :] == own[1:]
        if lengths[0] <= max_length:
            assert len(examples.token_ids[i]) == lengths[counts[i]]
    assert (max(counts) == 4) == (max_length == 200)


@pytest.mark.parametrize(("room", "count"), [(0, 3), (-1, 2)])
def test_a_text_of_exactly_max_length_keeps_all_its_shots(folder, writers, room, count):
    text = context_text(SCORED[0].input, SOLVED[1:], PICK)
    length = len(writers.backbone.tokenizer(text)["input_ids"]) + room
    assert shown(tiny.backbone(folder, "llama", max_length=length), 4)[2][0] == count


def test_a_row_that_is_too_long_alone_is_cut_and_counted_as_without_shots(folder):
    backbone = tiny.backbone(folder, "llama", max_length=9)
    plain, examples, counts = shown(backbone, 3)
    cut = [i for i, ids in enumerate(plain.token_ids) if len(ids) == 9]
    assert examples.num_truncated == plain.num_truncated > 0
    assert [examples.token_ids[i] for i in cut] == [plain.token_ids[i] for i in cut]
    assert [counts[i] for i in cut] == [0] * len(cut)


def test_a_row_with_shots_scores_the_same_alone_and_in_a_batch(writers):
    model = writers.model()
    _, examples, _ = shown(writers.backbone, 3)
    rows = [(examples, i) for i in range(len(examples))]
    together = model(collate(rows)[0]).detach()
    for row, logits in zip(rows, together, strict=True):
        alone = model(collate([row])[0])[0].detach()
        torch.testing.assert_close(logits[: len(alone)], alone)


def test_shots_change_answers_and_the_prompt_still_stands_before_them(writers):
    model = writers.model()
    plain, examples, _ = shown(writers.backbone, 4)
    assert predict(model, plain) != predict(model, examples)
    batch, _ = collate([(examples, 0)])
    prompts = model.front_end(batch.task_ids)
    given = model.place(prompts, batch)
    assert torch.equal(given.embeds[:, : model.prompt_length], prompts[:, 0])
    assert given.embeds.shape[1] == model.prompt_length + len(examples.token_ids[0])
    assert not torch.allclose(model.score(prompts, batch), model.score(prompts * -1, batch))
