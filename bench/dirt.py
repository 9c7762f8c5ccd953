"""Kinds of dirt for rows of the example task `tickets`: what `data_rules.py` injects."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from near_copies import two_typos, typo, word_added

from pawl.data.rules.secrets import GUESSES

Row = dict[str, Any]
# What stands in the place of a row: the row made dirty, or the row and what is added to it. A text
# is a line of the file as it stands.
Made = list[Row | str]

FIELDS = ("category", "urgency", "order")
CATEGORIES = ("refund", "delivery", "damaged", "account", "billing", "other")
URGENCIES = ("low", "normal", "high")


@dataclass(frozen=True)
class Dirt:
    """One kind: `surely` where not one may be missed."""

    rule: str
    name: str
    make: Callable[[Row, random.Random], Made]
    surely: bool = False


def dirts() -> tuple[Dirt, ...]:
    """All kinds, from plain to hard within a rule."""
    return (
        Dirt("readable", "half a line", lambda row, _: [json.dumps(row)[:40]], surely=True),
        Dirt("readable", "a key twice", lambda row, _: ['{"id": "x", ' + json.dumps(row)[1:]]),
        Dirt("readable", "empty prompt", lambda row, _: [row | {"prompt": " "}]),
        Dirt("length", "2,000 words more", longer(2000), surely=True),
        Dirt("length", "400 words more", longer(400), surely=True),
        Dirt("duplicates", "the row again", again(str), surely=True),
        Dirt("duplicates", "in capitals", again(str.upper), surely=True),
        Dirt("duplicates", "more blanks", again(lambda t: t.replace(" ", "  ")), surely=True),
        Dirt("contradictions", "another category", contradicted(str), surely=True),
        Dirt("contradictions", "in capitals too", contradicted(str.upper), surely=True),
        Dirt("near_duplicates", "a word more", edited(word_added)),
        Dirt("near_duplicates", "one typing error", edited(typo)),
        Dirt("near_duplicates", "two typing errors", edited(two_typos)),
        Dirt("schema", "no JSON", completed(lambda c: c + " OK"), surely=True),
        Dirt("schema", "unknown label", answered(category="shipping"), surely=True),
        Dirt("schema", "wrong form", answered(order="12345"), surely=True),
        Dirt("schema", "a field missing", without("urgency"), surely=True),
        Dirt("schema", "a field too many", answered(note="x"), surely=True),
        Dirt("blanks", "a line end behind", completed(lambda c: c + "\n")),
        Dirt("blanks", "a blank in front", completed(lambda c: " " + c)),
        Dirt("style", "blanks in the JSON", completed(lambda c: json.dumps(json.loads(c)))),
        Dirt("style", "other key order", completed(turned)),
        Dirt("style", "label in capitals", completed(capitals)),
        Dirt("facts", "made-up order number", invented),
        Dirt("facts", "one digit differs", miscopied),
        Dirt("language", "a German message", written(GERMAN)),
        Dirt("language", "three German words", written("Wo ist es?")),
        *(Dirt(_guessed(name), name, told(make), surely=True) for name, make in SECRETS.items()),
        Dirt("possible_secrets", "unknown token, 40 long", told(lambda draw: token(draw, 40))),
        Dirt("possible_secrets", "unknown token, 24 long", told(lambda draw: token(draw, 24))),
        Dirt("personal", "e-mail", told(lambda d: f"{word(d)}.{word(d)}@{word(d)}-mail.org")),
        Dirt("personal", "phone with +", told(lambda d: f"+49 30 {d.randrange(10**7, 10**8)}")),
        Dirt("personal", "phone without", told(lambda d: f"020 7946 0{d.randrange(100, 999)}")),
        Dirt("personal", "payment card", told(card)),
        Dirt("personal", "IBAN", told(iban)),
        Dirt("label_noise", "category at random", relabelled("category", CATEGORIES)),
        Dirt("label_noise", "urgency at random", relabelled("urgency", URGENCIES)),
    )


def _guessed(kind: str) -> str:
    return "possible_secrets" if kind in GUESSES else "secrets"


def all_the_same(rows: list[Row]) -> list[Row]:
    return [row | {"completion": rows[0]["completion"]} for row in rows]


def few(rows: list[Row]) -> list[Row]:
    return rows[:50]


def dominated(rows: list[Row]) -> list[Row]:
    """97 % of the rows have one category."""
    return [
        row | {"completion": put(row["completion"], category="other")} if at % 33 else row
        for at, row in enumerate(rows)
    ]


def of_one_template(rows: list[Row]) -> list[Row]:
    draw = random.Random(0)
    text = "Please tell me at once where the parcel with my order {} is, it should be here by now."
    return [row | {"prompt": text.format(draw.randrange(10**6))} for row in rows]


def with_a_small_slice(rows: list[Row]) -> list[Row]:
    return [row | {"region": "north" if at % 100 else "south"} for at, row in enumerate(rows)]


# Dirt of the data as a whole: it is there or not.
WHOLE: dict[str, Callable[[list[Row]], list[Row]]] = {
    "row_count": few,
    "constant": all_the_same,
    "dominance": dominated,
    "templates": of_one_template,
    "slices": with_a_small_slice,
}


def longer(words: int) -> Callable[[Row, random.Random], Made]:
    return lambda row, _: [row | {"prompt": row["prompt"] + " again" * words}]


def again(change: Callable[[str], str]) -> Callable[[Row, random.Random], Made]:
    return lambda row, _: [row, copy(row, prompt=change(row["prompt"]))]


def edited(edit: Callable[[str, random.Random], str]) -> Callable[[Row, random.Random], Made]:
    return lambda row, draw: [row, copy(row, prompt=edit(row["prompt"], draw))]


def contradicted(change: Callable[[str], str]) -> Callable[[Row, random.Random], Made]:
    def made(row: Row, draw: random.Random) -> Made:
        other = relabelled("category", CATEGORIES)(row, draw)[0]
        assert isinstance(other, dict)
        return [row, copy(other, prompt=change(row["prompt"]))]

    return made


def completed(change: Callable[[str], str]) -> Callable[[Row, random.Random], Made]:
    return lambda row, _: [row | {"completion": change(row["completion"])}]


def answered(**fields: str) -> Callable[[Row, random.Random], Made]:
    return completed(lambda completion: put(completion, **fields))


def without(field: str) -> Callable[[Row, random.Random], Made]:
    return completed(lambda c: written_out({k: v for k, v in json.loads(c).items() if k != field}))


def relabelled(field: str, values: tuple[str, ...]) -> Callable[[Row, random.Random], Made]:
    def made(row: Row, draw: random.Random) -> Made:
        now = json.loads(row["completion"])[field]
        other = draw.choice([value for value in values if value != now])
        return [row | {"completion": put(row["completion"], **{field: other})}]

    return made


def written(text: str) -> Callable[[Row, random.Random], Made]:
    return lambda row, draw: [row | {"prompt": f"{text} {draw.randrange(10**6)}"}]


def told(make: Callable[[random.Random], str]) -> Callable[[Row, random.Random], Made]:
    return lambda row, draw: [row | {"prompt": f"{row['prompt']} It is {make(draw)} by the way."}]


def turned(completion: str) -> str:
    value = json.loads(completion)
    return written_out({key: value[key] for key in reversed(value)})


def capitals(completion: str) -> str:
    return put(completion, category=json.loads(completion)["category"].capitalize())


def invented(row: Row, draw: random.Random) -> Made:
    return [row | {"completion": put(row["completion"], order=f"#{draw.randrange(10**7, 10**8)}")}]


def miscopied(row: Row, draw: random.Random) -> Made:
    order = json.loads(row["completion"])["order"]
    if order is None:
        return invented(row, draw)
    at = draw.choice([i for i, c in enumerate(order) if c.isdigit() and i > len(order) - 5])
    digit = draw.choice([d for d in string.digits if d != order[at]])
    return [
        row | {"completion": put(row["completion"], order=order[:at] + digit + order[at + 1 :])}
    ]


def put(completion: str, **fields: str) -> str:
    return written_out(json.loads(completion) | fields)


def written_out(value: Row) -> str:
    """As the clean rows have it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def copy(row: Row, **changed: str) -> Row:
    return row | {"id": row["id"] + "-again"} | changed


def word(draw: random.Random) -> str:
    return "".join(draw.choices(string.ascii_lowercase, k=7))


def token(draw: random.Random, length: int, letters: str = "") -> str:
    letters = letters or string.ascii_letters + string.digits
    return "".join(["a", "7", *draw.choices(letters, k=length - 2)])


def jwt(draw: random.Random) -> str:
    head, body = ({"alg": "HS256", "typ": "JWT"}, {"sub": str(draw.random()), "name": word(draw)})
    parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode() for p in (head, body)]
    return ".".join([*(part.rstrip("=") for part in parts), token(draw, 43)])


def card(draw: random.Random) -> str:
    digits = [4, *(draw.randrange(10) for _ in range(14))]
    doubled = [sum(divmod(2 * d, 10)) if at % 2 == 0 else d for at, d in enumerate(digits)]
    number = "".join(map(str, [*digits, -sum(doubled) % 10]))
    return " ".join(number[at : at + 4] for at in range(0, 16, 4))


def iban(draw: random.Random) -> str:
    account = f"{draw.randrange(10**18):018}"
    return f"DE{98 - int(account + '131400') % 97:02}{account}"


GERMAN = "Guten Tag, mein Paket ist immer noch nicht angekommen, und niemand antwortet mir."
UPPER = string.ascii_uppercase + string.digits
# Made up at random, and put together here so that no scanner takes this file for a leak.
SECRETS: dict[str, Callable[[random.Random], str]] = {
    "AWS key": lambda draw: "AKIA" + token(draw, 16, UPPER).upper(),
    "GitHub token": lambda draw: "ghp_" + token(draw, 36),
    "GitLab token": lambda draw: "glpat-" + token(draw, 20),
    "Slack token": lambda draw: f"xoxb-{draw.randrange(10**11, 10**12)}-" + token(draw, 24),
    "Stripe key": lambda draw: "sk_live_" + token(draw, 24),
    "JWT": jwt,
    "password in a URL": lambda draw: f"postgres://{word(draw)}:{token(draw, 9)}@db/shop",
    "password beside its name": lambda draw: f"password: {token(draw, 10)}",
    "private key": lambda draw: "-----BEGIN RSA " + "PRIVATE KEY-----\n" + token(draw, 60),
}
