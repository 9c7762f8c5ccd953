"""One prepared workspace that each lie starts from, and the hands of who may write to MLflow."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from workbench import TASK, Bench, make_bench, manifest_of, write_adapter

from pawl.core.files import digest_json
from pawl.cycle.unjudged import find_cached_version
from pawl.ledger.entries import Entry
from pawl.ledger.keys import TRUSTED, private_path
from pawl.ledger.ledger import SIGNATURE, TAG, entries, model
from pawl.ledger.state import read_state
from pawl.release.release import rollback
from pawl.store.client import Store, open_store
from pawl.store.registry import get_alias
from pawl.workspace.fingerprints import cycle_fingerprint

REPOSITORY = Path(__file__).parents[2]
LEDGER = model(TASK)
# Entry numbers, and the versions that they are of: 2 and 4 were rejected, 6 is champion.
FIRST, BACK, LAST_LOOK, LAST = 2, 9, 10, 11
REJECTED_LOOKS = (3, 6)
CHAMPION, BEFORE, REJECTED = 6, 3, 2
NEXT, EVIL = 9, 99


class World:
    """The workspace, as honest commands left it, and a copy to come back to."""

    def __init__(self, folder: Path) -> None:
        self.bench = make_bench(folder / "ws")
        self.folder, self.saved = folder, folder / "saved"
        self.root, self.home = self.bench.workspace.root, self.bench.workspace.home
        subprocess.run(["git", "init", "-q", str(self.root)], check=True)
        runnable(self.root)
        for seed, decision in enumerate(("promote", "reject", "promote", "reject", "promote"), 1):
            self.bench.cycle(seed, decision)
        rollback(self.bench.workspace, self.store(), TASK, why="worse in use", who="Ada")
        # As a scheduled run would find it: this cycle's inputs are the present ones.
        now = cycle_fingerprint(self.bench.workspace, TASK, accepted=())
        self.bench.cycle(CHAMPION, question=now)
        shutil.copytree(self.root, self.saved, symlinks=True)
        # What an auditor has: of the workspace, not of the store.
        self.keys, self.heads = self.root / TRUSTED, folder / "heads"
        shutil.copyfile(private_path(self.bench.workspace).with_name("heads"), self.heads)
        self.evil = folder / "evil"
        write_adapter(self.evil, EVIL)
        self.evil_digest = manifest_of(self.evil).digest
        self.honest = self.truth = self.view()

    def restore(self) -> None:
        """Everything as it was. MLflow keeps its file open, so that one is written into."""
        database = Path(".pawl", "mlflow.db")
        for path in [*self.root.iterdir(), *self.home.iterdir()]:
            if path not in (self.home, self.root / "base") and not path.name.startswith(
                "mlflow.db"
            ):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(
            self.saved, self.root, symlinks=True, dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("mlflow.db*", "base"),
        )  # fmt: skip
        saved = closing(sqlite3.connect(self.saved / database))
        with saved as source, closing(sqlite3.connect(self.root / database)) as target:
            source.backup(target)
        self.bench = Bench(self.bench.workspace, self.store())
        self.honest = self.truth
        shutil.copyfile(private_path(self.bench.workspace).with_name("heads"), self.heads)

    def store(self) -> Store:
        """A store as the next command opens it."""
        return open_store(self.bench.workspace)

    def view(self) -> dict[str, Any]:
        """What commands take for true: champion and alias, releases, looks, answers."""
        store = self.store()
        state = read_state(store, TASK)
        cached = (find_cached_version(store, TASK, f"question {n}") for n in range(NEXT + 1))
        return {
            "champion": state.champion,
            "alias": get_alias(store, TASK),
            "releases": [told(entry) for entry in state.releases],
            "looks": [told(entry) for looks in state.looks.values() for entry in looks],
            "answers": [one and (one.digest, one.verdict) for one in cached],
        }

    @property
    def client(self) -> Any:
        """MLflow's client: whoever may write to MLflow has one."""
        return self.bench.store.client

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """MLflow's database, for what its API does not offer."""
        with closing(sqlite3.connect(self.home / "mlflow.db")) as database, database:
            yield database

    def run_of(self, version: int) -> str:
        return str(self.client.get_model_version(TASK, str(version)).run_id)

    def stored(self, version: int) -> Path:
        """The folder of a version's run in the store."""
        return self.home / "artifacts" / TASK / self.run_of(version) / "artifacts"

    def tag(self, version: int, **tags: str) -> None:
        for key, value in tags.items():
            self.client.set_model_version_tag(TASK, str(version), f"pawl.{key}", value)

    def plant(self, tags: dict[str, str], *, adapter: Path | None = None, run: str = "") -> int:
        """Add a version with such a page, on a run of its own where an adapter is given."""
        if adapter is not None:
            experiment = self.client.get_experiment_by_name(TASK).experiment_id
            run = self.client.create_run(experiment).info.run_id
            self.client.set_terminated(run)
            place = self.home / "artifacts" / TASK / run / "artifacts"
            shutil.copytree(adapter, place / "adapter")
        page = self.client.create_model_version(TASK, "pawl:/x", run, tags, await_creation_for=0)
        return int(page.version)

    def append(self, entry: Entry, *, signature: str | None = None) -> None:
        """Add a ledger entry as anybody may who can write to MLflow."""
        tags = {TAG: json.dumps(entry.body), "pawl.op_id": entry.op_id, "pawl.kind": entry.kind}
        tags |= {SIGNATURE: signature} if signature else {}
        self.client.create_model_version(LEDGER, "pawl:/x", None, tags, await_creation_for=0)

    def entries(self) -> tuple[Entry, ...]:
        return entries(self.store(), TASK)

    def rewrite(
        self,
        alter: Callable[[int, dict[str, Any]], dict[str, Any]] = lambda _, body: body,
        drop: tuple[int, ...] = (),
    ) -> None:
        """Write the ledger anew: altered, renumbered, its chain computed again, the alias set."""
        query = "select version, value from model_version_tags where name = ? and key = ?"
        moved, number, release = {"": ""}, 0, ""
        with self.database() as database:
            written = sorted(database.execute(query, (LEDGER, TAG)).fetchall())
            for table in ("model_versions", "model_version_tags"):
                for gone in drop:
                    database.execute(
                        f"delete from {table} where name = ? and version = ?", (LEDGER, gone)
                    )
                database.execute(f"update {table} set version = -version where name = ?", (LEDGER,))
            for version, text in written:
                body = json.loads(text)
                was = digest_json({**body, "number": version})
                before = moved.get(body["previous"], body["previous"])
                if version in drop:
                    moved[was] = before
                    continue
                number += 1
                body = alter(version, {**body, "previous": before})
                moved[was] = digest_json({**body, "number": number})
                release = f"{number}:{moved[was]}" if body["new"] else release
                for table in ("model_versions", "model_version_tags"):
                    database.execute(
                        f"update {table} set version = ? where name = ? and version = ?",
                        (number, LEDGER, -version),
                    )
                database.execute(
                    "update model_version_tags set value = ? where name = ? and version = ? "
                    "and key = ?", (json.dumps(body), LEDGER, number, TAG),
                )  # fmt: skip
        self.client.set_registered_model_tag(TASK, "pawl.projected", release)


def runnable(root: Path) -> None:
    """Add what the real `pawl run` reads before it finds that nothing changed."""
    for name in ("base/tiny", "flows"):
        shutil.copytree(REPOSITORY / name, root / name)
    shutil.copy(REPOSITORY / "dvc.yaml", root)
    (root / "data").mkdir()
    (root / "data" / "tickets.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')


def told(entry: Entry) -> tuple[Any, ...]:
    """What an entry tells, whatever the chain says."""
    question = entry.details.get("question")
    return entry.number, entry.kind, entry.new, entry.who, entry.why, entry.when, question
