"""The versions in memory: which one a caller's `model` means, and who still needs it.

A name is resolved once, when a request comes: whatever is released meanwhile, the request is
answered by that version to its end. A version leaves memory when nobody needs it, it is no
champion, nor the one before, and more than `MOST` are loaded.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pawl.config.judging import Evaluate
from pawl.core.records import Champion
from pawl.errors import AdapterError, PawlError, nearest
from pawl.ledger.entries import State
from pawl.model.tokenizer import prompting_as
from pawl.serve.engine import Engine
from pawl.serve.refusals import Refused
from pawl.serve.releases import Releases, released, version_name
from pawl.serve.rows import BrokenError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LOG = logging.getLogger(__name__)
NAMED = re.compile(r"(.+)-v([1-9]\d{0,8})")
# Versions in memory beside each task's champion and the one before it.
MOST = 8
# Seconds for which a version that was refused is not tried again for a caller.
REFUSED_FOR = 10.0


@dataclass(eq=False)
class Loaded:
    """A version in memory. `adapter` is its name in the engine, `users` counts its requests."""

    task: str
    champion: Champion
    adapter: str
    tokenizer: PreTrainedTokenizerBase
    used: float = 0.0
    users: int = 0

    @property
    def name(self) -> str:
        """The name that callers are told: `task-vN`."""
        return version_name(self.task, self.champion)


@dataclass
class TaskState:
    """What is served of a task. `problem` says why that is not what the ledger says."""

    policy: Evaluate
    state: State = field(default_factory=State)
    current: Loaded | None = None
    problem: str | None = None


class Versions:
    """What is served of some tasks on one base, whose digest is `base`."""

    def __init__(
        self,
        engine: Engine,
        releases: Releases,
        tokenizer: PreTrainedTokenizerBase,
        *,
        base: str,
        tasks: dict[str, Evaluate],
    ) -> None:
        self.base = base
        self.tasks = {name: TaskState(policy) for name, policy in tasks.items()}
        self._engine, self._releases, self._tokenizer = engine, releases, tokenizer
        self._loaded: dict[tuple[str, Champion], Loaded] = {}
        self._refused: dict[tuple[str, Champion], tuple[float, str]] = {}
        # `_state` is held for a moment, `_loading` while a version is fetched and loaded.
        self._state, self._loading = threading.Lock(), threading.Lock()

    def follow(self, task: str) -> bool:
        """Serve what the ledger says now; True if that is another version than before.

        Where it cannot be served, the version of before stays, and `problem` says why.
        """
        served = self.tasks[task]
        try:
            state = self._releases.read(task)
            served.state = state
            if state.champion.version is None:
                served.problem = f"task '{task}' has no champion yet"
                return False
            if served.current and served.current.champion == state.champion:
                served.problem = None
                return False
            new = self._load(task, state.champion, state)
        except Exception as error:  # noqa: BLE001  # a full disk, a broken engine: told, tried again
            self._tell(served, reason(error))
            return False
        with self._state:
            served.current, served.problem = new, None
        LOG.info("%s is answered by %s from now on", task, new.name)
        self._make_room()
        return True

    def at_hand(self, name: str) -> Loaded | None:
        """The version that a caller's `model` means, None if it is not in memory; `give_back` it.

        Raises:
            Refused: there is none of this name, or it cannot be served.
        """
        task, number = self._parsed(name)
        served = self.tasks[task]
        with self._state:
            if number is None:
                if served.current is None:
                    why = served.problem or "it is being loaded"
                    raise Refused(503, f"'{task}' is not served yet: {why}", retry=5)
                return self._taken(served.current)
            champion = self._released(task, number)
            found = self._loaded.get((task, champion))
            return self._taken(found) if found else None

    def load(self, name: str) -> Loaded:
        """As `at_hand`; a version that is not in memory is fetched, verified and loaded first."""
        if (found := self.at_hand(name)) is not None:
            return found
        task, number = self._parsed(name)
        champion, state = self._released(task, number or 0), self.tasks[task].state
        until, why = self._refused.get((task, champion), (0.0, ""))
        if time.monotonic() < until:
            raise Refused(503, why, code="version_refused", retry=int(REFUSED_FOR))
        try:
            found = self._load(task, champion, state, take=True)
        except BrokenError as error:
            raise Refused(503, f"nothing is answered: {error}", retry=10) from error
        except Exception as error:
            # Whatever is wrong with a version, it is told to who asks for that one.
            why = reason(error)
            self._refused[task, champion] = (time.monotonic() + REFUSED_FOR, why)
            LOG.error("%s is not served: %s", name, why)
            raise Refused(503, why, code="version_refused", retry=int(REFUSED_FOR)) from error
        self._make_room()
        return found

    def give_back(self, version: Loaded) -> None:
        """A request that had taken it has ended."""
        with self._state:
            version.users -= 1

    def names(self) -> list[str]:
        """All names that are served: tasks with a champion, then their versions."""
        names = [task for task, one in self.tasks.items() if one.current]
        for task, one in self.tasks.items():
            names += [version_name(task, champion) for champion in released(one.state).values()]
        return names

    def _taken(self, version: Loaded) -> Loaded:
        version.users += 1
        version.used = time.monotonic()
        return version

    def _parsed(self, name: str) -> tuple[str, int | None]:
        if name in self.tasks:
            return name, None
        found = NAMED.fullmatch(name)
        if found and found[1] in self.tasks:
            return found[1], int(found[2])
        raise self._no_model(name, "there is no such task")

    def _no_model(self, name: str, why: str) -> Refused:
        told = f"no model '{name[:100]}': {why}; {nearest(name[:100], self.names()[:50])}"
        return Refused(404, told, param="model", code="model_not_found")

    def _released(self, task: str, number: int) -> Champion:
        champion = released(self.tasks[task].state).get(number)
        if champion is None:
            raise self._no_model(f"{task}-v{number}", "it was not released, or is retired")
        return champion

    def _load(self, task: str, champion: Champion, state: State, *, take: bool = False) -> Loaded:
        with self._loading:
            with self._state:
                if found := self._loaded.get((task, champion)):
                    return self._taken(found) if take else found
            with self._releases.verified(task, champion, state) as verified:
                manifest = verified.manifest
                if manifest.base.digest != self.base:
                    raise AdapterError(
                        f"version {champion.version} of '{task}' was trained on another base, "
                        f"{manifest.base.model} ({manifest.base.digest[:12]})",
                        rule=f"one server has one base in memory, {self.base[:12]}",
                        remedy="start `pawl serve` anew: it takes the champion's base",
                    )
                tokenizer = prompting_as(self._tokenizer, manifest.base)
                adapters = self._engine.adapters
                job = self._engine.call(lambda: adapters.load(verified.folder, manifest))
                new = Loaded(task, champion, job.result(), tokenizer)
            with self._state:
                self._loaded[task, champion] = new
                self._refused.pop((task, champion), None)
                new.used = time.monotonic()
                return self._taken(new) if take else new

    def _make_room(self) -> None:
        """Let go what was used the longest ago, beyond `MOST`."""
        with self._state:
            held: set[tuple[str, Champion]] = set()
            for task, one in self.tasks.items():
                before = one.state.previous_champion()
                current = [one.current.champion] if one.current else []
                held |= {(task, champion) for champion in (*current, before) if champion}
            free = [key for key, one in self._loaded.items() if key not in held and not one.users]
            free.sort(key=lambda key: self._loaded[key].used)
            beyond = len([key for key in self._loaded if key not in held]) - MOST
            gone = [self._loaded.pop(key) for key in free[: max(0, beyond)]]
        for version in gone:
            self._engine.call(lambda name=version.adapter: self._unload(name))  # type: ignore[misc]

    def _unload(self, adapter: str) -> None:
        """A job of the engine's: a row that was cancelled may be in a batch for one more step."""
        if self._engine.uses(adapter):
            self._engine.call(lambda: self._unload(adapter))
        else:
            self._engine.adapters.unload(adapter)

    def _tell(self, served: TaskState, problem: str) -> None:
        if problem != served.problem:
            stays = f"; {served.current.name} stays" if served.current else ""
            LOG.error("%s%s", problem, stays)
        served.problem = problem


def reason(error: Exception) -> str:
    """What is wrong, in a line."""
    if isinstance(error, PawlError):
        return error.found
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
