"""Digests of the source files that decide a score: Pawl's own, and those of a task's scorer.

They are part of the fingerprints: code that is left out could change, and a stored result of the
old code would be reused for the new.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from pawl.core.files import digest_file, digest_json

PACKAGE = Path(__file__).parents[1]
# What scores, and the texts beside it. All that it imports decides an answer or a score, but for:
ENTRY, TEXTS = "evaluate/run.py", ("evaluate/*.txt", "model/*.txt")
ASIDE = frozenset({
    # What is configured, recorded and found where: its values are in the fingerprints themselves.
    *("__init__.py", "config/__init__.py", "core/__init__.py", "workspace/__init__.py"),
    *("earlier.py", "errors.py", "config/code_digest.py", "config/load.py"),
    *("config/policy_rules.py", "config/judging.py", "config/preconditions.py", "config/schema.py"),
    *("workspace/adapter_base.py", "workspace/fingerprints.py", "workspace/paths.py"),
    *("workspace/pointers.py", "workspace/task_inputs.py"),
    *("core/files.py", "core/private_files.py", "core/private_places.py", "core/sealing.py"),
    *("core/records/__init__.py", "core/records/cycle.py", "core/records/data.py"),
    *("core/records/evaluate.py", "core/records/gate.py", "core/records/io.py"),
    *("core/records/ledger.py", "core/records/model.py", "core/records/train.py"),
    # Which rows judge: their keys are in the evaluation's fingerprint.
    *("core/alpha_budget.py", "core/row_identity.py"),
    # How much memory judging takes: what that leads to, how weights are held, is in a row's key.
    *("evaluate/judging_memory.py", "model/device.py"),
    *("model/fake_base.py", "model/live_memory.py"),
})  # fmt: skip
# `code`: the digests as 0.1 had them; `moved`: the digest of today's, which score as those did.
AS_IN_0_1 = Path(__file__).with_name("scoring_code_0_1.json")


def scoring_code(package: Path = PACKAGE) -> dict[str, str]:
    """Digest of each of Pawl's own files that decides a contender's prompt or score, by path."""
    return {path.relative_to(package).as_posix(): digest_file(path) for path in _scoring(package)}


@functools.cache
def _scoring(package: Path) -> tuple[Path, ...]:
    """The files that `ENTRY` imports, at any depth, and the texts that they read."""
    name = f"{package.name}.{ENTRY.removesuffix('.py').replace('/', '.')}"
    aside = {package / place for place in ASIDE}
    found = local_sources(name, package / ENTRY, package.parent, aside=aside)
    return tuple(sorted({*found.values(), *(p for glob in TEXTS for p in package.glob(glob))}))


def without_moves(code: dict[str, str]) -> dict[str, str]:
    """Return the digests that 0.1 had for the same code; `code` itself once it scores otherwise.

    Files that only moved are no new code: fingerprints stay, and nothing is judged again for it.
    """
    earlier = json.loads(AS_IN_0_1.read_text(encoding="utf-8"))
    was: dict[str, str] = earlier["code"]
    return was if digest_json(code) == earlier["moved"] else code


def local_sources(
    module: str, file: Path, root: Path, *, aside: Container[Path] = ()
) -> dict[str, Path]:
    """The local files that are loaded when `module` is imported from `file`, by module name.

    Local are files in the workspace `root`, and those of the module's own top package if that is
    installed. Import statements are read from the source at any depth, also within functions; an
    import by a name that is computed at run time is not seen. Files `aside` are neither named nor
    followed.
    """
    top = module.partition(".")[0]
    package = file.parent if file.name == "__init__.py" else file
    home = package.parents[module.count(".")]

    def find(name: str) -> Path | None:
        below = _below(root, name)
        found = below or (_below(home, name) if name.partition(".")[0] == top else None)
        return None if found in aside else found

    files = {module: file}
    queue = [*_with_parents(module, find), (module, file)]
    while queue:
        name, path = queue.pop()
        files[name] = path
        for imported in _imports(name, path):
            queue += [(n, p) for n, p in _with_parents(imported, find) if n not in files]
    return dict(sorted(files.items()))


def _with_parents(name: str, find: Callable[[str], Path | None]) -> list[tuple[str, Path]]:
    """The module and its parent packages, whose `__init__` runs before it."""
    parts = name.split(".")
    names = [".".join(parts[: i + 1]) for i in range(len(parts))]
    return [(n, path) for n in names if (path := find(n))]


def _below(folder: Path, name: str) -> Path | None:
    place = folder.joinpath(*name.split("."))
    files = (place / "__init__.py", place.with_name(f"{place.name}.py"))
    return next((path for path in files if path.is_file()), None)


def _imports(module: str, path: Path) -> Iterator[str]:
    """Names in import statements that may be modules; none if the file is not Python."""
    try:
        tree = ast.parse(path.read_bytes()) if path.suffix == ".py" else None
    except (SyntaxError, ValueError):
        tree = None  # importing it raises; here its digest is enough
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1]
            start = ".".join([*(up if node.level else []), *([node.module] if node.module else [])])
            # `from a import b`: b may be a module of the package a, or a name within it.
            yield from (f"{start}.{alias.name}" for alias in node.names if start)
