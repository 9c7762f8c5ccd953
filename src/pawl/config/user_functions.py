"""Functions of the workspace's own code, named `module:function` in `params.yaml`.

A module is a file of the workspace, never one of Python's or of a package: `timeit:timeit` would
run an answer as code. Modules are imported anew each time: a process that lives long, or serves two
workspaces, must neither run outdated code nor another workspace's module of the same name.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pawl.config.code_digest import local_sources
from pawl.core.files import digest_file, digest_json
from pawl.errors import ParamsError, nearest

RULE = "`module:function` names a Python function that a file of the workspace defines"
REMEDY = "write the function into a file of the workspace, such as scorers.py, and let it call that"

# A module that binds one of these may define any name.
WILDCARDS = {"*", "__getattr__"}
# What is there is made by tools, not written and reviewed by people.
MADE = {".dvc", ".git", ".pawl", ".venv", "build", "site-packages"}


def load_function(name: str, root: Path) -> Callable[..., Any]:
    """Import `module:function`.

    Raises:
        ParamsError: as `function_file`; or it cannot be imported, or is no function.
    """
    module, _, function = name.partition(":")
    path = function_file(name, root)
    with _importing_from(root):
        try:
            found = importlib.import_module(module)
        except Exception as error:  # the module is the user's code: it may raise anything
            raise _refused(name, f"raised {type(error).__name__} on import: {error}") from error
    if getattr(found, "__file__", None) is None or not path.samefile(str(found.__file__)):
        rename = "give the file a name that no other module has"
        raise _refused(name, "is shadowed by another module of that name", rename)
    loaded = getattr(found, function, None)
    if not callable(loaded):
        raise _refused(name, f"has no function '{function}'", f"define it in {path.name}")
    if function not in _defined(path, root) and not _is_own(loaded, root):
        raise _refused(name, f"only imports '{function}'", REMEDY)
    return loaded  # type: ignore[no-any-return]  # callable() narrows no further


def function_file(name: str, root: Path) -> Path:
    """The file of a function's module; no code is run.

    Raises:
        ParamsError: no file of the workspace is that module, or it is a link that leaves it.
    """
    module = name.partition(":")[0]
    path = _own_file(module, root)
    if path is None:
        raise _refused(name, "is no module of this workspace", REMEDY)
    place, home = path.resolve(), root.resolve()
    if not place.is_relative_to(home):
        raise _refused(name, "is a link that leaves the workspace", "copy the file to its place")
    if made := MADE & set(place.relative_to(home).parts):
        raise _refused(name, f"lies below {made.pop()}, which tools write to", REMEDY)
    return path


def function_digest(name: str, root: Path) -> str:
    """sha256 over the function's file and all files of the workspace that it imports.

    A changed scorer, or a changed helper of it, must give a new evaluation fingerprint.
    """
    module = name.partition(":")[0]
    sources = local_sources(module, function_file(name, root), root)
    return digest_json({imported: digest_file(path) for imported, path in sources.items()})


def find_function_fault(name: str, root: Path) -> tuple[str, str, str] | None:
    """Check `module:function` without running any code.

    Returns:
        The value found, the rule and the remedy, or None if no fault was found.
    """
    module, _, function = name.partition(":")
    try:
        path = function_file(name, root)
    except ParamsError as error:
        folder = root.joinpath(*module.split(".")[:-1])
        siblings = [f.stem for f in (folder.glob("*.py") if folder.is_dir() else ())]
        near = nearest(module.split(".")[-1], siblings)
        remedy = near if near.startswith("did you mean") else error.remedy
        return f": {error.found.partition(': ')[2]}", RULE, remedy
    try:
        defined = _defined(path, root)
    except (SyntaxError, ValueError, RecursionError) as error:
        return f": '{name}': {path.name} is no Python: {error}", RULE, "correct the file"
    if function in defined or not defined.isdisjoint(WILDCARDS):
        return None
    return f": '{name}': {path.name} defines no '{function}'", RULE, nearest(function, defined)


@contextmanager
def _importing_from(root: Path) -> Iterator[None]:
    loaded = set(sys.modules)
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        for name in set(sys.modules) - loaded:
            if _belongs(name.partition(".")[0], root):
                del sys.modules[name]


def _own_file(module: str, root: Path) -> Path | None:
    """The file of a module of the workspace; a package comes before a module of the same name."""
    if not all(module.split(".")):
        return None
    at = root.joinpath(*module.split("."))
    return next((f for f in (at / "__init__.py", at.with_suffix(".py")) if f.is_file()), None)


def _defined(path: Path, root: Path) -> set[str]:
    """Names that a module's file defines, or imports from the workspace; raises `SyntaxError`."""
    return _top_names(ast.parse(path.read_bytes()).body, root)


def _top_names(body: Iterable[ast.stmt], root: Path) -> set[str]:
    """Names that statements bind, also below `if` and `try`, but not by importing a package's."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.ImportFrom):
            own = node.level > 0 or _belongs((node.module or "").partition(".")[0], root)
            names |= {a.asname or a.name for a in node.names if own or a.name == "*"}
        used = (n for n in ast.walk(node) if isinstance(n, ast.Name))
        names |= {n.id for n in used if isinstance(n.ctx, ast.Store)}
        for part in ("body", "orelse", "finalbody"):
            names |= _top_names(getattr(node, part, ()), root)
        for handler in getattr(node, "handlers", ()):
            names |= _top_names(handler.body, root)
    return names


def _is_own(function: Any, root: Path) -> bool:
    """Whether a function that a wildcard brought was defined in the workspace."""
    return _own_file(str(getattr(function, "__module__", "")), root) is not None


def _belongs(package: str, root: Path) -> bool:
    return (root / f"{package}.py").exists() or (root / package).is_dir()


def _refused(name: str, found: str, remedy: str = "correct the file") -> ParamsError:
    module = name.partition(":")[0]
    return ParamsError(f"evaluate.scorers: '{name}': {module} {found}", rule=RULE, remedy=remedy)
