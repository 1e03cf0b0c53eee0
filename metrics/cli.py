"""The `metrics` commands. Heavy imports stay inside the command bodies."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path)


@click.group()
def metrics() -> None:
    """Automatic scores of a run: how near its images are to the real ones.

    Example: python manage.py metrics compute runs/bicubic --reference runs/real
    """


@metrics.command("list")
def list_metrics() -> None:
    """Every metric with its direction, unit, needs and reference.

    Example: python manage.py metrics list
    """
    from metrics.terminal import show_catalogue

    show_catalogue()


@metrics.command()
@click.argument("run", type=FOLDER)
@click.option("--reference", type=FOLDER, help="Real images: a run or a folder.")
@click.option("--lr", type=FOLDER, help="The low-resolution inputs, for consistency.")
@click.option(
    "--metrics",
    "names",
    default="default",
    show_default=True,
    help="Names from `metrics list`, comma separated; or default, paired, labels, all.",
)
@click.option("--border", default=0, show_default=True, help="Pixels the paired metrics leave out.")
@click.option("--json", "json_file", type=FOLDER, help="Where to write scores.json instead.")
@click.option("-o", "--output", type=FOLDER, help="Folder for scores.json and per_image.csv.")
@click.option("--cache", type=FOLDER, help="Feature cache. [default: the user's cache folder]")
@click.option("--workers", default=2, show_default=True, help="Threads that decode images.")
def compute(
    run: Path,
    reference: Path | None,
    lr: Path | None,
    names: str,
    border: int,
    json_file: Path | None,
    output: Path | None,
    cache: Path | None,
    workers: int,
) -> None:
    """Score RUN, a run or a plain folder of images, and write scores.json and per_image.csv.

    Pairs are found by item id (the file's stem in a plain folder), never by order. The files go to
    RUN.scores beside RUN unless -o says otherwise.

    Example: python manage.py metrics compute runs/bicubic --reference runs/real --lr runs/lr
    """
    import os

    from metrics.cache import default_folder
    from metrics.compute import Request
    from metrics.compute import compute as compute_scores
    from metrics.progress import on_stderr
    from metrics.scores import PER_IMAGE, SCORES, write_per_image, write_scores
    from metrics.terminal import show_scores

    request = Request(
        run=run,
        cache=cache or default_folder(os.environ),
        reference=reference,
        lr=lr,
        metrics=tuple(word.strip() for word in names.split(",") if word.strip()),
        border=border,
        workers=workers,
    )
    outcome = compute_scores(request, on_stderr)
    place = output or run.resolve().with_name(f"{run.resolve().name}.scores")
    write_scores(json_file or place / SCORES, outcome.scores)
    if outcome.columns:
        write_per_image(place / PER_IMAGE, outcome.columns)
    show_scores(outcome.scores, outcome.notes)
    click.echo(f"{json_file or place / SCORES}")


@metrics.command()
@click.argument("scores", type=FOLDER, nargs=-1, required=True)
def table(scores: tuple[Path, ...]) -> None:
    """One table of several runs' SCORES (files or folders); incomparable values are refused.

    Example: python manage.py metrics table runs/bicubic.scores runs/lanczos.scores
    """
    from metrics.scores import read_scores
    from metrics.terminal import show_comparison

    show_comparison([read_scores(path) for path in scores])
