"""Reader of requests to a home assistant."""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dpf_core.gym.starter.example import Example, labelled, only_file
from dpf_core.gym.starter.phrases import expand, unknown_slots

_INTENTS = {
    "HassTurnOn": "turn on",
    "HassTurnOff": "turn off",
    "HassGetState": "ask state",
    "HassLightSet": "set light",
    "HassStartTimer": "start timer",
    "HassIncreaseTimer": "extend timer",
    "HassCancelTimer": "cancel timer",
    "HassTimerStatus": "ask timer",
    "HassSetVolume": "set volume",
    "HassMediaNext": "skip track",
    "HassMediaSearchAndPlay": "play media",
    "HassClimateGetTemperature": "ask temperature",
    "HassClimateSetTemperature": "set temperature",
}
_EXPANSIONS = 600
"""Sentences drawn for an intent, before duplicates go."""
_LARGEST = 60
"""Numbers end here, unless their range begins above it."""
_NAMES = {
    "light": ("desk lamp", "floor lamp", "porch light", "reading light", "chandelier"),
    "switch": ("coffee machine", "heater", "fountain", "water pump", "christmas tree"),
    "fan": ("ceiling fan", "desk fan", "extractor fan"),
    "media_player": ("television", "radio", "speaker", "record player", "soundbar"),
    "climate": ("thermostat", "air conditioner", "radiator"),
}  # fmt: skip
_WORDS = {
    "area": (
        "kitchen", "bedroom", "living room", "office", "garage", "hallway", "bathroom", "nursery",
        "dining room", "basement", "guest room", "library",
    ),
    "floor": ("first", "ground", "upper", "top", "second"),
    "timer_name": ("pizza", "laundry", "tea", "pasta", "egg", "homework", "workout", "bread"),
    "search_query": (
        "jazz", "mozart", "the beatles", "bohemian rhapsody", "christmas songs", "abbey road",
        "madonna", "some piano music", "thriller", "miles davis", "whale sounds",
    ),
}  # fmt: skip
_RULES = {
    "all": "all [[of] (the|my|our)]",
    "everywhere": "(everywhere|in the whole house|in every room)",
    "in": "in",
    "is": "are",
    "light": "(lights|lamps|lighting)",
    "turn": "(turn|switch)",
}
"""Rules that are narrower than the package's, which also give clumsy English."""
_CLUMSY = "{name} <light>"
_UNIT = re.compile(r"hour|minute|second")


def home_intent(files: Mapping[str, bytes], rng: random.Random) -> Iterator[Example]:
    """Yield requests with what they ask for; requests of one template stay together."""
    data = json.loads(only_file(files))
    rules = {**data["expansion_rules"], **_RULES}
    slots = _slots(data["lists"])
    for intent, label in _INTENTS.items():
        templates = list(_templates(data["intents"][intent]["data"], rules, slots))
        for number in range(_EXPANSIONS):
            template, block_rules, names = templates[number % len(templates)]
            text = expand(_plural(template), block_rules, {**slots, "name": names}, rng)
            group = f"{label} {_UNIT.sub('unit', template)}"
            yield labelled(text, label, group=group)


def _templates(
    blocks: Sequence[Any], rules: Mapping[str, str], slots: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, Mapping[str, str], Sequence[str]]]:
    """Yield templates about devices that we can name, with their rules and the devices."""
    for block in blocks:
        domain = block.get("slots", {}).get("domain")
        domains = block.get("requires_context", {}).get("domain", [])
        known = [name for key in (domains or [domain]) for name in _NAMES.get(key, ())]
        if (domain or domains) and not known:
            continue
        block_rules = {**rules, **block.get("expansion_rules", {})}
        for sentence in block["sentences"]:
            if _CLUMSY not in sentence and not unknown_slots(
                sentence, block_rules, {**slots, "name": known}
            ):
                yield sentence, block_rules, known


def _plural(template: str) -> str:
    """Return the template with plural nouns, and with the word after the name of a floor."""
    return template.replace("[s]", "s").replace("[es]", "es").replace("[floor]", "floor")


def _slots(lists: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    values = {name: _values(entry) for name, entry in lists.items()}
    return {name: texts for name, texts in values.items() if texts} | _WORDS


def _values(entry: Mapping[str, Any]) -> Sequence[str]:
    if "values" in entry:
        return [_plural(value["in"]) for value in entry["values"]]
    if "range" in entry:
        bounds = entry["range"]
        last = bounds["to"] if bounds["from"] > _LARGEST else min(bounds["to"], _LARGEST)
        numbers = range(max(1, bounds["from"]), last + 1, bounds.get("step", 1))
        return [str(number) for number in numbers]
    return ()
