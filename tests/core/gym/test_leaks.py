import os
import random
import re
from pathlib import Path

import pytest

from dpf_core.errors import ConfigError, GymError
from dpf_core.gym import leak_index, leaks
from dpf_core.gym.build import build_gym
from dpf_core.gym.catalogue import select_tasks
from dpf_core.gym.leaks import find_leaks
from dpf_core.gym.sources import MirrorSource
from tests.pipeline.small_gym import SEEDS, build, classification, lines

LONG = "the old sailor told a long and sad story about the white whale"
SECOND = LONG.replace("white whale", "white bird")  # 10 of 11 word trigrams are the same
FIFTH = LONG.replace("sad", "merry")  # 8 of 11


def task(name, train, test, few_shot=("a few", "shots")):
    splits = {"train": few_shot[:1], "dev": few_shot[1:], "test": test}
    files = {f"{name}_16_{s}_{split}.tsv": texts for s in SEEDS for split, texts in splits.items()}
    files[f"{name}_full_train.tsv"] = train
    rows = {file: lines([(text, "positive") for text in texts]) for file, texts in files.items()}
    return classification(name), rows


def leaks_between(tmp_path, train, test, **options):
    """The leaks from the training rows of one task into the test rows of another."""
    gym = build(tmp_path, [task("from", train, ["one test row"]), task("into", ["else"], test)])
    return find_leaks(gym, **options).leaks


def test_a_row_that_is_a_training_row_elsewhere_is_found_with_its_lines(tmp_path):
    (leak,) = leaks_between(tmp_path, ["first", LONG], ["a", "b", f"text: {LONG.upper()}!"])
    assert (leak.source, leak.target) == ("from", "into")
    assert (leak.test.same, leak.test.near, leak.test.rows) == (1, 0, 3)
    assert leak.examples == ((3, 2),)


def test_a_row_that_a_longer_training_row_holds_is_a_near_copy(tmp_path):
    (leak,) = leaks_between(tmp_path, [f"He said: {LONG}, and left."], [LONG])
    assert (leak.test.same, leak.test.near) == (0, 1)


def test_a_row_that_holds_a_short_training_row_is_none(tmp_path):
    assert leaks_between(tmp_path, [LONG], [f"{LONG} {LONG[::-1]}"]) == ()


@pytest.mark.parametrize(("least", "text"), [(0.9, SECOND), (0.72, FIFTH)])
def test_near_is_at_least_the_given_share_of_trigrams(tmp_path, least, text):
    (leak,) = leaks_between(tmp_path, [LONG], [text], min_similarity=least)
    assert leak.test.near == 1


@pytest.mark.parametrize(("least", "text"), [(0.92, SECOND), (0.74, FIFTH)])
def test_a_smaller_share_is_no_leak(tmp_path, least, text):
    assert leaks_between(tmp_path, [LONG], [text], min_similarity=least) == ()


def test_short_rows_leak_word_for_word_only(tmp_path):
    (leak,) = leaks_between(tmp_path, ["Yes, sir! Now?"], ["yes sir now", "yes sir no", "sir"])
    assert (leak.test.same, leak.test.near) == (1, 0)


def test_rows_without_words_never_leak(tmp_path):
    assert leaks_between(tmp_path, ["...", ""], ["?", " "]) == ()


def test_few_shot_rows_are_counted_for_themselves(tmp_path):
    gym = build(tmp_path, [task("a", [LONG], ["x"]), task("b", ["y"], ["z"], (LONG, "other"))])
    (leak,) = find_leaks(gym).leaks
    assert (leak.test.share, leak.few_shot.same, leak.few_shot.share) == (0, len(SEEDS), 0.5)


def test_a_task_does_not_leak_into_itself(tmp_path):
    assert find_leaks(build(tmp_path, [task("a", [LONG], [LONG])])).leaks == ()


def test_phrases_of_many_rows_make_no_near_copies(tmp_path, monkeypatch):
    monkeypatch.setattr(leak_index, "MAX_SHINGLE_ROWS", 2)
    test = [f"please tell me in one word whether it rains in {town}" for town in "abc"]
    assert leaks_between(tmp_path, [test[0][:-1] + "d"], test) == ()


def test_a_line_that_is_no_row_is_left_out_and_still_counted(tmp_path):
    fields, files = task("from", ["torn", LONG], ["x"])
    fields["unreadable_lines"] = {"from_full_train.tsv": (1,)}
    gym = build(tmp_path, [(fields, files), task("into", ["y"], [LONG, "torn"])])
    (leak,) = find_leaks(gym).leaks
    assert (leak.test.same, leak.examples) == (1, ((1, 2),))


def test_blocks_and_processes_change_nothing(tmp_path, monkeypatch):
    texts = sentences(200)
    gym = build(tmp_path, [task(name, texts[n::3], texts[:40]) for n, name in enumerate("abc")])
    whole = find_leaks(gym)
    monkeypatch.setattr(leaks, "BLOCK_BYTES", 100)
    assert find_leaks(gym) == whole
    assert find_leaks(gym, jobs=2) == whole


def test_the_counts_are_those_of_a_plain_comparison_of_all_rows(tmp_path):
    texts = sentences(300)
    train, test = texts[:160], texts[140:]
    (leak,) = leaks_between(tmp_path, train, test)
    same = {" ".join(words(text)) for text in train}
    copies = [text for text in test if " ".join(words(text)) not in same and is_near(text, train)]
    assert leak.test.same == sum(" ".join(words(text)) in same for text in test)
    assert leak.test.near == len(copies) > 0


def sentences(count):
    generator = random.Random(7)
    rows = [" ".join(generator.choices("abcdefgh", k=12)) for _ in range(count // 2)]
    changed = [f"{row[:2]}{generator.choice('abxy')}, {row[4:]}" for row in rows]
    return rows + changed


def words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def trigrams(text):
    return {tuple(words(text)[start : start + 3]) for start in range(len(words(text)) - 2)}


def is_near(text, others):
    mine = trigrams(text)
    shares = [len(mine & trigrams(other)) / len(mine) for other in others]
    return len(mine) >= leak_index.MIN_SHINGLES and max(shares) >= 0.8


def test_tasks_that_leak_through_others_are_one_group(tmp_path):
    rows = [f"{LONG} {number}" for number in (["one"], ["two"], ["three"])]
    gym = build(
        tmp_path,
        [
            task("a", rows[:1], ["x"]),
            task("b", rows[1:2], rows[:1]),
            task("c", ["y"], rows[1:2]),
            task("d", ["z"], ["w"]),
        ],
    )
    assert find_leaks(gym).groups(0.01) == (("a", "b", "c"),)


def test_a_missing_file_is_named(tmp_path):
    gym = build(tmp_path, [task("a", [LONG], ["x"])])
    (gym / "a" / "a_full_train.tsv").unlink()
    with pytest.raises(GymError, match=r"task 'a', file a_full_train.tsv: .* Build the gym again"):
        find_leaks(gym)


@pytest.mark.parametrize("option", [{"min_similarity": 80}, {"jobs": 0}])
def test_an_option_out_of_range_is_refused(tmp_path, option):
    (name,) = option
    with pytest.raises(ConfigError, match=rf"{name} must be .*, got {option[name]}\."):
        find_leaks(tmp_path, **option)


@pytest.mark.skipif("DPF_MIRROR" not in os.environ, reason="needs DPF_MIRROR, a folder of parquet")
def test_the_pairs_that_share_rows_in_crossfit_are_found(tmp_path):
    names = ("glue-rte", "superglue-rte", "trec", "trec-finegrained", "glue-sst2")
    names += ("rotten_tomatoes", "commonsense_qa", "cos_e")
    source = MirrorSource(Path(os.environ["DPF_MIRROR"]))
    build_gym(source, select_tasks(source, names).specs, tmp_path / "gym")
    assert find_leaks(tmp_path / "gym").groups(0.01) == (
        ("commonsense_qa", "cos_e"),
        ("glue-rte", "superglue-rte"),
        ("glue-sst2", "rotten_tomatoes"),
        ("trec", "trec-finegrained"),
    )
