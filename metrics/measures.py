"""The feature networks, and what is made of their features: one metric for each of both, as data.

`metrics.catalogue` makes the rows of its table from these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HEUSEL = "Heusel et al. 2017"
BINKOWSKI = "Bińkowski et al. 2018"
SALIMANS = "Salimans et al. 2016"
KYNKAANNIEMI = "Kynkäänniemi et al. 2019"
NAEEM = "Naeem et al. 2020"
STEIN = "Stein et al. 2023"
CHONG = "Chong and Forsyth 2020"

Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class Network:
    """A feature network, as far as names and needs go."""

    name: str
    prefix: str  # of its metrics' names
    title: str  # of its metrics' titles
    needs: str
    classes: bool = True  # whether it tells classes apart
    comparable: bool = True  # whether others print values of it
    width: int = 0  # features of an image, of the published network; 0: it compares pairs


NETWORKS = {
    network.name: network
    for network in (
        Network("inception", "inception", "Inception", "inception weights", width=2048),
        Network("dinov2", "dinov2", "DINOv2", "dinov2 weights", classes=False, width=1024),
        Network(
            "effnet_lite0",
            "effnet",
            "EffNet-lite0",
            "effnet_lite0 (installed: no download; to compare your own runs, not papers')",
            comparable=False,
            width=1280,
        ),
        Network("lpips_alex", "lpips_alex", "LPIPS, AlexNet", "lpips_alex weights"),
        Network("lpips_vgg", "lpips_vgg", "LPIPS, VGG16", "lpips_vgg weights"),
        Network("dists", "dists", "DISTS", "dists and lpips_vgg weights"),
    )
}


@dataclass(frozen=True)
class Measure:
    """What is made of a network's features: one metric for each network.

    Only features of the published Inception network may carry the published names.
    """

    suffix: str
    words: str
    published: tuple[str, str]  # name and title with the Inception network
    direction: Direction
    unit: str
    reference: str
    function: str
    short: str = ""
    least_images: int = 2
    least_per_feature: int = 0
    neighbours: bool = False
    against: Literal["images", "statistics", "nothing"] = "images"
    classes: bool = False  # whether it needs a network that tells classes apart


_SCORING = "metrics.distribution.scoring"

MEASURES = (
    Measure(
        "fd",
        "FD",
        ("fid", "FID"),
        "lower",
        "squared distance",
        HEUSEL,
        f"{_SCORING}:frechet_distance",
        against="statistics",
    ),
    Measure(
        "fd_infinity",
        "FD∞",
        ("fid_infinity", "FID∞"),
        "lower",
        "squared distance",
        CHONG,
        f"{_SCORING}:frechet_distance_at_infinity",
        least_per_feature=2,
        against="statistics",
    ),
    Measure(
        "kid",
        "KD",
        ("kid", "KID"),
        "lower",
        "squared MMD",
        BINKOWSKI,
        f"{_SCORING}:kernel_distance",
    ),
    Measure(
        "class_score",
        "class score",
        ("inception_score", "Inception Score"),
        "higher",
        "1..classes",
        SALIMANS,
        f"{_SCORING}:class_score_of_splits",
        short="IS",
        least_images=10,
        against="nothing",
        classes=True,
    ),
    Measure(
        "precision",
        "precision",
        ("precision", "Precision"),
        "higher",
        "0..1",
        KYNKAANNIEMI,
        f"{_SCORING}:precision",
        neighbours=True,
    ),
    Measure(
        "recall",
        "recall",
        ("recall", "Recall"),
        "higher",
        "0..1",
        KYNKAANNIEMI,
        f"{_SCORING}:recall",
        neighbours=True,
    ),
    Measure(
        "density",
        "density",
        ("density", "Density"),
        "higher",
        "0..",
        NAEEM,
        f"{_SCORING}:density",
        neighbours=True,
    ),
    Measure(
        "coverage",
        "coverage",
        ("coverage", "Coverage"),
        "higher",
        "0..1",
        NAEEM,
        f"{_SCORING}:coverage",
        neighbours=True,
    ),
)
