"""`analysis import` of 1,000,000 answers, beside pandas reading the same file.

    python manage.py bench large_import [--rows 1000000] [--rounds 3]

The peer is what most people write: `read_csv`, a dictionary for the answers, `groupby`, `to_csv`.
It checks nothing: no answer that nobody understands, no id that looks like another, no pair that
was judged twice. Both run as a process of their own, in turn, and are compared by CPU seconds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import click
import numpy as np
import pandas as pd

from analysis.commands.tables.terminal import text_table
from benchmarks.support.timing import cpu_seconds

ROOT = Path(__file__).resolve().parents[1]
TRIALS = 50  # of a rater
CONDITIONS = 10
ANSWERS = np.array(["camera", "computer", "don't know"])

PEER = """
import sys, pandas as pd
table = pd.read_csv(sys.argv[1], sep=";")
table["fooled"] = table["answer"].map({"camera": 1, "computer": 0})
print(table.groupby("system")["fooled"].mean())
table[["PID", "picture", "system", "fooled"]].to_csv(sys.argv[2], index=False)
"""


def foreign_table(rows: int) -> pd.DataFrame:
    """Return a table as another program writes it; each rater judges different images."""
    rng = np.random.default_rng(0)
    number = np.arange(rows)
    return pd.DataFrame(
        {
            "PID": [f"participant-{n:06d}" for n in number // TRIALS],
            "picture": [f"image_{n:04d}.png" for n in number * 7 % 5000],
            "system": [f"model {n}" for n in number % CONDITIONS],
            "answer": ANSWERS[rng.choice(3, rows, p=(0.4, 0.57, 0.03))],
        }
    )


def commands(source: Path) -> tuple[list[str], list[str]]:
    """Return our command line and the peer's; both write a table beside the source."""
    ours = [
        *(sys.executable, "manage.py", "analysis", "import", str(source)),
        *("-o", str(source.with_name("judgments.csv"))),
        *("--map", "rater_id=PID", "--map", "item_id=picture", "--map", "condition=system"),
        *("--map", "fooled=answer", "--value", "camera=1", "--value", "computer=0"),
        *("--value", "don't know="),
    ]
    return ours, [sys.executable, "-c", PEER, str(source), str(source.with_name("peer.csv"))]


def seconds(command: list[str]) -> float:
    """Return the CPU seconds of a process, from its start to its end."""
    before = cpu_seconds()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command[:4])} failed: {done.stderr.strip()}")
    return cpu_seconds() - before


def rates(path: Path) -> dict[str, float]:
    """Return condition -> fool rate of a table that one of the two wrote."""
    table = pd.read_csv(path)
    name = "condition" if "condition" in table else "system"
    return {str(key): float(rate) for key, rate in table.groupby(name)["fooled"].mean().items()}


@click.command(help=__doc__)
@click.option("--rows", type=click.IntRange(100), default=1_000_000, show_default=True,
              help="How many answers the table holds.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True,
              help="How often each of the two runs.")  # fmt: skip
def measure(rows: int, rounds: int) -> None:
    """Print the CPU seconds of both, their ratio, and whether their fool rates agree."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "answers.csv"
        foreign_table(rows).to_csv(source, index=False, sep=";")
        ours, theirs = commands(source)
        found = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
        equal = rates(source.with_name("judgments.csv")) == rates(source.with_name("peer.csv"))
    mine, peer = (median(column) for column in zip(*found, strict=True))
    click.echo(f"{rows:,} answers (simulated), median of {rounds}")
    table = [["analysis import", f"{mine:.2f}"], ["pandas, no checks", f"{peer:.2f}"]]
    click.echo(text_table(["step", "CPU s"], table))
    click.echo(
        f"analysis import takes {mine / peer:.1f} times pandas' time;"
        f" the fool rates {'agree' if equal else 'DIFFER'}"
    )
    if not equal:
        raise click.ClickException("the import and pandas found different fool rates")


def main(options: list[str]) -> None:
    """Run the benchmark with these command-line options."""
    measure.main(args=options, prog_name="manage.py bench large_import", standalone_mode=False)
