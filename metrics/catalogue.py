"""The metrics there are: direction, unit, needs and reference of each, as data."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from metrics.errors import MetricError

WANG = "Wang et al. 2004"
HEUSEL = "Heusel et al. 2017"
BINKOWSKI = "Bińkowski et al. 2018"
SALIMANS = "Salimans et al. 2016"
KYNKAANNIEMI = "Kynkäänniemi et al. 2019"
NAEEM = "Naeem et al. 2020"
STEIN = "Stein et al. 2023"
CHONG = "Chong and Forsyth 2020"
SAHARIA = "Saharia et al. 2021 (SR3)"
ZHANG = "Zhang et al. 2018"


@dataclass(frozen=True)
class Metric:
    """What is known of a metric before anything is computed."""

    name: str
    title: str
    kind: Literal["paired", "input", "distribution", "labels"]
    direction: Literal["higher", "lower"]
    unit: str
    reference: str
    extractor: str | None = None  # the network behind it
    measure: str | None = None  # what is made of the network's features

    @property
    def needs(self) -> str:
        """Return in words what the metric is computed from."""
        what = {
            "paired": "paired reference",
            "input": "low-resolution inputs (--lr)",
            "distribution": "reference images",
            "labels": "class labels",
        }[self.kind]
        if self.measure == "class_score":
            what = "images alone"
        return f"{what}; {self.extractor} weights" if self.extractor else what


_PAIRED = (
    Metric("psnr", "PSNR, RGB", "paired", "higher", "dB", WANG),
    Metric("psnr_y", "PSNR, luma", "paired", "higher", "dB", WANG),
    Metric("ssim", "SSIM", "paired", "higher", "-1..1", WANG),
    Metric("ms_ssim", "MS-SSIM", "paired", "higher", "0..1", "Wang et al. 2003"),
    Metric("consistency", "Consistency", "input", "lower", "MSE x 1e-5", SAHARIA),
    Metric("lpips_alex", "LPIPS, AlexNet", "paired", "lower", "0..", ZHANG, "lpips_alex"),
    Metric("lpips_vgg", "LPIPS, VGG16", "paired", "lower", "0..", ZHANG, "lpips_vgg"),
)

# Of each measure of features: its suffix, title, direction, unit and reference.
_MEASURES: dict[str, tuple[str, str, Literal["higher", "lower"], str, str]] = {
    "frechet": ("fd", "FD", "lower", "squared distance", HEUSEL),
    "frechet_infinity": ("fd_infinity", "FD∞", "lower", "squared distance", CHONG),
    "kid": ("kid", "KD", "lower", "squared MMD", BINKOWSKI),
    "class_score": ("class_score", "class score", "higher", "1..classes", SALIMANS),
    "precision": ("precision", "precision", "higher", "0..1", KYNKAANNIEMI),
    "recall": ("recall", "recall", "higher", "0..1", KYNKAANNIEMI),
    "density": ("density", "density", "higher", "0..", NAEEM),
    "coverage": ("coverage", "coverage", "higher", "0..1", NAEEM),
}

# Only features of the published Inception network may carry the published names.
_INCEPTION = {
    "frechet": ("fid", "FID"),
    "frechet_infinity": ("fid_infinity", "FID∞"),
    "kid": ("kid", "KID"),
    "class_score": ("inception_score", "Inception Score"),
    "precision": ("precision", "Precision"),
    "recall": ("recall", "Recall"),
    "density": ("density", "Density"),
    "coverage": ("coverage", "Coverage"),
}


def _distributions(extractor: str, prefix: str, title: str) -> tuple[Metric, ...]:
    found = []
    for measure, (suffix, words, direction, unit, reference) in _MEASURES.items():
        if extractor == "dinov2" and measure == "class_score":
            continue  # it knows no classes
        name, full = f"{prefix}_{suffix}", f"{title} {words}"
        if extractor == "inception":
            name, full = _INCEPTION[measure]
        kind: Literal["distribution"] = "distribution"
        source = STEIN if (extractor, measure) == ("dinov2", "frechet") else reference
        found.append(Metric(name, full, kind, direction, unit, source, extractor, measure))
    return tuple(found)


_LABELS = (
    Metric("top1", "Top-1 accuracy", "labels", "higher", "0..1", SAHARIA, "effnet_lite0"),
    Metric("top5", "Top-5 accuracy", "labels", "higher", "0..1", SAHARIA, "effnet_lite0"),
)

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *_PAIRED,
        *_distributions("inception", "inception", "Inception"),
        *_distributions("dinov2", "dinov2", "DINOv2"),
        *_distributions("effnet_lite0", "effnet", "EffNet-lite0"),
        *_LABELS,
    )
}

DEFAULT = ("psnr", "ssim", "consistency")


def choose(words: Sequence[str]) -> tuple[str, ...]:
    """Return the metric names asked for, in catalogue order. Raises `MetricError`.

    ``all`` is every metric, ``default`` the three that need no network, and ``paired``,
    ``distribution`` and ``labels`` are the kinds of `metrics list`.
    """
    groups = {"all": tuple(METRICS), "default": DEFAULT}
    for name, metric in METRICS.items():
        groups[metric.kind] = (*groups.get(metric.kind, ()), name)
    wanted: set[str] = set()
    for word in words:
        if word not in METRICS and word not in groups:
            raise MetricError(f"no metric {word!r}{_nearest(word, (*groups, *METRICS))}")
        wanted.update(groups.get(word, (word,)))
    return tuple(name for name in METRICS if name in wanted)


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 3)
    hint = f", did you mean {' or '.join(close)}?" if close else ","
    return f"{hint} `metrics list` shows them all"
