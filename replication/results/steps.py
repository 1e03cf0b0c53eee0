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
    lines = []
    for sampler, numbers in SAMPLERS.items():
        points = []
        for number in numbers[:: request.size.stride]:
            scores = request.out / "steps" / f"{run_name(sampler, number)}.scores"
            (words, cell), *_ = scores_of(scores, [metric]).cells.items()
            points.append(Point(number, cell.value, cell.low, cell.high))
        lines.append((sampler, tuple(points)))
    return (
        Curve(
            "faces-steps",
            "How many evaluations of the net SR3 needs",
            "network evaluations an image",
            words,
            tuple(lines),
            "Lower is better. The paper samples with at most 100 evaluations of its own sampler, "
            "here sr3.",
            log_x=True,
        ),
    )
