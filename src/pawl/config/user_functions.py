"""Functions of the workspace's own code, named `module:function` in `params.yaml`.

A module is looked for in the workspace's root first, then among the installed packages. Modules of
the workspace are imported anew each time: a process that lives long, or serves two workspaces,
must neither run outdated code nor another workspace's module of the same name.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pawl.config.code_digest import local_sources
from pawl.core.files import digest_file, digest_json
from pawl.errors import ParamsError, nearest

RULE = "`module:function` names a Python function of the workspace or of an installed package"

# A module that binds one of these may define any name.
WILDCARDS = {"*", "__getattr__"}


def load_function(name: str, root: Path) -> Callable[..., Any]:
    """Import `module:function`.

    Raises:
        ParamsError: there is no such module or function, it cannot be imported, or its file is
            a link that leads out of the workspace.
    """
    module, _, function = name.partition(":")
    function_file(name, root)
    with _importing_from(root):
        try:
            loaded = getattr(importlib.import_module(module), function, None)
        except Exception as error:  # the module is the user's code: it may raise anything
            raise _refused(name, f"raised {type(error).__name__} on import: {error}") from error
    if not callable(loaded):
        raise _refused(name, f"has no function '{function}'")
    return loaded  # type: ignore[no-any-return]  # callable() narrows no further


def function_file(name: str, root: Path) -> Path:
    """The file of a function's module; the module is not run.

    Raises:
        ParamsError: as `load_function`.
    """
    module = name.partition(":")[0]
    with _importing_from(root):
        try:
            spec = importlib.util.find_spec(module)
        except Exception as error:  # a parent package is the user's code, and is run
            raise _refused(name, f"raised {type(error).__name__} on import: {error}") from error
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise _refused(name, "is no module with a file")
    path = Path(spec.origin)
    home = root.resolve()
    if path.absolute().is_relative_to(root.absolute()) and not path.resolve().is_relative_to(home):
        raise _refused(name, "is a link that leaves the workspace")
    return path


def function_digest(name: str, root: Path) -> str:
    """sha256 over the function's file and all local files that it imports.

    A changed scorer, or a changed helper of it, must give a new evaluation fingerprint.
    """
    module = name.partition(":")[0]
    sources = local_sources(module, function_file(name, root), root)
    return digest_json({imported: digest_file(path) for imported, path in sources.items()})


def find_function_fault(name: str, root: Path) -> tuple[str, str, str] | None:
    """Check `module:function` without running any code.

    A module of the workspace is parsed; of an installed package only the first name is looked up.

    Returns:
        The value found, the rule and the remedy, or None if no fault was found.
    """
    module, _, function = name.partition(":")
    path = _own_file(module, root)
    if path is None:
        if _installed(module, root):
            return None
        folder = root.joinpath(*module.split(".")[:-1])
        siblings = [f.stem for f in (folder.glob("*.py") if folder.is_dir() else ())]
        found = f": '{name}': there is no module '{module}'"
        return found, RULE, nearest(module.split(".")[-1], siblings)
    try:
        defined = _top_names(ast.parse(path.read_bytes()).body)
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
    at = root.joinpath(*module.split("."))
    return next((f for f in (at / "__init__.py", at.with_suffix(".py")) if f.is_file()), None)


def _installed(module: str, root: Path) -> bool:
    top = module.partition(".")[0]
    if _belongs(top, root):
        return False
    # Finding a name without a dot imports nothing.
    return top in sys.modules or importlib.util.find_spec(top) is not None


def _top_names(body: Iterable[ast.stmt]) -> set[str]:
    """Names that a module's statements bind, also below `if` and `try`."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        used = (n for n in ast.walk(node) if isinstance(n, ast.Name))
        names |= {n.id for n in used if isinstance(n.ctx, ast.Store)}
        for part in ("body", "orelse", "finalbody"):
            names |= _top_names(getattr(node, part, ()))
        for handler in getattr(node, "handlers", ()):
            names |= _top_names(handler.body)
    return names


def _belongs(package: str, root: Path) -> bool:
    return (root / f"{package}.py").exists() or (root / package).is_dir()


def _refused(name: str, found: str) -> ParamsError:
    module = name.partition(":")[0]
    return ParamsError(
        f"evaluate.scorers: '{name}': {module} {found}",
        rule=RULE,
        remedy=f"put {module.replace('.', '/')}.py into the workspace, or install its package",
    )
