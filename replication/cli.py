"""The command `paper`. Heavy imports stay inside its body."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

SOURCE = click.Path(path_type=Path)


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default="paper",
    show_default=True,
    help="The folder to write.",
)
@click.option("--faces", type=SOURCE, help="A folder or zip of face photos, for the face tables.")
@click.option(
    "--faces-128",
    type=SOURCE,
    help="A folder or zip of face photos of 128 pixels or more, for the same tables at the papers' "
    "size, by nets that you trained.",
)
@click.option(
    "--classes",
    type=SOURCE,
    help="A folder or zip with train/ and val/ of class folders, for the class-conditional tables.",
)
@click.option(
    "--faces-judgments",
    type=SOURCE,
    help="The export of a study that people took on the faces, instead of simulated raters.",
)
@click.option("--faces-128-judgments", type=SOURCE, help="The same for the faces of 128 pixels.")
@click.option(
    "--photos-judgments",
    type=SOURCE,
    help="The export of a study that people took on the photos, instead of simulated raters.",
)
@click.option(
    "--quick", is_flag=True, help="Use fewer images and raters: to see the report, not to measure."
)
@click.pass_obj
def paper(
    composed: dict[str, Any] | None,
    /,
    output: Path,
    *,
    faces: Path | None,
    faces_128: Path | None,
    classes: Path | None,
    faces_judgments: Path | None,
    faces_128_judgments: Path | None,
    photos_judgments: Path | None,
    quick: bool,
) -> None:
    """Remake the tables and figures of the SR3 and CDM papers.

    The shipped weights make the images. One report, OUTPUT/report.html, has each measured row
    beside the published one. If the command was interrupted, the same command continues. Nothing
    is downloaded.

    Example: python manage.py paper --quick
    """
    from replication.stages.request import FULL, QUICK, Request, exports, there

    networks = (composed or {}).get("networks", frozenset)
    request = Request(
        out=output.resolve(),
        size=QUICK if quick else FULL,
        faces=there(faces, "a folder or zip of face photos"),
        faces_128=there(faces_128, "a folder or zip of face photos"),
        classes=there(classes, "a folder or zip with train/ and val/ of class folders"),
        judgments=exports(
            {
                "faces": faces_judgments,
                "faces-128": faces_128_judgments,
                "photos": photos_judgments,
            }
        ),
        networks=networks(),
    )
    from replication.remake import remake

    click.echo(f"The report:  {remake(request, click.echo)}")
