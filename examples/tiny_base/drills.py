"""Short drills for the skills that every extraction task leans on: copying, picking, rewriting.

Record tasks teach what an answer means; drills teach exactness with values that nobody could guess.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import fields
from domains import read_domains
from formats import FORMATS, to_json

Document = list[tuple[str, str]]

# Codes come most often: they are what extraction tasks copy.
COPIED_KINDS = fields.words("code code code name town date clock phone email count")

KEYS = fields.words(
    "id code ref name title city day size owner color serial part level zone track plate seat "
    "desk author model batch lane stock host user file page team start finish source target grade "
    "kind"
)
FRAMES = [
    *("the {k} is {v}", "{k}: {v}", "{k} {v}", "{v} is the {k}", "{k} = {v}", "{v} ({k})"),
    *("with {k} {v}", "its {k}, {v},", "as {k} we have {v}", "{k} was {v}"),
    *("write {v} for {k}", "see {k} {v}"),
]


def drill(rng: Random) -> Document:
    """One drill, chosen at random."""
    makers: list[Callable[[Random], Document]] = [
        *(_copy, _find, _find, _rewrite, _rewrite),
        *(_extract, _extract, _lists, _sort_by_theme, _labels),
    ]
    return rng.choice(makers)(rng)


def _value(rng: Random) -> str:
    return fields.KINDS[rng.choice(COPIED_KINDS)](rng)


def _chat(question: str, answer: str, system: str | None = None) -> Document:
    turns = [("user", question), ("assistant", answer)]
    return [("system", system), *turns] if system else turns


def _copy(rng: Random) -> Document:
    text = rng.choice([" ", ", ", "; "]).join(_value(rng) for _ in range(rng.randint(1, 6)))
    lead = rng.choice(["Copy this", "Repeat exactly", "Say again", "Echo"])
    answer = to_json({"text": text}) if rng.random() < 0.4 else text
    return _chat(f"{lead}: {text}", answer)


def _pairs(rng: Random, low: int, high: int) -> dict[str, str]:
    return {key: _value(rng) for key in rng.sample(KEYS, rng.randint(low, high))}


def _prose(rng: Random, record: dict[str, str]) -> str:
    said = [rng.choice(FRAMES).replace("{k}", k).replace("{v}", v) for k, v in record.items()]
    fillers = rng.choice(read_domains()).fillers
    said += [f for f in rng.sample(fillers, rng.randint(0, 2)) if "{" not in f]
    rng.shuffle(said)
    return rng.choice([", ", ". ", "\n", "; ", " and "]).join(said)


def _find(rng: Random) -> Document:
    """One value out of several, asked for by its key; sometimes it is not there."""
    record = _pairs(rng, 2, 7)
    key = rng.choice(list(record))
    text = rng.choice([_prose(rng, record), to_json(record), rng.choice(FORMATS)[1](record)])
    answer = record[key]
    if rng.random() < 0.2:
        key = rng.choice([k for k in KEYS if k not in record])
        answer = "null"
    if rng.random() < 0.5:
        answer = to_json({key: None if answer == "null" else answer})
        return _chat(f"{text}\n\nGive the {key} as JSON.", answer)
    in_text = _chat(f"{text}\nWhat is the {key}?", answer)
    in_system = _chat(text, answer, f"Answer with the {key}.")
    return rng.choice([in_text, in_system])


def _rewrite(rng: Random) -> Document:
    """The same record in another notation."""
    record = _pairs(rng, 1, 5)
    source = rng.choice(FORMATS)[1](record) if rng.random() < 0.8 else to_json(record)
    notation, write = rng.choice(FORMATS)
    if notation.startswith("bar") or " | " in source:  # bars carry no keys to rewrite from
        notation, write, source = "JSON", to_json, _prose(rng, record)
    return _chat(f"Rewrite as {notation}:\n{source}", write(record))


def _extract(rng: Random) -> Document:
    """Prose about random keys to a record with some of them, and some that are absent."""
    record = _pairs(rng, 2, 6)
    keys = rng.sample(list(record), rng.randint(1, min(4, len(record))))
    keys += rng.sample([k for k in KEYS if k not in record], rng.choice([0, 0, 1, 2]))
    rng.shuffle(keys)
    notation, write = rng.choice(FORMATS) if rng.random() < 0.5 else ("JSON", to_json)
    asked = f"{', '.join(keys)} as {notation}"
    answer = write({k: record.get(k) for k in keys})
    lead = rng.choice([f"Extract {asked}.", f"Give {asked}, null when absent.", f"{asked}:"])
    text = fields.typo(rng, _prose(rng, record), 0.0)
    return _chat(text, answer, lead) if rng.random() < 0.5 else _chat(f"{lead}\n{text}", answer)


def _lists(rng: Random) -> Document:
    """Reverse a list, or pick an item by its place."""
    items = [rng.choice([rng.choice(fields.WORDS), _value(rng)]) for _ in range(rng.randint(2, 6))]
    text = ", ".join(items)
    places = ["first", "second", "third"][: len(items)]
    place = rng.randrange(len(places) + 1)
    if place == len(places):
        last = _chat(f"Last item: {text}", items[-1])
        backwards = _chat(f"Reverse: {text}", ", ".join(reversed(items)))
        return rng.choice([last, backwards])
    return _chat(f"The {places[place]} item of: {text}", items[place])


def _sort_by_theme(rng: Random) -> Document:
    """Name the label whose phrases the text uses, from a closed set given in the instruction."""
    domain = rng.choice(read_domains())
    key = rng.choice(sorted(domain.closed))
    labels = rng.sample(sorted(domain.closed[key]), len(domain.closed[key]))
    label = rng.choice(labels)
    phrase = rng.choice(domain.closed[key][label])
    text = fields.typo(rng, phrase, rng.choice([0, 0.1]))
    asked = rng.choice([f"Choose the {key}: {', '.join(labels)}.", f"{key}? [{'|'.join(labels)}]"])
    answer = to_json({key: label}) if rng.random() < 0.5 else label
    return _chat(text, answer, asked) if rng.random() < 0.5 else _chat(f"{asked}\n{text}", answer)


def _labels(rng: Random) -> Document:
    """Labels that mean nothing by themselves, defined by examples, as in few-shot prompts."""
    domain = rng.choice(read_domains())
    key = rng.choice(sorted(domain.closed))
    names = rng.sample(fields.WORDS, 2)
    themes = dict(zip(rng.sample(sorted(domain.closed[key]), 2), names, strict=True))
    turns: Document = []
    for _ in range(rng.randint(3, 6)):
        theme = rng.choice(list(themes))
        turns.append(("user", rng.choice(domain.closed[key][theme])))
        turns.append(("assistant", themes[theme]))
    return turns
