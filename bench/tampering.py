"""Is a champion whose files were cut or changed ever used?

    python bench/tampering.py [--each 500]

One release; its tracking artifacts are moved away, so that nothing can be mended from there. Then
each kind of file is cut at `--each` random places and has `--each` random bits flipped, one at a
time, and the champion is asked for through the door that judging, serving and releasing use. Last
come a missing signature, another version's valid one, keys that are no longer trusted, and a
release that is forged, ledger entry and all, with a key that nobody trusts.

`by` names the first check that sees it: the manifest that is none, a digest that the manifest says
otherwise, what the ledger names (adapter, signature, evidence), or the signature itself.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from workbench import TASK, Bench, make_bench

from pawl.core.files import digest_file
from pawl.errors import AdapterError, DataError, PawlError
from pawl.ledger.keys import TRUSTED, make_keys, private_path
from pawl.ledger.ledger import append
from pawl.ledger.state import read_state
from pawl.model.adapter import read_adapter
from pawl.release.local_copies import adapter_folder
from pawl.release.signing import signature_name, signature_problem
from pawl.workspace.paths import Workspace

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
    for name, alter in REPLACED.items():
        with kept(bench):
            alter(bench)
            used += line(name, "replaced", Counter([said_of(bench)]))
    forge(bench)
    return used + line("a forged release", "added", Counter([said_of(bench)]))


def files(bench: Bench) -> dict[str, Path]:
    home = bench.workspace.home
    adapter, release = home / "adapters" / TASK / "2", home / "releases" / TASK / "2"
    found = {name: adapter / name for name in sorted(p.name for p in adapter.iterdir())}
    state = read_state(bench.store, TASK)
    signature = release / signature_name(state.signature(state.champion) or "")
    return found | {"signature": signature, "verdict": release / "verdict.json"}


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


def forge(bench: Bench) -> None:
    """Release the champion anew, as one may who can write to the store and has no trusted key."""
    from model_signing import signing

    there, state = files(bench), read_state(bench.store, TASK)
    with tempfile.TemporaryDirectory() as name:
        key = make_keys(Workspace(Path(name))).private
        folder, signature = Path(name) / "release", Path(name) / "sig"
        shutil.copytree(there["pawl.json"].parent, folder / "adapter")
        shutil.copyfile(there["verdict"], folder / "verdict.json")
        signing.Config().use_elliptic_key_signer(private_key=key).sign(folder, signature)
        named = digest_file(signature)
        shutil.copyfile(signature, there["signature"].with_name(signature_name(named)))
    there["signature"].unlink()
    append(
        bench.store,
        TASK,
        op_id="forged",
        kind="override",
        expected=state.champion,
        new=state.champion,
        who="Eve",
        why="forged",
        evidence=digest_file(there["verdict"]),
        details={"signature": named},
    )


REPLACED: dict[str, Callable[[Bench], None]] = {
    "no signature": unsign,
    "another version's signature": swap,
    "trusted keys": distrust,
}


def refused(bench: Bench, path: Path, alter: Callable[[bytes], bytes]) -> str | None:
    """By which check the altered champion was refused, None if it was used."""
    old = path.read_bytes()
    path.write_bytes(alter(old))
    try:
        return said_of(bench)
    finally:
        path.write_bytes(old)


def said_of(bench: Bench) -> str | None:
    try:
        adapter_folder(bench.workspace, bench.store, TASK)
    except PawlError:
        return caught_by(bench)
    return None


def caught_by(bench: Bench) -> str:
    """The first check that sees it; the door asks them in this order, and the store in between."""
    there, state = files(bench), read_state(bench.store, TASK)
    folder, champion = there["pawl.json"].parent, state.champion
    try:
        if read_adapter(folder).digest != champion.digest:
            return "ledger"
    except DataError:
        return "manifest"
    except AdapterError as error:
        return "digest" if "has digest" in error.found else "manifest"
    named = state.signature(champion) or ""
    if not there["signature"].exists() or digest_file(there["signature"]) != named:
        return "ledger"
    signed = (folder, there["verdict"], there["signature"])
    if signature_problem(bench.workspace, *signed, named=named):
        return "signature"
    return "ledger" if digest_file(there["verdict"]) != state.evidence(champion) else "nothing"


@contextmanager
def kept(bench: Bench) -> Iterator[None]:
    """Put back afterwards what signatures hang on; the store's file stays open and in its place."""
    private = private_path(bench.workspace)
    places = (bench.workspace.root / TRUSTED, private, files(bench)["signature"])
    before = {path: path.read_bytes() for path in places}
    yield
    for path, old in before.items():
        path.write_bytes(old)
    private.chmod(0o600)


def line(kind: str, how: str, said: Counter[str | None]) -> int:
    used, tries = said[None], said.total()
    by = ", ".join(f"{name} {count}" for name, count in said.items() if name)
    print(f"| {kind} | {how} | {tries} | {tries - used} | {by} |", flush=True)
    return used


if __name__ == "__main__":
    main()
