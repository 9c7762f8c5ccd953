"""The forgetting guard: what the base knew of plain language, the adapter must not unlearn.

The measure is the perplexity of one general text with the adapter over that without it: a figure,
not a sample of rows, so that it is compared with its limit and not tested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from pawl.config.schema import Gate

BASE, CANDIDATE = "base", "candidate"


def unmeasured(general: Mapping[str, float], policy: Gate) -> list[str]:
    """Why forgetting cannot be judged though the policy asks for it; empty where it can."""
    if policy.forgetting is None:
        return []
    return [
        f"the general text was not measured on the {name}: forgetting cannot be judged"
        for name in (BASE, CANDIDATE)
        if not (math.isfinite(general.get(name, math.nan)) and general[name] > 0)
    ]


def forgetting(general: Mapping[str, float], allowed: float) -> tuple[bool, str]:
    """Whether the adapter keeps within the `allowed` relative rise, and the sentence that says so.

    Call after `unmeasured` found nothing.
    """
    bare, worn = general[BASE], general[CANDIDATE]
    rise = worn / bare - 1
    holds = rise <= allowed
    verb = "keeps" if holds else "breaks"
    return holds, (
        f"{verb} the guard on forgetting: perplexity of the general text {worn:.4g} against "
        f"{bare:.4g} of the base ({rise:+.1%}, {allowed:+.1%} allowed)"
    )
