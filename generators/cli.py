"""The commands `dataset`, `generate`, `run`, `train` and `schedule`.

Only Click is imported here; everything else inside the commands, so that help stays instant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from generators.errors import RunError, naming
from generators.foreign_text import one_line

if TYPE_CHECKING:
    from generators.dataset.import_photos import Imported
    from generators.manifest import Manifest

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path)


def _check_device(_ctx: click.Context, _option: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", value):
        raise click.BadParameter(f"{value!r}, expected cpu, mps, cuda or cuda:N")
    return value


device_option = click.option(
    "--device",
    default="cpu",
    show_default=True,
    callback=_check_device,
    help="Where to compute: cpu, mps, cuda or cuda:N.",
)


start_over_option = click.option(
    "--start-over", is_flag=True, help="Begin anew if there is an unfinished or different one."
)


def runtime_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that say where and how fast: they never change what is made."""
    options = (
        device_option,
        click.option("--batch", type=click.IntRange(1), help="How many images are made at a time."),
        click.option(
            "--workers",
            type=click.IntRange(1),
            default=2,
            show_default=True,
            help="Threads that read and write files.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


ids_option = click.option(
    "--ids",
    type=click.Choice(["stem", "path"]),
    default="stem",
    show_default=True,
    help="What an item id is: the file's stem, or its whole path.",
)


@click.group()
def dataset() -> None:
    """Turn folders and zips of photos into runs."""


@dataset.command("import")
@click.argument("source", type=FILE)
@click.argument("out", type=FOLDER)
@click.option("--size", type=click.IntRange(8, 8192), default=256, show_default=True,
              help="Side of the square images, in pixels.")  # fmt: skip
@click.option("--lr", type=FOLDER, help="Also write the low-resolution inputs, as a run.")
@click.option("--factor", type=click.IntRange(2, 64), default=4, show_default=True,
              help="How many times smaller the inputs of --lr are.")  # fmt: skip
@click.option("--reduction", type=click.Choice(["bicubic", "imresize", "imresize-8bit"]),
              default="bicubic", show_default=True,
              help="How --lr is made: by foolrate's kernel, or as MATLAB's imresize reduces "
              "doubles or 8-bit images, like many super-resolution data sets.")  # fmt: skip
@click.option("--within", default="", help="Take only this folder of SOURCE.")
@ids_option
@click.option("--names", help="How files are named if the id is a part of the name: '{id}_HR'.")
@click.option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="Take only the images whose id fits, such as 'subject33_*'. May be given again.",
)
@click.option(
    "--per-class",
    type=click.IntRange(1),
    help="Take only the first images of each class, in the order of their ids.",
)
@click.option("--skip-bad", is_flag=True, help="Leave unusable files out instead of refusing.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True,
              help="Threads that read and write files.")  # fmt: skip
def import_command(
    source: Path,
    out: Path,
    lr: Path | None,
    ids: Literal["stem", "path"],
    workers: int,
    **preparation: Any,
) -> None:
    """Import SOURCE, a folder or zip of PNG, JPEG or WebP photos, as a run of real images at OUT.

    Photos are prepared as in the SR3 paper: those smaller than --size are dropped and listed; of
    the others, the largest central square is reduced by area averaging. --lr also writes the inputs
    of generators, which are --factor times smaller, made by --reduction. Class folders become
    labels.

    \b
    Example:
      python manage.py dataset import generators/photos/crops demo/real --lr demo/lr
      python manage.py dataset import val.zip data/real --size 256 --lr data/lr --ids path
    """
    from generators.dataset.import_photos import Preparation, import_photos
    from generators.methods.contract import Runtime
    from generators.progress import say

    done = import_photos(
        source,
        out,
        inputs_out=lr,
        preparation=Preparation(ids=ids, **preparation),
        runtime=Runtime(workers=workers),
    )
    say(done.notes)
    _say_imported(done, out, lr)


def _say_imported(done: Imported, out: Path, lr: Path | None) -> None:
    for what, names in (("smaller than the size", done.small), ("unusable", done.bad)):
        if names:
            click.echo(f"left out {len(names)} {what}:")
            for name in names[:5]:
                click.echo(f"  {one_line(name)}")
            if len(names) > 5:
                click.echo(f"  and {len(names) - 5} more, listed in {out}/manifest.json")
    _say_run(out, done.run)
    if lr and done.inputs:
        _say_run(lr, done.inputs)


def _say_run(folder: Path, manifest: Manifest) -> None:
    sizes = sorted({(item.width, item.height) for item in manifest.items})
    size = " to ".join(f"{width}x{height}" for width, height in (sizes[0], sizes[-1])[: len(sizes)])
    count = len(manifest.items)
    click.echo(f"{folder}: {count} images of {size}, {manifest.generator}, {manifest.digest[:12]}")
    if manifest.shortfalls:
        click.echo(f"{folder}: {one_line(manifest.shortfalls)}; the manifest names each")


@click.command()
@click.argument("config", type=FILE)
@click.option(
    "--inputs", type=FOLDER, help="Use this run of inputs instead of the one that the file names."
)
@click.option(
    "--out", type=FOLDER, help="Write to this folder instead of the one that the file names."
)
@click.option(
    "--ids",
    type=click.Choice(["stem", "path"]),
    help="What an item id is in plain folders: the file's stem, or its whole path.",
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Spread the work over a Ray cluster; 'local' starts one, 'local:N' one of N processes.",
)
@start_over_option
@runtime_options
def generate(
    config: Path,
    *,
    inputs: Path | None,
    out: Path | None,
    ids: Literal["stem", "path"] | None,
    ray: str | None,
    start_over: bool,
    **runtime: Any,
) -> None:
    """Make the run that CONFIG, a TOML file, describes.

    If it was interrupted, the same command continues it.

    \b
    Example:
      python manage.py generate runs/demo-bicubic.toml
      python manage.py generate runs/demo-bicubic.toml --inputs my/lr --out my/bicubic
    """
    from generators.generate.plan import read_config
    from generators.generate.run import make_run
    from generators.methods.contract import Runtime

    checked, kind = read_config(config, inputs=inputs, out=out, ids=ids)
    with naming(config):
        made = make_run(checked, kind, Runtime(**runtime), ray, start_over=start_over)
    _say_run(checked.out, made)


@click.group()
def run() -> None:
    """Look at finished runs and check them."""


@run.command()
@click.argument("folders", metavar="RUN...", nargs=-1, required=True, type=FOLDER)
def verify(folders: tuple[Path, ...]) -> None:
    """Hash every image of the RUNs again and compare it with the manifest.

    \b
    Example:
      python manage.py run verify demo/bicubic
    """
    from generators.manifest import read_manifest, verify_run

    faults = 0
    for folder in folders:
        problems = verify_run(folder)
        faults += len(problems)
        for problem in problems[:5]:
            click.echo(one_line(problem))
        if len(problems) > 5:
            click.echo(f"{folder}: and {len(problems) - 5} more")
        if not problems:
            manifest = read_manifest(folder)
            count = len(manifest.items)
            click.echo(f"{folder}: whole, {count} images, digest {manifest.digest}")
    if faults:
        raise RunError(f"{faults} difference{'s' * (faults > 1)} found")


@run.command()
@click.argument("folder", metavar="RUN", type=FOLDER)
def show(folder: Path) -> None:
    """Print what made RUN, from its manifest.

    \b
    Example:
      python manage.py run show demo/bicubic
    """
    from generators.runs.table import print_run

    print_run(folder)


@click.command()
@click.argument("config", type=FILE)
@device_option
@start_over_option
@click.pass_obj
def train(composed: dict[str, Any] | None, config: Path, device: str, start_over: bool) -> None:
    """Train the model that CONFIG, a TOML file, describes.

    If it was interrupted, the same command continues it. Models are validated on held-out images;
    super-resolution by PSNR, and by LPIPS if its weights are installed (`metrics weights list`).

    \b
    Example:
      python manage.py train runs/train-photos-sr3.toml
      python manage.py train runs/train-adm.toml
      torchrun --nproc-per-node 8 manage.py train runs/train-photos-sr3.toml --device cuda
    """
    _refuse_unreadable(config)
    from generators.training.loop import train as train_config

    lpips = (composed or {}).get("lpips")
    features = (composed or {}).get("features")
    trained = train_config(
        config, device=device, lpips=lpips, features=features, start_over=start_over
    )
    click.echo(f"trained: {trained}")


def _refuse_unreadable(config: Path) -> None:
    """Raise `ConfigError` for a file that is no TOML, before torch is imported."""
    from generators.config import read_toml

    if not config.is_fifo():  # what is read from a pipe is gone
        read_toml(config)


@click.group()
def schedule() -> None:
    """Choose the noise levels that a trained sampler visits."""


@schedule.command()
@click.argument("config", type=FILE)
@device_option
@click.pass_obj
def search(composed: dict[str, Any] | None, config: Path, device: str) -> None:
    """Search for the best noise levels of a sampler, on held-out images.

    The SR3 paper compares them by FID. CONFIG chooses LPIPS, spectra or the squared error.

    \b
    Example:
      python manage.py schedule search runs/schedule-sr3-demo.toml
    """
    _refuse_unreadable(config)
    from generators.sampling.schedule_search import search as search_config

    lpips = (composed or {}).get("lpips")
    search_config(config, device=device, lpips=lpips, say=click.echo)
