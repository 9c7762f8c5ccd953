"""MLflow's client for one workspace: the names of its tasks begin with its own, if it has one."""

from __future__ import annotations

from mlflow import MlflowClient


class WorkspaceClient(MlflowClient):
    def __init__(self, store, workspace=None):
        super().__init__(tracking_uri=store, registry_uri=store)
        self.workspace = workspace

    def named(self, task):
        return f"{self.workspace}.{task}" if self.workspace else task
