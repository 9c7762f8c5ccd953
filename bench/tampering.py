"""Is a champion whose files were cut or changed ever used?

    python bench/tampering.py [--each 500]

One release; its tracking artifacts are moved away, so that nothing can be mended from there. Then
each kind of file is cut at `--each` random places and has `--each` random bits flipped, one at a
time, and the champion is asked for through the door that judging, serving and releasing use. Last
come a missing signature, another version's valid one, and a key that nobody trusts.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "registry"))

from conftest import TASK, Bench, make_bench

from pawl.errors import PawlError
from pawl.registry.copies import adapter_folder
from pawl.registry.keys import TRUSTED, make_keys, private_path

SEED = 20261124


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--each", type=int, default=500)
    each = words.parse_args().each
    with tempfile.TemporaryDirectory() as name:
        bench = make_bench(Path(name) / "ws")
        bench.cycle(1)
        bench.cycle(2)
        shutil.rmtree(bench.workspace.home / "artifacts")
        adapter_folder(bench.workspace, bench.store, TASK)
        used = show(bench, each)
    sys.exit(f"{used} altered files were used" if used else 0)


def show(bench: Bench, each: int) -> int:
    """Print the table; returns how many altered files were used all the same."""
    draw, used = random.Random(SEED), 0  # which bit is flipped is no secret
    print("| file | altered | tries | refused | by |\n|---|---|---:|---:|---|")
    for kind, path in files(bench).items():
        for how in (cut, flip):
            said = Counter(
                refused(bench, path, lambda old, f=how: f(old, draw)) for _ in range(each)
            )
            used += line(kind, how.__name__, said)
    for name, alter in (("no signature", unsign), ("another version's", swap), ("key", distrust)):
        with kept(bench):
            alter(bench)
            used += line(name, "replaced", Counter([said_of(bench)]))
    return used


def files(bench: Bench) -> dict[str, Path]:
    home = bench.workspace.home
    adapter, release = home / "adapters" / TASK / "2", home / "releases" / TASK / "2"
    found = {name: adapter / name for name in sorted(p.name for p in adapter.iterdir())}
    return found | {"signature": next(release.glob("*.sig")), "verdict": release / "verdict.json"}


def cut(old: bytes, draw: random.Random) -> bytes:
    return old[: draw.randrange(len(old))]


def flip(old: bytes, draw: random.Random) -> bytes:
    new = bytearray(old)
    new[draw.randrange(len(new))] ^= 1 << draw.randrange(8)
    return bytes(new)


def unsign(bench: Bench) -> None:
    files(bench)["signature"].unlink()


def swap(bench: Bench) -> None:
    other = next((bench.workspace.home / "releases" / TASK / "1").glob("*.sig"))
    shutil.copyfile(other, files(bench)["signature"])


def distrust(bench: Bench) -> None:
    (bench.workspace.root / TRUSTED).unlink()
    private_path(bench.workspace).unlink()
    make_keys(bench.workspace)


def refused(bench: Bench, path: Path, alter: Callable[[bytes], bytes]) -> str | None:
    """By which error the altered champion was refused, None if it was used."""
    old = path.read_bytes()
    path.write_bytes(alter(old))
    try:
        return said_of(bench)
    finally:
        path.write_bytes(old)


def said_of(bench: Bench) -> str | None:
    try:
        adapter_folder(bench.workspace, bench.store, TASK)
    except PawlError as error:
        return type(error).__name__
    return None


@contextmanager
def kept(bench: Bench) -> Iterator[None]:
    """Put the workspace's own files back afterwards."""
    with tempfile.TemporaryDirectory() as name:
        root = bench.workspace.root
        copy = shutil.copytree(root, Path(name) / "ws")
        yield
        shutil.rmtree(root)
        shutil.copytree(copy, root)
        os.chmod(private_path(bench.workspace), 0o600)  # noqa: PTH101


def line(kind: str, how: str, said: Counter[str | None]) -> int:
    used, tries = said[None], said.total()
    by = ", ".join(f"{name} {count}" for name, count in said.items() if name)
    print(f"| {kind} | {how} | {tries} | {tries - used} | {by} |", flush=True)
    return used


if __name__ == "__main__":
    main()
