"""The commands `analysis …` and `report`. Heavy imports stay inside the bodies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path)
JSON = click.option(
    "--json",
    "json_out",
    metavar="OUT",
    help="Write the numbers as JSON to OUT; - is standard output.",
)
ALPHA = click.option(
    "--alpha", type=click.FloatRange(0, 0.5, min_open=True), default=0.05, show_default=True,
    help="One minus the confidence.",
)  # fmt: skip
SEED = click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
ESTIMAND = click.option(
    "--estimand",
    type=click.Choice(["population", "fixed-images"]),
    default="population",
    show_default=True,
    help="New raters and new images, or new raters on these images.",
)


@click.group()
def analysis() -> None:
    """Turn judgments into fool rates with honest intervals.

    \b
    Example: python manage.py analysis fool-rates judgments.csv
    """


def _emit(payload: dict[str, Any], text: str, json_out: str | None) -> None:
    """Print the table, write the JSON; with ``--json -`` standard output holds the JSON alone."""
    from analysis.terminal import write_json

    if json_out is None or json_out != "-":
        click.echo(text)
    if json_out is not None:
        click.echo(write_json(payload, json_out), nl=False)


@analysis.command("fool-rates")
@click.argument("file", type=FILE)
@ESTIMAND
@click.option(
    "--by", multiple=True, metavar="COLUMN", help="Also split by this column; may be given again."
)
@click.option("--bootstrap", type=click.IntRange(0), default=0, metavar="B",
              help="Also a pigeonhole bootstrap of B resamples (2000 is usual).")  # fmt: skip
@click.option(
    "--glmm", is_flag=True, help="Also a crossed-intercepts GLMM (Laplace), marginalised."
)
@click.option(
    "--published", is_flag=True, help="Also the mean of rater means, as papers report it."
)
@ALPHA
@SEED
@JSON
def fool_rates_command(file: Path, json_out: str | None, **options: Any) -> None:
    """Show how often each condition's outputs were picked over the real image.

    \b
    Example: python manage.py analysis fool-rates judgments.csv --bootstrap 2000 --json rates.json
    """
    from analysis.fool_rates_table import fool_rates_payload, fool_rates_text
    from analysis.judgments_table import read_judgments

    payload = fool_rates_payload(read_judgments(file), **options)
    _emit(payload, fool_rates_text(payload), json_out)


@analysis.command("compare")
@click.argument("file", type=FILE)
@click.option("--baseline", help="Compare each condition with this one; without it, all pairs.")
@click.option("--family", multiple=True, metavar="CONDITION",
              help="Test these only; may be given again.")  # fmt: skip
@click.option("--correction", type=click.Choice(["holm", "bh", "none"]), default="holm",
              show_default=True)  # fmt: skip
@click.option("--margin", type=click.FloatRange(0, 0.5, min_open=True, max_open=True), default=0.05,
              show_default=True, help="Of equivalence, as a share.")  # fmt: skip
@click.option("--permutations", type=click.IntRange(0), default=0, show_default=True,
              help="Also a permutation test over raters where the design allows one.")  # fmt: skip
@ALPHA
@SEED
@JSON
def compare_command(file: Path, json_out: str | None, **options: Any) -> None:
    """Compare conditions with each other and with 50 %.

    \b
    Example: python manage.py analysis compare judgments.csv --baseline bicubic --json compare.json
    """
    from analysis.compare_table import compare_payload, compare_text
    from analysis.judgments_table import read_judgments

    payload = compare_payload(read_judgments(file), **options)
    _emit(payload, compare_text(payload), json_out)


@click.command()
@click.argument("source", type=FILE)
@click.option("-o", "--out", type=FILE, required=True, metavar="DIR", help="The folder to write.")
@click.option("--scores", type=FILE, multiple=True, help="A scores.json; may be given again.")
@click.option(
    "--run", "runs", multiple=True, metavar="CONDITION=FOLDER", help="The images of a condition."
)
@click.option("--reference", type=FILE, help="The run of real images.")
@click.option("--pdf", is_flag=True, help="Also report.pdf (needs the extra `pdf`).")
def report(source: Path, out: Path, runs: tuple[str, ...], **options: Any) -> None:
    """Write a report of a study's export folder, or of a bare judgments.csv.

    \b
    Example: python manage.py report export/ --scores runs/sr3.scores/scores.json -o report/
    """
    from analysis.report.build import write_report

    folders: dict[str, Path] = {}
    for each in runs:
        condition, equals, folder = each.partition("=")
        if not (condition and equals and folder):
            raise click.BadParameter(f"{each!r}, expected CONDITION=FOLDER", param_hint="--run")
        folders[condition] = Path(folder)
    written = write_report(
        source,
        out,
        scores=list(options["scores"]),
        runs=folders,
        reference=options["reference"],
        pdf=options["pdf"],
    )
    click.echo(f"wrote {written}")
