"""The race: a process that polls the store, and plants pages as soon as it can name an operation.

    python bench/lielab/race.py STORE TASK EVIL_ADAPTER QUESTION

QUESTION is the fingerprint of the cycle's inputs, which an outsider can only know where a cycle on
the same inputs ended before. It prints `ready`, and `planted` once it has: a page of its own
adapter, and one that could stand for the cycle's own, each with the operation's id.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

BENCH = Path(__file__).parents[1]
sys.path.insert(0, str(BENCH))


@contextmanager
def racing(store: str, task: str, evil: Path, *, question: str) -> Iterator[None]:
    """Within the block cycles race with that process, which gets all the time that it needs
    between the opening of their run and their registration."""
    from pawl.cycle import conclude

    command = [sys.executable, __file__, store, task, str(evil), question]
    logged = conclude.log_judged
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout
        assert said is not None

        def slow(*given: Any, **named: Any) -> None:
            logged(*given, **named)
            assert said.readline() == "planted\n"

        try:
            assert said.readline() == "ready\n"
            with patch.object(conclude, "log_judged", slow):
                yield
        finally:
            process.kill()


def main(store: str, task: str, evil: Path, question: str) -> None:
    from auditlab.files import Files
    from auditlab.trust import sha256
    from mlflow import MlflowClient

    client = MlflowClient(store, store)
    experiment = client.get_experiment_by_name(task).experiment_id
    print("ready", flush=True)
    while not (runs := client.search_runs([experiment], "attributes.status = 'RUNNING'")):
        time.sleep(0.01)
    run = runs[0].info.run_id
    while not (verdict := Files(client, store).read(run, "verdict.json")):
        time.sleep(0.01)
    while not (manifest := Files(client, store).read(run, "adapter/pawl.json")):
        time.sleep(0.01)
    newest = max(client.search_model_versions(f"name = '{task}'"), key=lambda v: int(v.version))
    told = json.loads(verdict)
    mine = sha256(json.loads(manifest)["files"])
    page = newest.tags | {
        "pawl.op_id": f"cycle:{sha256([question, mine, told['look']['question']])}",
        "pawl.question": question,
        "pawl.look": told["look"]["question"],
        "pawl.verdict": "promote",
        "pawl.evidence": sha256(verdict),
        "pawl.manifest": sha256(manifest),
        "pawl.against": str(told["champion"]["version"]),
        "pawl.against_digest": told["champion"]["digest"],
    }
    files = json.loads((evil / "pawl.json").read_text())["files"]
    own = client.create_run(experiment).info.run_id
    client.set_terminated(own)
    root = Files(client, store).root
    assert root is not None
    shutil.copytree(evil, root / task / own / "artifacts" / "adapter")
    (root / task / own / "artifacts" / "verdict.json").write_bytes(verdict)
    for digest, place in ((sha256(files), own), (mine, run)):
        client.create_model_version(
            task, "pawl:/x", place, page | {"pawl.digest": digest}, await_creation_for=0
        )
    print("planted", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
