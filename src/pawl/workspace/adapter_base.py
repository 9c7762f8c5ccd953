"""The base that an adapter sits on: the task's, or the one that the task had before it moved."""

from __future__ import annotations

from contextlib import suppress

from pawl.core.records import BaseInfo, BaseRef
from pawl.errors import BaseError
from pawl.model.base import base_info
from pawl.workspace.paths import Workspace


def find_adapter_base(workspace: Workspace, task: str, base: BaseInfo) -> BaseRef:
    """Where the base of this digest, that of an adapter's manifest, lies.

    It is looked for under the task's `base`, under the name that it had in the training, and under
    the other bases of params.yaml, so that a folder which was renamed is found by naming it there.
    Hashes each, which takes seconds a gigabyte.

    Raises:
        BaseError: none of them has the digest.
    """
    params = workspace.params()
    before = BaseRef(base.model, base.revision)
    others = [
        of
        for section in params.tasks.values()
        for of in (section.base, *section.evaluate.bases.values())
    ]
    found = []
    places = (params.task(task).base, before, *others)
    for place in {(of.model, of.revision): of for of in places}.values():
        with suppress(BaseError):
            if (here := base_info(place, workspace.root)).digest == base.digest:
                return place
            found.append(f"{here.model} is {here.digest[:12]}")
    raise BaseError(
        f"no base here has the digest {base.digest[:12]} ({'; '.join(found) or 'none was found'})",
        rule=f"an adapter works on the base that it was trained on alone, {base.model}; a champion "
        "is judged on its own where the task has moved to another",
        remedy=f"bring that base back to {base.model} (`dvc checkout`, the hub's revision) and "
        "give the new one a folder of its own; or name its folder under `evaluate.bases`",
    )
