"""Files of a data set of the Hugging Face hub, at one commit; nothing of it is run."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from pawl.data.read.formats import FORMATS
from pawl.data.read.lines import MAX_FILE
from pawl.errors import DataError, UsageError

ANY_HUB = "hf://"
HUB = f"{ANY_HUB}datasets/"
NAMED = re.compile(
    re.escape(HUB) + r"(?P<id>[\w.-]+/[\w.-]+)"
    r"(?:@(?P<revision>refs/(?:convert|pr)/\w+|[^/\s]+))?(?:/(?P<path>[^\s]+))?"
)


def from_hub(address: str) -> tuple[Path, str]:
    """Fetch the files of rows that an address names; return their folder or file, and the commit.

    `hf://datasets/OWNER/NAME@REVISION/PATH`, with revision and path left out or not.

    Raises:
        UsageError: the address has another form.
        DataError: the hub is not reached or does not have it, or it is too large.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    named = NAMED.fullmatch(address)
    path = (named["path"] or "").rstrip("/") if named else ""
    if not named or ".." in Path(path).parts:
        raise _form(address)
    wanted = [f"*{suffix}" for suffix in FORMATS]
    if path:
        wanted = [path, *(f"{path}/{one}" for one in wanted)]
    revision = (named["revision"] or "main").replace("%2F", "/")
    try:
        disable_progress_bars()
        fetch: partial[Any] = partial(
            snapshot_download,
            named["id"],
            repo_type="dataset",
            revision=revision,
            allow_patterns=wanted,
        )
        if not HF_HUB_OFFLINE:
            listed: list[Any] = fetch(dry_run=True)
            _refuse_large(address, sum(one.file_size for one in listed))
        folder = Path(fetch())
    except HFValidationError as error:
        raise _form(address) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise DataError(
            f"{address} cannot be fetched: {_cause(error)}",
            rule="a data set of the hub is cached here, or the hub is reached and has it",
            remedy="correct name and revision, or sign in (`hf auth login`); else where there is a "
            f"network `hf download --repo-type dataset {named['id']} --local-dir FOLDER`, and "
            "`--data FOLDER`",
        ) from error
    if not (folder / path).exists():
        raise DataError(
            f"{address}: the data set has no {path or 'file of rows'}",
            rule="rows are files that end in .parquet, .jsonl, .json, .csv, … (`pawl new --help`)",
            remedy="look at its files on the hub, and name one behind the revision",
        )
    return folder / path, folder.name


def _form(address: str) -> UsageError:
    return UsageError(
        f"the address {address}",
        rule=f"a data set of the hub is named {HUB}OWNER/NAME, with @REVISION and /PATH if wanted",
        remedy=f"such as {HUB}OWNER/NAME@v1.0/train.parquet",
    )


def _refuse_large(address: str, size: int) -> None:
    if size > MAX_FILE:
        raise DataError(
            f"{address} has {size:,} bytes of rows",
            rule=f"at most {MAX_FILE:,} are fetched",
            remedy="name one of its files behind the revision",
        )


def _cause(error: Exception) -> str:
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        return "it is not in the local cache, and the hub is switched off (HF_HUB_OFFLINE)"
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
