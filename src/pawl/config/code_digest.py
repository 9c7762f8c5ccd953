"""Digests of the source files that decide a score: Pawl's own, and those of a task's scorer.

They are part of the fingerprints: code that is left out could change, and a stored result of the
old code would be reused for the new.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from pawl.core.files import digest_file, digest_json

PACKAGE = Path(__file__).parents[1]
# Whole rooms: `evaluate` (how contenders answer and are scored) and `model` (prompt, tokenizer,
# base in NF4, adapter on it). Besides: the metrics, what judges by a schema or an expression, and
# the loader of a task's own scorers.
ROOMS = ("evaluate", "model")
BESIDE = ("config/user_functions.py", "core/json_schema.py", "core/metrics.py")
# What decides nothing: what an adapter saves, which is computed after the verdict, and how much
# memory judging takes. What that leads to, how weights are held, is part of an answer's key.
ASIDE = ("worth.py", "judging_memory.py", "fake_base.py", "live_memory.py", "device.py")
# `code`: the digests as 0.1 had them; `moved`: the digest of today's, which score as those did.
AS_IN_0_1 = Path(__file__).with_name("scoring_code_0_1.json")


def scoring_code(package: Path = PACKAGE) -> dict[str, str]:
    """Digest of each of Pawl's own files that decides a contender's prompt or score, by path."""
    inside = (path for room in ROOMS for path in (package / room).iterdir())
    scoring = (p for p in inside if p.suffix in (".py", ".txt") and p.name not in ASIDE)
    files = sorted([*scoring, *(package / name for name in BESIDE)])
    return {path.relative_to(package).as_posix(): digest_file(path) for path in files}


def without_moves(code: dict[str, str]) -> dict[str, str]:
    """Return the digests that 0.1 had for the same code; `code` itself once it scores otherwise.

    Files that only moved are no new code: fingerprints stay, and nothing is judged again for it.
    """
    earlier = json.loads(AS_IN_0_1.read_text(encoding="utf-8"))
    was: dict[str, str] = earlier["code"]
    return was if digest_json(code) == earlier["moved"] else code


def local_sources(module: str, file: Path, root: Path) -> dict[str, Path]:
    """The local files that are loaded when `module` is imported from `file`, by module name.

    Local are files in the workspace `root`, and those of the module's own top package if that is
    installed. Import statements are read from the source at any depth, also within functions; an
    import by a name that is computed at run time is not seen.
    """
    top = module.partition(".")[0]
    package = file.parent if file.name == "__init__.py" else file
    home = package.parents[module.count(".")]

    def find(name: str) -> Path | None:
        below = _below(root, name)
        return below or (_below(home, name) if name.partition(".")[0] == top else None)

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
