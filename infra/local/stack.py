"""The servers of compose.yaml as plain processes on loopback, where there are no containers.

    python infra/local/stack.py FOLDER [--mlflow-port 5000] [--prefect-port 4200]
        [--artifacts s3://BUCKET/PATH]

PostgreSQL (Debian's package `postgresql`) holds MLflow's and Prefect's databases in FOLDER;
artifacts lie there too, or in S3, whose keys are in the environment (AWS_*). Both servers stand
behind Pawl's door (docs/adr/0024). Passwords are drawn at the first start and kept in FOLDER with
mode 0600; they are in no argument list. Ctrl-C or SIGTERM stops all of it, and so does the death of
one. What a workspace has to be told is printed once all answer.
"""

from __future__ import annotations

import argparse
import os
import pwd
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from pawl.core.private_files import write_private
from pawl.core.processes import started

HOST = "127.0.0.1"
DATABASES = ("mlflow", "prefect")
# Seconds until a server must answer: MLflow and Prefect make their tables first.
PATIENCE = 180


def main() -> None:
    """Start everything, say where it is, and wait."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mlflow-port", type=int, default=5000)
    parser.add_argument("--prefect-port", type=int, default=4200)
    parser.add_argument("--artifacts", help="s3://BUCKET/PATH; default: below FOLDER")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    artifacts = given.artifacts or (folder / "artifacts").as_uri()
    with suppress(KeyboardInterrupt), postgres(folder) as uri, ExitStack() as stack:
        mlflow = f"http://{HOST}:{given.mlflow_port}"
        prefect = f"http://{HOST}:{given.prefect_port}/api"
        key = _secret(folder / "prefect.key", "pawl:{}")
        running = {
            name: (stack.enter_context(_logged(name, command, environment, folder)), probe)
            for name, command, environment, probe in (
                ("mlflow", *mlflow_server(uri("mlflow"), artifacts, given.mlflow_port)),
                ("prefect", *prefect_server(uri("prefect"), folder, key, given.prefect_port)),
            )
        }
        for name, (process, probe) in running.items():
            _wait(name, process, probe, folder)
        print(f"export MLFLOW_TRACKING_URI={mlflow} PREFECT_API_URL={prefect}")
        print(f"export PAWL_PREFECT_KEY={shlex.quote(str(key))}", flush=True)
        while True:
            for name, (process, _) in running.items():
                if process.poll() is not None:
                    sys.exit(f"{name} ended with exit code {process.returncode}: see {folder}/logs")
            time.sleep(0.5)


def mlflow_server(uri: str, artifacts: str, port: int) -> tuple[list[str], dict[str, str], str]:
    """The command of MLflow's server, its environment, and where it answers once it is up."""
    # One worker: the sockets of several lack TCP_NODELAY, which costs each reply 40 ms.
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "pawl", "--host", HOST]
    command += ["--port", str(port), "--workers", "1", "--serve-artifacts"]
    command += ["--artifacts-destination", artifacts]
    environment = {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return command, environment, f"http://{HOST}:{port}/health"


def prefect_server(
    uri: str, folder: Path, key: Path, port: int
) -> tuple[list[str], dict[str, str], str]:
    """The command of Prefect's server, its environment, and where it answers once it is up."""
    command = [sys.executable, "-m", "uvicorn", "--factory", "pawl.workspace.prefect_app:create"]
    command += ["--log-level", "warning", "--host", HOST, "--port", str(port)]
    environment = {
        "PREFECT_API_DATABASE_CONNECTION_URL": uri.replace("postgresql:", "postgresql+asyncpg:"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_UI_API_URL": f"http://{HOST}:{port}/api",
        "PAWL_PREFECT_KEY": str(key),
    }
    return command, environment, f"http://{HOST}:{port}/api/health"


@contextmanager
def postgres(folder: Path) -> Iterator[Any]:
    """A cluster in `folder`, made at the first start; yields a database's URI by its name.

    It listens on a socket in the folder alone, and asks for a password there too.
    """
    tools, home = _tools(), folder / "postgres"
    become, owner = _owner()
    password = _secret(folder / "postgres.password", "{}")
    home.mkdir(mode=0o700, exist_ok=True)
    if owner is not None:
        # PostgreSQL does not run as root; the way to its folder must be open to its user.
        os.chown(home, owner.pw_uid, owner.pw_gid)
        folder.chmod(folder.stat().st_mode | 0o011)
    data, log = home / "data", home / "log"
    run: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": home, **become}
    if not data.exists():
        words = ["-U", "pawl", "-A", "scram-sha-256", "--no-locale", "-E", "UTF8"]
        shown = home / "password"
        write_private(shown, password.read_bytes())
        try:
            if owner is not None:
                os.chown(shown, owner.pw_uid, owner.pw_gid)
            subprocess.run([tools / "initdb", "-D", data, *words, f"--pwfile={shown}"], **run)
        finally:
            shown.unlink()
    control: list[str | Path] = [tools / "pg_ctl", "-D", data, "-w", "-l", log]
    settings = f"-k {shlex.quote(str(home))} -c listen_addresses= -c max_connections=200"
    subprocess.run([*control, "-o", settings, "start"], **run)
    secret = password.read_text().strip()
    try:
        for name in DATABASES:
            _make_database(tools, home, name, secret)
        yield lambda name: f"postgresql://pawl:{secret}@/{name}?host={home}"
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], **run)


def _make_database(tools: Path, home: Path, name: str, secret: str) -> None:
    environment = {**os.environ, "PGPASSWORD": secret}
    at = ["-h", str(home), "-U", "pawl"]
    command = [tools / "psql", *at, "-tAc", "select datname from pg_database", "postgres"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    if name not in done.stdout.split():
        subprocess.run([tools / "createdb", *at, name], check=True, env=environment)


def _tools() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda at: int(at.parent.name))
    if found:
        return found[-1]
    if (on_path := shutil.which("initdb")) is None:
        sys.exit("PostgreSQL is not there: `apt-get install postgresql`")
    return Path(on_path).resolve().parent


def _owner() -> tuple[dict[str, Any], pwd.struct_passwd | None]:
    if os.getuid():
        return {}, None
    who = pwd.getpwnam("postgres")
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}, who


def _secret(path: Path, form: str) -> Path:
    """The file with a secret, drawn if it is not there, which only this user may read."""
    if not path.exists():
        write_private(path, f"{form.format(secrets.token_hex(32))}\n".encode())
    return path


@contextmanager
def _logged(
    name: str, command: list[str], environment: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "logs").mkdir(exist_ok=True)
    with (
        (folder / "logs" / f"{name}.log").open("ab") as log,
        started(command, stdout=log, stderr=log, env={**os.environ, **environment}) as process,
    ):
        yield process


def _wait(name: str, process: subprocess.Popen[bytes], probe: str, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(probe, timeout=5):
            return
        time.sleep(0.3)
    log = (folder / "logs" / f"{name}.log").read_text(errors="replace")
    sys.exit(f"{name} did not come up:\n{log[-2000:]}")


if __name__ == "__main__":
    main()
