"""The command `analysis import`: its options, and the order of its steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generators.files import in_turn

if TYPE_CHECKING:
    from analysis.importing.outcome import Rules
    from analysis.sources.join import Join
    from analysis.sources.table import Reading

FILE = click.Path(path_type=Path)


Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def _many(*names: str, metavar: str, text: str) -> Decorator:
    return click.option(*names, multiple=True, metavar=metavar, help=f"{text} May be given again.")


@click.command("import")
@click.argument("source", type=FILE)
@click.option(
    "-o", "--out", type=FILE, required=True, help="The judgments.csv (or comparisons.csv) to write."
)
@click.option("--duels", is_flag=True, help="The rows compare two models: write comparisons.csv.")
@_many("--map", "columns", metavar="OURS=COLUMN", text="Which column of the file is which of ours.")
@_many(
    "--constant",
    "constants",
    metavar="OURS=VALUE",
    text="One value for all rows, such as condition=sr3.",
)
@click.option("--rater-per-row", is_flag=True, help="Each row of the file is another rater.")
@click.option(
    "--unknown-raters", is_flag=True, help="Nobody knows who judged; the output carries a caution."
)
@click.option(
    "--unknown-items",
    is_flag=True,
    help="Nobody knows which image was judged; the output carries a caution.",
)
@_many(
    "--value",
    "values",
    metavar="ANSWER=MEANING",
    text="What an answer means: 1 fooled, 0 not, empty a skip; with --duels a, b, tie or empty.",
)
@click.option(
    "--asked-for-fake",
    is_flag=True,
    help="Raters picked the image that they thought fake, not the one that they thought real.",
)
@click.option(
    "--real",
    metavar="CONDITION",
    help="The condition of real photos, if each trial showed one image; being correct there means"
    " calling it real. With --map left=COLUMN and --map right=COLUMN: the real photo's name there.",
)
@click.option("--cut", metavar="RULE", help="A rating counts as fooled under this rule: '>=4'.")
@click.option(
    "--scale",
    metavar="LOW-HIGH",
    help="The lowest and highest rating: 1-7. Other values are not understood.",
)
@click.option(
    "--wide",
    metavar="REGEX",
    help="Columns with one answer each: '(?P<item_id>img.+)'. Group `column` says what a cell is.",
)
@click.option(
    "--cells",
    default="fooled",
    show_default=True,
    metavar="OURS",
    help="What the cells of --wide are.",
)
@click.option(
    "--radio", metavar="REGEX", help="Columns of which one is true: 'Answer.choice.(?P<choice>.+)'."
)
@_many(
    "--extract",
    metavar="COLUMN=REGEX",
    text="Take values out of a column: 'path=(?P<condition>[^/]+)/(?P<item_id>.+)[.]png'.",
)
@_many("--combine", metavar="NEW=COLUMN,COLUMN", text="Join columns: 'condition=model,scale'.")
@_many(
    "--json-column",
    "json_columns",
    metavar="COLUMN",
    text="A column whose cells hold JSON, to be made into columns.",
)
@_many(
    "--where",
    metavar="COLUMN=VALUE",
    text="Keep only rows like this; also != < <= > >=. Two = for one column mean either value.",
)
@click.option(
    "--join",
    "joins",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="A second table, such as items or an answer key. May be given again.",
)
@_many(
    "--on",
    metavar="COLUMN|OURS=THEIRS",
    text="The key column of --join; separate several by commas.",
)
@click.option("--each", metavar="PATH", help="Where the rows are in JSON: annotations.result.")
@click.option(
    "--skip-lines",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="How many lines are above the header.",
)
@click.option(
    "--section",
    metavar="TITLE",
    help="Read the table under this line, where a text file holds several.",
)
@click.option(
    "--number-repeated", is_flag=True, help="Number columns that have one name: 'Real? (2)'."
)
@click.option("--keep-unfinished", is_flag=True, help="Keep Qualtrics' unfinished responses too.")
@click.option("--separator", help="The separator of a text file. Default: found from the file.")
@click.option("--encoding", help="The encoding of a text file. Default: found from the file.")
@click.option("--seconds", is_flag=True, help="Response times are in seconds.")
@click.option(
    "--decimal",
    type=click.Choice([".", ","]),
    help="The decimal sign. Default: found from the numbers.",
)
@click.option(
    "--sheet", help="The sheet of an Excel file (needs the extra `excel`). Default: the first."
)
@_many("--keep", metavar="COLUMN", text="Copy this column too (* stands for any letters).")
@_many("--ignore", metavar="COLUMN", text="Do not use this column, even if its name is known.")
@click.option("--keep-ids", is_flag=True, help="Copy raters' ids unchanged, without pseudonyms.")
@click.option(
    "--rater-key",
    type=FILE,
    metavar="FILE",
    help="Write who has which pseudonym to this file (mode 0600). Raters in it keep theirs.",
)
@click.option(
    "--look-alikes",
    type=click.Choice(["one", "different"]),
    help="Whether ids that differ only in case, or look the same, are one or different. Default:"
    " they are refused.",
)
@click.option(
    "--drop-empty",
    is_flag=True,
    help="An empty answer means that the rater was not asked, not that they skipped.",
)
@click.option(
    "--allow-dropped",
    is_flag=True,
    help="Continue although more than 5 % of the rows are not understood.",
)
@click.option(
    "--dropped", type=FILE, help="Write every dropped row, with its reason, to this file."
)
def import_command(source: Path, out: Path, dropped: Path | None, **options: Any) -> None:
    """Make judgments.csv, or comparisons.csv with --duels, from a table of another program.

    It reads CSV, TSV, Excel (extra `excel`), Parquet (extra `parquet`), JSON and JSON lines, also
    packed as .gz or .zip. It shows what it mapped, what every answer became and which rows it
    dropped, and refuses what it does not understand.

    \b
    Example: python manage.py analysis import study.xlsx -o judgments.csv --map rater_id=PID
    """
    from analysis.importing.duels import import_duels
    from analysis.importing.judgments import import_judgments, write_imported
    from analysis.importing.outcome import imported_text, write_tables
    from analysis.sources.file import read_source

    _refuse_same_file(source, out, dropped, options["rater_key"])
    found = read_source(source, _reading(options))
    rules = _rules(options)
    listed = [] if rules.key is None else [rules.key.parent]  # it is read, then written anew
    with in_turn(*listed):
        if options["duels"]:
            imported = import_duels(found, rules)
            write_tables(imported, out, dropped, rules.key)
        else:
            imported = import_judgments(found, rules)
            write_imported(imported, out, dropped, rules.key)
    click.echo(imported_text(imported, found, str(out)))


def _refuse_same_file(source: Path, *written: Path | None) -> None:
    paths = [path.resolve() for path in (source, *written) if path is not None]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise click.UsageError(f"{twice} is given twice, expected different files")
    if any(source.resolve() in path.parents for path in paths):
        raise click.UsageError(f"{source} is the folder that is read: write somewhere else")


def _reading(options: dict[str, Any]) -> Reading:
    from analysis.sources.table import Reading

    names = ("separator", "encoding", "sheet", "skip_lines", "section", "each", "number_repeated",
             "keep_unfinished")  # fmt: skip
    separator = {"\\t": "\t", "tab": "\t"}.get(options["separator"], options["separator"])
    return Reading(**{**{name: options[name] for name in names}, "separator": separator})


def _rules(options: dict[str, Any]) -> Rules:
    from analysis.importing.columns import Named
    from analysis.importing.outcome import Rules
    from analysis.sources.shape import Shape

    flags = ("rater_per_row", "unknown_raters", "unknown_items", "keep", "ignore")
    named = Named(
        columns=pairs(options["columns"], "--map", "OURS=COLUMN"),
        constants=pairs(options["constants"], "--constant", "OURS=VALUE"),
        **{name: options[name] for name in flags},
    )
    steps = ("json_columns", "extract", "where", "wide", "cells", "radio", "combine")
    shape = Shape(
        **{name: options[name] for name in steps}, joins=_joins(options["joins"], options["on"])
    )
    return Rules(
        shape=shape,
        named=named,
        values=pairs(options["values"], "--value", "ANSWER=MEANING"),
        alike=options["look_alikes"],
        key=options["rater_key"],
        **{
            name: options[name]
            for name in (
                "cut",
                "scale",
                "decimal",
                "keep_ids",
                "allow_dropped",
                "drop_empty",
                "asked_for_fake",
                "real",
                "seconds",
            )
        },
    )


def _joins(files: tuple[Path, ...], on: tuple[str, ...]) -> tuple[Join, ...]:
    from analysis.sources.file import read_source
    from analysis.sources.join import Join

    if on and len(on) != len(files):
        raise click.UsageError(f"{len(files)} --join and {len(on)} --on, expected one --on each")
    keys = on or (None,) * len(files)
    return tuple(
        Join(read_source(file).table, str(file), key) for file, key in zip(files, keys, strict=True)
    )


def pairs(given: tuple[str, ...], option: str, expected: str) -> dict[str, str]:
    """Return NAME=VALUE options as a mapping; of --value the last = parts (answers hold some)."""
    out: dict[str, str] = {}
    for each in given:
        name, equals, value = each.rpartition("=") if option == "--value" else each.partition("=")
        if not (equals and name):
            raise click.BadParameter(f"{each!r}, expected {expected}", param_hint=option)
        if name in out:
            raise click.BadParameter(f"{name!r} is given twice", param_hint=option)
        out[name] = value
    return out
