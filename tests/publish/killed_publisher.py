"""A process that publishes in children, each of which is killed before its nth step.

Steps are what changes something: files of the target and the record, connections to servers. Reads
numbers from stdin; prints how each child ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "shutil.copyfile")


class Publisher:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def killed_before(self, step: int) -> bool:
        """Publish and be killed before this step; False where it had ended by then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{step}\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        assert code in (0, -signal.SIGKILL), code
        return code != 0


@contextmanager
def publisher(root: Path, task: str, places: list[Path]) -> Iterator[Publisher]:
    """The process, until the block ends."""
    command = [sys.executable, __file__, str(root), task, *map(str, places)]
    pipe = subprocess.PIPE
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env)
    try:
        yield Publisher(process)
    finally:
        process.kill()
        process.wait()


def main(root: str, task: str, places: list[str]) -> None:
    import transformers  # noqa: F401  # once, before the children need it

    from pawl.model import tokenizer
    from pawl.publish.publish import publish
    from pawl.store.client import open_store
    from pawl.workspace.paths import Workspace

    assert tokenizer
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _kill_before(int(line), places)
            workspace = Workspace(Path(root))
            done = publish(workspace, open_store(workspace, reading=True), task)
            os._exit(0 if done.ok else 1)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{ended}\n")
        sys.stdout.flush()


def _kill_before(step: int, places: list[str]) -> None:
    seen = 0

    def hook(event: str, values: tuple[Any, ...]) -> None:
        nonlocal seen
        inside = any(place in str(value) for value in values for place in places)
        if event == "socket.connect" or (event in CHANGES and inside):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
