"""Stages of one command each: an import, a run, its scores, a classification accuracy score."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from metrics.catalogue import METRICS
from replication.stages.configs import Config
from replication.stages.stage import Stage


def computable(names: Sequence[str], networks: frozenset[str]) -> list[str]:
    """Return the metrics that need no network, or one whose weights are here."""
    return [name for name in names if (METRICS[name].extractor or "") in networks | {""}]


def importing(
    name: str,
    says: str,
    source: Path,
    real: Path,
    side: int,
    *,
    lr: Path | None = None,
    factor: int = 4,
    items: Sequence[str] = (),
    within: str = "",
    per_class: int | None = None,
) -> Stage:
    """Return the import of a folder or zip, or of a part of it, with its inputs or without."""
    command = ["dataset", "import", str(source), str(real), "--size", str(side)]
    command += [word for item in items for word in ("--only", glob.escape(item))]
    command += ["--lr", str(lr), "--factor", str(factor)] if lr else []
    command += ["--within", within] if within else []
    command += ["--per-class", str(per_class)] if per_class else []
    writes = (real, lr) if lr else (real,)
    return Stage(name, says, (tuple(command),), (source,), writes, seconds=2)


def generating(
    name: str,
    says: str,
    config: Path | Config,
    run: Path,
    *,
    inputs: Path | None = None,
    checkpoints: Sequence[Path] = (),
    seconds: float,
) -> Stage:
    """Return the making of a run, which needs `seconds` besides the start."""
    path, configs = (config.path, (config,)) if isinstance(config, Config) else (config, ())
    command = ["generate", str(path), "--out", str(run)]
    command += ["--inputs", str(inputs)] if inputs else []
    reads = (path, *checkpoints, *([inputs] if inputs else []))
    seconds += 3
    return Stage(name, says, (tuple(command),), reads, (run,), seconds=seconds, configs=configs)


def scoring(
    name: str,
    says: str,
    run: Path,
    scores: Path,
    metrics: Sequence[str],
    *,
    reference: Path | None = None,
    lr: Path | None = None,
    images: int,
) -> Stage:
    """Return the scoring of a run by these metrics."""
    command = ["metrics", "compute", str(run), "--metrics", ",".join(metrics), "-o", str(scores)]
    command += ["--reference", str(reference)] if reference else []
    command += ["--lr", str(lr)] if lr else []
    reads = (run, *(each for each in (reference, lr) if each))
    return Stage(name, says, (tuple(command),), reads, (scores,), seconds=3.5 + 0.03 * images)


def training_on(
    name: str, says: str, config: Config, folder: Path, *, reads: Sequence[Path], seconds: float
) -> Stage:
    """Return a classification accuracy score: a training on one set, tested on another."""
    return Stage(
        name,
        says,
        (("metrics", "cas", str(config.path), "-o", str(folder)),),
        (config.path, *reads),
        (folder / "cas.json",),
        seconds=5 + seconds,
        configs=(config,),
        scratch=(folder,),
    )
