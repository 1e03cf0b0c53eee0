"""The metrics there are, with every fact of a metric in its row, as data.

A metric is one file with a function, and one row here. What the function takes goes by the kind:

``paired``, ``input``   ``(output, other) -> float`` of two images ``(H, W, 3)`` uint8; or, of a
                        metric with a network, ``(name, registry, border, device, cache) -> Task``
``distribution``        ``(comparison) -> fields of the score`` (`metrics.distribution.features`)
``labels``              ``(logits and true classes, block by block) -> fields of the score``

It is named ``module:function`` and imported when it is needed, so that this module stays light.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from generators.reductions import DEFAULT as REDUCTION
from generators.reductions import REDUCTIONS
from metrics.errors import MetricError
from metrics.measures import MEASURES, NETWORKS, STEIN, Direction, Measure, Network

WANG = "Wang et al. 2004"
SAHARIA = "Saharia et al. 2021 (SR3)"
ZHANG = "Zhang et al. 2018"
DING = "Ding et al. 2020"

# SR3's Table 1 prints the consistency in units of 1e-5.
CONSISTENCY_UNIT = 1e-5


@dataclass(frozen=True)
class Metric:
    """What is known of a metric before anything is computed."""

    name: str
    title: str
    kind: Literal["paired", "input", "distribution", "labels"]
    direction: Direction
    unit: str
    reference: str
    function: str  # "module:function"
    short: str = ""  # the title in a report, where it is another
    settings: Mapping[str, Any] = field(default_factory=dict)  # what else decides its values
    resize: str | None = None  # the kernel that images are resized with, if nothing else is said
    changed: int = 0  # how often its definition changed; raising it computes cached values anew
    least_side: int = 1  # pixels that each side of an image must have
    least_images: int = 1
    least_per_feature: int = 0  # images for each feature of the network
    neighbours: bool = False  # whether it needs more than k images, of k nearest neighbours
    against: Literal["images", "statistics", "nothing"] = "images"  # what it needs of a reference
    extractor: str | None = None  # the network behind it

    @property
    def printed(self) -> str:
        """Return the title that reports print."""
        return self.short or self.title

    @property
    def comparable(self) -> bool:
        """Return whether values of this metric are printed elsewhere, to compare with."""
        return self.extractor is None or NETWORKS[self.extractor].comparable

    @property
    def needs(self) -> str:
        """Return in words what the metric is computed from."""
        what = {
            "paired": "paired reference",
            "input": "low-resolution inputs (--lr)",
            "distribution": "reference images",
            "labels": "class labels",
        }[self.kind]
        if self.kind == "distribution" and self.against == "nothing":
            what = "images only"
        return f"{what}; {NETWORKS[self.extractor].needs}" if self.extractor else what

    def load(self) -> Callable[..., Any]:
        """Return the function that computes the metric."""
        module, _, name = self.function.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return function


_LUMA = "Y (BT.601, 16..235)"
_SSIM = {"window": "Gaussian 11, sigma 1.5"}

_PAIRED = (
    Metric(
        "psnr",
        "PSNR, RGB",
        "paired",
        "higher",
        "dB",
        WANG,
        "metrics.paired.psnr:psnr",
        short="PSNR",
        settings={"channels": "RGB", "peak": 255},
    ),
    Metric(
        "psnr_y",
        "PSNR, luma",
        "paired",
        "higher",
        "dB",
        WANG,
        "metrics.paired.psnr:psnr_y",
        settings={"channels": _LUMA, "peak": 255},
    ),
    Metric(
        "ssim",
        "SSIM",
        "paired",
        "higher",
        "-1..1",
        WANG,
        "metrics.paired.ssim:ssim",
        settings=_SSIM | {"covariance": "population", "channels": "RGB"},
        least_side=11,
    ),
    Metric(
        "ssim_y",
        "SSIM, luma",
        "paired",
        "higher",
        "-1..1",
        WANG,
        "metrics.paired.ssim:ssim_y",
        settings=_SSIM | {"covariance": "population", "channels": _LUMA},
        least_side=11,
    ),
    Metric(
        "ms_ssim",
        "MS-SSIM",
        "paired",
        "higher",
        "0..1",
        "Wang et al. 2003",
        "metrics.paired.ssim:ms_ssim",
        settings=_SSIM | {"scales": 5, "channels": "RGB"},
        least_side=176,
    ),
    Metric(
        "consistency",
        "Consistency",
        "input",
        "lower",
        "MSE x 1e-5",
        SAHARIA,
        "metrics.paired.consistency:in_published_units",
        settings={
            "range": "0..1",
            "rounding": REDUCTIONS[REDUCTION].rounding,
            "unit": CONSISTENCY_UNIT,
        },
        resize=REDUCTIONS[REDUCTION].kernel,
        changed=1,  # until 0.1 outputs were reduced by Pillow's 8-bit resize
    ),
    Metric(
        "lpips_alex",
        "LPIPS, AlexNet",
        "paired",
        "lower",
        "0..",
        ZHANG,
        "metrics.paired.lpips:task",
        least_side=31,
        extractor="lpips_alex",
    ),
    Metric(
        "lpips_vgg",
        "LPIPS, VGG16",
        "paired",
        "lower",
        "0..",
        ZHANG,
        "metrics.paired.lpips:task",
        least_side=16,
        extractor="lpips_vgg",
    ),
    Metric(
        "dists",
        "DISTS",
        "paired",
        "lower",
        "0..1",
        DING,
        "metrics.paired.dists:task",
        settings={"size": "the images' own"},
        least_side=16,
        extractor="dists",
    ),
)


def _of_network(network: Network) -> tuple[Metric, ...]:
    """Return the metrics that the measures make of one network's features."""
    measures = [measure for measure in MEASURES if network.classes or not measure.classes]
    return tuple(_distribution(network, measure) for measure in measures)


def _distribution(network: Network, measure: Measure) -> Metric:
    own = (f"{network.prefix}_{measure.suffix}", f"{network.title} {measure.words}")
    published = network.name == "inception"
    name, title = measure.published if published else own
    source = STEIN if (network.name, measure.suffix) == ("dinov2", "fd") else measure.reference
    return Metric(
        name,
        title,
        "distribution",
        measure.direction,
        measure.unit,
        source,
        measure.function,
        short=measure.short if published else "",
        least_images=measure.least_images,
        least_per_feature=measure.least_per_feature,
        neighbours=measure.neighbours,
        against=measure.against,
        extractor=network.name,
    )


_LABELS = tuple(
    Metric(
        f"top{k}",
        f"Top-{k} accuracy",
        "labels",
        "higher",
        "0..1",
        SAHARIA,
        f"metrics.classification.accuracy:top{k}",
        against="nothing",
        extractor="effnet_lite0",
    )
    for k in (1, 5)
)

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *_PAIRED,
        *_of_network(NETWORKS["inception"]),
        *_of_network(NETWORKS["dinov2"]),
        *_of_network(NETWORKS["effnet_lite0"]),
        *_LABELS,
    )
}

DEFAULT = ("psnr", "ssim", "consistency")


@dataclass(frozen=True)
class Preset:
    """What a field's tables are computed by: metrics and the border that they leave out."""

    metrics: tuple[str, ...]
    border: int


# Of super-resolution by 4, as in BasicSR's tests with `crop_border: 4` and `test_y_channel: true`.
PRESETS = {"sr-y4": Preset(("psnr_y", "ssim_y"), border=4)}


def choose(words: Sequence[str]) -> tuple[str, ...]:
    """Return the metric names asked for, in catalogue order. Raises `MetricError`.

    ``all`` is every metric, ``default`` the three that need no network, and ``paired``,
    ``distribution`` and ``labels`` are the kinds of `metrics list`.

    >>> choose(["ssim", "psnr"]), choose(["labels", "psnr"])
    (('psnr', 'ssim'), ('psnr', 'top1', 'top5'))
    """
    if not words:
        raise MetricError("no metric is named; `metrics list` shows them all")
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
