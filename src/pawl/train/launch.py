"""Starting the processes of a training, as `accelerate launch` does, and telling how they ended."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import Any

from pawl.errors import ParamsError, TrainError
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import forget_failure, told_failure

# Where the launcher's process id is left for those that it starts.
LAUNCHER = "PAWL_LAUNCHER"


def launch(workspace: Workspace, task: str, *, processes: int) -> None:
    """Train in so many processes of this machine; returns when all have ended well.

    Raises:
        ParamsError: there are fewer GPUs than that.
        PawlError: what the process that failed first said.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    _refuse_too_many(processes)
    # What fails is raised and told once; the launcher would log a page before.
    for name in ("torch.distributed.elastic", "torch.distributed.run"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # `--multi_gpu` is what the launcher calls several processes of one machine, GPUs or not. All
    # that a configuration file of the user's could change is said.
    words = ["--multi_gpu", "--num_processes", str(processes), "--num_machines", "1"]
    words += ["--machine_rank", "0", "--main_process_port", "0"]
    words += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    words += ["--module", "pawl.train", "worker", task]
    forget_failure(workspace, task)
    os.environ[LAUNCHER] = str(os.getpid())
    try:
        launch_command(launch_command_parser().parse_args(words))
    except (ChildFailedError, SignalException) as error:
        said = told_failure(workspace, task)
        raise said or _unsaid(error, processes) from error
    finally:
        del os.environ[LAUNCHER]


def end_with_launcher() -> None:
    """See that this process ends when its launcher does, however that ends.

    The launcher ends its processes when it is asked to; killed, it would leave them training.
    """
    launcher = int(os.environ[LAUNCHER])

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _refuse_too_many(processes: int) -> None:
    import torch

    there = torch.cuda.device_count()
    if torch.cuda.is_available() and processes > there:
        raise ParamsError(
            f"`train.processes` is {processes}",
            rule=f"each process trains on a GPU of its own, and this machine has {there}",
            remedy=f"set it to {there} or less",
        )


def _unsaid(error: Any, processes: int) -> TrainError:
    """The error of a process that could say nothing: it was killed, or nobody expected it."""
    again = "run it again: it goes on from its last checkpoint"
    failures = getattr(error, "failures", None)
    if not failures:
        return TrainError("training was asked to end", remedy=again)
    rank, failure = error.get_first_failure()
    code = failure.exitcode
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return TrainError(
        f"process {rank} of the {processes} that train ended {how}",
        rule="when one process ends, all do",
        remedy=f"what it said stands above; {again}",
    )
