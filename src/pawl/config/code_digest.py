"""The source files that decide a score, by digest: Pawl's own, and those of a scorer of the task's.

A score stands for the code that gave it. Whatever code is left out could be changed, and the stored
answer to the old question would be taken for one to the new.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

from pawl.core.files import digest_file

PACKAGE = Path(__file__).parents[1]
# Beside the whole rooms `evaluate` (how contenders answer and are scored) and `model` (prompt,
# tokenizer, base in NF4, adapter on it): the metrics' meaning, the loader of the task's own scorers.
ROOMS = ("evaluate", "model")
BESIDE = ("config/user_functions.py", "core/metrics.py")


def scoring_code(package: Path = PACKAGE) -> dict[str, str]:
    """Digest of each of Pawl's own files that decides what a contender is shown or scored."""
    inside = (path for room in ROOMS for path in (package / room).iterdir())
    scoring = (path for path in inside if path.suffix in (".py", ".txt"))
    files = sorted([*scoring, *(package / name for name in BESIDE)])
    return {path.relative_to(package).as_posix(): digest_file(path) for path in files}


def local_sources(module: str, file: Path, root: Path) -> dict[str, Path]:
    """The files that run when `module` is imported, by module name, as far as they are local.

    Local is what lies in the workspace `root`, and what belongs to the module's own top package
    where that is installed elsewhere. Imports are read off the source at any depth, within
    functions too; one by a name that is only put together at run time is not seen.

    Args:
        module: the module's dotted name.
        file: the file that it is imported from.
        root: the workspace.
    """
    top = module.partition(".")[0]
    package = file.parent if file.name == "__init__.py" else file
    home = package.parents[module.count(".")]

    def find(name: str) -> Path | None:
        below = _below(root, name)
        return below or (_below(home, name) if name.partition(".")[0] == top else None)

    found = {module: file}
    waiting = [*_with_parents(module, find), (module, file)]
    while waiting:
        name, path = waiting.pop()
        found[name] = path
        for wanted in _imports(name, path):
            waiting += [(n, p) for n, p in _with_parents(wanted, find) if n not in found]
    return dict(sorted(found.items()))


def _with_parents(name: str, find: Callable[[str], Path | None]) -> list[tuple[str, Path]]:
    """The module and the packages that it lies in, whose `__init__` runs before it."""
    parts = name.split(".")
    names = [".".join(parts[: i + 1]) for i in range(len(parts))]
    return [(n, path) for n in names if (path := find(n))]


def _below(folder: Path, name: str) -> Path | None:
    place = folder.joinpath(*name.split("."))
    files = (place / "__init__.py", place.with_name(f"{place.name}.py"))
    return next((path for path in files if path.is_file()), None)


def _imports(module: str, path: Path) -> Iterator[str]:
    """Names that may be modules, of all import statements; none of a file that is no Python."""
    try:
        tree = ast.parse(path.read_bytes()) if path.suffix == ".py" else None
    except (SyntaxError, ValueError):
        tree = None  # importing it says what is wrong; its digest stands for it here
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1]
            start = ".".join([*(up if node.level else []), *([node.module] if node.module else [])])
            # `from a import b`: b may be a module of the package a, or a name within it.
            yield from (f"{start}.{alias.name}" for alias in node.names if start)
