"""Reference statistics: μ, Σ and N of a set of real images, as one file that can be shipped."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg

from generators.arrays import array_names, open_npz, read_array
from generators.errors import GeneratorError
from generators.files import file_sha256, write_atomically
from metrics.distribution.moments import Array, Moments
from metrics.errors import InputError
from metrics.measures import NETWORKS

FORMAT_VERSION = 1

# What pytorch-fid, EDM, ADM and others write: comparable with nothing, as far as the file tells.
FOREIGN = (
    "holds mu and sigma, and neither which network, weights, resize and precision they were made "
    "with (origin) nor from how many images (n); `metrics statistics IMAGES OUT.npz` makes a file "
    "with them from the images, and --foreign-statistics WORDS takes this one under that label"
)
LARGEST = 1e100  # of a mean or a covariance: a distance of larger ones is no number
NEGATIVE = 1e-3  # of the trace: what fp32 may add up to in eigenvalues below 0
UNSTATED = "not stated"  # what a foreign file does not say
# What opening and parsing raise for a file that is something else, or is cut short.
_UNREADABLE = (
    GeneratorError,
    OSError,
    TypeError,
    ValueError,
    AttributeError,
    RecursionError,
)
_NETWORK_OF_WIDTH = {one.width: one.name for one in NETWORKS.values() if one.width}


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
    foreign: str | None = None  # the user's label for a file that does not say what it is of

    @property
    def count(self) -> int | None:
        """Return from how many images they were made; None where nobody says it."""
        return None if self.foreign else self.moments.n


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


def read(path: Path, foreign: str | None = None) -> Statistics:
    """Return the statistics in a file that `write` made, or with a label in a `foreign` one.

    Raises `InputError`.
    """
    try:
        with open_npz(path) as archive:
            names = set(array_names(archive))
            if {"mu", "sigma"} <= names and "origin" not in names:
                if foreign is None:
                    raise InputError(f"{path}: {FOREIGN}")
                return _foreign(path, foreign, archive)
            if foreign is not None:
                raise InputError(
                    f"{path}: says itself what it is of, expected no --foreign-statistics"
                )
            return _own(path, archive)
    except _UNREADABLE as error:
        raise InputError(f"{path}: not a file of reference statistics ({error})") from None


def _own(path: Path, archive: Any) -> Statistics:
    """Return what `write` wrote."""
    header = json.loads(str(read_array(archive, "origin", most=1 << 20)))
    version = header.pop("format_version", None)
    origin = Origin(**header)
    n = read_array(archive, "n", most=64)
    if version != FORMAT_VERSION:
        raise InputError(f"{path}: format_version is {version!r}, expected {FORMAT_VERSION}")
    if n.dtype.kind not in "iu" or n.size != 1 or n.item() < 2:
        raise InputError(f"{path}: n is {n}, expected a whole number of 2 or more images")
    mean, sigma = _moments(path, archive)
    return Statistics(origin, Moments(n.item(), mean, sigma * (n.item() - 1)))


def _foreign(path: Path, label: str, archive: Any) -> Statistics:
    mean, sigma = _moments(path, archive)
    network = _NETWORK_OF_WIDTH.get(len(mean))
    if network is None:
        known = ", ".join(f"{width} ({name})" for width, name in _NETWORK_OF_WIDTH.items())
        raise InputError(f"{path}: mu has {len(mean)} features, expected {known}")
    digest = file_sha256(path)
    origin = Origin(label, digest, network, UNSTATED, UNSTATED, UNSTATED, decoding=0)
    # Two images and this scatter give back the covariance; how many there were is not known.
    return Statistics(origin, Moments(2, mean, sigma), label)


def _moments(path: Path, archive: Any) -> tuple[Array, Array]:
    """Return mean and covariance in fp64. Raises `InputError` for what cannot be those."""
    mean, sigma = read_array(archive, "mu"), read_array(archive, "sigma")
    for name, array in (("mu", mean), ("sigma", sigma)):
        if array.dtype.kind != "f" or array.itemsize < 4:
            raise InputError(f"{path}: {name} is {array.dtype}, expected float32 or float64")
    width = max(mean.shape, default=0)  # of (N,), and of (1, N) and (N, 1) too
    if not width or mean.size != width or sigma.shape != (width, width):
        raise InputError(
            f"{path}: mu is {mean.shape} and sigma {sigma.shape}, expected (N,) and (N, N)"
        )
    mean, sigma = mean.ravel().astype(np.float64), sigma.astype(np.float64)
    for name, array in (("mu", mean), ("sigma", sigma)):
        if not (peak := float(np.abs(array).max())) < LARGEST:
            expected = f"expected finite numbers below {LARGEST:g}"
            raise InputError(f"{path}: {name} holds {peak}, {expected}")
    if not np.allclose(sigma, sigma.T, rtol=1e-6, atol=1e-8 * float(np.abs(sigma).max())):
        raise InputError(f"{path}: sigma is not symmetric, expected a covariance")
    _check_variances(path, sigma)
    return mean, sigma


def _check_variances(path: Path, sigma: Array) -> None:
    """Raise `InputError` for a matrix with negative variances beyond the rounding of fp32.

    The distance would count them as 0.
    """
    scale = float(np.abs(np.diagonal(sigma)).sum())
    try:
        scipy.linalg.cholesky(sigma + 1e-6 * scale * np.eye(len(sigma)), check_finite=False)
    except scipy.linalg.LinAlgError:
        values = scipy.linalg.eigvalsh(sigma, check_finite=False)
        negative = float(values.clip(max=0).sum())
        if negative < -NEGATIVE * scale:
            raise InputError(
                f"{path}: sigma has negative eigenvalues, with the sum {negative:.4g} of a trace "
                f"of {np.trace(sigma):.4g}, expected a covariance, which has none"
            ) from None
