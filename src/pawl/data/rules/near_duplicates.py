"""Near-duplicate prompts, as in `pawl.data.split.copies`, and prompts little beyond a template."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from pawl.core.records import Example
from pawl.core.row_identity import letters, normalise, prompt_text
from pawl.data.split.boilerplate import MIN_ROWS, Boilerplate
from pawl.data.split.copies import jaccard
from pawl.data.split.minhash import candidate_pairs, signatures
from pawl.data.split.split import conversation_key

# The most words of its own, and their share, of a prompt that is little more than its template.
OWN_WORDS, OWN_SHARE = 5, 0.5
SHOWN = 10


@dataclass(frozen=True)
class Template:
    """A template by its first words, "…" where prompts differ, and the indices of its prompts."""

    beginning: str
    rows: tuple[int, ...]


def near_duplicates(rows: Sequence[Example], *, near: float) -> list[tuple[int, int, float]]:
    """Return the near-duplicates of earlier rows, most similar first.

    For each its index, the most similar earlier row's index, and their similarity: 1 with the same
    letters, else the smaller Jaccard similarity of those with and without boilerplate, at least
    `near` in (0, 1]. Of rows with the same key only the first is compared. Turns of one chat are in
    one split, and hold each other: they are not compared.
    """
    firsts: dict[str, int] = {}
    for index, row in enumerate(rows):
        firsts.setdefault(row.key, index)
    # The reader refuses blank prompts; here they have no duplicates.
    indices = [index for index in firsts.values() if prompt_text(rows[index])]
    if not indices:
        return []
    boilerplate = Boilerplate([prompt_text(row) for row in rows])
    contents = [boilerplate.content(prompt_text(rows[index])) for index in indices]
    best: dict[int, tuple[float, int]] = {}
    first_with: dict[str, int] = {}
    for at, index in enumerate(indices):
        first = first_with.setdefault(letters(rows[index]), at)
        if first != at:
            best[at] = (1.0, first)
    hashes = signatures([content.own for content in contents])
    chats = [conversation_key(rows[index]) for index in indices]
    for at, earlier in candidate_pairs(hashes, near=near):
        if chats[at] == chats[earlier]:
            continue
        mine, other = contents[at], contents[earlier]
        similarity = min(jaccard(mine.own, other.own), jaccard(mine.whole, other.whole))
        if similarity >= near and similarity > best.get(at, (0.0, 0))[0]:
            best[at] = (similarity, earlier)
    pairs = [(indices[at], indices[earlier], score) for at, (score, earlier) in best.items()]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0]))


def templates(rows: Sequence[Example]) -> list[Template]:
    """Return the templates that many prompts are little more than, the most common first.

    Looked at is what the user says last: functions and a system turn are the same in all rows on
    purpose, and an earlier turn is a row of its own.
    """
    texts = [_last_said(row) for row in rows]
    boilerplate = Boilerplate(texts)
    members: defaultdict[frozenset[str], list[int]] = defaultdict(list)
    beginnings: dict[frozenset[str], str] = {}
    for index, text in enumerate(texts):
        names, outline = boilerplate.outline(text)
        own = outline.count(None)
        if names and own <= min(OWN_WORDS, OWN_SHARE * len(outline)):
            members[names].append(index)
            beginnings.setdefault(names, _beginning(outline))
    found = [
        Template(beginnings[names], tuple(indices))
        for names, indices in members.items()
        if len(indices) >= MIN_ROWS
    ]
    return sorted(found, key=lambda template: (-len(template.rows), template.rows))


def _last_said(row: Example) -> str:
    said = [message.content for message in row.messages if message.role == "user"]
    return normalise(said[-1]) if said else prompt_text(row)


def _beginning(outline: Sequence[str | None]) -> str:
    shown = [word or "…" for word, _ in groupby(outline[:SHOWN])]
    return " ".join(shown) + (" …" if len(outline) > SHOWN and shown[-1] != "…" else "")
