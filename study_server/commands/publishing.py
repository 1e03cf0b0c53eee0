"""The `study` commands before and after the data: preregister, ethics-sheet, release, purge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generators.foreign_text import finite
from study_server.commands.database import database_option, opened_database

if TYPE_CHECKING:
    from study_server.config import StudyFile
    from study_server.storage.models import Study


@click.command()
@click.argument("study_toml", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True,
              help="The folder to write.")  # fmt: skip
@click.option("--hypothesis", "hypotheses", multiple=True, metavar="TEXT",
              help="What you expect, in a sentence. May be given again.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(0.01, 0.99), callback=finite,
              help="The share that you expect, for the reason of the sample size: the fool rate"
              " (0.4), the win share of a pair (0.6), or the error on fakes (0.4).")  # fmt: skip
@click.pass_context
def preregister(
    ctx: click.Context,
    /,
    study_toml: Path,
    output: Path,
    hypotheses: tuple[str, ...],
    rate: float | None,
) -> None:
    """Write the preregistration of a study from its study file, before there are data.

    It states the design, the sample size and the reason for it, the exclusions and the analysis: as
    text to upload, and as JSON with which `report --preregistration` compares the analysis.

    \b
    Example: python manage.py study preregister studies/demo.toml -o demo/preregistration
    """
    from study_server.config import read_study_file
    from study_server.errors import StudyError
    from study_server.publication.preregister import preregister as write

    file, _ = read_study_file(study_toml)
    planner = (ctx.obj or {}).get("planner")
    if planner is None:
        raise StudyError("no planner was given: run this through manage.py")

    def reason(items: int) -> str:
        text: str = planner(
            trial=file.design.trial,
            raters=file.design.raters,
            shared_raters=file.design.kind == "within-raters",
            items=items,
            trials=min(file.design.trials, items),
            conditions=len(file.conditions),
            rate=rate,
            **_of_its_trials(file),
        )
        return text

    paths = write(file, output, hypotheses=hypotheses, items=_main_items(file), reason=reason)
    for path in paths:
        click.echo(path)


def _of_its_trials(file: StudyFile) -> dict[str, Any]:
    """Return what the planner is told of one kind of trial only."""
    if file.design.trial == "preference":
        names = list(file.conditions)
        return {"compared": tuple((names.index(a), names.index(b)) for a, b in file.pairs)}
    return {"made_share": file.design.made_share} if file.design.trial == "single" else {}


def _main_items(file: StudyFile) -> int | None:
    """Return how many images of each condition are judged, None where the folders are missing."""
    from study_server.errors import StudyFileError
    from study_server.studies.images.run_folders import open_runs

    try:
        items = len(open_runs(file).items)
    except StudyFileError as error:
        click.echo(f"note: no reason for the sample size: {error}", err=True)
        return None
    return items - file.practice.trials - file.catch.trials


@click.command("ethics-sheet")
@click.argument("study_toml", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="The file to write; without it, the sheet is printed.")  # fmt: skip
def ethics_sheet(study_toml: Path, output: Path | None) -> None:
    """Fill in the data-protection sheet of a study, for the ethics board.

    What the software cannot know is left as a gap to be filled in.

    \b
    Example: python manage.py study ethics-sheet studies/demo.toml -o sheet.md
    """
    from generators.files import write_atomically
    from study_server.config import read_study_file
    from study_server.publication.ethics_sheet import GAP
    from study_server.publication.ethics_sheet import ethics_sheet as sheet

    text = sheet(read_study_file(study_toml)[0])
    if output is None:
        click.echo(text, nl=False)
        return
    write_atomically(output, text.encode())
    click.echo(f"{output}: {text.count(GAP)} gaps to be filled in")


@click.command()
@click.argument("export", type=click.Path(path_type=Path, file_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True,
              help="The new folder to write.")  # fmt: skip
@click.option("--license", "licence", default="CC-BY-4.0", show_default=True, metavar="SPDX",
              help="The licence under which others may use the judgments.")  # fmt: skip
@click.option(
    "--images",
    multiple=True,
    metavar="CONDITION=FOLDER",
    help="Also release these images; `reference` are the real photos. May be given again.",
)
@click.option(
    "--images-license",
    "image_licences",
    multiple=True,
    metavar="CONDITION=SPDX",
    help="The licence of these images, without which they are not released.",
)
@click.option("--url", default="", help="Where the data set will be found, for its metadata.")
def release(
    export: Path,
    output: Path,
    *,
    licence: str,
    images: tuple[str, ...],
    image_licences: tuple[str, ...],
    url: str,
) -> None:
    """Write a data set that you can publish from an export.

    It holds CSV and Parquet files, a data card, and Croissant and Psych-DS metadata;
    `datasets.load_dataset(FOLDER)` reads it. Raters get new pseudonyms; times and comments are left
    out.

    \b
    Example: python manage.py study release demo/export -o demo/release --license CC0-1.0
    """
    from study_server.errors import StudyError
    from study_server.export.verify import verify_export
    from study_server.publication.release import release as write

    if not (export / "study.json").is_file():
        raise StudyError(f"{export}: holds no study.json, expected the folder of a `study export`")
    problems = verify_export(export)
    if problems:
        raise StudyError(f"{export}: {problems[0]}, expected an unchanged export")
    folders = {name: Path(text) for name, text in _pairs("--images", images).items()}
    licences = _pairs("--images-license", image_licences)
    rows = write(export, output, licence=licence, images=folders, image_licences=licences, url=url)
    click.echo(f"{output}: {rows} judgments; read README.md and every image set before publishing")


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise click.BadParameter(f"{text!r}, expected CONDITION=…", param_hint=option)
        pairs[name] = value
    return pairs


@click.command()
@database_option
@click.option("--older-than", type=click.IntRange(0, 36_500), required=True, metavar="DAYS",
              help="Studies that were closed more than so many days ago.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Delete it; otherwise it is only listed.")
def purge(database: str, older_than: int, yes: bool) -> None:
    """Delete what can lead back to raters of studies that were closed long ago.

    Ids and their hashes, raters' links, comments and device facts are deleted for good, and so are
    answers to questionnaires, and reasons, whose own time is over. Judgments stay under their
    rater numbers. Backups and exports are not touched.

    \b
    Example: python manage.py study purge --older-than 365 --yes
    """
    from study_server.storage.clock import iso
    from study_server.storage.upkeep.retention import KeepDays
    from study_server.storage.upkeep.retention import purge as delete
    from study_server.studies.states import study_file

    def kept(study: Study) -> KeepDays:
        file = study_file(study)
        return KeepDays(file.ask.keep_days, file.reason.keep_days)

    with opened_database(database) as opened:
        found = delete(opened, older_than, keep_days=kept, really=yes)
    for each in found:
        click.echo(
            f"{each.study} version {each.version}, closed {iso(each.closed_at)}:"
            f" {each.sessions} sessions, {each.payment_ids} encrypted ids,"
            f" {each.answers} answers to questionnaires, {each.reasons} reasons"
        )
    done = "deleted" if yes else "nothing was deleted: add --yes"
    click.echo(done if found else "nothing to delete")


PUBLISHING = (preregister, ethics_sheet, release, purge)
