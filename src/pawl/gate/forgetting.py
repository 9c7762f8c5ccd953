"""The forgetting guard: the adapter must not get worse at general language.

It compares the perplexity of one general text with and without the adapter. That is a single figure
and no sample of rows, so it is compared with its limit and not tested statistically.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from pawl.config.judging import Gate

BASE, CANDIDATE = "base", "candidate"


def unmeasured(general: Mapping[str, float], policy: Gate) -> list[str]:
    """The reasons why forgetting cannot be judged; empty if it can or is not guarded."""
    if policy.forgetting is None:
        return []
    return [
        f"the general text was not measured on the {name}: forgetting cannot be judged"
        for name in (BASE, CANDIDATE)
        if not (math.isfinite(general.get(name, math.nan)) and general[name] > 0)
    ]


def forgetting(general: Mapping[str, float], allowed: float) -> tuple[bool, str]:
    """Whether perplexity rises by at most the share `allowed`, and the reason as text.

    Call only if `unmeasured` is empty.
    """
    base, adapted = general[BASE], general[CANDIDATE]
    rise = adapted / base - 1
    holds = rise <= allowed
    verb = "keeps" if holds else "breaks"
    return holds, (
        f"{verb} the guard on forgetting: perplexity of the general text {adapted:.4g} against "
        f"{base:.4g} of the base ({rise:+.1%}, {allowed:+.1%} allowed)"
    )
