"""1,000,000 judgments: reading, two-way intervals, and the bootstrap beside a straightforward one.

    python manage.py bench fool_rates [--raters 2000] [--items 5000] [--conditions 10] [--json FILE]

The straightforward bootstrap is what most people write: in each resample draw raters and images
with pandas, weigh every judgment, take means by condition. It is timed over a few resamples and
scaled. With R and lme4 on the machine, the GLMM is timed beside glmer on one condition of SR3's
size. CPU seconds are printed beside wall seconds: on a busy machine only they are comparable.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from analysis.commands.tables.terminal import text_table, write_json
from analysis.inference.clustered.bootstrap import bootstrap_rate
from analysis.judgments.table import cells, read_judgments
from analysis.models.glmm import fit_glmm
from analysis.models.simulation import crossed_judgments, random_design
from analysis.rates.fool_rates import fool_rates

TRIALS = 50
RESAMPLES = 2000
BOOTSTRAP = f"pigeonhole bootstrap, B = {RESAMPLES}"
SAMPLED = 5  # resamples of the straightforward bootstrap that are really timed

Seconds = tuple[float, float]  # wall, CPU

GLMER = """
library(lme4); d <- read.csv("{path}")
t <- proc.time(); glmer(fooled ~ 1 + (1 | rater) + (1 | item), d, family = binomial)
used <- proc.time() - t; cat(used[3], used[1] + used[2])
"""


def judgments(raters: int, items: int, conditions: int) -> pd.DataFrame:
    """Return simulated judgments of that size, 50 trials a rater and condition, marked so."""
    rng = np.random.default_rng(0)
    parts = []
    for condition in range(conditions):
        codes = random_design(rng, raters, items, TRIALS)
        y = crossed_judgments(rng, codes, rate=0.3 + 0.02 * condition, sds=(0.8, 0.8))[:, 0]
        columns = {"rater_id": codes[0], "item_id": codes[1], "fooled": y.astype(int)}
        parts.append(pd.DataFrame(columns).assign(condition=f"m{condition}", simulated=1))
    table = pd.concat(parts, ignore_index=True)
    table["rater_id"] = "rater" + table["rater_id"].astype(str)
    table["item_id"] = "item" + table["item_id"].astype(str)
    return table


def straightforward(table: pd.DataFrame, resamples: int, seed: int = 0) -> pd.DataFrame:
    """Return resampled fool rates by condition, as one would write it with pandas."""
    rng = np.random.default_rng(seed)
    raters, items = table["rater_id"].unique(), table["item_id"].unique()
    rows = []
    for _ in range(resamples):
        by_rater = pd.Series(rng.choice(raters, len(raters))).value_counts()
        by_item = pd.Series(rng.choice(items, len(items))).value_counts()
        weight = table["rater_id"].map(by_rater).astype(float).fillna(0) * table["item_id"].map(
            by_item
        ).astype(float).fillna(0)
        parts = pd.DataFrame({"c": table["condition"], "n": weight, "k": weight * table["fooled"]})
        sums = parts.groupby("c", observed=True)[["n", "k"]].sum()
        rows.append(sums["k"] / sums["n"])
    return pd.DataFrame(rows)


def timed(call: Callable[[], Any]) -> tuple[Seconds, Any]:
    """Return (wall and CPU seconds, result)."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return (time.perf_counter() - wall, time.process_time() - cpu), result


def glmm_beside_lme4(folder: Path) -> dict[str, Seconds]:
    """Return seconds of our GLMM and, where R and lme4 are there, of glmer, on the same data."""
    rng = np.random.default_rng(1)
    codes = random_design(rng, 50, 100, 50)
    y = crossed_judgments(rng, codes, rate=0.4, sds=(0.8, 0.8))[:, 0]
    fit_glmm(y, *codes)  # loads SciPy's parts, as library(lme4) does before glmer's clock starts
    out = {"GLMM, 2,500 judgments": timed(lambda: fit_glmm(y, *codes))[0]}
    path = folder / "glmm.csv"
    pd.DataFrame({"rater": codes[0], "item": codes[1], "fooled": y.astype(int)}).to_csv(path)
    if shutil.which("Rscript"):
        command = ["Rscript", "-e", GLMER.format(path=path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            wall, cpu = map(float, done.stdout.split()[-2:])
            out["lme4's glmer on the same"] = (wall, cpu)
    return out


@click.command(help=__doc__)
@click.option("--raters", type=click.IntRange(10), default=2000, show_default=True,
              help="How many raters judge.")  # fmt: skip
@click.option("--items", type=click.IntRange(TRIALS), default=5000, show_default=True,
              help="How many images there are.")  # fmt: skip
@click.option("--conditions", type=click.IntRange(1), default=10, show_default=True,
              help="How many models are judged.")  # fmt: skip
@click.option("--json", "json_out", metavar="FILE", help="Write the numbers to FILE.")
def measure(raters: int, items: int, conditions: int, json_out: str | None) -> None:
    """Print each step's seconds and the ratio to the straightforward way."""
    found: dict[str, Seconds] = {}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "judgments.csv"
        judgments(raters, items, conditions).to_csv(path, index=False)
        found["read judgments.csv"], table = timed(lambda: read_judgments(path))
        found["two-way intervals"], _ = timed(lambda: fool_rates(table))
        found[BOOTSTRAP], ours = timed(
            lambda: [bootstrap_rate(rows, RESAMPLES, 0) for _, rows in cells(table)]
        )
        (wall, cpu), plain = timed(lambda: straightforward(table, SAMPLED))
        scale = RESAMPLES / SAMPLED
        found["straightforward, scaled"] = (wall * scale, cpu * scale)
        found |= glmm_beside_lme4(Path(name))
    total = f"{len(table):,} judgments, {raters:,} raters, {items:,} items, {conditions} conditions"
    click.echo(f"{total} (simulated); {os.cpu_count()} cores")
    rows = [[step, f"{wall:.2f}", f"{cpu:.2f}"] for step, (wall, cpu) in found.items()]
    click.echo(text_table(["step", "wall s", "CPU s"], rows))
    ratio = found["straightforward, scaled"][1] / found[BOOTSTRAP][1]
    inside = sum(
        each.low <= value <= each.high for each, value in zip(ours, plain.mean(), strict=True)
    )
    click.echo(
        f"bootstrap {ratio:.0f} times the straightforward one (CPU), whose means lie in"
        f" {inside} of our {len(ours)} intervals"
    )
    if json_out:
        write_json({"judgments": len(table), "seconds": found, "ratio": ratio}, json_out)


def main(options: list[str]) -> None:
    """Run the benchmark with these command-line options."""
    measure.main(args=options, prog_name="manage.py bench fool_rates", standalone_mode=False)
