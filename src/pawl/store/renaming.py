"""A task's record under another name of its workspace: models, versions and runs stay as they are.

Nothing that is signed has the workspace's name, so that what was signed stays true.
"""

from __future__ import annotations

from typing import Any

from pawl.errors import RegistryError
from pawl.store.client import Store, none_if_absent, store_errors
from pawl.store.registry import LEDGER
from pawl.workspace.names import shared_name


def rename_record(store: Store, task: str, name: str) -> list[str]:
    """Rename a task's registered models and experiments to a workspace's `name`; the new names.

    Done twice it is done once: after a crash the same call goes on. The ledger's model comes last,
    by which a record is known.

    Raises:
        RegistryError: a new name is taken; nothing of this task was renamed then.
    """
    names = {store.named(one): shared_name(name, one) for one in (task, f"{task}{LEDGER}")}
    with store_errors(store.uri):
        client: Any = store.client
        moves = []
        for old, new in names.items():
            for find, rename in ((_experiment, _rename_experiment), (_model, _rename_model)):
                if (found := find(client, old)) is None:
                    continue
                if find(client, new) is not None:
                    raise RegistryError(
                        f"MLflow has '{old}' and '{new}'",
                        rule="the workspace's name is no other's on this server",
                        remedy="choose another name",
                    )
                moves.append((rename, found, new))
        for rename, found, new in moves:
            rename(client, found, new)
    return sorted({new for _, _, new in moves})


def _experiment(client: Any, name: str) -> Any:
    return client.get_experiment_by_name(name)


def _rename_experiment(client: Any, experiment: Any, name: str) -> None:
    client.rename_experiment(experiment.experiment_id, name)


def _model(client: Any, name: str) -> Any:
    return none_if_absent(lambda: client.get_registered_model(name))


def _rename_model(client: Any, model: Any, name: str) -> None:
    client.rename_registered_model(model.name, name)
