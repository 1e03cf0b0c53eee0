"""Stands for manage.py in fast tests: writes the files that each command would, made up.

What the commands really do is tested where they live; here only the paths between them matter.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from generators.files import file_sha256
from generators.manifest import Item, Manifest, open_run, write_manifest
from metrics.catalogue import METRICS
from metrics.scores import Score, ScoredRun, ScoreFile, write_scores
from replication.stages.classes import class_names


def fake_command(command: Sequence[str], log: Path, lock: int) -> None:
    """Write what one command line would have written."""
    doing = " ".join(command[:2])
    options = _options(command)
    if doing == "dataset import":
        _import(command, options)
    elif command[0] == "generate":
        _generate(Path(command[1]), options)
    elif doing == "metrics compute":
        _score(Path(command[2]), options)
    elif doing == "metrics cas":
        _accuracy(Path(options["-o"]))
    elif doing == "analysis fool-rates":
        _rates(Path(options["--json"]), Path(command[2]))
    else:
        assert doing in ("study create", "study simulate", "study export"), doing


def value(*words: object) -> float:
    """Return the made-up value of a metric on a run, 0.1 to 0.9, known to the tests."""
    digest = hashlib.sha256(" ".join(map(str, words)).encode()).digest()
    return 0.1 + 0.8 * digest[0] / 255


def _options(command: Sequence[str]) -> dict[str, str]:
    return {name: given for name, given in pairwise(command) if name.startswith("-")}


def _write_run(folder: Path, items: Sequence[tuple[str, str | None]], side: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for item, label in items:
        seed = int(hashlib.sha256(f"{folder.name}{item}".encode()).hexdigest()[:8], 16)
        corners = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        file = folder / f"{item}.png"
        Image.fromarray(corners).resize((side, side), Image.Resampling.BICUBIC).save(file)
        digest = file_sha256(file)
        entries.append(
            Item(id=item, file=file.name, sha256=digest, width=side, height=side, label=label)
        )
    write_manifest(folder, Manifest(generator="fake", items=tuple(entries)))


def _of_classes(count: int) -> list[tuple[str, str | None]]:
    return [(f"{name}-{k:05d}", name) for name in class_names() for k in range(count)]


def _import(command: Sequence[str], options: dict[str, str]) -> None:
    side = int(options["--size"])
    only = [command[k + 1] for k, word in enumerate(command) if word == "--only"]
    items: list[tuple[str, str | None]] = [(item, None) for item in only]
    if "--per-class" in options:
        items = _of_classes(int(options["--per-class"]))
    _write_run(Path(command[3]), items, side)
    if "--lr" in options:
        _write_run(Path(options["--lr"]), items, side // int(options["--factor"]))


def _generate(config: Path, options: dict[str, str]) -> None:
    fields: dict[str, Any] = tomllib.loads(config.read_text())
    items = _of_classes(fields.get("per_class", 1))
    if "--inputs" in options:
        inputs = open_run(Path(options["--inputs"]))
        items = [(item, inputs.labels().get(item)) for item in inputs.files]
    _write_run(Path(options["--out"]), items[: fields.get("limit")], 64)


def _score(run: Path, options: dict[str, str]) -> None:
    asked = options["--metrics"].split(",")
    if "--reference" in options and any(METRICS[name].kind == "paired" for name in asked):
        # As `metrics compute` does: nothing is scored where an image has no partner.
        assert open_run(run).files.keys() == open_run(Path(options["--reference"])).files.keys()
    scores = tuple(
        Score(
            name=name,
            value=(at := value(name, run.name)),
            low=at - 0.05,
            high=at + 0.05,
            direction=METRICS[name].direction,
            unit=METRICS[name].unit,
            n=len(open_run(run).files),
        )
        for name in asked
    )
    file = ScoreFile(run=ScoredRun(name=run.name, folder=str(run), digest="0" * 64), scores=scores)
    write_scores(Path(options["-o"]) / "scores.json", file)


def _accuracy(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    result = {"name": "generated", "trained_on": 48, "tested_on": 24}
    result |= {"top1": 0.3, "top1_interval": [0.2, 0.4], "top5": 0.6, "top5_interval": [0.5, 0.7]}
    (folder / "cas.json").write_text(json.dumps({"results": [result]}))


def _rates(path: Path, judgments: Path) -> None:
    simulated = judgments.parent.name == "export"
    rows = [
        {
            "condition": name,
            "task": task,
            "rate": value(name, task),
            "low": value(name, task) - 0.05,
            "high": value(name, task) + 0.05,
            "raters": 12,
            "trials": 288,
            "simulated": simulated,
        }
        for name in ("bicubic", "fsrgan", "regression", "sr3")
        for task in ("task1", "task2")
    ]
    path.write_text(json.dumps({"fool_rates": rows}))
