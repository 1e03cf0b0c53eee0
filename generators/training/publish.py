"""Publish a training: its weights, and a model card made from what the training recorded.

python -m generators.training.publish runs/train-photos-sr3.toml generators/weights
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from generators.files import file_sha256, write_atomically
from generators.nets.checkpoint import read_facts
from generators.training.config import EARLIER_KERNEL, TrainingConfig
from generators.training.methods.registry import read_training

CAUTION = """\
A small model that trains on a laptop, made to show the platform working.
It is far below what the papers' models reach: it is smaller and has had far less training.
Do not use it on people's faces or for any decision: its outputs are inventions, not recoveries.
"""


def publish(config: Path, folder: Path) -> Path:
    """Copy a training's model into `folder` with its card, and return the weights' path."""
    training, kind = read_training(config)
    source = training.out / "model.safetensors"
    facts = read_facts(source)
    target = folder / f"{training.name}.safetensors"
    write_atomically(target, source.read_bytes())
    log = [json.loads(line) for line in (training.out / "log.jsonl").read_text().splitlines()]
    card = _card(config, training, facts, target, kind.card(training, log))
    write_atomically(target.with_suffix(".md"), card.encode())
    return target


def _card(
    path: Path, training: TrainingConfig, facts: dict[str, Any], weights: Path, says: dict[str, str]
) -> str:
    rows = {
        "makes": says["makes"],
        "file": f"`{weights.name}`, float16, {weights.stat().st_size / 1e6:.1f} MB",
        "sha256": f"`{file_sha256(weights)}`",
        "parameters": says["parameters"],
        "trained": f"{facts['steps']} steps, {facts['images']} "
        f"{'patches' if training.data.patch else 'images'}{_cut(facts, training)}{_origin(facts)}",
        "on": _place(facts),
        "configuration": f"`{path.as_posix()}`",
        "data and licence": training.licence,
        "images reduced by": facts.get("reduction", EARLIER_KERNEL),
        "validation": says["validation"],
        "measured": "[docs/results.md](../../docs/results.md)",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"# {training.name}\n\n| | |\n|---|---|\n{table}\n\n{CAUTION}"


def _cut(facts: dict[str, Any], training: TrainingConfig) -> str:
    """Return that a training ended before its last step, where it did."""
    if facts["steps"] >= training.steps:
        return ""
    return f" (stopped there; the configuration has {training.steps} steps)"


def _origin(facts: dict[str, Any]) -> str:
    if "start_from" not in facts:
        return ""
    start = facts["start_from"]
    return f" (after the {start['images']} of `{start['name']}`, where it started)"


def _place(facts: dict[str, Any]) -> str:
    if "computed_by" not in facts:
        return "not recorded"
    made = facts["computed_by"]
    together = f", {made['processes']} processes" if made["processes"] != "1" else ""
    return f"{made['hardware']}{together}; {made['dtype']} by {made['arithmetic']}"


if __name__ == "__main__":
    print(publish(Path(sys.argv[1]), Path(sys.argv[2])))
