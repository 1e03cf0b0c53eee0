"""Stages of the curve against network evaluations: SR3 on faces, by several samplers."""

from __future__ import annotations

from replication.stages.commands import computable, generating, importing, scoring
from replication.stages.configs import changed, config_of
from replication.stages.request import Request
from replication.stages.stage import Stage
from replication.stages.systems import System
from replication.stages.upscaling import choose

SAMPLERS = {"sr3": (8, 16, 32), "dpmpp_2m": (4, 8, 16), "dpmpp_2m_sde": (4, 8, 16)}
METRICS = ("lpips_alex", "effnet_kid", "consistency")
SR3 = System("steps", "SR3", "faces-sr3.toml", seconds=0.005)  # an evaluation


def step_stages(request: Request) -> list[Stage]:
    """Return the stages of the curve; none without faces."""
    if request.faces is None:
        return []
    folder, items = request.out / "steps", choose(request.faces, request.size.steps)
    says = f"Faces: {len(items)} of them for the curve against evaluations"
    real, lr = folder / "real", folder / "lr"
    first = importing("steps-import", says, request.faces, real, 64, lr=lr, items=items)
    points = [
        stage
        for sampler, evaluations in SAMPLERS.items()
        for number in evaluations[:: request.size.stride]
        for stage in _point(request, sampler, number, len(items))
    ]
    return [first, *points]


def run_name(sampler: str, evaluations: int) -> str:
    """Return the folder of one point of the curve, inside `steps`."""
    return f"{sampler}-{evaluations}"


def _point(request: Request, sampler: str, evaluations: int, count: int) -> list[Stage]:
    folder = request.out / "steps"
    name = run_name(sampler, evaluations)
    config = changed(SR3.config(), {"sampler": sampler, "evaluations": evaluations})
    says = f"Faces: SR3, {sampler}, {evaluations} evaluations"
    made = generating(
        f"steps-{name}",
        says,
        config_of(request.out / "configs" / f"steps-{name}.toml", config),
        folder / name,
        inputs=folder / "lr",
        checkpoints=SR3.checkpoints,
        seconds=SR3.seconds * evaluations * count,
    )
    scored = scoring(
        f"steps-{name}-scores",
        f"{says}: scores",
        folder / name,
        folder / f"{name}.scores",
        computable(METRICS, request.networks),
        reference=folder / "real",
        lr=folder / "lr",
        images=count,
    )
    return [made, scored]
