"""Generated tasks: their labels are right by construction."""

import random
import re
from collections import Counter, defaultdict

import pytest

from dpf_core.gym.starter.grammar import acceptability, entailment, paraphrase

READERS = {
    "acceptability": (acceptability.sentence_acceptability, 2),
    "entailment": (entailment.sentence_entailment, 3),
    "paraphrase": (paraphrase.sentence_paraphrase, 2),
}


def generated(name: str, seed: int = 1) -> list:
    return list(READERS[name][0]({}, random.Random(seed)))


@pytest.mark.parametrize("name", READERS)
def test_the_same_seed_writes_the_same_sentences(name):
    assert generated(name) == generated(name)
    assert generated(name) != generated(name, seed=2)


@pytest.mark.parametrize("name", READERS)
def test_each_group_has_every_label_once(name):
    groups = defaultdict(list)
    for example in generated(name):
        groups[example.group].append(example.answer)
    num_labels = READERS[name][1]
    assert len(groups) >= 500
    assert {len(set(labels)) for labels in groups.values()} == {num_labels}
    assert {len(labels) for labels in groups.values()} == {num_labels}


@pytest.mark.parametrize("name", READERS)
def test_nearly_all_inputs_are_different(name):
    inputs = [tuple(example.columns.values()) for example in generated(name)]
    assert len(set(inputs)) > 0.98 * len(inputs)


@pytest.mark.parametrize("name", READERS)
def test_every_sentence_is_written_like_one(name):
    for example in generated(name):
        for text in example.columns.values():
            assert re.fullmatch(r"[A-Z][A-Za-z ,']+[.?]( [A-Z][A-Za-z ,']+\.)?", text), text
            assert "  " not in text


@pytest.mark.parametrize("phenomenon", acceptability.PHENOMENA, ids=lambda f: f.__name__)
def test_an_unacceptable_sentence_differs_little_from_its_acceptable_one(phenomenon):
    rng = random.Random(3)
    for _ in range(50):
        good, bad = phenomenon(rng)
        assert good != bad
        shared = Counter(good.lower().split()) & Counter(bad.lower().split())
        assert shared.total() >= len(good.split()) - 3


def test_verbs_agree_with_the_subject_and_not_with_the_nearer_noun():
    rng = random.Random(4)
    for _ in range(50):
        good, _ = acceptability._relative_clause_agreement(rng)
        subject = good.split()[1]
        plural = subject.endswith("s") or subject in {"men", "women", "children", "policemen"}
        assert (" were " in good) is plural


def test_a_passive_paraphrase_swaps_the_places_of_agent_and_patient():
    rng = random.Random(5)
    for _ in range(50):
        base, same, different = paraphrase._passive(rng)
        agent = different.partition(" was ")[0]
        assert base.startswith(f"{agent} ")
        assert not same.startswith(f"{agent} ")
        assert f" by {agent.lower()} " in same


@pytest.mark.parametrize("template", paraphrase.TEMPLATES, ids=lambda f: f.__name__)
def test_a_different_sentence_is_neither_the_base_nor_its_paraphrase(template):
    rng = random.Random(6)
    for _ in range(50):
        assert len(set(template(rng))) == 3


@pytest.mark.parametrize("template", entailment.TEMPLATES, ids=lambda f: f.__name__)
def test_a_triple_shares_its_premise_or_its_hypothesis(template):
    rng = random.Random(7)
    for _ in range(50):
        triple = template(rng)
        premises, hypotheses = (set(texts) for texts in zip(*triple, strict=True))
        assert len(set(triple)) == 3
        assert 1 in {len(premises), len(hypotheses)}


def test_numbers_entail_what_arithmetic_says():
    rng = random.Random(8)
    words = entailment.NUMBERS
    holds = {
        "At least": lambda size, bound: size >= bound,
        "More than": lambda size, bound: size > bound,
        "Fewer than": lambda size, bound: size < bound,
    }
    for _ in range(100):
        (premise, true), _, (_, false) = entailment._number(rng)
        size = words.index(premise.split()[1]) + 1
        for hypothesis, expected in ((true, True), (false, False)):
            first, second, bound = hypothesis.split()[:3]
            assert holds[f"{first} {second}"](size, words.index(bound) + 1) is expected
