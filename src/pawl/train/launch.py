"""Launch the processes of a training with accelerate's launcher, and report how they ended."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import Any

from pawl.errors import ParamsError, StoppedError, TrainError
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import clear_failure, read_failure

# The environment variable that gives the processes their launcher's id.
LAUNCHER = "PAWL_LAUNCHER"


def launch(workspace: Workspace, task: str, *, processes: int) -> None:
    """Train in several processes of this machine; return when all have succeeded.

    Raises:
        ParamsError: there are fewer GPUs than processes.
        PawlError: the error of the process that failed first.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    _refuse_too_many(processes)
    # An error is raised and reported once; the launcher would also log a page.
    for name in ("torch.distributed.elastic", "torch.distributed.run"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # `--multi_gpu` means several processes of one machine, GPUs or not. All options that a user's
    # configuration file could change are given.
    words = ["--multi_gpu", "--num_processes", str(processes), "--num_machines", "1"]
    words += ["--machine_rank", "0", "--main_process_port", "0"]
    words += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    words += ["--module", "pawl.train", "worker", task]
    clear_failure(workspace, task)
    os.environ[LAUNCHER] = str(os.getpid())
    try:
        launch_command(launch_command_parser().parse_args(words))
    except (ChildFailedError, SignalException) as error:
        failure = read_failure(workspace, task)
        raise failure or _process_error(error, processes) from error
    finally:
        del os.environ[LAUNCHER]


def end_with_launcher() -> None:
    """End this process when its launcher ends, in whatever way.

    On SIGTERM the launcher ends its processes; killed, it would leave them training.
    """
    launcher = int(os.environ[LAUNCHER])

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _refuse_too_many(processes: int) -> None:
    import torch

    gpus = torch.cuda.device_count()
    if torch.cuda.is_available() and processes > gpus:
        raise ParamsError(
            f"`train.processes` is {processes}",
            rule=f"each process trains on a GPU of its own, and this machine has {gpus}",
            remedy=f"set it to {gpus} or less",
        )


def _process_error(error: Any, processes: int) -> TrainError:
    """The error of a process that reported none: it was killed, or raised an unexpected one."""
    again = "run it again: it resumes from its last checkpoint"
    failures = getattr(error, "failures", None)
    if not failures:
        return StoppedError("training was asked to end", remedy=again)
    rank, failure = error.get_first_failure()
    code = failure.exitcode
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return TrainError(
        f"process {rank} of the {processes} that train ended {how}",
        rule="when one process ends, all do",
        remedy=f"its output is above; {again}",
    )
