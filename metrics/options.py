"""The options that several commands share, and the request that a command line makes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from metrics.compute.request import Request

FOLDER = click.Path(path_type=Path)


device_option = click.option(
    "--device",
    default="cpu",
    show_default=True,
    help="Where networks compute: cpu, mps, cuda or cuda:N.",
)


# Where weights and cached features are, and how networks run; the last is shown first.
NETWORK_OPTIONS = (
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        default=2,
        show_default=True,
        help="Threads that decode images.",
    ),
    click.option(
        "--cache",
        type=FOLDER,
        help="Folder of the cache. [default: in the user's cache folder]",
    ),
    click.option(
        "--unpublished-weights",
        multiple=True,
        metavar="NAME=FILE",
        help="Like --weights, for a file that is not the published one; scores say so.",
    ),
    click.option(
        "--weights",
        multiple=True,
        metavar="NAME=FILE",
        help="The file that holds a network's weights. May be given again.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16", "tf32"]),
        default="fp32",
        show_default=True,
        help="Precision of the feature networks: bf16 and (on CUDA) tf32 are faster, but "
        "comparable only with scores of the same precision.",
    ),
    device_option,
    click.option(
        "--ray",
        metavar="ADDRESS",
        help="Spread the work on images over a Ray cluster; 'local' starts one, 'local:N' one "
        "of N processes.",
    ),
    click.option(
        "--inception-resize",
        type=click.Choice(["tf1", "clean"]),
        default="tf1",
        show_default=True,
        help="How images are resized for Inception: as for the published FID, or as in "
        "clean-fid. Scores of the two are not comparable.",
    ),
)


def network_options(command: Any) -> Any:
    """Add the options that say where weights and cached features are, and how networks run."""
    for option in NETWORK_OPTIONS:
        command = option(command)
    return command


def request_of(run: Path, options: dict[str, Any]) -> Request:
    """Return what a command line asks for. Raises a usage error for what cannot be meant."""
    from metrics.compute.inputs import Naming
    from metrics.compute.request import Request
    from metrics.folders import default_folder
    from metrics.networks.registry import NetworkSettings
    from metrics.weights.registry import WeightRegistry

    names_of = {"ids": "ids", "run_names": "run", "reference_names": "reference", "lr_names": "lr"}
    _apply_preset(options)
    naming = Naming(**{to: options.pop(key, None) for key, to in names_of.items()})
    names = options.pop("names", None)
    words = tuple(word.strip() for word in (names or "").split(",") if word.strip())
    if names is not None and not words:
        raise click.UsageError("--metrics is empty, expected names from `metrics list` or a group")
    cache = options.pop("cache") or default_folder(os.environ)
    keys = ("precision", "inception_resize", "device")
    how = NetworkSettings(*(options.pop(key) for key in keys))
    given, unpublished = (_files(options.pop(key)) for key in ("weights", "unpublished_weights"))
    return Request(
        run=run,
        cache=cache,
        metrics=words,
        registry=WeightRegistry(os.environ, given, unpublished),
        naming=naming,
        networks=how,
        **options,
    )


def _apply_preset(options: dict[str, Any]) -> None:
    """Set what a preset says. Raises a usage error where the command line says it, too."""
    from metrics.catalogue import PRESETS

    preset = options.pop("preset", None)
    if preset is None:
        return
    context = click.get_current_context()
    for parameter, option in (("names", "--metrics"), ("border", "--border")):
        if context.get_parameter_source(parameter) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--preset {preset} sets {option}: give one of the two")
    options["names"], options["border"] = ",".join(PRESETS[preset].metrics), PRESETS[preset].border


def _files(pairs: tuple[str, ...]) -> dict[str, Path]:
    """Return name -> file from NAME=FILE. Raises a usage error for anything else."""
    from metrics.weights.registry import REGISTRY

    found = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not equals or name not in REGISTRY:
            known = ", ".join(REGISTRY)
            raise click.UsageError(f"{pair!r} is not NAME=FILE with a NAME of {known}")
        found[name] = Path(file)
    return found
