"""Write the voice example: what customers of a tea shop ask, and how the shop would answer.

No answer is *the* right one: each is put together from what the shop likes to say, so that two that
are equally good seldom have the same words. The questions come with the mess of real ones. The same
seed gives the same bytes.

    python examples/voice/generate.py --out data/voice.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

SEED, ROWS = 20261129, 420
GOODS = ("green tea", "black tea", "mint tea", "tea pot", "cup", "tea box")
NAMES = ("Ann", "Ben", "Chloe", "Dan", "Eve", "Finn", "Zoë", "Jürgen", "Mei", "Olu")
ASKED = {
    "late": ("my {good} is late", "where is my {good}", "still waiting for the {good}"),
    "broken": ("the {good} came broken", "my {good} arrived in pieces", "{good} is damaged"),
    "wrong": ("i got a {good} i never ordered", "wrong {good} in the box", "that is not my {good}"),
    "thanks": ("the {good} is lovely", "love the {good}", "best {good} i ever had"),
}
# What the shop likes to say: greet by name, be brief and warm, promise one thing, sign as itself.
GREET = ("Dear {name},", "Hello {name},")
FEEL = {
    "late": ("we are sorry that your {good} is late.", "your {good} should be with you by now."),
    "broken": ("we are sorry that your {good} broke.", "a broken {good} is no joy."),
    "wrong": ("we are sorry for the wrong {good}.", "that {good} was meant for somebody else."),
    "thanks": ("how kind of you to write.", "your note made our day."),
}
PROMISE = {
    "late": ("We look for it today.", "A new one leaves today."),
    "broken": ("A new one leaves today.", "We send another one at once."),
    "wrong": ("Keep it, the right one leaves today.", "The right one is on its way."),
    "thanks": ("Enjoy every cup.", "The kettle is always on."),
}
SIGN = ("Warmly, Harbour Tea", "Yours, Harbour Tea")


def rows() -> list[dict[str, str]]:
    """All rows; no two questions are alike."""
    draw, made, seen = random.Random(SEED), list[dict[str, str]](), set[str]()
    while len(made) < ROWS:
        kind, good, name = draw.choice([*ASKED]), draw.choice(GOODS), draw.choice(NAMES)
        number = draw.randrange(1000, 9999)
        asked = draw.choice(ASKED[kind]).format(good=good)
        text = _mess(draw, f"{asked}, order {number}. {name}", name)
        said = (draw.choice(GREET), draw.choice(FEEL[kind]), draw.choice(PROMISE[kind]))
        answer = " ".join((*said, draw.choice(SIGN))).format(name=name, good=good)
        if text.casefold() not in seen:
            seen.add(text.casefold())
            made.append({"id": f"v-{len(made):04}", "prompt": text, "completion": answer})
    return made


def _mess(draw: random.Random, text: str, name: str) -> str:
    """The text as somebody in a hurry types it; the name stays, so that it can be answered."""
    body = text.removesuffix(name)
    match draw.randrange(6):
        case 0:
            body = body.upper()
        case 1:
            at = draw.randrange(len(body) - 12)
            body = body[:at] + body[at + 1 :]
        case 2:
            body = body.replace(". ", " !!! ")
        case 3:
            body = f"hi  {body}"
    return body + name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows())
    out.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
