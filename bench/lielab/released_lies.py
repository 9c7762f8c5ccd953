"""Lies that make a version look well, which an operator then releases."""

from __future__ import annotations

import contextlib
import json
import shutil
from functools import partial
from unittest.mock import patch

from workbench import TASK

from lielab.page_lies import local
from lielab.world import CHAMPION, REJECTED, World
from pawl.core.files import digest_file
from pawl.core.records import Champion
from pawl.cycle import conclude
from pawl.errors import PawlError, RegistryError
from pawl.ledger.entries import Entry
from pawl.ledger.looks import reserve_look
from pawl.model.adapter import MANIFEST
from pawl.release.release import adopt, promote


def rejection_edited(world: World) -> None:
    """A rejected version becomes a promotion over the champion, in its verdict and on its page."""
    champion = world.honest["champion"]
    path = world.stored(REJECTED) / "verdict.json"
    verdict = json.loads(path.read_text())
    verdict |= {"decision": "promote", "champion": vars(champion), "look": last_look(world)}
    path.write_text(json.dumps(verdict))
    world.tag(
        REJECTED, verdict="promote", evidence=digest_file(path), against=str(champion.version),
        against_digest=str(champion.digest),
    )  # fmt: skip


def verdict_made_up(world: World) -> int:
    """Eve's adapter, with a verdict on a look that the champion used."""
    champion = world.honest["champion"]
    page = world.client.get_model_version(TASK, str(CHAMPION))
    verdict = json.loads((world.stored(CHAMPION) / "verdict.json").read_text())
    verdict |= {"candidate": world.evil_digest, "champion": vars(champion)}
    tags = page.tags | {
        "pawl.digest": world.evil_digest,
        "pawl.op_id": "made up",
        "pawl.against": str(champion.version),
        "pawl.against_digest": str(champion.digest),
    }
    number = world.plant(tags, adapter=world.evil)
    path = world.stored(number) / "verdict.json"
    path.write_text(json.dumps(verdict))
    world.tag(number, evidence=digest_file(path))
    return number


def last_look(world: World) -> object:
    return json.loads((world.stored(CHAMPION) / "verdict.json").read_text())["look"]


def manifest_edited(world: World) -> int:
    """Of a version that was judged well; its cycle died before the release."""
    workspace = world.bench.workspace
    world.bench.train(30)
    champion = Champion(**vars(world.honest["champion"]))
    world.bench.judge("promote", champion, reserve_look(workspace, world.store(), TASK))
    died = RegistryError("the store is down")
    with patch.object(conclude, "release_judged", side_effect=died), contextlib.suppress(PawlError):
        world.bench.conclude("question 30")
    shutil.rmtree(workspace.outbox)
    world.honest = world.view()
    number = CHAMPION + 1
    world.client.set_terminated(world.run_of(number))
    for path in (world.stored(number) / "adapter" / MANIFEST, local(world, number) / MANIFEST):
        if path.is_file():
            path.write_text(path.read_text().replace('"k1"', '"nothing"'))
    return number


def alias_at_a_made_up_version(world: World) -> None:
    number = verdict_made_up(world)
    world.client.set_registered_model_alias(TASK, "champion", str(number))


def promoted(world: World, number: int) -> Entry:
    return promote(world.bench.workspace, world.store(), TASK, number, why="w", who="Bo")


def adopted(world: World) -> Entry:
    """As the message on a moved alias proposes it."""
    return adopt(world.bench.workspace, world.store(), TASK, why="w", who="Bo")


# Each of these an operator then releases, without `--override`.
RELEASED_LIES = {
    "a rejected version's page and verdict edited, then promoted": (
        rejection_edited,
        partial(promoted, number=REJECTED),
    ),
    "a new version with a made-up verdict on a used look, then promoted": (
        verdict_made_up,
        partial(promoted, number=CHAMPION + 1),
    ),
    "+ the manifest of a judged, unreleased version edited, then promoted": (
        manifest_edited,
        partial(promoted, number=CHAMPION + 1),
    ),
    "+ the alias moved to a version with a made-up verdict, then adopted": (
        alias_at_a_made_up_version,
        adopted,
    ),
}
