"""Sentence templates of home assistants: alternatives, options, permutations, rules and slots.

`(a|b)` is one of both, `[a]` may be left out, `(a;b)` stands in any order, `<rule>` and `{slot}`
are replaced. Templates are expanded at random; their words are people's, the choices are not.
"""

import random
import re
from collections.abc import Mapping, Sequence

_RULE = re.compile(r"<(\w+)>")
_SLOT = re.compile(r"\{(\w+)(?::\w+)?\}")
_INNERMOST = re.compile(r"([(\[])([^()\[\]]*)[)\]]")
_SIGN = re.compile(r" ([%°])")
_COUNTED = re.compile(r"\b(\d+)([ -])(hour|minute|second|degree)s?\b")


def unknown_slots(template: str, rules: Mapping[str, str], slots: Mapping[str, object]) -> set[str]:
    """Return the slots of a template that have no values."""
    return set(_SLOT.findall(with_rules(template, rules))) - slots.keys()


def with_rules(template: str, rules: Mapping[str, str]) -> str:
    """Return the template with every rule written out."""
    while _RULE.search(template):
        template = _RULE.sub(lambda match: f"({rules[match[1]]})", template)
    return template


def expand(
    template: str,
    rules: Mapping[str, str],
    slots: Mapping[str, Sequence[str]],
    rng: random.Random,
) -> str:
    """Return one sentence of a template, with numbers and their units in agreement."""
    text = with_rules(template, rules)
    text = _SLOT.sub(lambda match: f"({rng.choice(slots[match[1]])})", text)
    while match := _INNERMOST.search(text):
        text = text[: match.start()] + _choice(match[1], match[2], rng) + text[match.end() :]
    text = _SIGN.sub(r"\1", " ".join(text.split()))
    return _COUNTED.sub(_agree, text)


def _choice(bracket: str, content: str, rng: random.Random) -> str:
    if bracket == "[" and rng.random() < 0.5:
        return ""
    parts = content.split(";")
    if len(parts) > 1:
        rng.shuffle(parts)
        return " ".join(parts)
    return rng.choice(content.split("|"))


def _agree(match: re.Match[str]) -> str:
    number, joint, unit = match.groups()
    plural = "" if number == "1" or joint == "-" else "s"
    return f"{number}{joint}{unit}{plural}"
