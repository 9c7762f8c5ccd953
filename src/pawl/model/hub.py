"""Files of a base from the Hugging Face hub, or its local cache."""

from __future__ import annotations

import os
from pathlib import Path

from pawl.core.records import BaseRef
from pawl.errors import BaseError


def from_hub(base: BaseRef, patterns: tuple[str, ...]) -> Path:
    """The folder of the files that match the patterns, fetched if they are not cached.

    Raises:
        BaseError: the id is not cached and cannot be fetched, or is none.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    remedy = (
        f"download it where there is a network: `hf download {base.model}`, or name a local "
        "folder under `base.model` in params.yaml"
    )
    try:
        path = snapshot_download(base.model, revision=base.revision, allow_patterns=list(patterns))
    except HFValidationError as error:
        raise BaseError(
            f"the base '{base.model}' is neither a folder nor a hub id",
            rule="a hub id has the form 'owner/name'",
            remedy="correct `base.model` in params.yaml",
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        offline = os.environ.get("HF_HUB_OFFLINE")
        cause = "the hub is switched off" if offline else "the hub is unreachable"
        raise BaseError(
            f"the base '{base.model}' is not in the local cache, and {cause}",
            rule="a hub id must be cached or reachable",
            remedy=remedy,
        ) from error
    return Path(path)
