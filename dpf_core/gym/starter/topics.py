"""Readers of topic tasks: news articles, diagnoses and names of emoji."""

import json
import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping

from dpf_core.gym.starter.example import Example, labelled, only_file

_NEWS_WORDS = 50
_CHAPTERS = {
    "Certain infectious and parasitic diseases": "infection",
    "Neoplasms": "neoplasm",
    "Endocrine, nutritional and metabolic diseases": "metabolism",
    "Mental, Behavioral and Neurodevelopmental disorders": "mind",
    "Diseases of the nervous system": "nerves",
    "Diseases of the eye and adnexa": "eye",
    "Diseases of the circulatory system": "circulation",
    "Diseases of the respiratory system": "respiration",
    "Diseases of the digestive system": "digestion",
    "Diseases of the skin and subcutaneous tissue": "skin",
    "Diseases of the musculoskeletal system and connective tissue": "bones and joints",
    "Pregnancy, childbirth and the puerperium": "pregnancy",
}
_CODE_LENGTH = 5
_EMOJI_VARIANT = re.compile(
    r"\b(?:wo)?man\b|\bperson\b| facing right| in lotus|(?<=^family): .*|(?<=^clock face) .*|"
    r"(?<=^keycap) .*"
)
_EMOJI_LABELS = {
    "Smileys & Emotion": "faces and emotions",
    "People & Body": "people",
    "Animals & Nature": "animals and nature",
    "Food & Drink": "food and drink",
    "Travel & Places": "travel and places",
    "Activities": "activities",
    "Objects": "objects",
    "Symbols": "symbols",
}


def news_topic(files: Mapping[str, bytes], _: random.Random) -> Iterator[Example]:
    """Yield the headline and the first sentences of each article; the label is its folder."""
    for name, data in files.items():
        headline, *paragraphs = (line for line in _decoded(data).split("\n") if line.strip())
        words = " ".join(paragraphs).split()
        text = " ".join(words[:_NEWS_WORDS])
        if len(words) > _NEWS_WORDS:
            text = _whole_sentences(text)
        label = name.split("/")[-2]
        yield labelled(f"{headline.strip()}. {text}", label, group=headline)


def medical_topic(files: Mapping[str, bytes], _: random.Random) -> Iterator[Example]:
    """Yield diagnoses with the chapter of ICD-10-CM; codes of one disease stay together."""
    for chapter in ET.fromstring(only_file(files)).iter("chapter"):
        label = _CHAPTERS.get((chapter.findtext("desc") or "").rpartition(" (")[0])
        for diagnosis in chapter.iter("diag") if label else ():
            code = diagnosis.findtext("name") or ""
            if label and len(code) <= _CODE_LENGTH:
                yield labelled(diagnosis.findtext("desc") or "", label, group=code[:3])


def emoji_category(files: Mapping[str, bytes], _: random.Random) -> Iterator[Example]:
    """Yield names of emoji with their group in the Unicode standard.

    Names that differ by who does it, or by a number, stay together.
    """
    for entry in json.loads(only_file(files)):
        label = _EMOJI_LABELS.get(entry["category"])
        if label and entry["name"]:
            name = entry["name"].lower()
            yield labelled(name, label, group=_EMOJI_VARIANT.sub("", name).strip())


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:  # one article of 2,225 is in this encoding
        return data.decode("cp1252")


def _whole_sentences(text: str) -> str:
    end = max(text.rfind(". "), text.rfind('." '), text.rfind("? "))
    return text[: end + 1] if end > 0 else f"{text} ..."
