"""Reads a task's history from its MLflow store and says where it lies; shares no code with Pawl.

It folds the ledger by its own reading, through MLflow's public API alone, and calls a violation:

I1  a champion without a passing verdict against its predecessor and without an explicit first,
    override, adopt or rollback entry, or without its signature; an entry that is gone or edited
I2  an acknowledged release that is lost, and one that nobody asked for or that was refused
I3  an alias `champion` that is not the ledger's champion
I4  champion bytes with another digest
I5  an operation or judgement recorded twice, a cycle's run that never ended

Acknowledgements are JSON lines {"event", "task", "why", "version", "digest"}: `asked`, then `done`
or `refused`, or nothing where the command was killed. `why` names one operation.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path

from mlflow import MlflowClient, MlflowException

EARNED, BY_HAND = ("first", "promote"), ("override", "rollback", "adopt")
NOBODY, PAPERWORK = {"version": None, "digest": None}, "pawl.json"


def check(store, task, *, acks=None, settled=True):
    """All violations in words. Right after a crash, not `settled`, alias and runs may lag."""
    client, said = MlflowClient(tracking_uri=store, registry_uri=store), []
    entries = read_ledger(client, task, said)
    releases, champion = fold(entries, said)
    versions = {int(v.version): v for v in every_version(client, task)}
    looks = {e["details"].get("question"): e["number"] for e in entries if e["kind"] == "look"}
    said += [wrong for entry in releases for wrong in earned(client, versions, entry, looks)]
    said += acknowledged(task, acks, releases) if acks is not None else []
    said += pointed(client, task, releases, champion, settled)
    if champion["version"] in versions:
        said += bytes_of(client, versions[champion["version"]], champion)
    return said + converged(client, task, versions, settled)


def read_ledger(client, task, said):
    entries, known, last = [], {""}, 0
    for version in every_version(client, f"{task}.ledger"):
        number = int(version.version)
        said += [f"I1: ledger entry {gap} is gone" for gap in range(last + 1, number)]
        last = number
        try:
            entry = {**json.loads(version.tags["pawl.entry"]), "number": number}
            _, names = entry["op_id"], {entry["previous"], *entry["details"].get("beside", ())}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            said.append(f"I1: ledger version {number} is no entry ({error!r})")
            continue
        said += [] if names <= known else [f"I1: entry {number} follows no earlier one"]
        known.add(sha256(entry))
        entries.append(entry)
    return entries


def fold(entries, said):
    releases, champion, seen, retired = [], NOBODY, set(), []
    for entry in entries:
        new, kind, number = entry["new"], entry["kind"], entry["number"]
        if entry["op_id"] in seen or kind in ("look", "relabel"):
            continue
        seen.add(entry["op_id"])
        if kind not in (*EARNED, *BY_HAND, "retire"):
            said.append(f"I1: entry {number} is of no known kind: {kind}")
        elif entry["expected"] == champion and kind == "retire":
            gone = {key: entry["details"][key] for key in NOBODY}
            retired += [gone] if gone != champion else []
        elif entry["expected"] == champion and new is not None and new not in retired:
            if kind == "rollback" and new not in [release["new"] for release in releases]:
                said.append(f"I1: entry {number} rolls back to what never was champion")
            releases.append(entry)
            champion = new
    return releases, champion


def earned(client, versions, entry, looks):
    name = f"I1: entry {entry['number']} ({entry['kind']} of version {entry['new']['version']})"
    if not (entry["who"].strip() and entry["why"].strip()):
        return [f"{name} says not who and why"]
    version = versions.get(entry["new"]["version"])
    if version is None or version.tags.get("pawl.digest") != entry["new"]["digest"]:
        return [f"{name}: that version is gone, or is another adapter"]
    signature, run = str(entry["details"].get("signature")), version.run_id
    kept = sha256(read(client, run, f"release/{signature[:16]}.sig"))
    said = [] if kept == signature else [f"{name}: its signature is gone, or is another file"]
    raw, entered = read(client, run, "verdict.json"), entry["evidence"]
    if {sha256(raw), version.tags.get("pawl.evidence", entered)} != {entered}:
        said.append(f"{name}: another file is its evidence")
    if entry["kind"] not in EARNED:
        return said
    try:
        verdict = json.loads(raw)
        parents = verdict["parents"].items()
    except (ValueError, KeyError) as error:
        return [*said, f"{name} has no readable verdict: {error!r}"[:300]]
    first, paid = entry["kind"] == "first", looks.get((verdict["look"] or {}).get("question"))
    wrong = {
        f"the gate said {verdict['decision']}": verdict["decision"] != "promote",
        "the version's page says otherwise": version.tags.get("pawl.verdict") != "promote",
        "rules failed": bool(verdict["failed"]),
        "it judged another adapter": verdict["candidate"] != entry["new"]["digest"],
        "it judged against another champion": verdict["champion"] != entry["expected"],
        "its evidence changed": any(sha256(read(client, run, n)) != d for n, d in parents),
        "no look was paid for before": paid is None or paid > entry["number"],
        "first, but there was a champion": first != (entry["expected"] == NOBODY),
    }
    return said + [f"{name}: {reason}" for reason, is_so in wrong.items() if is_so]


def acknowledged(task, acks, releases):
    """What commands were told, against what is on record; each operation has its own `why`."""
    with Path(acks).open(encoding="utf-8") as file:
        events = [event for event in map(json.loads, file) if event["task"] == task]
    asked, refused = ({e["why"] for e in events if e["event"] == k} for k in ("asked", "refused"))
    counted, said = {entry["why"]: entry["new"] for entry in releases}, []
    for event in (event for event in events if event["event"] == "done"):
        if counted.get(event["why"]) != {key: event[key] for key in NOBODY}:
            said.append(f"I2: lost: version {event['version']} was released ('{event['why']}')")
    for why, times in Counter(entry["why"] for entry in releases).items():
        said += [f"I2: phantom: '{why}' was refused"] if why in refused else []
        said += [f"I2: phantom: nobody asked for '{why}'"] if why not in asked else []
        said += [f"I5: '{why}' counts {times} times"] if times > 1 else []
    return said


def pointed(client, task, releases, champion, settled):
    model = next(iter(client.search_registered_models(f"name = '{task}'")), None)
    now = int(model.aliases["champion"]) if model and "champion" in model.aliases else None
    lagging = {None, *(entry["new"]["version"] for entry in releases)}
    if now == champion["version"] or (now in lagging and not settled):
        return []
    return [f"I3: alias at {now}, ledger at {champion['version']}"]


def bytes_of(client, version, champion):
    with tempfile.TemporaryDirectory() as folder:
        try:
            root = Path(client.download_artifacts(version.run_id, "adapter", folder))
            files = {p.name: sha256(p.read_bytes()) for p in root.iterdir() if p.name != PAPERWORK}
        except (MlflowException, OSError) as error:
            return [f"I4: the champion, version {champion['version']}, cannot be read: {error!r}"]
    found, said = sha256(files), champion["digest"]
    return [] if found == said else [f"I4: champion bytes are {found[:12]}, not {said[:12]}"]


def converged(client, task, versions, settled):
    pages = [version.tags for version in versions.values() if "pawl.op_id" in version.tags]
    keys = ("pawl.question", "pawl.digest", "pawl.against", "pawl.against_digest")
    operations = Counter(page["pawl.op_id"] for page in pages)
    judgements = Counter(tuple(page.get(key) for key in keys) for page in pages)
    said = [f"I5: {n} versions of operation {o}" for o, n in operations.items() if n > 1]
    said += [f"I5: {n} versions of judgement {j}" for j, n in judgements.items() if n > 1]
    experiment = client.get_experiment_by_name(task)
    runs = client.search_runs([experiment.experiment_id], max_results=50_000) if experiment else []
    orders = Counter(run.data.tags.get("pawl.posted") for run in runs)
    said += [f"I5: {n} runs of one order {o}" for o, n in orders.items() if o and n > 1]
    left = [run.info.run_id for run in runs if run.info.status == "RUNNING"]
    return said + [f"I5: run {run_id} never ended" for run_id in left if settled]


def every_version(client, model):
    found = client.search_model_versions(f"name = '{model}'", max_results=100_000)
    return sorted(found, key=lambda version: int(version.version))


@cache
def read(client, run_id, name):
    """The bytes of a file of a run, none where it has no such file; asked for once a check."""
    with suppress(MlflowException, OSError), tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, name, folder)).read_bytes()
    return b""


def sha256(value):
    if not isinstance(value, bytes):
        value = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(value).hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--store", "--task", "--acks"):
        parser.add_argument(name, required=name != "--acks")
    parser.add_argument("--unsettled", action="store_true", help="the alias may lag")
    given = parser.parse_args()
    found = check(given.store, given.task, acks=given.acks, settled=not given.unsettled)
    print("\n".join(found) or f"{given.task}: no violation")
    sys.exit(1 if found else 0)
