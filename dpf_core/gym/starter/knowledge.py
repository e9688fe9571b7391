"""Readers of multiple-choice knowledge: geography from tables of facts, trivia from questions."""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from dpf_core.gym.starter.example import Example, labelled, only_file, question

_NUM_WRONG = 3
_MIN_POPULATION = 400_000
_CITIES_OF_A_COUNTRY = 8
_MIN_CITIZENS = 150_000
_NOT_ASKED = frozenset(
    {
        "AN", "CS", "CY", "EH", "GF", "GP", "HK", "IL", "LK", "MO", "MQ", "PR", "PS", "RE", "RS",
        "TW", "UA", "XK",
    }
)  # fmt: skip
"""Territories, dissolved countries, and capitals that are disputed or spelled in two ways."""
_MAX_ANSWER_WORDS = 5
_SPELLINGS = {
    "Berne": "Bern",
    "Nay Pyi Taw": "Naypyidaw",
    "Swaziland": "Eswatini",
    "Tripolis": "Tripoli",
    "Ulan Bator": "Ulaanbaatar",
}
Country = dict[str, Any]


def geography_questions(files: Mapping[str, bytes], rng: random.Random) -> Iterator[Example]:
    """Yield questions about capitals, currencies, neighbours and cities.

    The wrong options are facts about other countries of the same continent. Questions about one
    country stay together.
    """
    tables = {name.rpartition("/")[2]: json.loads(data) for name, data in files.items()}
    countries = [
        {**country, "name": _spell(country["name"]), "capital": _spell(country["capital"])}
        for country in tables["countries.json"].values()
        if country["population"] >= _MIN_POPULATION and country["iso"] not in _NOT_ASKED
    ]
    cities = _largest_cities(tables["cities.json"].values())
    for country in countries:
        others = [
            other
            for other in countries
            if other["continentcode"] == country["continentcode"] and other is not country
        ]
        yield from _capital_questions(country, others, rng)
        yield from _currency_questions(country, countries, rng)
        yield from _neighbour_questions(country, countries, others, rng)
        yield from _city_questions(country, others, cities, rng)


def trivia(files: Mapping[str, bytes], rng: random.Random) -> Iterator[Example]:
    """Yield quiz questions; wrong options answer other questions of the same kind."""
    conversations = yaml.safe_load(only_file(files))["conversations"]
    pairs = [(str(pair[0]), str(pair[1]).strip().rstrip(".")) for pair in conversations]
    by_kind: dict[str, list[str]] = {}
    for text, answer in pairs:
        if _is_short(text, answer):
            by_kind.setdefault(_kind(text, answer), []).append(answer)
    for text, answer in pairs:
        wrong = _other_answers(answer, by_kind.get(_kind(text, answer), []))
        if not _is_short(text, answer) or len(wrong) < _NUM_WRONG:
            yield labelled(text, answer, drop="long answer, or no wrong options of its kind")
        else:
            yield question(text, answer, rng.sample(wrong, _NUM_WRONG), rng)


def _capital_questions(
    country: Country, others: Sequence[Country], rng: random.Random
) -> Iterator[Example]:
    name, capital = country["name"], country["capital"]
    if capital and capital.partition(" ")[0] not in name and name not in capital:
        for text, field in (
            (f"What is the capital of {name}?", "capital"),
            (f"{capital} is the capital of which country?", "name"),
        ):
            wrong = [other[field] for other in rng.sample(others, min(len(others), _NUM_WRONG))]
            if len(wrong) == _NUM_WRONG and all(wrong):
                yield question(text, country[field], wrong, rng, group=country["iso"])


def _currency_questions(
    country: Country, countries: Sequence[Country], rng: random.Random
) -> Iterator[Example]:
    right = country["currencyname"]
    wrong = sorted({other["currencyname"] for other in countries} - {right, ""})
    text = f"Which currency do people use in {country['name']}?"
    if right:
        yield question(text, right, rng.sample(wrong, _NUM_WRONG), rng, group=country["iso"])


def _neighbour_questions(
    country: Country, countries: Sequence[Country], others: Sequence[Country], rng: random.Random
) -> Iterator[Example]:
    codes = set(country["neighbours"].split(","))
    near = [other["name"] for other in countries if other["iso"] in codes]
    far = [other["name"] for other in others if other["iso"] not in codes]
    if near and len(far) >= _NUM_WRONG:
        text = f"Which of these countries has a border with {country['name']}?"
        wrong = rng.sample(far, _NUM_WRONG)
        yield question(text, rng.choice(near), wrong, rng, group=country["iso"])


def _city_questions(
    country: Country,
    others: Sequence[Country],
    cities: Mapping[str, Sequence[str]],
    rng: random.Random,
) -> Iterator[Example]:
    name, group = country["name"], country["iso"]
    elsewhere = [city for other in others for city in cities.get(other["iso"], ())]
    for city in cities.get(group, ()):
        wrong = [other["name"] for other in rng.sample(others, min(len(others), _NUM_WRONG))]
        if len(wrong) == _NUM_WRONG and city != country["capital"]:
            yield question(
                f"In which country is the city of {city}?", name, wrong, rng, group=group
            )
    if len(elsewhere) >= _NUM_WRONG and cities.get(group):
        wrong = rng.sample(elsewhere, _NUM_WRONG)
        right = rng.choice(cities[group])
        yield question(f"Which of these cities is in {name}?", right, wrong, rng, group=group)


def _largest_cities(cities: Any) -> dict[str, list[str]]:
    """Return the names of each country's largest cities; a name of two cities is left out."""
    ordered = sorted(cities, key=lambda city: (-city["population"], city["geonameid"]))
    homonyms = Counter(city["name"] for city in ordered)
    result: dict[str, list[str]] = {}
    for city in ordered:
        known = result.setdefault(city["countrycode"], [])
        if len(known) == _CITIES_OF_A_COUNTRY or city["population"] < _MIN_CITIZENS:
            continue
        if homonyms[city["name"]] == 1:
            known.append(city["name"])
    return result


def _spell(name: str) -> str:
    return _SPELLINGS.get(name.strip(), name.strip())


def _is_short(text: str, answer: str) -> bool:
    return len(text) > 1 and len(answer.split()) <= _MAX_ANSWER_WORDS


_KINDS = (
    ("person", r"^(who|as whom)\b|whose|(which|what) [^?]*(singer|rapper|author|artist|astronomer|"
     r"actress|actor|president|fascist leader|poet|designer|celebrity|character)"),
    ("place", r"^where|(which|what|whose) [^?]*(country|city|state|continent|town|border)"),
    ("colour", r"\bcolors?\b"),
    ("creature", r"(animal|mammal|bird|insect|deer|dog|species|horse|bulbs|tree|fruit|food|beans)"),
    ("work", r"(film|movie|book|play|song|show|title|video|cartoon)"),
)  # fmt: skip
_NUMBER = re.compile(r"\d+|zero|two|three|five|six|seven|twenty-four", re.IGNORECASE)


def _kind(text: str, answer: str) -> str:
    """Return a rough type of the answer, so that wrong options are of the same type."""
    if _NUMBER.fullmatch(answer):
        return "year" if len(answer) == 4 and answer.isdigit() else "number"
    for kind, pattern in _KINDS:
        if re.search(pattern, text, re.IGNORECASE):
            return kind
    return "thing"


def _other_answers(answer: str, answers: Sequence[str]) -> list[str]:
    words = set(answer.casefold().split()) - {"the", "a", "an", "of", "and", "in"}
    return sorted({other for other in answers if not words & set(other.casefold().split())})
