"""A scripted reviewer for `pawl review TASK --web`: it stands in for a person, and sees no more.

    pawl review voice --web             # prints an address
    python examples/voice/reviewer.py ADDRESS

It likes an answer that greets by name, is about the right thing, signs as the shop and stays brief.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any


def liking(prompt: str, answer: str) -> int:
    """How much of the shop's voice an answer has."""
    name = prompt.split()[-1]
    points = 2 * answer.startswith((f"Dear {name},", f"Hello {name},"))
    points += answer.endswith(("Warmly, Harbour Tea", "Yours, Harbour Tea"))
    points += sum(word in prompt.casefold() for word in set(answer.casefold().split()) & GOODS)
    return points + (0 < len(answer) < 200)


GOODS = {"green", "black", "mint", "pot", "cup", "box", "pot.", "cup.", "box."}


def review(address: str) -> int:
    """Compare all pairs that wait; returns how many that were."""
    url, _, key = address.partition("#")
    asked: dict[str, Any] = {}
    for count in range(100_000):
        request = urllib.request.Request(  # noqa: S310 - the address is the command's own
            f"{url}next", data=json.dumps(asked).encode(), headers={"X-Pawl-Key": key}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            pair = json.load(answer)["pair"]
        if pair is None:
            return count
        prompt = pair["messages"][-1]["content"]
        left, right = liking(prompt, pair["left"]), liking(prompt, pair["right"])
        choice = "tie" if left == right else "left" if left > right else "right"
        asked = {"pair": pair["id"], "choice": choice}
    raise SystemExit("there is no end to it")


if __name__ == "__main__":
    print(f"{review(sys.argv[1])} pairs compared")
