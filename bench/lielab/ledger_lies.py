"""Lies about the ledger: entries edited, removed, added, or cut off."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from workbench import TASK, make_bench

from lielab.world import (
    BACK,
    BEFORE,
    CHAMPION,
    FIRST,
    LAST,
    LAST_LOOK,
    LEDGER,
    REJECTED_LOOKS,
    World,
)
from pawl.core.records import Champion, to_json
from pawl.ledger.entries import Entry
from pawl.ledger.hash_chain import link_entry
from pawl.ledger.keys import private_path
from pawl.ledger.ledger import SIGNATURE, TAG, append, entries
from pawl.ledger.signatures import sign
from pawl.ledger.state import read_state
from pawl.ledger.vouching import KIND, signed_content
from pawl.release.release import adopt


def edit(world: World, number: int, **changes: object) -> None:
    (entry,) = (one for one in world.entries() if one.number == number)
    text = json.dumps({**entry.body, **changes})
    world.client.set_model_version_tag(LEDGER, str(number), TAG, text)


def delete(world: World, *numbers: int, of: str = LEDGER) -> None:
    for number in numbers:
        world.client.delete_model_version(of, str(number))


def middle_edited(world: World) -> None:
    edit(world, BACK, why="better in use")


def last_edited(world: World) -> None:
    edit(world, LAST, who="Eve")
    project(world)


def middle_removed(world: World) -> None:
    delete(world, 5)


def last_look_deleted(world: World) -> None:
    delete(world, LAST_LOOK)


def rewritten(world: World) -> None:
    changes = {FIRST: {"who": "Eve"}, 5: {"why": "she asked me to"}, 8: {"kind": "override"}}
    world.rewrite(lambda number, body: body | changes.get(number, {}))


def looks_dropped(world: World) -> None:
    world.rewrite(drop=REJECTED_LOOKS)


def rollback_of(world: World, **changes: object) -> Entry:
    state, when = read_state(world.store(), TASK), datetime.now(UTC).isoformat()
    target = next(e.new for e in state.releases if e.new and e.new.version == BEFORE)
    entry = Entry(0, "forged", "rollback", state.champion, target, "Ada", "worse in use", when)
    named = state.signature(target), state.evidence(target)
    entry = dataclasses.replace(entry, evidence=named[1], details={"signature": named[0]})
    return link_entry(dataclasses.replace(entry, **changes), world.entries())


def rollback_forged(world: World) -> None:
    world.append(rollback_of(world))
    world.client.set_registered_model_alias(TASK, "champion", str(BEFORE))
    project(world)


def rollback_with_own_key(world: World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        other, entry = make_bench(Path(folder) / "ws").workspace, rollback_of(world)
        signature = sign(other, KIND, signed_content(entry, LEDGER))
    world.append(entry, signature=json.dumps(to_json(signature)))
    world.client.set_registered_model_alias(TASK, "champion", str(BEFORE))
    project(world)


def signature_borrowed(world: World) -> None:
    borrowed = json.dumps(to_json(world.entries()[-1].signature))
    world.append(rollback_of(world), signature=borrowed)


def dated_back(world: World) -> None:
    """By somebody with the machine's key and its clock set back, the one way to sign it."""
    entry = rollback_of(world, when="2019-01-01T00:00:00+00:00")
    signature = sign(world.bench.workspace, KIND, signed_content(entry, LEDGER))
    world.append(entry, signature=json.dumps(to_json(signature)))
    world.client.set_registered_model_alias(TASK, "champion", str(BEFORE))
    project(world)


def ledger_forged(world: World) -> None:
    """The ledger deleted, and a first release of Eve's adapter in a new one."""
    page = world.client.get_model_version(TASK, str(CHAMPION))
    number = world.plant(page.tags | {"pawl.digest": world.evil_digest}, adapter=world.evil)
    look, first = world.entries()[:2]
    world.client.delete_registered_model(LEDGER)
    world.client.create_registered_model(LEDGER)
    world.append(dataclasses.replace(look, number=0))
    new = Champion(number, world.evil_digest)
    (seen,) = world.entries()
    world.append(link_entry(dataclasses.replace(first, new=new), [seen]))
    world.client.set_registered_model_alias(TASK, "champion", str(number))
    project(world)


def end_cut_off(world: World) -> None:
    delete(world, LAST, LAST_LOOK)
    delete(world, CHAMPION, of=TASK)
    world.client.set_registered_model_alias(TASK, "champion", str(BEFORE))
    project(world)


def entry_replayed(world: World) -> None:
    """The rollback once more, signature and all."""
    (back,) = (one for one in world.entries() if one.number == BACK)
    world.append(back, signature=json.dumps(to_json(back.signature)))


def of_another_task(world: World) -> None:
    details = world.entries()[0].details | {"question": "of another task"}
    append(
        world.store(), "other", kind="look", expected=Champion(), who="Ada", why="w",
        details=details,
    )  # fmt: skip
    (look,) = entries(world.store(), "other")
    world.append(look, signature=json.dumps(to_json(look.signature)))


def of_another_workspace(world: World) -> None:
    """The first look of a task of this name that the same key signed a month ago, elsewhere."""
    look = world.entries()[0]
    details = {key: value for key, value in look.details.items() if key != "known"}
    look = dataclasses.replace(
        look,
        op_id="look:elsewhere",
        details=details | {"question": "elsewhere"},
        when=(datetime.now(UTC) - timedelta(days=30)).isoformat(),
    )
    signature = sign(world.bench.workspace, KIND, signed_content(look, LEDGER))
    world.append(look, signature=json.dumps(to_json(signature)))


def last_unsigned(world: World) -> None:
    world.client.delete_model_version_tag(LEDGER, str(LAST), SIGNATURE)


def all_unsigned_and_rewritten(world: World) -> None:
    """As if Pawl 0.1 had written it all."""
    for entry in world.entries():
        world.client.delete_model_version_tag(LEDGER, str(entry.number), SIGNATURE)
    world.rewrite(lambda number, body: body | ({"who": "Eve"} if number == BACK else {}))


def cut_again_after_an_adoption(world: World) -> None:
    """A first cut is settled by an adoption; what came after it is cut off as well."""
    world.rewrite(drop=tuple(range(5, LAST + 1)))
    world.client.set_registered_model_alias(TASK, "champion", "1")
    workspace = world.bench.workspace
    adopt(workspace, world.store(), TASK, why="the backup is all we have", who="Ada", version=1)
    kept = world.client.get_registered_model(TASK).tags["pawl.projected"]
    world.bench.cycle(20)
    world.honest = world.view()
    shutil.copyfile(private_path(workspace).with_name("heads"), world.heads)
    last = world.entries()[-1]
    world.rewrite(drop=(last.number, last.number - 1))
    world.client.delete_model_version(TASK, str(last.new.version if last.new else 0))
    world.client.set_registered_model_alias(TASK, "champion", "1")
    world.client.set_registered_model_tag(TASK, "pawl.projected", kept)


def project(world: World) -> None:
    """Set the tag that says which entry the alias was set from to the last release, as written."""
    last = [entry for entry in world.entries() if entry.new][-1]
    world.client.set_registered_model_tag(TASK, "pawl.projected", f"{last.number}:{last.digest}")


LEDGER_LIES = {
    "a middle entry edited": middle_edited,
    "the last entry edited": last_edited,
    "a middle entry removed": middle_removed,
    "the last look deleted": last_look_deleted,
    "who, why and kind of old entries edited, the chain computed anew": rewritten,
    "two rejected looks dropped, the rest renumbered": looks_dropped,
    "a rollback forged without a key": rollback_forged,
    "an entry dated years back, with the machine's key": dated_back,
    "the ledger deleted, a first release forged": ledger_forged,
    "last release and look cut off, tags and alias set to match": end_cut_off,
    "+ a rollback signed with a key of one's own": rollback_with_own_key,
    "+ a rollback with another entry's signature": signature_borrowed,
    "+ an entry replayed with its signature": entry_replayed,
    "+ a signed entry copied from another task's ledger": of_another_task,
    "+ a signed first look of another workspace with the same key": of_another_workspace,
    "+ the last entry's signature stripped": last_unsigned,
    "+ all signatures stripped, an entry edited, the chain anew": all_unsigned_and_rewritten,
    "+ the end cut off after an adoption settled an earlier cut": cut_again_after_an_adoption,
}
