"""The rules by which raters are left out, as a study declares them: their names and limits.

What each does is in `analysis.raters.exclusions`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from analysis.errors import DesignError

# Rule -> the lowest and highest limit that means something, in the order that rules are applied.
LIMITS: dict[str, tuple[float, float]] = {
    "max_failed_catch": (0, math.inf),
    "max_skipped_share": (0, 1),
    "min_main_trials": (0, math.inf),
    "min_median_rt_ms": (0, math.inf),
    "rt_tukey_factor": (0, math.inf),
    "side_bias_alpha": (0, 1),
    "max_same_side_run": (0, math.inf),
    "min_repeat_consistency": (0, 1),
    "max_sessions": (0, math.inf),
}


def given_rules(rules: Mapping[str, Any]) -> dict[str, float]:
    """Return the rules that are given, in the order that they are applied.

    Raises
    ------
    DesignError
        A rule is unknown (the closest is named) or its limit is not a number.
    """
    for name, limit in rules.items():
        if name not in LIMITS:
            near = difflib.get_close_matches(name, LIMITS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(LIMITS)}"
            raise DesignError(f"no rule {name!r}, {hint}")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
            raise DesignError(f"the limit of {name} is {limit!r}, expected a number")
        low, high = LIMITS[name]
        if limit is not None and not low <= limit <= high:
            ends = f"{low:g} or more" if high == math.inf else f"{low:g} to {high:g}"
            raise DesignError(f"the limit of {name} is {limit:g}, expected {ends}")
    return {name: float(rules[name]) for name in LIMITS if rules.get(name) is not None}
