"""The site's rules and the report's are two programs; on the same judgments they agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.judgments.table import check_judgments
from analysis.raters.exclusions import exclusions
from study_server.config import Rules
from study_server.export.rater_rules import RatedTrial, broken_rules, facts_of

RULES = {
    "max_failed_catch": 1,
    "max_skipped_share": 0.15,
    "min_main_trials": 26,
    "min_median_rt_ms": 350,
    "rt_tukey_factor": 1.5,
    "side_bias_alpha": 0.05,
    "max_same_side_run": 7,
}


def random_judgments(seed: int) -> pd.DataFrame:
    """Return 40 raters x 30 main and 3 catch trials; some fast, slow, one-sided or skipping."""
    rng = np.random.default_rng(seed)
    rows = []
    for rater in range(40):
        speed, left, skips = rng.lognormal(6.8, 0.7), rng.beta(3, 3), rng.beta(1, 8)
        for position in range(33):
            skipped = rng.random() < skips
            rows.append(
                {
                    "rater_id": f"{rater}",
                    "item_id": f"i{position}",
                    "condition": "m",
                    "kind": "main" if position < 30 else "catch",
                    "choice": "" if skipped else ("left" if rng.random() < left else "right"),
                    "fooled": "" if skipped else str(int(rng.random() < 0.4)),
                    "rt_ms": f"{speed * rng.lognormal(0, 0.3):.3f}",
                    "position": str(position),
                }
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("seed", range(3))
def test_the_site_and_the_report_find_the_same_raters(seed):
    frame = random_judgments(seed)
    report = exclusions(check_judgments(frame, "test"), RULES).reasons
    facts = {
        int(str(rater)): facts_of(
            RatedTrial(kind, choice or None, int(fooled) if fooled else None, float(rt))
            for kind, choice, fooled, rt in rows[["kind", "choice", "fooled", "rt_ms"]].to_numpy()
        )
        for rater, rows in frame.groupby("rater_id")
    }
    site = broken_rules(facts, Rules.model_validate(RULES))
    assert {str(who): set(names) for who, names in site.items() if names} == {
        who: set(names) for who, names in report.items()
    }
    assert {name for names in site.values() for name in names} == set(RULES)
