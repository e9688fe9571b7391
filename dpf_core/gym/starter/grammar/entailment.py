"""Premises with an entailed, a neutral and a contradicted hypothesis.

Every template gives all three labels from the same words, often with one hypothesis for three
premises, so that neither the hypothesis alone nor the shared words give the label away.
"""

import random
from collections.abc import Callable, Iterator, Mapping

from dpf_core.gym.starter.example import Example
from dpf_core.gym.starter.grammar.lexicon import (
    ACTIVITIES,
    ADJECTIVES,
    CITIES,
    COLOURS,
    GARMENTS,
    HANDLING,
    INTRANSITIVE,
    KINDS,
    NAMES,
    NUMBERS,
    OPPOSITES,
    PEOPLE,
    PLACES,
    SOCIAL,
    THINGS,
    TIMES,
    Verb,
)

LABELS = ("entailment", "neutral", "contradiction")
TRIPLES = 500
Pair = tuple[str, str]
"""A premise and a hypothesis."""
Triple = tuple[Pair, Pair, Pair]
"""One pair for each of `LABELS`."""


def sentence_entailment(_: Mapping[str, bytes], rng: random.Random) -> Iterator[Example]:
    """Yield the three pairs of each triple; a triple stays together."""
    for number in range(TRIPLES):
        triple = TEMPLATES[number % len(TEMPLATES)](rng)
        for label, (premise, hypothesis) in zip(LABELS, triple, strict=True):
            columns = {"premise": premise, "hypothesis": hypothesis}
            yield Example(columns, label, group=f"triple {number}")


def _one_premise(premise: str, entailed: str, neutral: str, contradicted: str) -> Triple:
    return (premise, entailed), (premise, neutral), (premise, contradicted)


def _one_hypothesis(hypothesis: str, entails: str, neutral: str, contradicts: str) -> Triple:
    return (entails, hypothesis), (neutral, hypothesis), (contradicts, hypothesis)


def _quantifier(rng: random.Random) -> Triple:
    narrow, broad, broadest = rng.choice(KINDS)
    act = f"are {rng.choice(ACTIVITIES)}."
    sentences = (
        (f"Some {narrow} {act}", f"Some {broad} {act}", f"All {narrow} {act}", f"No {broad} {act}"),
        (f"No {broad} {act}", f"No {narrow} {act}", f"No {broadest} {act}", f"Some {narrow} {act}"),
        (
            f"All the {broad} {act}",
            f"All the {narrow} {act}",
            f"All the {broadest} {act}",
            f"Some of the {broad} are not {act[4:]}",
        ),
        (f"Most {broad} {act}", f"Some {broad} {act}", f"Most {narrow} {act}", f"No {broad} {act}"),
    )
    return _one_premise(*rng.choice(sentences))


def _number(rng: random.Random) -> Triple:
    size = rng.randrange(3, 8)
    people, act = rng.choice(PEOPLE).plural, f"are {rng.choice(ACTIVITIES)}."
    low, high = NUMBERS[rng.randrange(1, size - 1)], NUMBERS[rng.randrange(size + 1, 10)]
    true = rng.choice((f"At least {low}", f"More than {low}", f"Fewer than {high}"))
    false = rng.choice((f"At least {high}", f"More than {high}", f"Fewer than {low}"))
    premise = f"Exactly {NUMBERS[size - 1]} {people} {act}"
    neutral = rng.choice((f"Most of the {people} in the town {act}", f"Only young {people} {act}"))
    return _one_premise(premise, f"{true} {people} {act}", neutral, f"{false} {people} {act}")


def _attribute(rng: random.Random) -> Triple:
    person, garment = rng.choice(PEOPLE).singular, rng.choice(GARMENTS)
    colour, other = rng.sample(COLOURS, 2)
    act = f"{rng.choice(HANDLING).gerund} a {rng.choice(THINGS).singular}"
    place = rng.choice(PLACES)
    premise = f"The {rng.choice(ADJECTIVES)} {person} in the {colour} {garment} is {act} {place}."
    choices = (
        (f"The {person} is {act}.", f"The {person} is {act} for a friend.", f"Nobody is {act}."),
        (
            f"The {person} wears something {colour}.",
            f"The {person} has a new {garment}.",
            f"The {person}'s {garment} is {other}.",
        ),
        (
            f"There is a {person} {place}.",
            f"There is also a dog {place}.",
            f"There is no {person} {place}.",
        ),
    )
    return _one_premise(premise, *rng.choice(choices))


def _comparison(rng: random.Random) -> Triple:
    first, second, third = (name.name for name in rng.sample(NAMES, 3))
    more, less, plain = rng.choice(OPPOSITES)
    short = f"{first} is {more} than {second}."
    long = f"{first} is {more} than {second}, and {second} is {more} than {third}."
    choices = (
        (short, f"{second} is {less} than {first}.", f"{first} is {more} than {third}."),
        (short, f"{first} is not {less} than {second}.", f"{second} is very {plain}."),
        (long, f"{first} is {more} than {third}.", f"{third} is not {plain}."),
    )
    return _one_premise(*rng.choice(choices), f"{second} is {more} than {first}.")


def _order_in_time(rng: random.Random) -> Triple:
    first, second = (name.name for name in rng.sample(NAMES, 2))
    one, two = (_did(rng) for _ in range(2))
    premise = f"{first} {one} before {second} {two}."
    neutral = rng.choice((f"{second} {two} because {first} {one}.", f"{first} also {two}."))
    false = f"{second} {two} before {first} {one}."
    return _one_premise(premise, f"{second} {two} after {first} {one}.", neutral, false)


def _containment(rng: random.Random) -> Triple:
    (city, country), (other_city, other_country) = rng.sample(CITIES, 2)
    start = f"{rng.choice(NAMES).name} {rng.choice(('lives', 'works', 'studies', 'was born'))}"
    choices = (
        (f"in {city}", f"in {country}", f"in the centre of {city}", f"in {other_country}"),
        (f"in {country}", f"outside {other_country}", f"in {city}", f"in {other_city}"),
        (f"outside {country}", f"outside {city}", f"in {other_city}", f"in {city}"),
    )
    return _one_premise(*(f"{start} {place}." for place in rng.choice(choices)))


def _implicative(rng: random.Random) -> Triple:
    name, time = rng.choice(NAMES).name, rng.choice(TIMES)
    verb, item = rng.choice(HANDLING), f"the {rng.choice(THINGS).singular}"
    yes = (
        f"{name} {rng.choice(('managed', 'remembered', 'was able'))} to {verb.base} {item} {time}."
    )
    no = f"{name} {rng.choice(('failed', 'refused', 'neglected'))} to {verb.base} {item} {time}."
    open_ = f"{name} {rng.choice(('wanted', 'hoped', 'planned'))} to {verb.base} {item} {time}."
    if rng.random() < 0.5:
        return _one_hypothesis(f"{name} {verb.past} {item} {time}.", yes, open_, no)
    return _one_hypothesis(f"{name} did not {verb.base} {item} {time}.", no, open_, yes)


def _conjunction(rng: random.Random) -> Triple:
    first, second = (name.name for name in rng.sample(NAMES, 2))
    verb, end = _event(rng)
    both = f"Both {first} and {second} {verb.past} {end}."
    either = f"Either {first} or {second} {verb.past} {end}."
    neither = f"Neither {first} nor {second} {verb.past} {end}."
    turn = rng.randrange(3)
    if turn == 0:
        one = f"At least one of {first} and {second} {verb.past} {end}."
        return _one_premise(either, one, f"{second} {verb.past} {end}.", neither)
    if turn == 1:
        return _one_hypothesis(f"{first} {verb.past} {end}.", both, either, neither)
    return _one_hypothesis(f"{first} did not {verb.base} {end}.", neither, either, both)


def _attitude(rng: random.Random) -> Triple:
    first, second = (name.name for name in rng.sample(NAMES, 2))
    verb, end = _event(rng)
    clause = f"that {first} {verb.past} {end}."
    yes = f"{second} {rng.choice(('knows', 'is glad', 'regrets', 'noticed'))} {clause}"
    no = f"{rng.choice(('It is false', f'{second} wrongly believes', 'It is a lie'))} {clause}"
    open_ = f"{second} {rng.choice(('thinks', 'hopes', 'suspects', 'says'))} {clause}"
    if rng.random() < 0.5:
        return _one_hypothesis(f"{first} {verb.past} {end}.", yes, open_, no)
    return _one_hypothesis(f"{first} did not {verb.base} {end}.", no, open_, yes)


def _roles(rng: random.Random) -> Triple:
    first, second, third = (f"the {noun.singular}" for noun in rng.sample(PEOPLE, 3))
    verb, time = rng.choice(SOCIAL), rng.choice(TIMES)
    premise = f"Only {first} {verb.past} {second} {time}."
    entailed = f"{second} was {verb.participle} by {first} {time}."
    false = f"{second} was {verb.participle} by {third} {time}."
    neutral = f"{first} was {verb.participle} by {second} {time}."
    return _one_premise(
        premise, *(text[0].upper() + text[1:] for text in (entailed, neutral, false))
    )


def _event(rng: random.Random) -> tuple[Verb, str]:
    if rng.random() < 0.5:
        return rng.choice(INTRANSITIVE), rng.choice(PLACES)
    return rng.choice(HANDLING), f"the {rng.choice(THINGS).singular} {rng.choice(TIMES)}"


def _did(rng: random.Random) -> str:
    return f"{rng.choice(HANDLING).past} the {rng.choice(THINGS).singular}"


TEMPLATES: tuple[Callable[[random.Random], Triple], ...] = (
    _quantifier,
    _number,
    _attribute,
    _comparison,
    _order_in_time,
    _containment,
    _implicative,
    _conjunction,
    _attitude,
    _roles,
)
"""Generators of triples, used in turn."""
