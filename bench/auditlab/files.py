"""The files of a store's runs, through MLflow's API, or on disk beside a SQLite database."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow import MlflowException


class Files:
    """What runs carry; each file is read once."""

    def __init__(self, client, store):
        self.client, self.known = client, {}
        url = urlsplit(store)
        # Places of a SQLite store are relative to the folder beside it, which MLflow cannot know.
        self.root = Path(url.path[1:]).parent / "artifacts" if url.scheme == "sqlite" else None

    def read(self, run, name):
        """The bytes of a file of a run; none where it has no such file."""
        if (run, name) not in self.known:
            self.known[run, name] = b""
            with suppress(MlflowException, OSError, ValueError), self.at(run, name) as path:
                self.known[run, name] = path.read_bytes()
        return self.known[run, name]

    @contextmanager
    def at(self, run, name):
        """A path to a file or folder of a run, for reading.

        Raises `OSError`, `ValueError` or `MlflowException` where there is none.
        """
        place = urlsplit(self.client.get_run(run).info.artifact_uri)
        if self.root is None or place.scheme != "mlflow-artifacts":
            with tempfile.TemporaryDirectory() as folder:
                yield Path(self.client.download_artifacts(run, name, folder))
                return
        path = (self.root / unquote(place.path).lstrip("/") / name).resolve(strict=True)
        if not path.is_relative_to(self.root.resolve()):
            raise ValueError(f"{place.geturl()} leads out of the store")
        yield path
