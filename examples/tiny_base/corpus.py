"""Documents to pretrain the tiny base on: chats about generated records, and Python's own prose.

A document is a list of (role, text) turns, or one ("text", ...) turn for plain prose. Everything
follows from the seed and, for prose, from the Python version whose standard library is read.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from random import Random

import fields
from domains import Domain, read_domains
from drills import drill
from formats import FORMATS, Record, to_json

Turn = tuple[str, str]
Document = list[Turn]

# Share of documents by kind; chats are shorter than prose, so tokens come out near 3 to 1.
PROSE, DRILL = 0.12, 0.33
PROSE_CHARS = 700
OPENERS = [
    "Hi,",
    "Hello",
    "Note:",
    "ok so",
    "Dear all,",
    "FYI",
    "Well,",
    "hey",
    "Today:",
    "Report.",
]
JOINS = [". ", ", ", "; ", " and ", ". ", " - ", "\n", "! ", "... "]
PLAIN = re.compile(r"[^{}]+(?![^{]*\})")  # what stands outside the {places} of a phrase
ALIASES = fields.words("code id ref number label key tag field item value no serial entry mark")


def documents(seed: int, number: int) -> Iterator[Document]:
    """`number` documents: drills, record tasks with and without examples, and prose."""
    rng = Random(seed)
    prose = stdlib_prose()
    for _ in range(number):
        draw = rng.random()
        if draw < PROSE:
            at = rng.randrange(len(prose) - PROSE_CHARS)
            yield [("text", prose[at : at + rng.randint(PROSE_CHARS // 2, PROSE_CHARS)])]
        elif draw < PROSE + DRILL:
            yield drill(rng)
        else:
            yield record_task(rng, rng.choice(read_domains()), prose)


def stdlib_prose() -> str:
    """The docstrings of the standard library, in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    skip = {"test", "tests", "site-packages", "idlelib", "lib2to3", "pydoc_data", "__pycache__"}
    texts: list[str] = []
    for path in sorted(root.rglob("*.py")):
        if skip.isdisjoint(path.relative_to(root).parts):
            texts += _docstrings(path)
    return "\n\n".join(texts)


def record_task(rng: Random, domain: Domain, prose: str) -> Document:
    """Extract a record from noisy text; the instruction, examples and format vary."""
    closed = rng.sample(sorted(domain.closed), rng.choice([0, 1, 1, 2, 2]))
    copied = rng.sample(sorted(domain.copied), rng.randint(0 if closed else 1, 3))
    keys = closed + copied
    if rng.random() < 0.5:
        rng.shuffle(keys)
    shown = {key: _shown_name(rng, key) for key in keys}
    notation, write = rng.choice(FORMATS) if rng.random() < 0.6 else ("JSON", to_json)
    instruction = _instruction(rng, domain, keys, shown, notation)
    shots = rng.choice([0, 0, 0, 0, 0, 0, 1, 2, 3, 4])
    turns: Document = []
    in_system = rng.random() < 0.6
    if in_system:
        turns.append(("system", instruction))
    for shot in range(shots + 1):
        text, record = describe(rng, domain, keys, prose)
        # Without a system turn only the first message carries the instruction, as people write.
        if not in_system and shot == 0:
            above, below = f"{instruction}\n{text}", f"{text}\n\n{instruction}"
            text = rng.choice([above, below, f"{instruction}\n\n{text}"])
        turns.append(("user", text))
        turns.append(("assistant", write({shown[k]: v for k, v in record.items()})))
    return turns


def describe(rng: Random, domain: Domain, keys: list[str], prose: str) -> tuple[str, Record]:
    """A noisy text and what it says about the keys; a copied field may be missing (null)."""
    record: dict[str, str | None] = {}
    said: list[str] = []
    rate = rng.choice([0, 0, 0.05, 0.15])
    loud = rng.random() < 0.05  # SHOUTING is spelt letter by letter, so it must be seen in training
    for key in keys:
        if key in domain.closed:
            label = rng.choice(list(domain.closed[key]))
            phrases = domain.closed[key][label]
            chosen = rng.sample(phrases, min(len(phrases), rng.choice([1, 1, 2])))
            said += [_rough(rng, p, rate, loud) for p in chosen]
            record[key] = label
        elif rng.random() < 0.25:
            record[key] = None
        else:
            copied = domain.copied[key]
            value = fields.KINDS[copied.kind](rng)
            phrase = _rough(rng, rng.choice(copied.phrases), rate, loud)
            said.append(phrase.replace("{v}", value))
            record[key] = value
    for phrase in rng.sample(domain.fillers, rng.randint(0, 4)):
        said.append(_fill(rng, _rough(rng, phrase, rate, loud)))
    if rng.random() < 0.3:  # a stretch of real sentences, so that the clues are not all there is
        at = rng.randrange(len(prose) - 200)
        said.append(" ".join(prose[at : at + rng.randint(40, 200)].split()[1:-1]))
    rng.shuffle(said)
    return _join(rng, said), record


def _shown_name(rng: Random, key: str) -> str:
    """Mostly the key itself; sometimes a stranger's word, to make the model read instructions."""
    style = rng.random()
    if style < 0.75:
        return key
    if style < 0.85:
        return f"{key}_{rng.choice(ALIASES)}"
    return key.capitalize() if style < 0.93 else key.upper()


def _instruction(
    rng: Random, domain: Domain, keys: list[str], shown: dict[str, str], notation: str
) -> str:
    """Ask for the keys, naming the closed sets most of the time."""
    parts: list[str] = []
    spell = rng.random() < 0.7
    for key in keys:
        part = shown[key]
        if spell and key in domain.closed:
            labels = list(domain.closed[key])
            if rng.random() < 0.3:
                rng.shuffle(labels)
            frame = rng.choice([" ({})", ": one of {}", " [{}]"])
            part += frame.format(rng.choice([", ", "|", " / "]).join(labels))
        parts.append(part)
    asked = rng.choice([", ", "; ", ", "]).join(parts)
    missing = rng.choice(["", " Use null if it is not mentioned.", " null when absent."])
    return rng.choice(
        [
            f"Extract {asked} as {notation}.{missing}",
            f"Read the {domain.name} note and answer with {notation}: {asked}.{missing}",
            f"Turn the text into {notation} with the fields {asked}.{missing}",
            f"You fill in {domain.name} records. Fields: {asked}. Format: {notation}.{missing}",
            f"{domain.name}: {asked} -> {notation}",
            f"Return {notation} with {asked}.{missing} Nothing else.",
            f"Which {asked}? Answer in {notation}.{missing}",
        ]
    )


def _rough(rng: Random, phrase: str, rate: float, loud: bool) -> str:
    phrase = fields.typo(rng, phrase, rate)
    return PLAIN.sub(lambda m: m[0].upper(), phrase) if loud else phrase


def _fill(rng: Random, phrase: str) -> str:
    for kind, draw in fields.KINDS.items():
        while "{" + kind + "}" in phrase:
            phrase = phrase.replace("{" + kind + "}", draw(rng), 1)
    return phrase


def _join(rng: Random, said: list[str]) -> str:
    """Sentences the way people type them: mixed joins, capitals or none."""
    capitals = rng.random() < 0.6
    single = rng.choice(JOINS) if rng.random() < 0.4 else None
    text = f"{rng.choice(OPENERS)} " if rng.random() < 0.4 else ""
    for i, phrase in enumerate(said):
        text += phrase[:1].upper() + phrase[1:] if capitals else phrase
        if i < len(said) - 1:
            text += single or rng.choice(JOINS)
    return text + rng.choice([".", ".", "", "!", " thanks"])


def _docstrings(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):  # a few files are old encodings or templates
        return []
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, documented)]
    return [text for text in found if text and len(text) > 40]
