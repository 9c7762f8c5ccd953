"""The target `vllm`: on every replica the champion under its own name, proved; then the name moves.

vLLM has no aliases: the name is `TASK.json` in the folder that the replicas read, for the router
before them, or what the same list's manifest or webhook tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pawl.config.targets import VllmTarget
from pawl.core.records.publish import Served
from pawl.errors import PawlError, PublishError
from pawl.model.adapter import read_adapter
from pawl.publish.current import Current
from pawl.publish.folder import named_in
from pawl.publish.place import hold, name_champion, place_of
from pawl.publish.proof import Question, prove, questions
from pawl.publish.replica import Card, Replica
from pawl.publish.secret import from_variable


@dataclass(frozen=True)
class _Held:
    """A version in the folder: its name, the path by which replicas see it, whether it is new."""

    name: str
    root: str
    new: bool


def publish_vllm(current: Current, target: VllmTarget) -> list[Served]:
    """Have every replica serve the champion, proved, and the version before it; move the name.

    One that is down or wrong is told in the result; the name stays then.

    Raises:
        UsageError: the folder or the key cannot be used.
        PublishError: the version cannot be proved by its record.
        AdapterError, BaseError, DataError, RegistryError: its files or evidence do not hold.
    """
    place, replicas = place_of(current.workspace, target.path), _replicas(target)
    held = _hold(current, target, place)
    asked = questions(current, read_adapter(place / current.name))

    def bring(replica: Replica) -> Served:
        said = _bring(replica, held, asked, agree=target.agree)
        return Served(_label(replica), current.name, True, said)

    found = _each(replicas, bring)
    if all(one.ok for one in found):
        name_champion(current, place)
        kept = {one.name for one in held}
        found = [
            _forget_older(replica, current.task, kept, told)
            for replica, told in zip(replicas, found, strict=True)
        ]
    return [*found, named_in(current, place, _name_label(current, place))]


def served_vllm(current: Current, target: VllmTarget) -> list[Served]:
    """What every replica lists, and what the name means; no prompt is asked."""
    place = place_of(current.workspace, target.path)
    root = _seen(target, place, current.name)

    def look(replica: Replica) -> Served:
        cards = replica.cards()
        card = cards.get(current.name)
        if card is None:
            others = _versions(cards, current.task)
            has = f"lists {', '.join(others)}" if others else f"lists no version of {current.task}"
            told = f"{has}; {current.name} is champion: it was not told, or lost its memory"
            return Served(_label(replica), others[-1] if others else None, False, told)
        wrong = _wrong(card, root, cards)
        told = wrong or f"lists {current.name} from {root}"
        return Served(_label(replica), current.name, wrong is None, told)

    found = _each(_replicas(target), look)
    return [*found, named_in(current, place, _name_label(current, place))]


def _bring(
    replica: Replica, held: Sequence[_Held], asked: Sequence[Question], *, agree: float
) -> str:
    """Load the versions and prove the first, which is the champion; says how it was proved.

    A version that does not prove is loaded anew once: a replica may apply nothing under its name.
    """
    champion, *others = held
    base = _load(replica, champion)
    try:
        said = prove(replica, champion.name, base, asked, agree=agree)
    except PublishError:
        replica.unload(champion.name)
        base = _load(replica, champion)
        said = prove(replica, champion.name, base, asked, agree=agree)
        said += "; it had answered otherwise before it was loaded anew"
    for other in others:
        try:
            _load(replica, other)
        except PublishError as error:
            # Its absence delays a rollback, and is no reason to withhold what is released now.
            said += f"; {other.name} is not loaded for a rollback: {error.found}"
    return said


def _load(replica: Replica, version: _Held) -> str:
    """Have a replica list a version from its folder, loading it if need be; the base's name.

    Raises:
        PublishError: it does not list it so, even after it was loaded.
    """
    cards = replica.cards()
    card = cards.get(version.name)
    if card is not None and (version.new or _wrong(card, version.root, cards)):
        replica.unload(version.name)
        card = None
    if card is None:
        replica.load(version.name, version.root)
        cards = replica.cards()
        card = cards.get(version.name)
    wrong = "does not list it" if card is None else _wrong(card, version.root, cards)
    if card is None or wrong is not None:
        raise PublishError(
            f"{replica.url} was told to load {version.name} and {wrong}",
            rule="a loaded version is listed with its folder and its base (`/v1/models`)",
            remedy="see the replica's log",
        )
    return str(card.parent)


def _wrong(card: Card, root: str, cards: dict[str, Card]) -> str | None:
    """What is wrong with how a version is listed, None if nothing is."""
    if card.root != root:
        return f"has it from {card.root}, not from {root}"
    base = cards.get(card.parent or "")
    if base is None or base.parent is not None:
        return f"has it on {card.parent}, which is no base that it lists"
    return None


def _hold(current: Current, target: VllmTarget, place: Path) -> list[_Held]:
    """The champion in the folder and, where it can still be had, the version before it."""

    def version(folder: Path, new: bool) -> _Held:
        return _Held(folder.name, _seen(target, place, folder.name), new)

    held = [version(*hold(current, current.champion, place))]
    if current.previous is not None:
        # `pawl status` says that no rollback to it will work, and why.
        with suppress(PawlError, OSError):
            held.append(version(*hold(current, current.previous, place)))
    return held


def _forget_older(replica: Replica, task: str, kept: set[str], told: Served) -> Served:
    """Unload the versions of a task that neither callers nor a rollback need."""
    try:
        for name in _versions(replica.cards(), task):
            if name not in kept:
                replica.unload(name)
    except PublishError as error:
        return Served(told.target, told.served, True, f"{told.says}; {error.found}")
    return told


def _versions(cards: dict[str, Card], task: str) -> list[str]:
    """The names of a task's versions among those listed, oldest first."""
    form = re.compile(rf"{re.escape(task)}-v([1-9]\d*)")
    found = [(int(match[1]), name) for name in cards if (match := form.fullmatch(name))]
    return [name for _, name in sorted(found)]


def _replicas(target: VllmTarget) -> list[Replica]:
    key = from_variable(target.key_env) if target.key_env else None
    return [Replica(url, key=key, timeout=target.timeout) for url in target.urls]


def _each(replicas: Sequence[Replica], do: Callable[[Replica], Served]) -> list[Served]:
    """What is done with each replica, at the same time: a slow one holds up no other."""

    def one(replica: Replica) -> Served:
        try:
            return do(replica)
        except PawlError as error:
            told = f"{error.found}; {error.remedy}" if error.remedy else error.found
            return Served(_label(replica), None, False, told)

    with ThreadPoolExecutor(len(replicas)) as pool:
        return list(pool.map(one, replicas))


def _label(replica: Replica) -> str:
    return f"vllm {replica.url}"


def _name_label(current: Current, place: Path) -> str:
    return f"vllm's name, {place.name}/{current.task}.json"


def _seen(target: VllmTarget, place: Path, name: str) -> str:
    """The path by which the replicas see a version's folder."""
    return f"{(target.mounted or str(place.resolve())).rstrip('/')}/{name}"
