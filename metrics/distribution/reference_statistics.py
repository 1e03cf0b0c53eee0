"""Reference statistics: μ, Σ and N of a set of real images, as one file that can be shipped."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from generators.arrays import array_names, open_npz, read_array
from generators.errors import GeneratorError
from generators.files import write_atomically
from metrics.distribution.moments import Moments
from metrics.errors import InputError

FORMAT_VERSION = 1

# What pytorch-fid, EDM, ADM and others write: comparable with nothing, as far as the file tells.
FOREIGN = (
    "holds mu and sigma, and neither which network, weights, resize and precision they were made "
    "with (origin) nor from how many images (n); `metrics statistics IMAGES OUT.npz` makes a file "
    "with them from the images"
)


@dataclass(frozen=True)
class Origin:
    """What the statistics were computed from."""

    name: str
    digest: str
    extractor: str
    weights_digest: str
    resize: str
    precision: str
    decoding: int = 1  # the decoder's number (`generators.pixels`); files of before it lack it


@dataclass(frozen=True, eq=False)
class Statistics:
    """Moments of a reference's features with their origin."""

    origin: Origin
    moments: Moments


def write(path: Path, statistics: Statistics) -> None:
    """Write ``mu``, ``sigma``, ``n`` and the origin to an ``.npz`` file, atomically."""
    header = {"format_version": FORMAT_VERSION} | asdict(statistics.origin)
    stream = io.BytesIO()
    np.savez(
        stream,
        mu=statistics.moments.mean,
        sigma=statistics.moments.covariance,
        n=np.array(statistics.moments.n),
        origin=np.array(json.dumps(header, sort_keys=True)),
    )
    write_atomically(path, stream.getvalue())


def read(path: Path) -> Statistics:
    """Return the statistics in a file that `write` made. Raises `InputError`."""
    try:
        with open_npz(path) as archive:
            if {"mu", "sigma"} <= set(array_names(archive)) and "origin" not in array_names(
                archive
            ):
                raise InputError(f"{path}: {FOREIGN}")
            header = json.loads(str(read_array(archive, "origin", most=1 << 20)))
            n = int(read_array(archive, "n", most=8))
            mean, sigma = read_array(archive, "mu"), read_array(archive, "sigma")
        version = header.pop("format_version", None)
        origin = Origin(**header)
    except (
        GeneratorError,
        OSError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        raise InputError(f"{path}: not a file of reference statistics ({error})") from None
    if version != FORMAT_VERSION:
        raise InputError(f"{path}: format_version is {version!r}, expected {FORMAT_VERSION}")
    if not (np.isfinite(mean).all() and np.isfinite(sigma).all() and n >= 2):
        raise InputError(f"{path}: holds values that are not finite, or n = {n} below 2")
    if sigma.shape != (len(mean), len(mean)):
        raise InputError(f"{path}: sigma is {sigma.shape} and mu is {mean.shape}")
    return Statistics(origin, Moments(n, mean, sigma * (n - 1)))
