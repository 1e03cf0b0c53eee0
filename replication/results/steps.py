"""Curves of SR3 on faces against the number of network evaluations."""

from __future__ import annotations

from replication.results.measured import scores_of
from replication.results.schema import Curve, Point
from replication.stages.commands import computable
from replication.stages.request import Request
from replication.stages.steps import METRICS, SAMPLERS, run_name


def step_curves(request: Request) -> tuple[Curve, ...]:
    """Return the curve by the first metric that can be computed here, one line a sampler."""
    metric, *_ = computable(METRICS, request.networks)
    runs = [
        (sampler, at) for sampler, every in SAMPLERS.items() for at in every[:: request.size.stride]
    ]
    folders = [request.out / "steps" / f"{run_name(*run)}.scores" for run in runs]
    points: dict[str, list[Point]] = {}
    for (sampler, number), found in zip(runs, scores_of(folders, [metric]), strict=True):
        (words, cell), *_ = found.cells.items()
        points.setdefault(sampler, []).append(Point(number, cell.value, cell.low, cell.high))
    return (
        Curve(
            "faces-steps",
            "How many evaluations of the net SR3 needs",
            "network evaluations an image",
            words,
            tuple((sampler, tuple(line)) for sampler, line in points.items()),
            "Lower is better. The paper samples with at most 100 evaluations of its own sampler, "
            "here sr3.",
            log_x=True,
        ),
    )
