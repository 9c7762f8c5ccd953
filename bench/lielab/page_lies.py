"""Lies about versions, files, tags and the alias; those that an operator then promotes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from workbench import TASK

from lielab.world import BEFORE, CHAMPION, LEDGER, NEXT, REJECTED, REJECTED_LOOKS, World
from pawl.core.files import digest_file
from pawl.ledger.keys import TRUSTED, make_keys
from pawl.ledger.ledger import SIGNATURE
from pawl.model.adapter import WEIGHTS
from pawl.workspace.paths import Workspace


def bytes_swapped(world: World) -> None:
    """The champion is Eve's adapter in the store, on its page and in the local copy."""
    for place in (world.stored(CHAMPION), world.home / "adapters" / TASK / str(CHAMPION)):
        place = place / "adapter" if place.name == "artifacts" else place
        shutil.rmtree(place)
        shutil.copytree(world.evil, place)
    world.tag(CHAMPION, digest=world.evil_digest)


def alias_moved(world: World) -> None:
    world.client.set_registered_model_alias(TASK, "champion", str(REJECTED))


def alias_lags(world: World) -> None:
    """Moved so that it seems to lag: set from the release of an earlier champion."""
    entry = next(e for e in world.entries() if e.new and e.new.version == BEFORE)
    world.client.set_registered_model_alias(TASK, "champion", str(BEFORE))
    tag = f"{entry.number}:{entry.digest}"
    world.client.set_registered_model_tag(TASK, "pawl.projected", tag)


def projected_edited(world: World) -> None:
    world.client.set_registered_model_tag(TASK, "pawl.projected", f"11:{'0' * 64}")
    world.client.set_registered_model_alias(TASK, "champion", str(REJECTED))


def signed_by_another_key(world: World) -> None:
    """Eve's adapter and verdict, with her signature, which the rewritten ledger names."""
    from model_signing import signing

    bytes_swapped(world)
    key = make_keys(Workspace(world.folder / "eve")).private
    stored, local = world.stored(CHAMPION), world.home / "releases" / TASK / str(CHAMPION)
    verdict = stored / "verdict.json"
    said = json.loads(verdict.read_text()) | {"candidate": world.evil_digest}
    verdict.write_text(json.dumps(said))
    folder, signature = world.folder / "signed", world.folder / "sig"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(world.evil, folder / "adapter")
    shutil.copyfile(verdict, folder / "verdict.json")
    signing.Config().use_elliptic_key_signer(private_key=key).sign(folder, signature)
    named, evidence = digest_file(signature), digest_file(verdict)
    for place in (stored / "release", local):
        shutil.copyfile(signature, place / f"{named[:16]}.sig")
    shutil.copyfile(verdict, local / "verdict.json")
    world.tag(CHAMPION, evidence=evidence)
    new = {"version": CHAMPION, "digest": world.evil_digest}
    changes = {"new": new, "evidence": evidence, "details": {"signature": named}}
    last = world.entries()[-1].number
    world.rewrite(lambda number, body: body | (changes if number == last else {}))


def model_made_again(world: World) -> None:
    pages = [world.client.get_model_version(TASK, str(n)) for n in range(1, CHAMPION + 1)]
    tags = world.client.get_registered_model(TASK).tags
    world.client.delete_registered_model(TASK)
    world.client.create_registered_model(TASK, tags)
    for page in pages[:-1]:
        world.plant(page.tags, run=page.run_id)
    world.plant(pages[-1].tags | {"pawl.digest": world.evil_digest}, adapter=world.evil)
    world.client.set_registered_model_alias(TASK, "champion", str(CHAMPION))


def keys_removed(world: World) -> None:
    (world.root / TRUSTED).unlink()


def answer_planted(world: World) -> None:
    page = world.client.get_model_version(TASK, str(CHAMPION))
    said = {"pawl.question": f"question {NEXT}", "pawl.verdict": "reject", "pawl.op_id": "x"}
    world.plant(page.tags | said, run=page.run_id)


def answer_planted_as_of_before(world: World) -> None:
    """As if Pawl 0.1 had written all up to a rejected look; a new page gives another answer."""
    for number in range(1, REJECTED_LOOKS[0] + 1):
        world.client.delete_model_version_tag(LEDGER, str(number), SIGNATURE)
    page = world.client.get_model_version(TASK, str(REJECTED))
    world.client.delete_model_version(TASK, str(REJECTED))
    tags = page.tags | {"pawl.verdict": "inconclusive", "pawl.op_id": "x"}
    del tags["pawl.judged"]
    world.plant(tags, run=page.run_id)


def rows_swapped(world: World) -> None:
    """The answers that the first look held out."""
    (path,) = (world.home / "artifacts" / LEDGER).rglob("known.jsonl")
    path.write_text(path.read_text().replace('"yes"', '"no"'))


def signature_swapped(world: World) -> None:
    """The champion's signature is another version's, in the store and beside the local copy."""
    other = next((world.stored(BEFORE) / "release").glob("*.sig"))
    local = world.home / "releases" / TASK / str(CHAMPION)
    for place in (world.stored(CHAMPION) / "release", local):
        shutil.copyfile(other, next(place.glob("*.sig")))


def page_garbled(world: World) -> None:
    world.tag(REJECTED, params="{", against="seven")


def cycle_edited(world: World) -> None:
    """The champion's run says that it was rejected."""
    run = world.run_of(CHAMPION)
    tag = world.client.get_run(run).data.tags["pawl.cycle"]
    told = json.dumps(json.loads(tag) | {"verdict": "reject"})
    world.client.set_tag(run, "pawl.cycle", told)
    world.client.set_tag(run, "pawl.verdict", "reject")


def scores_edited(world: World) -> None:
    page = world.client.get_model_version(TASK, str(REJECTED))
    world.tag(REJECTED, scores=page.tags["pawl.scores"].replace("0.75", "0.99"))


def origin_edited(world: World) -> None:
    """The champion seems to be made from other rows by other code."""
    world.tag(CHAMPION, data="0" * 64, commit="0" * 40)


def page_copied(world: World) -> None:
    """A rejected version's signed page under a higher number, the original deleted."""
    page = world.client.get_model_version(TASK, str(REJECTED))
    world.plant(page.tags, run=page.run_id)
    world.client.delete_model_version(TASK, str(REJECTED))


def names_edited(world: World) -> None:
    """What people read on an entry's page in MLflow: its entry stays as it was."""
    for key in ("pawl.who", "pawl.to"):
        world.client.set_model_version_tag(LEDGER, "9", key, "Eve")


def local(world: World, number: int) -> Path:
    return world.home / "adapters" / TASK / str(number)


def weights_of_a_copy(world: World) -> None:
    """The weights of the version that a rollback returns to, in the store and here."""
    for place in (world.stored(BEFORE) / "adapter", local(world, BEFORE)):
        shutil.copyfile(world.evil / WEIGHTS, place / WEIGHTS)


PAGE_LIES = {
    "adapter bytes swapped in store and copy": bytes_swapped,
    "the alias moved": alias_moved,
    "a verdict and adapter signed by another key": signed_by_another_key,
    "the model deleted and made again": model_made_again,
    "`pawl.pub` removed": keys_removed,
    "a page planted with the next question's answer": answer_planted,
    "+ the alias moved so that it seems to lag": alias_lags,
    "+ the tag `pawl.projected` and the alias edited": projected_edited,
    "+ early signatures stripped, a rejected version's page made again": (
        answer_planted_as_of_before
    ),
    "+ held-out rows of a look swapped": rows_swapped,
    "+ the release signature swapped for another version's": signature_swapped,
    "+ weights of the version to roll back to swapped": weights_of_a_copy,
    "+ tags of one version garbled": page_garbled,
    "+ the tag `pawl.cycle` of a run edited": cycle_edited,
    "+ scores on a version's page edited": scores_edited,
    "+ data and commit on the champion's page edited": origin_edited,
    "+ a rejected page copied under a higher number, the original deleted": page_copied,
    "+ who and what on an entry's page in MLflow edited": names_edited,
}
