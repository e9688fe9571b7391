"""Minimal pairs of an acceptable and an unacceptable sentence, as the BLiMP benchmark has them.

Both sentences of a pair are rows and differ in one respect: agreement, an anaphor, a verb form, the
order of words, an argument, a quantifier or a polarity item.
"""

import random
from collections.abc import Callable, Iterator, Mapping

from dpf_core.gym.starter.example import Example, labelled
from dpf_core.gym.starter.grammar.lexicon import (
    ADJECTIVES,
    HANDLING,
    INTRANSITIVE,
    NAMES,
    NUMBERS,
    ODD_PARTICIPLE,
    PEOPLE,
    PLACES,
    PREPOSITIONS,
    SOCIAL,
    SUBSTANCES,
    THING_ADJECTIVES,
    THINGS,
    TIMES,
)

PAIRS = 760
Pair = tuple[str, str]
"""An acceptable sentence and the unacceptable one."""


def sentence_acceptability(_: Mapping[str, bytes], rng: random.Random) -> Iterator[Example]:
    """Yield both sentences of each pair; a pair stays together."""
    for number in range(PAIRS):
        good, bad = PHENOMENA[number % len(PHENOMENA)](rng)
        yield labelled(good, "acceptable", group=f"pair {number}")
        yield labelled(bad, "unacceptable", group=f"pair {number}")


def _verb_agreement(rng: random.Random) -> Pair:
    number = rng.randrange(2)
    subject, attractor = rng.sample(PEOPLE, 2)
    verb = rng.choice(INTRANSITIVE)
    forms = (verb.third, verb.base)
    start = f"The {subject[number]} {rng.choice(PREPOSITIONS)} the {attractor[1 - number]}"
    end = rng.choice(PLACES)
    return f"{start} {forms[number]} {end}.", f"{start} {forms[1 - number]} {end}."


def _relative_clause_agreement(rng: random.Random) -> Pair:
    number = rng.randrange(2)
    subject, other = rng.sample(PEOPLE, 2)
    start = f"The {subject[number]} that the {other[1 - number]} {rng.choice(SOCIAL).past}"
    forms, end = ("was", "were"), f"{rng.choice(ADJECTIVES)} {rng.choice(TIMES)}"
    return f"{start} {forms[number]} {end}.", f"{start} {forms[1 - number]} {end}."


def _determiner_agreement(rng: random.Random) -> Pair:
    number = rng.randrange(2)
    determiners = rng.choice((("this", "these"), ("that", "those")))
    end = f"{rng.choice(THING_ADJECTIVES)} {rng.choice(THINGS)[number]}"
    start = f"{rng.choice(NAMES).name} {rng.choice(HANDLING).past}"
    return f"{start} {determiners[number]} {end}.", f"{start} {determiners[1 - number]} {end}."


def _anaphor_gender(rng: random.Random) -> Pair:
    person = rng.choice(NAMES)
    other = {"himself": "herself", "herself": "himself"}[person.reflexive]
    start, end = f"{person.name} {rng.choice(SOCIAL).past}", rng.choice(TIMES)
    return f"{start} {person.reflexive} {end}.", f"{start} {other} {end}."


def _anaphor_number(rng: random.Random) -> Pair:
    person, verb = rng.choice(NAMES), rng.choice(SOCIAL).past
    start, good, bad = f"{person.name} {verb}", person.reflexive, "themselves"
    if rng.random() < 0.5:
        start, good, bad = f"The {rng.choice(PEOPLE).plural} {verb}", bad, good
    time = rng.choice(TIMES)
    return f"{start} {good} {time}.", f"{start} {bad} {time}."


def _participle(rng: random.Random) -> Pair:
    verb = rng.choice(ODD_PARTICIPLE)
    start = f"The {rng.choice(PEOPLE).singular} {rng.choice(('had', 'has'))}"
    end = f"the {rng.choice(THINGS).singular}"
    return f"{start} {verb.participle} {end}.", f"{start} {verb.past} {end}."


def _auxiliary(rng: random.Random) -> Pair:
    verb = rng.choice(HANDLING)
    start = f"The {rng.choice(PEOPLE).singular}"
    end = f"the {rng.choice(THING_ADJECTIVES)} {rng.choice(THINGS).singular}"
    right, wrong = rng.choice(
        (
            (f"is {verb.gerund}", f"is {verb.base}"),
            (f"will {verb.base}", f"will {verb.gerund}"),
            (f"did not {verb.base}", f"did not {verb.third}"),
            (f"can {verb.base}", f"can {verb.third}"),
        )
    )
    return f"{start} {right} {end}.", f"{start} {wrong} {end}."


def _question_order(rng: random.Random) -> Pair:
    verb, person = rng.choice(HANDLING), f"the {rng.choice(PEOPLE).singular}"
    word, time = rng.choice(("What", "Which book", "Where", "When")), rng.choice(TIMES)
    end = f"{verb.base} {time}?"
    if word in {"Where", "When"}:
        end = f"{verb.base} the {rng.choice(THINGS).singular}?"
    return f"{word} did {person} {end}", f"{word} {person} did {end}"


def _object_order(rng: random.Random) -> Pair:
    subject = f"The {rng.choice(ADJECTIVES)} {rng.choice(PEOPLE).singular}"
    verb, item = rng.choice(HANDLING).past, f"the {rng.choice(THINGS).singular}"
    time = rng.choice(TIMES)
    return f"{subject} {verb} {item} {time}.", f"{subject} {item} {verb} {time}."


def _adjective_order(rng: random.Random) -> Pair:
    adjective, person = rng.choice(ADJECTIVES), rng.choice(PEOPLE).singular
    end = f"{rng.choice(INTRANSITIVE).past} {rng.choice(PLACES)}."
    return f"The {adjective} {person} {end}", f"The {person} {adjective} {end}"


def _intransitive(rng: random.Random) -> Pair:
    person, item = rng.choice(PEOPLE).singular, rng.choice(THINGS).singular
    transitive = rng.choice(HANDLING).past
    verb = rng.choice(("smiled", "slept", "laughed", "waited", "complained", "arrived", "sneezed"))
    time = rng.choice(TIMES)
    return (
        f"The {person} {transitive} the {item} {time}.",
        f"The {person} {verb} the {item} {time}.",
    )


def _filled_gap(rng: random.Random) -> Pair:
    name, person = rng.choice(NAMES).name, rng.choice(PEOPLE).singular
    start = f"{name} knows what the {person} {rng.choice(HANDLING).past}"
    time = rng.choice(TIMES)
    return f"{start} {time}.", f"{start} the {rng.choice(THINGS).singular} {time}."


def _polarity(rng: random.Random) -> Pair:
    first, second = rng.sample(PEOPLE, 2)
    end = f"ever {rng.choice(HANDLING).participle} a {rng.choice(THING_ADJECTIVES)} thing"
    if rng.random() < 0.5:
        good, bad = rng.choice((("No", "Some"), ("None of the", "All of the"), ("Few", "Many")))
        return f"{good} {first.plural} have {end}.", f"{bad} {first.plural} have {end}."
    clause = f"{second.singular} {rng.choice(SOCIAL).past} has {end}"
    good, bad = f"No {first.singular} that the", f"The {first.singular} that no"
    return f"{good} {clause}.", f"{bad} {clause}."


def _existential(rng: random.Random) -> Pair:
    people, place = rng.choice(PEOPLE).plural, rng.choice(PLACES)
    quantifier = rng.choice(("all the", "most of the", "both the"))
    bad = f"There were {quantifier} {people} {place}."
    if rng.random() < 0.5:
        return f"{quantifier.capitalize()} {people} were {place}.", bad
    return f"There were {rng.choice((*NUMBERS[1:], 'some', 'several'))} {people} {place}.", bad


def _comparative(rng: random.Random) -> Pair:
    first, second = (name.name for name in rng.sample(NAMES, 2))
    start = f"{first} {rng.choice(('is', 'was', 'seems', 'looks'))}"
    good, bad = rng.choice(("taller", "older", "younger", "richer", "braver", "lazier")), "more {}"
    if rng.random() < 0.5:
        adjective = rng.choice(("famous", "nervous", "cheerful", "polite", "careful", "friendly"))
        good, bad = f"more {adjective}", adjective
    return f"{start} {good} than {second}.", f"{start} {bad.format(good)} than {second}."


def _quantity(rng: random.Random) -> Pair:
    start, time = f"{rng.choice(NAMES).name} {rng.choice(HANDLING).past}", rng.choice(TIMES)
    few, little = rng.choice((("many", "much"), ("a few", "a little"), ("several", "too much")))
    items, good, bad = rng.choice(THINGS).plural, few, little
    if rng.random() < 0.5:
        items, good, bad = rng.choice(SUBSTANCES), little, few
    return f"{start} {good} {items} {time}.", f"{start} {bad} {items} {time}."


PHENOMENA: tuple[Callable[[random.Random], Pair], ...] = (
    _verb_agreement,
    _relative_clause_agreement,
    _determiner_agreement,
    _anaphor_gender,
    _anaphor_number,
    _participle,
    _auxiliary,
    _question_order,
    _object_order,
    _adjective_order,
    _intransitive,
    _filled_gap,
    _polarity,
    _existential,
    _comparative,
    _quantity,
)
"""Generators of pairs, used in turn."""
