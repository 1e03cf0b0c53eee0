"""FID, KID, Inception Score, precision and recall beside torch-fidelity's, of the same files.

Both read the same images and the same weights through their own front doors, on the same device.
Two of torch-fidelity's settings are moved so that it is asked for what ours computes: one subset of
all images for KID (a U-statistic of all pairs, whatever the draw), and Inception's features for
precision and recall. The splits of its Inception Score follow the names of the files, ours their
contents: the files are therefore named by content.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.metrics import peers
from metrics.compute.compute import compute
from metrics.compute.request import Request
from metrics.networks.registry import NetworkSettings
from metrics.weights.registry import WeightRegistry

TOLERANCE = 1e-4  # relative
K = 3  # neighbours, as in torch-fidelity and in Kynkäänniemi et al.

# Our name -> torch-fidelity's.
NAMES = {
    "fid": "frechet_inception_distance",
    "kid": "kernel_inception_distance_mean",
    "inception_score": "inception_score_mean",
    "precision": "precision",
    "recall": "recall",
}


@dataclass(frozen=True)
class Beside:
    """One metric by both."""

    name: str
    ours: float
    theirs: float

    @property
    def apart(self) -> float:
        """Return the difference as a share of torch-fidelity's value; of two zeros 0."""
        gap = abs(self.ours - self.theirs)
        return gap / abs(self.theirs) if gap else 0.0

    def line(self) -> str:
        """Return the row of a table."""
        return f"{self.name:16} {self.ours:14.8g} {self.theirs:14.8g} {self.apart:9.1e}"


HEADER = f"{'':16} {'foolrate':>14} {'torch-fidelity':>14} {'apart':>9}"


def values(weights: Path, fake: Path, real: Path, device: str = "cpu") -> list[Beside]:
    """Return each metric of two folders of images by both, in fp32 on one device.

    torch-fidelity computes on the processor or on CUDA: on another device its values are the
    processor's.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        named = [_by_content(side, place / side.name) for side in (fake, real)]
        request = Request(
            named[0],
            place / "cache",
            named[1],
            metrics=tuple(NAMES),
            k=K,
            networks=NetworkSettings(device=device),
            registry=WeightRegistry(os.environ, unpublished={"inception": weights}),
        )
        ours = {score.name: score.value for score in compute(request).scores.scores}
        theirs = peers.fidelity_values(weights, *named, k=K, cuda=device.startswith("cuda"))
    return [Beside(name, ours[name], theirs[other]) for name, other in NAMES.items()]


def _by_content(folder: Path, to: Path) -> Path:
    """Copy a folder's images under names that sort as their digests do, and return the copy."""
    to.mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copy(path, to / f"{digest}-{number}{path.suffix}")
    return to
