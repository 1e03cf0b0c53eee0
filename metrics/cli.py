"""The `metrics` commands. Heavy imports stay inside the command bodies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from metrics.options import device_option, network_options, request_of

if TYPE_CHECKING:
    from metrics.weights.registry import WeightRegistry

FOLDER = click.Path(path_type=Path)


@click.group()
def metrics() -> None:
    """Score how near the images of a run are to real ones.

    Example: python manage.py metrics compute runs/bicubic --reference runs/real
    """


@metrics.command("list")
def list_metrics() -> None:
    """List every metric with its direction, unit, needs and reference.

    Example: python manage.py metrics list
    """
    from metrics.terminal import show_catalogue

    show_catalogue()


@metrics.command()
@click.argument("run", type=FOLDER)
@click.option("--reference", type=FOLDER, help="Real images (run or folder), or statistics (.npz).")
@click.option("--lr", type=FOLDER, help="The low-resolution inputs, for consistency.")
@click.option(
    "--metrics",
    "names",
    default="default",
    show_default=True,
    help="Names from `metrics list`, comma separated; or default, paired, distribution, labels, "
    "all: those that can be computed here.",
)
@click.option(
    "--border",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Pixels the paired metrics leave out on each side.",
)
@click.option(
    "--reduction",
    type=click.Choice(["bicubic", "imresize", "imresize-8bit"]),
    help="How --lr was made, for consistency.  [default: as its manifest says, else bicubic]",
)
@click.option(
    "--k",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Nearest neighbours of precision, recall, density and coverage; ADM's tables have 3.",
)
@click.option(
    "--preset",
    type=click.Choice(["sr-y4"]),
    help="Metrics and border of a field's tables: sr-y4 is psnr_y,ssim_y with a border of 4.",
)
@click.option(
    "--ids",
    type=click.Choice(["stem", "path"]),
    help="What an item id is in plain folders: the file's stem or its whole path.  [default: stem]",
)
@click.option("--names", "run_names", help="How RUN's files are named, e.g. '{id}_SRx4'.")
@click.option("--reference-names", help="How the reference's files are named, e.g. '{id}_HR'.")
@click.option("--lr-names", help="How the low-resolution inputs are named, e.g. '{id}x4'.")
@click.option(
    "--foreign-statistics",
    "foreign",
    metavar="LABEL",
    help="Accept a --reference of pytorch-fid, EDM or ADM (mu and sigma) under this label, "
    "which says where it comes from.",
)
@click.option("--classes", type=FOLDER, help="Label and class names, tab separated, for top1/top5.")
@click.option(
    "--json",
    "json_file",
    type=FOLDER,
    help="Write the scores to this file instead, and no per_image.csv unless -o says where.",
)
@click.option("-o", "--output", type=FOLDER, help="Folder for scores.json and per_image.csv.")
@network_options
def compute(run: Path, json_file: Path | None, output: Path | None, **options: Any) -> None:
    """Score RUN, a run or a plain folder of images, and write scores.json and per_image.csv.

    Pairs are found by item id (the file's stem in a plain folder), never by order. A prefix or
    suffix that all names of one side have is found and reported. The files go to RUN.scores
    beside RUN unless -o says otherwise.

    Example: python manage.py metrics compute runs/bicubic --reference runs/real --lr runs/lr
    """
    from metrics.compute.request import check_request
    from metrics.folders import check_writable
    from metrics.scores import PER_IMAGE, SCORES

    place = _place(run, output)
    scores, per_image = json_file or place / SCORES, place / PER_IMAGE
    for path in (scores, per_image):
        check_writable(path)
    request = request_of(run, options)
    check_request(request)

    # These bring torch, which takes seconds: after what can be said at once.
    from metrics.compute.compute import compute as compute_scores
    from metrics.compute.foreign import write_with_added
    from metrics.errors import NumericError
    from metrics.progress import on_stderr
    from metrics.terminal import show_scores

    values = json_file is None or output is not None
    computed = compute_scores(request, on_stderr)
    outcome = write_with_added(computed, scores, per_image, values=values)
    show_scores(outcome.scores, outcome.notes)
    rows = sum(outcome.computed.values())
    click.echo(f"{rows} rows computed, the others cached; wrote {scores}")
    if outcome.failed:
        raise NumericError(_failures(outcome.failed))


@metrics.command()
@click.argument("run", type=FOLDER)
@click.option(
    "--csv",
    "table",
    type=FOLDER,
    required=True,
    help="Table of the scores: item, metric, value, direction (higher or lower is better), source.",
)
@click.option(
    "--ids",
    type=click.Choice(["stem", "path"]),
    help="What an item id is in a plain folder: the file's stem or its whole path.  "
    "[default: stem]",
)
@click.option("-o", "--output", type=FOLDER, help="Folder of scores.json and per_image.csv.")
def add(run: Path, table: Path, ids: Literal["stem", "path"] | None, output: Path | None) -> None:
    """Add scores that another program made of RUN's images to its scores.json and per_image.csv.

    The table has a row for each image and metric. Added scores stand in `metrics table`, in
    `analysis correlate` and in the report, with their source; `metrics compute` keeps them.

    Example: python manage.py metrics add demo/bicubic --csv niqe.csv
    """
    from metrics.compute.foreign import add_scores
    from metrics.folders import check_writable
    from metrics.scores import PER_IMAGE, SCORES
    from metrics.terminal import show_scores

    place = _place(run, output)
    scores, per_image = place / SCORES, place / PER_IMAGE
    for path in (scores, per_image):
        check_writable(path)
    outcome = add_scores(run, table, scores, per_image, ids)
    show_scores(outcome.scores, outcome.notes)
    click.echo(f"wrote {scores}")


def _place(run: Path, output: Path | None) -> Path:
    """Return the folder of a run's scores: beside it, if nothing else is said."""
    return output or run.resolve().with_name(f"{run.resolve().name}.scores")


@metrics.command()
@click.argument("scores", type=FOLDER, nargs=-1, required=True)
def table(scores: tuple[Path, ...]) -> None:
    """Print several runs' SCORES (files or folders) in one table; refuse incomparable values.

    Example: python manage.py metrics table runs/bicubic.scores runs/lanczos.scores
    """
    from metrics.scores import read_scores
    from metrics.terminal import show_comparison

    show_comparison([read_scores(path) for path in scores])


@metrics.command()
@click.argument("run", type=FOLDER)
@click.argument("out", type=FOLDER)
@click.option(
    "--extractor",
    type=click.Choice(["inception", "dinov2", "effnet_lite0"]),
    default="inception",
    show_default=True,
    help="The network that makes the features.",
)
@network_options
def statistics(run: Path, out: Path, extractor: str, **options: Any) -> None:
    """Export mean, covariance and N of RUN's features to OUT (.npz), to be used as --reference.

    Example: python manage.py metrics statistics runs/real real.npz --extractor effnet_lite0
    """
    from metrics.compute.request import check_folder
    from metrics.folders import check_writable

    check_writable(out)
    check_folder(run)

    from metrics.compute.export_statistics import export
    from metrics.progress import on_stderr

    written = export(request_of(run, options), extractor, out, on_stderr)
    click.echo(f"wrote {written}")


@metrics.command()
@click.argument("config", type=FOLDER)
@click.option(
    "-o",
    "--output",
    type=FOLDER,
    required=True,
    help="Folder for the training's state and the score.",
)
@device_option
def cas(config: Path, output: Path, device: str) -> None:
    """Train on generated images, test on real ones: the classification accuracy score of CONFIG.

    An interrupted training continues where it stopped. The ceiling is the same net trained on real
    images. `report --scores` takes the folder.

    Example: python manage.py metrics cas cas.toml -o build/cas
    """
    from metrics.classification.cas_config import read_config
    from metrics.folders import check_writable

    check_writable(output / "cas.json")
    read_config(config)

    from metrics.classification.cas import run_config
    from metrics.progress import on_stderr
    from metrics.terminal import show_cas

    show_cas(run_config(config, output, on_stderr, device=device))


@metrics.group()
def weights() -> None:
    """The feature networks' weights; nothing is downloaded unless `fetch` is called.

    Example: python manage.py metrics weights list
    """


@weights.command("list")
def list_weights() -> None:
    """List every network's file with its digest, size, licence, source, and whether it is here.

    Example: python manage.py metrics weights list
    """
    from metrics.terminal import show_weights

    show_weights(_registry())


@weights.command()
def verify() -> None:
    """Hash every file of weights that is here, and fail for one that is not the registered one.

    Example: python manage.py metrics weights verify
    """
    from metrics.weights.registry import REGISTRY

    registry = _registry()
    for name in REGISTRY:
        here = registry.path_of(name) is not None
        click.echo(f"{name}: {'as registered' if here and registry.find(name) else 'not here'}")


@weights.command("import")
@click.argument("name")
@click.argument("file", type=FOLDER)
def import_weights(name: str, file: Path) -> None:
    """Copy FILE to where the weights NAME are looked for, if it is the registered file.

    Example: python manage.py metrics weights import inception ~/Downloads/inception.pth
    """
    from metrics.weights.registry import import_file

    click.echo(f"wrote {import_file(name, file, _registry())}")


@weights.command()
@click.argument("names", nargs=-1, required=True)
def fetch(names: tuple[str, ...]) -> None:
    """Download the weights NAMES (`lpips` is both networks) and check their digests.

    Example: python manage.py metrics weights fetch lpips
    """
    from metrics.weights.fetch import fetch as fetch_one

    every = [one for name in names for one in _group(name)]
    for name in every:
        click.echo(f"wrote {fetch_one(name, _registry())}")


def _group(name: str) -> tuple[str, ...]:
    return ("lpips_alex", "lpips_vgg") if name == "lpips" else (name,)


def _registry() -> WeightRegistry:
    from metrics.weights.registry import WeightRegistry

    return WeightRegistry(os.environ)


def _failures(failed: dict[str, str]) -> str:
    """Return in one line which metrics failed and why; those of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in failed.items():
        by_reason.setdefault(reason, []).append(name)
    parts = [f"{', '.join(names)} failed: {reason}" for reason, names in by_reason.items()]
    return f"{'; '.join(parts)} (the other scores are written)"
