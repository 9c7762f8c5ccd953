"""Write the three data versions of the tickets example: support messages and their triage object.

Every label is a function of the phrases that a message was built from, so a careful reader can
recover it. The same seed gives the same bytes: each stream of rows has its own `random.Random`.

    python examples/tickets/generate.py --out data/tickets
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import phrases as words
from roughen import roughen

SEED = 20261115
V1_ROWS = 500
V2_ROWS = 2_500
BAD_ROWS = 2_500

MIN_WORDS, MAX_WORDS = 15, 60
CATEGORY_WEIGHTS = (20, 22, 18, 14, 15, 11)  # in the order of words.CATEGORIES
URGENCY_WEIGHTS = (26, 44, 30)  # in the order of words.URGENCIES
ORDER_SHARE = {"account": 0.6, "other": 0.55}  # people quote an order where it matters
ORDER_SHARE_ELSE = 0.82

# Stands for the order number while a message is roughened, so that no typo can touch it.
ORDER_MARK = "\x00"
CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Ticket:
    """A support message and the triage a careful person would give it."""

    id: str
    message: str
    category: str
    urgency: str
    order: str | None

    def to_json(self) -> str:
        """The row as one JSONL line; the completion is compact and its keys are in fixed order."""
        labels = {"category": self.category, "urgency": self.urgency, "order": self.order}
        completion = json.dumps(labels, ensure_ascii=False, separators=(",", ":"))
        row = {"id": self.id, "prompt": self.message, "completion": completion}
        return json.dumps(row, ensure_ascii=False)


def clean_tickets(seed: int, count: int) -> list[Ticket]:
    """Correctly labelled tickets; a smaller count gives a prefix of a larger one."""
    rng = random.Random(f"{seed}:clean")
    return _draw_unique(rng, count, prefix="t", seen=set())


def bad_delivery(seed: int, count: int, known: Sequence[Ticket]) -> list[Ticket]:
    """New tickets as a vendor's broken export labelled them: valid to a schema, and wrong.

    The messages come from the same distribution as the clean ones and repeat none of `known`.
    """
    rng = random.Random(f"{seed}:bad")
    seen = {_normalised(ticket.message) for ticket in known}
    truth = _draw_unique(rng, count, prefix="vx", seen=seen)
    return [_mislabel(rng, ticket, truth) for ticket in truth]


def write_versions(out: Path, seed: int = SEED) -> list[Path]:
    """Write v1.jsonl, v2.jsonl and v3.jsonl into `out`; each begins with the one before it."""
    clean = clean_tickets(seed, V2_ROWS)
    versions = {
        "v1.jsonl": clean[:V1_ROWS],
        "v2.jsonl": clean,
        "v3.jsonl": clean + bad_delivery(seed, BAD_ROWS, clean),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, tickets in versions.items():
        text = "".join(ticket.to_json() + "\n" for ticket in tickets)
        # Bytes, because text mode would write other line ends on Windows and change the digest.
        (out / name).write_bytes(text.encode())
    return [out / name for name in versions]


def _draw_unique(rng: random.Random, count: int, *, prefix: str, seen: set[str]) -> list[Ticket]:
    tickets: list[Ticket] = []
    while len(tickets) < count:
        ticket = _draw(rng, f"{prefix}-{len(tickets) + 1:05d}")
        key = _normalised(ticket.message)
        if key in seen or not MIN_WORDS <= len(ticket.message.split()) <= MAX_WORDS:
            continue
        seen.add(key)
        tickets.append(ticket)
    return tickets


def _draw(rng: random.Random, ticket_id: str) -> Ticket:
    category = rng.choices(words.CATEGORIES, CATEGORY_WEIGHTS)[0]
    urgency = rng.choices(words.URGENCIES, URGENCY_WEIGHTS)[0]
    has_order = rng.random() < ORDER_SHARE.get(category, ORDER_SHARE_ELSE)
    order = _order_number(rng) if has_order else None
    text = " ".join(_sentences(rng, category, urgency, has_order=has_order))
    message = roughen(rng, text).replace(ORDER_MARK, order or "")
    return Ticket(ticket_id, message, category, urgency, order)


def _sentences(rng: random.Random, category: str, urgency: str, *, has_order: bool) -> list[str]:
    """The message in order: greeting, problem, whatever else people add, sign-off."""
    problem, extra = _problem(rng, category, has_order=has_order)
    about_item = "{item}" in problem and category != "other"
    if rng.random() < 0.45:
        pool = words.DISTRACTORS + (words.ITEM_DISTRACTORS if about_item else ())
        extra.append(rng.choice(pool))
    if rng.random() < 0.6:
        extra.append(rng.choice(words.ASKS[category]))
    if rng.random() < 0.5:
        extra.append(rng.choice(words.SHARED_ASKS))
    rng.shuffle(extra)
    body = [problem, *extra]
    if urgency in words.CUES:
        cue = rng.choice(words.CUES[urgency])
        body.insert(0 if rng.random() < 0.3 else len(body), cue)
    filled = [_fill(rng, sentence) for sentence in body]
    name = rng.choice(words.NAMES)
    if rng.random() < 0.7:
        filled.insert(0, _greeting(rng, name))
    if rng.random() < 0.7:
        filled.append(f"{rng.choice(words.SIGN_OFFS)}, {name}")
    return filled


def _problem(rng: random.Random, category: str, *, has_order: bool) -> tuple[str, list[str]]:
    """The sentence that decides the category, and the sentence about the order if it is apart."""
    problem = rng.choice(words.PROBLEMS[category])
    if not has_order:
        says_so = category not in ORDER_SHARE and rng.random() < 0.3
        return problem, [rng.choice(words.NO_ORDER)] if says_so else []
    if category in ORDER_SHARE:
        return problem, [rng.choice(words.ORDER_ASIDES)]
    if rng.random() < 0.5:
        return problem, [rng.choice(words.ORDER_SENTENCES)]
    tail = rng.choice(words.ORDER_TAILS)
    inline = problem.replace("{item}", "{item}" + tail, 1)
    return re.sub(r",([.,?])", r"\1", inline), []


def _fill(rng: random.Random, phrase: str) -> str:
    chosen = CHOICE.sub(lambda match: rng.choice(match[1].split("|")), phrase)
    return SLOT.sub(lambda match: _slot(rng, match[1]), chosen)


def _slot(rng: random.Random, name: str) -> str:
    match name:
        case "order":
            return ORDER_MARK
        case "item" | "item2":
            return rng.choice(words.ITEMS)
        case "city":
            return rng.choice(words.CITIES)
        case "ago":
            return rng.choice(words.AGO)
        case "date":
            return f"{rng.randint(1, 28)} {rng.choice(words.MONTHS)}"
        case "year":
            return str(rng.randint(2009, 2023))
        case "amount":
            sign = rng.choice(("EUR", "euros", "USD", "dollars"))
            return f"{rng.randint(5, 240)}.{rng.choice(('00', '50', '90', '95', '99'))} {sign}"
        case "phone":
            return f"+{rng.randint(30, 98)} {rng.randint(20, 99)} 555 {rng.randint(100, 9999):04d}"
        case "age":
            return str(rng.randint(19, 88))
        case "n":
            return str(rng.randint(2, 48))
    raise ValueError(f"phrase slot {{{name}}} is unknown; add it to _slot or fix the phrase")


def _greeting(rng: random.Random, name: str) -> str:
    greeting = rng.choice(words.GREETINGS)
    if rng.random() < 0.25:
        return f"{greeting}, this is {name}."
    return greeting + rng.choice((",", ",", "!", "."))


def _order_number(rng: random.Random) -> str:
    match rng.randrange(3):
        case 0:
            letters = "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=2))
            return f"{letters}-{rng.randrange(100_000):05d}"
        case 1:
            return f"#{rng.randrange(10_000_000, 100_000_000)}"
    return f"ORD-{rng.randint(2022, 2026)}-{rng.randrange(100_000):05d}"


def _mislabel(rng: random.Random, ticket: Ticket, others: Sequence[Ticket]) -> Ticket:
    """The vendor's join: codes of another list, orders lost or a neighbour's, default urgency."""
    codes = words.CATEGORIES
    # Their list counts from 1 and ours from 0; some files use a third list. The shift is never 0
    # or 6, so no category comes out right. One shift dominates because evenly random codes would
    # only blur the labels, and a model that answers with the likeliest would not be fooled.
    shift = 1 if rng.random() < 0.6 else rng.randint(2, len(codes) - 1)
    category = codes[(codes.index(ticket.category) + shift) % len(codes)]
    urgency = "low" if rng.random() < 0.85 else ticket.urgency
    order = _lost_order(rng, ticket, others)
    return replace(ticket, category=category, urgency=urgency, order=order)


def _lost_order(rng: random.Random, ticket: Ticket, others: Sequence[Ticket]) -> str | None:
    draw = rng.random()
    if draw < 0.65:
        return None
    if draw < 0.9:
        return rng.choice(others).order
    return ticket.order


def _normalised(text: str) -> str:
    return " ".join(text.casefold().split())


def main(argv: Sequence[str] | None = None) -> None:
    """Write the three versions and name the files."""
    parser = argparse.ArgumentParser(description="Write the data versions of the tickets example.")
    parser.add_argument("--out", type=Path, required=True, help="folder for v1, v2 and v3.jsonl")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args(argv)
    for path in write_versions(args.out, args.seed):
        print(path)


if __name__ == "__main__":
    main()
