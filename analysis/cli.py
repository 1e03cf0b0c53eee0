"""The commands `analysis …` and `report`. Heavy imports stay inside the bodies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from analysis.commands.importing import import_command, pairs
from generators.foreign_text import finite

FILE = click.Path(path_type=Path)
JSON = click.option(
    "--json",
    "json_out",
    metavar="OUT",
    help="Write the numbers as JSON to OUT; - is standard output.",
)
ALPHA = click.option(
    "--alpha",
    type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
    callback=finite,
    help="One minus the confidence. Default: as study.json declares, else 0.05.",
)
SEED = click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the random draws; the same seed gives the same numbers.",
)
RESAMPLES = click.IntRange(100)  # of fewer, an interval's ends are extremes of chance
ESTIMAND = click.option(
    "--estimand",
    type=click.Choice(["population", "fixed-images", "rater-average"]),
    help="Whom the rate is about: new raters and new images, new raters on these images, or as the"
    " first with each rater counting alike. Default: as study.json declares, else population.",
)

REAL = click.option(
    "--real",
    metavar="CONDITION",
    help="The condition of real photos, if each trial showed one image. Default: as study.json"
    " declares, else each trial showed two images.",
)


@click.group()
def analysis() -> None:
    """Turn judgments into fool rates and rankings, with intervals.

    \b
    Example: python manage.py analysis fool-rates judgments.csv
    """


class _OfOneFile(click.Command):
    """A command about one file: what it refuses names the file."""

    def invoke(self, ctx: click.Context) -> Any:
        from analysis.errors import AnalysisError

        try:
            return super().invoke(ctx)
        except AnalysisError as error:
            file = ctx.params["file"]
            if file.name in str(error) or Path(str(error).split(":", 1)[0]).suffix:
                raise
            raise type(error)(f"{file}: {error}") from None


def _emit(payload: dict[str, Any], text: str, json_out: str | None) -> None:
    """Print the table, write the JSON; with ``--json -`` standard output holds only the JSON."""
    from analysis.commands.tables.terminal import write_json

    written = "" if json_out is None else write_json(payload, json_out)
    click.echo(written if json_out == "-" else text, nl=json_out != "-")


def _settled(file: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with what the study declared filled in; a difference is told on stderr."""
    from analysis.judgments.study import settled

    filled, notes = settled(file, options)
    for note in notes:
        click.echo(note, err=True)
    return filled


def _kept(file: Path) -> Any:
    """Return the judgments of the raters whom the declared rules keep; who left is told."""
    from analysis.commands.kept_judgments import read_kept
    from analysis.judgments.table import alike_ids

    judgments, told = read_kept(file)
    for note in [*told, *alike_ids(judgments)]:
        click.echo(f"note: {note}", err=True)
    return judgments


@analysis.command("fool-rates", cls=_OfOneFile)
@click.argument("file", type=FILE)
@ESTIMAND
@click.option(
    "--by", multiple=True, metavar="COLUMN", help="Also split by this column. May be given again."
)
@click.option("--bootstrap", type=RESAMPLES, metavar="B",
              help="Also give a pigeonhole bootstrap of B resamples (2000 is usual).")  # fmt: skip
@click.option(
    "--glmm", is_flag=True, help="Also fit a crossed-intercepts GLMM (Laplace), marginalised."
)
@click.option(
    "--published", is_flag=True, help="Also give the mean of rater means, as papers report it."
)
@REAL
@ALPHA
@SEED
@JSON
def fool_rates_command(file: Path, json_out: str | None, **options: Any) -> None:
    """Show how often each condition's outputs were picked over the real image.

    If each trial showed one image, give --real: the command then shows how often the outputs were
    called real, both error rates, d′ and criterion against the real photos. If a study asked
    further questions, each has a share of its own; ratings of single images have mean scores.

    \b
    Example: python manage.py analysis fool-rates judgments.csv --bootstrap 2000 --json rates.json
    """
    from analysis.commands.fool_rates import fool_rates_payload, fool_rates_text
    from analysis.commands.kept_judgments import kept_answers, kept_ratings

    kept = _kept(file)
    settled = _settled(file, options)
    answers, ratings = kept_answers(file, kept), kept_ratings(file, kept)
    payload = fool_rates_payload(kept, answers=answers, ratings=ratings, **settled)
    _emit(payload, fool_rates_text(payload), json_out)


@analysis.command("compare", cls=_OfOneFile)
@click.argument("file", type=FILE)
@click.option("--baseline", help="Compare each condition with this one; without it, all pairs.")
@ESTIMAND
@click.option("--family", multiple=True, metavar="CONDITION",
              help="Test only this condition. May be given again.")  # fmt: skip
@click.option("--correction", type=click.Choice(["holm", "bh", "none"]),
              help="How p-values are adjusted. Default: as declared, else holm.")  # fmt: skip
@click.option("--margin", type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
              callback=finite,
              help="The equivalence margin, a share. Default: as declared, else 0.05.")  # fmt: skip
@click.option("--permutations", type=click.IntRange(0), default=0, show_default=True,
              help="Also test by permutations of raters, if the design allows it; this holds for"
              " these images, not for new ones.")  # fmt: skip
@REAL
@click.option("--odds", is_flag=True, help="Also give odds ratios from a crossed GLMM (Laplace).")
@ALPHA
@SEED
@JSON
def compare_command(file: Path, json_out: str | None, **options: Any) -> None:
    """Compare conditions with each other and with 50 %.

    \b
    Example: python manage.py analysis compare judgments.csv --baseline bicubic --json compare.json
    """
    from analysis.commands.compare import compare_payload, compare_text

    payload = compare_payload(_kept(file), **_settled(file, options))
    _emit(payload, compare_text(payload), json_out)


@analysis.command("rank", cls=_OfOneFile)
@click.argument("file", type=FILE)
@click.option("--ties", type=click.Choice(["davidson", "half"]), default="davidson",
              help="Count ties as an outcome of their own, or as half a win each, as Elo does.",
              show_default=True)  # fmt: skip
@ALPHA
@SEED
@JSON
def rank_command(file: Path, json_out: str | None, **options: Any) -> None:
    """Rank models from direct comparisons (columns rater_id, item_id, model_a, model_b, choice).

    An export of a preference study is ranked by each of its questions, without the raters who
    break a declared rule.

    \b
    Example: python manage.py analysis rank export/comparisons.csv --json ranking.json
    """
    from analysis.commands.rank import rankings, rankings_text
    from analysis.commands.tables.terminal import plain

    made, told = rankings(file, **_settled(file, options))
    if told:
        click.echo(told, err=True)
    only = next(iter(made.values())) if len(made) == 1 else None
    payload = plain(only) if only else {"questions": plain(made)}
    _emit(payload, rankings_text(made), json_out)


@analysis.command("raters", cls=_OfOneFile)
@click.argument("file", type=FILE)
@click.option("--rule", "rules", multiple=True, metavar="NAME=LIMIT",
              help="A rule for leaving raters out; repeatable. Default: as declared.")  # fmt: skip
@ESTIMAND
@REAL
@ALPHA
@JSON
def raters_command(file: Path, json_out: str | None, **options: Any) -> None:
    """Show who breaks which rule, and the rates with and without them.

    The JSON holds each rater's record too.

    \b
    Example: python manage.py analysis raters judgments.csv --rule max_failed_catch=1
    """
    from analysis.commands.raters import raters_payload, raters_text
    from analysis.judgments.table import read_judgments

    options["rules"] = pairs(options["rules"], "--rule", "NAME=LIMIT")
    payload = raters_payload(read_judgments(file), **_settled(file, options))
    _emit(payload, raters_text(payload), json_out)


@analysis.command("items", cls=_OfOneFile)
@click.argument("file", type=FILE)
@click.option("--top", type=click.IntRange(1), default=10, show_default=True,
              help="Print this many of each condition; the JSON holds all.")  # fmt: skip
@REAL
@ALPHA
@JSON
def items_command(file: Path, json_out: str | None, top: int, **options: Any) -> None:
    """Show which images fooled most, shrunken so that few judgments do not top the list.

    \b
    Example: python manage.py analysis items judgments.csv --top 20 --json items.json
    """
    from analysis.commands.items import items_payload, items_text

    payload = items_payload(_kept(file), **_settled(file, options))
    _emit(payload, items_text(payload, top), json_out)


@analysis.command("power")
@click.option("--trial", type=click.Choice(["real-or-model", "preference", "single"]),
              default="real-or-model", show_default=True, help="What a trial shows.")  # fmt: skip
@click.option("--rate", type=float, callback=finite,
              help="The share that you expect: the fool rate (0.4), the win"
              " share of a pair (0.6), or the error on fakes (0.4).")  # fmt: skip
@click.option(
    "--raters",
    type=int,
    help="Raters of each condition, or of all with --shared-raters; not with --target.",
)
@click.option("--items", type=int, default=100, show_default=True, help="Images of each condition.")
@click.option("--trials", type=int, default=50, show_default=True, help="Trials of each rater.")
@click.option("--sd-rater", type=click.FloatRange(0), callback=finite,
              default=0.8, show_default=True,
              help="How much raters differ: standard deviation on the logit scale.")  # fmt: skip
@click.option("--sd-item", type=click.FloatRange(0), callback=finite,
              default=0.8, show_default=True,
              help="How much images differ: standard deviation on the logit scale.")  # fmt: skip
@click.option("--pilot", type=FILE, help="Take rate and variances from these judgments.")
@click.option("--condition", help="The condition of --pilot to plan for.")
@click.option(
    "--target",
    type=float,
    callback=finite,
    help="The half-width to reach, as a share; designs that reach it are listed.",
)
@click.option("--power", type=float, callback=finite,
              help="The chance to reach, of telling the share from 50 %: 0.8.")  # fmt: skip
@click.option("--difference", type=float, callback=finite,
              help="The difference between two conditions to be found. Default: 0.08.")  # fmt: skip
@click.option("--conditions", type=click.IntRange(1),
              help="How many models are judged. Default: 1, of preferences 2.")  # fmt: skip
@click.option("--shared-raters/--own-raters", default=None,
              help="Whether the same raters judge every condition; of preferences and single images"
              " they do, unless you say otherwise.")  # fmt: skip
@click.option("--baseline", is_flag=True, default=None,
              help="Preferences: one model is compared with each other one.")  # fmt: skip
@click.option("--ties", type=float, callback=finite, help="Preferences: the share of ties.")
@click.option("--error-on-reals", type=float, callback=finite,
              help="Single images: the share of photos called made. Default: 0.25.")  # fmt: skip
@click.option("--made-share", type=float, callback=finite,
              help="Single images: the share that is made. Default: 0.5.")  # fmt: skip
@click.option("--pay-per-hour", type=click.FloatRange(0), callback=finite,
              help="What raters are paid, for the cost.")  # fmt: skip
@click.option("--fee", type=click.FloatRange(0), callback=finite, default=0.0, show_default=True,
              help="The panel's fee as a share of the pay: 0.33.")  # fmt: skip
@click.option("--simulate", type=click.IntRange(0), default=0, metavar="SETS",
              help="Check the first design by this many simulated studies.")  # fmt: skip
@ALPHA
@SEED
@JSON
def power_command(json_out: str | None, **options: Any) -> None:
    """Plan a study: its interval, power and cost, or the designs that reach a target half-width.

    \b
    Example: python manage.py analysis power --target 0.05 --pay-per-hour 12 --fee 0.33
             python manage.py analysis power --trial preference --conditions 4 --power 0.8
    """
    from analysis.commands.power import power_payload, power_text

    judgments = _kept(options["pilot"]) if options["pilot"] else None
    options["alpha"] = options["alpha"] or 0.05
    payload = power_payload(judgments=judgments, **options)
    _emit(payload, power_text(payload), json_out)


@analysis.command("correlate", cls=_OfOneFile)
@click.argument("file", type=FILE)
@click.option("--scores", multiple=True, required=True, metavar="[CONDITION=]PATH",
              help="A scores.json or its folder. May be given again.")  # fmt: skip
@click.option("--task", help="The task to analyse; needed when the file holds several.")
@click.option("--resamples", type=RESAMPLES, default=2000, show_default=True,
              help="Resamples of the bootstrap intervals.")  # fmt: skip
@REAL
@ALPHA
@SEED
@JSON
def correlate_command(
    file: Path, scores: tuple[str, ...], json_out: str | None, **options: Any
) -> None:
    """Compare automatic metrics with people, across models and within each.

    \b
    Example: python manage.py analysis correlate export/judgments.csv --scores runs/sr3.scores
    """
    from analysis.commands.correlate import correlate_payload, correlate_text, read_condition_scores
    from analysis.judgments.study import read_study
    from analysis.judgments.table import main_trials

    judgments = _kept(file)
    conditions = sorted(map(str, main_trials(judgments)["condition"].unique()))
    found = read_condition_scores(scores, conditions, read_study(file))
    payload = correlate_payload(judgments, found, **_settled(file, options))
    _emit(payload, correlate_text(payload), json_out)


analysis.add_command(import_command)


@click.command()
@click.argument("sources", type=FILE, nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--out", type=FILE, required=True, metavar="DIR", help="The folder to write.")
@click.option(
    "--scores", type=FILE, multiple=True, help="A scores.json or its folder. May be given again."
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    metavar="CONDITION=FOLDER",
    help="The folder that holds a condition's images. May be given again.",
)
@click.option("--reference", type=FILE, help="The run of real images.")
@REAL
@click.option(
    "--preregistration",
    type=FILE,
    help="What `study preregister` wrote: the report names every difference from it.",
)
@click.option("--no-reasons", is_flag=True,
              help="Leave out raters' own words, for a report to pass on.")  # fmt: skip
@click.option("--pdf", is_flag=True, help="Also write report.pdf (needs the extra `pdf`).")
@click.option("--log", type=click.Choice(["wandb", "mlflow", "tensorboard"]),
              help="Also send the report to this experiment tracker (needs the extra of its name); "
              "its environment variables say where.")  # fmt: skip
def report(sources: tuple[Path, ...], out: Path, runs: tuple[str, ...], **options: Any) -> None:
    """Write the report of a study.

    SOURCE is the export folder of a study, or a bare judgments.csv. Several sources make one report
    that compares them.

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
        sources,
        out,
        scores=list(options["scores"]),
        runs=folders,
        reference=options["reference"],
        pdf=options["pdf"],
        real=options["real"],
        preregistration=options["preregistration"],
        log=options["log"],
        reasons=not options["no_reasons"],
        say=click.echo,
    )
    click.echo(f"wrote {written}")
