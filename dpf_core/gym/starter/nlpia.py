"""Readers of the pinned archive: questions, text messages and rated sentences."""

import random
import re
from collections.abc import Iterable, Iterator, Mapping

from dpf_core.gym.starter.example import Example, Reader, labelled, only_file

_QUESTION_LABELS = {
    "ABBR": "abbreviation",
    "DESC": "description",
    "ENTY": "entity",
    "HUM": "human",
    "LOC": "location",
    "NUM": "number",
}
_TOKEN_SPACES = (
    (re.compile(r"`` ?| ?''"), '"'),
    (re.compile(r" (?=' |[?,.;:!)]|'(?:s|re|ve|ll|d|m|t)?\b|n't\b)"), ""),
    (re.compile(r"(?<=\() "), ""),
)
_MESSAGE = re.compile(r"\d+,([01]),(.*)")
_SWALLOWED_MESSAGE = re.compile(r"(ham|spam)\t(.*)")
_SLUR_ROWS = frozenset({"1055", "1997", "3221", "3224", "3751", "3777", "4042", "4156"})


def question_type(files: Mapping[str, bytes], _: random.Random) -> Iterator[Example]:
    """Yield questions with the coarse type of their answer, written as plain sentences."""
    for line in only_file(files).decode("utf-8").splitlines():
        if line.strip():
            label, text = line.split(" ", 1)
            for pattern, replacement in _TOKEN_SPACES:
                text = pattern.sub(replacement, text)
            yield labelled(text, _QUESTION_LABELS[label.partition(":")[0]])


def spam_messages(files: Mapping[str, bytes], _: random.Random) -> Iterator[Example]:
    """Yield text messages.

    The file is CSV whose quoting swallowed 737 rows of the original; both forms are read by line.
    """
    for line in only_file(files).decode("utf-8").split("\n")[1:]:
        if match := _MESSAGE.match(line):
            yield labelled(_unquoted(match[2]), "spam" if match[1] == "1" else "ham")
        elif match := _SWALLOWED_MESSAGE.match(line):
            yield labelled(_unquoted(match[2]), match[1])


def rated_sentences(
    *, bound: float, neutral: float | None = None, excluded: Iterable[str] = ()
) -> Reader:
    """Return a reader of sentences with the mean rating of about twenty people, from -4 to 4.

    Args:
        bound: From here on a sentence is positive, and below its negative it is negative.
        neutral: Up to this absolute rating a sentence is neutral; None means no such label.
        excluded: Ids of rows with slurs.
    """

    def label_of(rating: float) -> str:
        if abs(rating) >= bound:
            return "positive" if rating > 0 else "negative"
        return "neutral" if neutral is not None and abs(rating) <= neutral else ""

    def read(files: Mapping[str, bytes], _: random.Random) -> Iterator[Example]:
        for line in only_file(files).decode("utf-8").splitlines()[1:]:
            identity, rating, text = line.split("\t")
            label = label_of(float(rating))
            drop = "rating between two labels" if not label else ""
            yield labelled(text, label, drop="slur" if identity in excluded else drop)

    return read


movie_sentiment = rated_sentences(bound=1.5)
product_sentiment = rated_sentences(bound=1.0)
tweet_sentiment = rated_sentences(bound=1.5, neutral=0.75, excluded=_SLUR_ROWS)


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    elif text.count('"') % 2:
        text = text.removeprefix('"') if text.startswith('"') else text.removesuffix('"')
    return text.replace('""', '"')
