"""Audits a task's record: reads it from its MLflow store, with public keys, and says where it lies.

    python bench/auditor.py --store URI --task NAME [--keys pawl.pub] [--heads FILE ...]

It shares no code with Pawl. It folds the ledger by its own reading, through MLflow's public API,
and calls a violation:

I1  a champion without a passing verdict against its predecessor and without an explicit first,
    override, adopt or rollback entry, or without its signature; an entry that is gone or edited
I2  an acknowledged release that is lost, and one that nobody asked for or that was refused
I3  an alias `champion` that is not the ledger's champion, or was set from an entry that is gone
I4  champion bytes with another digest
I5  an operation or judgement recorded twice, a cycle's run that never ended
I6  what no key signed: an entry (it counts for nothing), a release, a judgement, or a page that
    says something else than its signed judgement; a date before what it follows; a ledger that
    does not go on from a remembered head

Keys (`--keys`, PEM) are what a workspace commits as `pawl.pub`. Heads (`--heads`, several) are what
it remembers: the file `heads` beside its private key, and what
`git cat-file blob refs/worktree/pawl/heads` prints. Without them, what they would tell is named as
unverified. What an adoption that counts has accepted is no violation.

Acknowledgements (`--acks`) are JSON lines {"event", "task", "why", "version", "digest"}: `asked`,
then `done` or `refused`, or nothing where the command was killed. `why` names one operation.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from auditlab import trust
from auditlab.client import WorkspaceClient
from auditlab.files import Files
from auditlab.ledger import (
    EARNED,
    NOBODY,
    accepted,
    carried,
    every_version,
    fold,
    read_ledger,
    rows_of,
    shown_wrongly,
    unsigned,
)
from auditlab.looks import paid_looks
from auditlab.pages import judged_pages
from auditlab.trust import sha256
from mlflow import MlflowClient, MlflowException

PAPERWORK, LEVEL = "pawl.json", ("level", "since")


class Record(NamedTuple):
    """A task's record: MLflow's client, the runs' files, versions by number, the public keys."""

    client: MlflowClient
    task: str
    files: Files
    versions: dict
    keys: list


def check(store, task, **given):
    """All violations in words; see `audit`."""
    return audit(store, task, **given)[0]


def audit(store, task, *, acks=None, settled=True, keys=None, heads=(), workspace=None):
    """Violations, and what could not be verified. Right after a crash, not `settled`, alias and
    runs may lag. `keys` is a file of public keys, `heads` are files of remembered heads,
    `workspace` is the name in its params.yaml, if it has one."""
    client = WorkspaceClient(store, workspace)
    pems = trust.read_keys(keys) if keys else []
    versions = {int(v.version): v for v in every_version(client, task)}
    record = Record(client, task, Files(client, store), versions, pems)
    entries, found = read_ledger(client, task)
    counting, unverified = entries, [] if keys else ["signatures: no --keys"]
    if pems and not any(entry["signature"] for entry in entries):
        unverified += [f"who wrote the ledger's {len(entries)} entries: none is signed"]
    elif pems:
        numbers = trust.vouched(entries, f"{task}.ledger", pems)
        counting = [entry for entry in entries if entry["number"] in numbers]
        found += unsigned(entries, numbers)
    found += [(n, f"I6: entry {n} {text}") for n, text in trust.dates(entries)]
    found += shown_wrongly(counting)
    before, wrong = carried(client, task, counting, pems)
    found += wrong
    releases, champion, retired = fold(counting, found)
    adoptions = [entry for entry in releases if entry["body"]["kind"] == "adopt"]
    said = [text for number, text in found if number not in accepted(adoptions)]
    remembered = list(trust.read_heads(heads, store, task))
    unverified += [] if remembered else ["that nothing was cut off: no --heads of this ledger"]
    for number in trust.lost(entries, remembered, adoptions):
        said.append(f"I6: the ledger does not go on from its entry {number}, which was seen")
    looks = paid_looks([*before, *counting])
    said += [wrong for entry in releases for wrong in earned(record, entry, looks, retired)]
    said += [wrong for entry in counting for wrong in rows_of(record, entry)]
    said += judged_pages(record, looks) if pems else []
    said += acknowledged(task, acks, releases) if acks is not None else []
    said += pointed(record, counting, releases, champion, settled)
    if champion["version"] in versions:
        said += bytes_of(record, versions[champion["version"]], champion)
    return said + converged(record, settled), unverified


def earned(record, entry, looks, retired):
    body, new = entry["body"], entry["body"]["new"]
    name = f"I1: entry {entry['number']} ({body['kind']} of version {new['version']})"
    if not (body["who"].strip() and body["why"].strip()):
        return [f"{name} says not who and why"]
    version = record.versions.get(new["version"])
    if version is None or version.tags.get("pawl.digest") != new["digest"]:
        return [f"{name}: that version is gone, or is another adapter"]
    run, read = version.run_id, record.files.read
    said, raw = signed_wrongly(record, entry, run, gone=new in retired, name=name)
    if {sha256(raw), version.tags.get("pawl.evidence", body["evidence"])} != {body["evidence"]}:
        said.append(f"{name}: another file is its evidence")
    if body["kind"] not in EARNED:
        return said
    try:
        verdict = json.loads(raw)
        parents, look = verdict["parents"].items(), verdict["look"] or {}
    except (ValueError, KeyError) as error:
        return [*said, f"{name} has no readable verdict: {error!r}"[:300]]
    first, paid = body["kind"] == "first", looks.get(look.get("question"))
    cost = paid["body"]["details"] if paid else {}
    wrong = {
        f"the gate said {verdict['decision']}": verdict["decision"] != "promote",
        "the version's page says otherwise": version.tags.get("pawl.verdict") != "promote",
        "rules failed": bool(verdict["failed"]),
        "it judged another adapter": verdict["candidate"] != new["digest"],
        "it judged against another champion": verdict["champion"] != body["expected"],
        "its evidence changed": any(sha256(read(run, n)) != d for n, d in parents),
        "no look was paid for before": paid is None or paid["number"] > entry["number"],
        "its look was paid at another level": any(look.get(k) != cost.get(k) for k in LEVEL),
        "first, but there was a champion": first != (body["expected"] == NOBODY),
    }
    return said + [f"{name}: {reason}" for reason, is_so in wrong.items() if is_so]


def signed_wrongly(record, entry, run, *, gone, name):
    """What is wrong with a release's signature, and the verdict that was signed."""
    named = str(entry["body"]["details"].get("signature"))
    raw, signature = record.files.read(run, "verdict.json"), b""
    signature = record.files.read(run, f"release/{named[:16]}.sig")
    if sha256(signature) != named:
        return [f"{name}: its signature is gone, or is another file"], raw
    if not record.keys:
        return [], raw
    try:
        with record.files.at(run, "adapter") as adapter:
            problem = trust.release_problem(adapter, raw, signature, record.keys)
    except (MlflowException, OSError, ValueError) as error:
        # The files of a retired version may be freed.
        problem = None if gone else f"its files cannot be read: {error!r}"[:200]
    return ([f"I6: {name[4:]}: no key signed it: {problem}"] if problem else []), raw


def acknowledged(task, acks, releases):
    """What commands were told, against what is on record; each operation has its own `why`."""
    with Path(acks).open(encoding="utf-8") as file:
        events = [event for event in map(json.loads, file) if event["task"] == task]
    asked, refused = ({e["why"] for e in events if e["event"] == k} for k in ("asked", "refused"))
    reasons = [entry["body"]["why"] for entry in releases]
    counted, said = {entry["body"]["why"]: entry["body"]["new"] for entry in releases}, []
    for event in (event for event in events if event["event"] == "done"):
        if counted.get(event["why"]) != {key: event[key] for key in NOBODY}:
            said.append(f"I2: lost: version {event['version']} was released ('{event['why']}')")
    for why, times in Counter(reasons).items():
        said += [f"I2: phantom: '{why}' was refused"] if why in refused else []
        said += [f"I2: phantom: nobody asked for '{why}'"] if why not in asked else []
        said += [f"I5: '{why}' counts {times} times"] if times > 1 else []
    return said


def pointed(record, entries, releases, champion, settled):
    name = record.client.named(record.task)
    model = next(iter(record.client.search_registered_models(f"name = '{name}'")), None)
    now = int(model.aliases["champion"]) if model and "champion" in model.aliases else None
    number, _, digest = (model.tags if model else {}).get("pawl.projected", "").partition(":")
    known = {(str(entry["number"]), entry["digest"]) for entry in entries}
    settled_since = any(
        entry["body"]["kind"] == "adopt" and number.isdigit() and entry["number"] >= int(number)
        for entry in releases
    )
    said = []
    if number and (number, digest) not in known and not settled_since:
        said.append(f"I3: the alias was set from entry {number}, which is gone or altered")
    lagging = {None, *(entry["body"]["new"]["version"] for entry in releases)}
    if now == champion["version"] or (now in lagging and not settled):
        return said
    return [*said, f"I3: alias at {now}, ledger at {champion['version']}"]


def bytes_of(record, version, champion):
    try:
        with record.files.at(version.run_id, "adapter") as root:
            files = {p.name: sha256(p.read_bytes()) for p in root.iterdir() if p.name != PAPERWORK}
    except (MlflowException, OSError, ValueError) as error:
        return [f"I4: the champion, version {champion['version']}, cannot be read: {error!r}"]
    found, said = sha256(files), champion["digest"]
    return [] if found == said else [f"I4: champion bytes are {found[:12]}, not {said[:12]}"]


def converged(record, settled):
    pages = [v.tags for v in record.versions.values() if "pawl.op_id" in v.tags]
    keys = ("pawl.question", "pawl.digest", "pawl.against", "pawl.against_digest")
    operations = Counter(page["pawl.op_id"] for page in pages)
    judgements = Counter(tuple(page.get(key) for key in keys) for page in pages)
    said = [f"I5: {n} versions of operation {o}" for o, n in operations.items() if n > 1]
    said += [f"I5: {n} versions of judgement {j}" for j, n in judgements.items() if n > 1]
    experiment = record.client.get_experiment_by_name(record.client.named(record.task))
    ids = [experiment.experiment_id] if experiment else []
    runs = record.client.search_runs(ids, max_results=50_000) if ids else []
    orders = Counter(run.data.tags.get("pawl.posted") for run in runs)
    said += [f"I5: {n} runs of one order {o}" for o, n in orders.items() if o and n > 1]
    left = [run.info.run_id for run in runs if run.info.status == "RUNNING"]
    return said + [f"I5: run {run_id} never ended" for run_id in left if settled]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("--store", "--task", "--acks", "--keys", "--workspace"):
        parser.add_argument(option, required=option in ("--store", "--task"))
    parser.add_argument("--heads", action="append", default=[])
    parser.add_argument("--unsettled", action="store_true", help="the alias may lag")
    given = vars(parser.parse_args())
    given["settled"] = not given.pop("unsettled")
    violations, unknown = audit(**given)
    unverified = [f"unverified: {what}" for what in unknown]
    sound = [] if violations else [f"{given['task']}: no violation"]
    print("\n".join([*violations, *unverified, *sound]))
    sys.exit(1 if violations else 0)
