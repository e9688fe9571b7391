"""Sentences with a paraphrase and with a sentence of nearly the same words but another meaning.

Paraphrases change construction or words (passive, dative, cleft, converse verbs, synonyms); the
others keep them and change who did what, to whom, when, or which.
"""

import random
from collections.abc import Callable, Iterator, Mapping

from dpf_core.gym.starter.example import Example
from dpf_core.gym.starter.grammar.lexicon import (
    ADJECTIVES,
    GIVING,
    HANDLING,
    INTRANSITIVE,
    NAMES,
    OPPOSITES,
    PEOPLE,
    PLACES,
    SOCIAL,
    THING_ADJECTIVES,
    THINGS,
    TIMES,
)

BASES = 760
Triple = tuple[str, str, str]
"""A sentence, a paraphrase, and a sentence that means something else."""
_CONVERSES = (
    ("sold the {} to", "bought the {} from"),
    ("lent the {} to", "borrowed the {} from"),
    ("gave the {} to", "got the {} from"),
    ("told the story of the {} to", "heard the story of the {} from"),
)
"""The same event told from either side."""
_SYNONYMS = (
    ("bought", "purchased", "sold"),
    ("repaired", "fixed", "broke"),
    ("found", "discovered", "lost"),
    ("started to paint", "began to paint", "finished painting"),
    ("liked", "was fond of", "hated"),
    ("rented", "hired", "bought"),
    ("destroyed", "ruined", "rescued"),
    ("picked up", "lifted", "dropped"),
    ("showed", "displayed", "hid"),
    ("needed", "required", "refused"),
    ("fetched", "went to get", "took away"),
    ("forgot to bring", "did not remember to bring", "remembered to bring"),
)
"""A verb, another with its meaning, and one with another meaning."""
_PARTICLES = (
    ("gave", "back", "away"),
    ("put", "down", "away"),
    ("took", "out", "apart"),
    ("brought", "back", "along"),
    ("threw", "away", "down"),
    ("picked", "up", "out"),
)
"""A verb and two particles that give it different meanings."""


def sentence_paraphrase(_: Mapping[str, bytes], rng: random.Random) -> Iterator[Example]:
    """Yield a paraphrase and a different sentence of each base, the two in either order."""
    for number in range(BASES):
        base, same, different = TEMPLATES[number % len(TEMPLATES)](rng)
        for label, other in (("paraphrase", same), ("different", different)):
            first, second = rng.sample((base, other), 2)
            yield Example({"first": first, "second": second}, label, group=f"base {number}")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _sentences(base: str, same: str, different: str) -> Triple:
    return _sentence(base), _sentence(same), _sentence(different)


def _two_people(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample(PEOPLE, 2)
    one, two = rng.sample(ADJECTIVES, 2)
    if rng.random() < 0.5:
        return f"the {first.singular}", f"the {two} {second.singular}"
    return f"the {one} {first.singular}", f"the {second.singular}"


def _two_names(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample(NAMES, 2)
    return first.name, second.name


def _two_items(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample(THINGS, 2)
    adjective = rng.choice(THING_ADJECTIVES)
    return f"the {adjective} {first.singular}", f"the {adjective} {second.singular}"


def _passive(rng: random.Random) -> Triple:
    (first, second), verb, time = _two_people(rng), rng.choice(SOCIAL), rng.choice(TIMES)
    base = f"{first} {verb.past} {second} {time}"
    right = f"{second} was {verb.participle} by {first} {time}"
    wrong = f"{first} was {verb.participle} by {second} {time}"
    return _sentences(base, right, wrong)


def _dative(rng: random.Random) -> Triple:
    (first, second), (item, other) = _two_names(rng), _two_items(rng)
    verb = rng.choice(GIVING).past
    base, right = f"{first} {verb} {second} {item}", f"{first} {verb} {item} to {second}"
    wrong = (f"{second} {verb} {item} to {first}", f"{first} {verb} {other} to {second}")
    return _sentences(base, right, rng.choice(wrong))


def _cleft(rng: random.Random) -> Triple:
    (first, second), verb, time = _two_people(rng), rng.choice(SOCIAL).past, rng.choice(TIMES)
    base = f"{first} {verb} {second} {time}"
    if rng.random() < 0.5:
        right, wrong = f"{first} who {verb} {second}", f"{second} who {verb} {first}"
    else:
        right, wrong = f"{second} whom {first} {verb}", f"{first} whom {second} {verb}"
    return _sentences(base, f"it was {right} {time}", f"it was {wrong} {time}")


def _converse(rng: random.Random) -> Triple:
    (first, second), time = _two_names(rng), rng.choice(TIMES)
    item = rng.choice(THINGS).singular
    to, from_ = (part.format(item) for part in rng.choice(_CONVERSES))
    base = f"{first} {to} {second} {time}"
    return _sentences(base, f"{second} {from_} {first} {time}", f"{first} {from_} {second} {time}")


def _synonym(rng: random.Random) -> Triple:
    start = f"the {rng.choice(PEOPLE).singular}"
    end = f"{_two_items(rng)[0]} {rng.choice(TIMES)}"
    base, same, different = (f"{start} {verb} {end}" for verb in rng.choice(_SYNONYMS))
    return _sentences(base, same, different)


def _fronting(rng: random.Random) -> Triple:
    time, other_time = rng.sample(TIMES, 2)
    (first, second), (item, other_item) = _two_names(rng), _two_items(rng)
    verb = rng.choice(HANDLING).past
    wrong = (
        f"{other_time}, {first} {verb} {item}",
        f"{time}, {second} {verb} {item}",
        f"{time}, {first} {verb} {other_item}",
    )
    base, right = f"{first} {verb} {item} {time}", f"{time}, {first} {verb} {item}"
    return _sentences(base, right, rng.choice(wrong))


def _order_in_time(rng: random.Random) -> Triple:
    first, second = _two_people(rng)
    one, two = (verb.past for verb in rng.sample(INTRANSITIVE, 2))
    base = f"{first} {one} before {second} {two}"
    wrong = (f"{second} {two} before {first} {one}", f"{second} {one} after {first} {two}")
    return _sentences(base, f"{second} {two} after {first} {one}", rng.choice(wrong))


def _particle(rng: random.Random) -> Triple:
    verb, particle, other = rng.choice(_PARTICLES)
    start, item = f"{rng.choice(NAMES).name} {verb}", f"the {rng.choice(THINGS).singular}"
    time = rng.choice(TIMES)
    base = f"{start} {item} {particle} {time}"
    return _sentences(base, f"{start} {particle} {item} {time}", f"{start} {other} {item} {time}")


def _possession(rng: random.Random) -> Triple:
    first, second = _two_people(rng)
    belongs, owns = rng.choice((("belongs to", "owns"), ("belonged to", "owned")))
    item = f"the {rng.choice(THINGS).singular} {rng.choice(PLACES)}"
    return _sentences(
        f"{item} {belongs} {first}", f"{first} {owns} {item}", f"{second} {owns} {item}"
    )


def _comparison(rng: random.Random) -> Triple:
    (first, second), (more, less, _) = _two_people(rng), rng.choice(OPPOSITES)
    base = f"{first} is {more} than {second}"
    wrong = rng.choice((f"{second} is {more} than {first}", f"{first} is {less} than {second}"))
    return _sentences(base, f"{second} is {less} than {first}", wrong)


def _amount(rng: random.Random) -> Triple:
    first, second = (noun.plural for noun in rng.sample(PEOPLE, 2))
    place = rng.choice(PLACES)
    base = f"there are more {first} than {second} {place}"
    wrong = (f"more {second} than {first}", f"fewer {first} than {second}")
    right = f"there are fewer {second} than {first} {place}"
    return _sentences(base, right, f"there are {rng.choice(wrong)} {place}")


def _coordination(rng: random.Random) -> Triple:
    names = [name.name for name in rng.sample(NAMES, 3)]
    verb, time = rng.choice(SOCIAL).past, rng.choice(TIMES)
    base = f"{names[0]} and {names[1]} {verb} {names[2]} {time}"
    wrong = f"{names[0]} {verb} {names[1]} and {names[2]} {time}"
    return _sentences(base, f"{names[1]} and {names[0]} {verb} {names[2]} {time}", wrong)


def _negation(rng: random.Random) -> Triple:
    people = rng.choice(PEOPLE).plural
    end = f"{rng.choice(HANDLING).past} {_two_items(rng)[0]} {rng.choice(TIMES)}"
    same = (
        (f"none of the {people} {end}", f"not a single one of the {people} {end}"),
        (f"all but one of the {people} {end}", f"all of the {people} except one {end}"),
        (f"some of the {people} {end}", f"at least one of the {people} {end}"),
    )
    (base, right), (_, wrong) = rng.sample(same, 2)
    return _sentences(base, right, wrong)


TEMPLATES: tuple[Callable[[random.Random], Triple], ...] = (
    _passive,
    _dative,
    _cleft,
    _converse,
    _synonym,
    _fronting,
    _order_in_time,
    _particle,
    _possession,
    _comparison,
    _amount,
    _coordination,
    _negation,
)
"""Generators of triples, used in turn."""
