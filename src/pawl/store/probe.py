"""Ask a store once and briefly whether it answers; MLflow itself tries for minutes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pawl.errors import RegistryError
from pawl.store.addresses import displayed, parsed, sqlite_file

# Seconds for a connection, and for the answer to one small request.
SECONDS = 10
TIMEOUT, RETRIES = "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
DATABASES = ("postgresql", "mysql", "mssql", "sqlite")


def probe_database(uri: str) -> None:
    """Connect to a database once; does nothing for a server and for a SQLite file yet to be made.

    MLflow tries ten times, which takes 100 s, and logs the address each time.

    Raises:
        RegistryError: it is no address, or the package for this database is not installed.
        sqlalchemy.exc.SQLAlchemyError: it does not answer, or is no database.
    """
    from sqlalchemy import NullPool, create_engine

    _refuse_no_address(uri)
    url, file = parsed(uri), sqlite_file(uri)
    if url is None or url.get_backend_name() not in DATABASES or (file and not file.exists()):
        return
    options: dict[str, Any] = {} if file or "mssql" in uri else {"connect_timeout": SECONDS}
    try:
        engine = create_engine(url, connect_args=options, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise RegistryError(
            f"the tracking store {displayed(uri)} needs a package: {error}",
            rule="MLflow reaches a database through a package for its kind",
            remedy="install it: `pip install psycopg2-binary` for postgresql, `mysqlclient` for "
            "mysql; or name an MLflow server in MLFLOW_TRACKING_URI",
        ) from error
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA schema_version" if file else "SELECT 1")


def _refuse_no_address(uri: str) -> None:
    try:
        urlsplit(uri)
    except ValueError as error:
        raise RegistryError(
            f"MLFLOW_TRACKING_URI is no address: {displayed(uri)}: {error}",
            rule="it names a server (http://…) or a database (sqlite:///…, postgresql://…)",
            remedy="correct it, or unset it to use SQLite under .pawl/",
        ) from error


@contextmanager
def briefly() -> Iterator[None]:
    """Send requests to a server once, with a short limit."""
    before = {name: os.environ.get(name) for name in (TIMEOUT, RETRIES)}
    os.environ |= {TIMEOUT: str(SECONDS), RETRIES: "0"}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
