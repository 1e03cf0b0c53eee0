"""Small ablations of SR3 and CDM: one setting of a training changed at a time, on equal images.

    python manage.py bench ablation [--data work/train/data/tin] [--images 32000]

The papers ablate blur and L1 against L2 (SR3, Table 5), class conditioning, the batch and flips
(CDM). Here each is a training of runs/train-ablation.toml with that one change. All see
the same images by number, enlarge the same held-out inputs with the same noise, and are compared
image by image with the first row. They also enlarge what CDM's base draws, as in the papers'
cascades, where augmentation is to make up for the base's errors. It goes on where it was stopped.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from analysis.commands.tables.terminal import text_table
from metrics.scores import PER_IMAGE, read_scores
from replication.stages.configs import changed, write_config

ROOT = Path(__file__).resolve().parents[1]
BASE = ROOT / "runs/train-ablation.toml"
CASCADE = ROOT / "runs/cdm-16-64.toml"  # its base draws inputs
PER_CLASS = 20  # held-out images, and drawn inputs, of each class
REFERENCE = 100  # training images of each class, for the distance of enlarged drawn inputs
PAIRED = ("psnr", "ssim", "lpips_alex", "consistency")
SETS = ("effnet_kid", "top1")

# A row's name -> the keys that it changes; None takes one away.
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "blur .4 to .6": {"augmentation": {"blur": [0.4, 0.6]}},
    "blur .8 to 1.2": {"augmentation": {"blur": [0.8, 1.2]}},
    "L1": {"power": 1},
    "no class": {
        "data": {"labels": "none"},
        "model": {"classes": None, "net": {"classes": None}},
    },
    "batch 64": {"batch": 64},
    "no flips": {"data": {"flip": False}},
}


def training(name: str, images: int, data: Path, out: Path) -> dict[str, Any]:
    """Return the configuration of a row: the base's, its changes, and as many steps as all see."""
    fields = changed(tomllib.loads(BASE.read_text(encoding="utf-8")), VARIANTS[name])
    steps = images // fields["batch"]
    rhythm = {"steps": steps, "cooldown": steps // 2, "warmup": min(fields["warmup"], steps // 4)}
    places = {"name": name, "out": str(out / "net"), "data": {"folder": str(data / "train")}}
    return changed(fields, {**rhythm, **places})


def command(*words: object) -> None:
    """Run a command of foolrate; its progress and errors are seen."""
    done = subprocess.run([sys.executable, "manage.py", *map(str, words)], cwd=ROOT, check=False)
    if done.returncode:
        raise click.ClickException(f"{words[0]} {words[1]} failed (exit {done.returncode})")


def drawn(out: Path) -> None:
    """Draw inputs by CDM's base alone."""
    fields = tomllib.loads(CASCADE.read_text(encoding="utf-8"))
    base = {"generator": "cdm", "base": fields["base"], "seed": 1, "per_class": PER_CLASS}
    command("generate", write_config(out / "drawn.toml", {**base, "out": str(out / "drawn")}))


def row(name: str, images: int, data: Path, out: Path) -> tuple[Path, Path]:
    """Train one row, enlarge both kinds of inputs, score them; return the scores' folders."""
    folder = out / name.replace(" ", "-")
    train = folder / "train.toml"
    command("train", write_config(train, training(name, images, data, folder)))
    real, lr = out / "real", out / "lr"
    scores, of_drawn = folder / "scores", folder / "drawn-scores"
    enlarged(folder, lr, "outputs", scores, (*PAIRED, *SETS), "--reference", real, "--lr", lr)
    enlarged(folder, out / "drawn", "drawn", of_drawn, SETS, "--reference", out / "reference")
    return scores, of_drawn


def enlarged(
    folder: Path, inputs: Path, outputs: str, scores: Path, names: Sequence[str], *beside: object
) -> None:
    """Enlarge a folder of inputs by the row's net and score the outputs."""
    run = {
        **{"generator": "sr3", "inputs": str(inputs), "out": str(folder / outputs)},
        **{"checkpoint": str(folder / "net/model.safetensors"), "seed": 1},
        **{"sampler": "dpmpp_2m", "evaluations": 6},
    }
    command("generate", write_config(folder / f"generate-{outputs}.toml", run))
    command("metrics", "compute", folder / outputs, "--metrics", ",".join(names), "-o", scores,
            *beside)  # fmt: skip


def cells(scores: Path, of_drawn: Path, base: Path) -> list[str]:
    """Return a row's scores; paired metrics with their mean difference and its 95 % interval."""
    mine, theirs = (pd.read_csv(each / PER_IMAGE, index_col=0) for each in (scores, base))
    found = []
    for name in PAIRED:
        apart = (mine[name] - theirs[name].loc[mine.index]).to_numpy()
        half = 1.96 * apart.std(ddof=1) / np.sqrt(len(apart))
        change = f" ({apart.mean():+.4f} ± {half:.4f})" if scores != base else ""
        found.append(f"{mine[name].mean():.4f}{change}")
    for score in (read_scores(each).score(name) for each in (scores, of_drawn) for name in SETS):
        found.append(f"{score.value:.4f} [{score.low:.4f}, {score.high:.4f}]")
    return found


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False, exists=True),
              default=ROOT / "work/train/data/tin", show_default="work/train/data/tin",
              help="Folder with train/ and val/, each with a folder for each class.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              default=ROOT / "work/ablation", show_default="work/ablation",
              help="Where nets, outputs and scores go.")  # fmt: skip
@click.option("--images", type=click.IntRange(256), default=32_000, show_default=True,
              help="Training images that each net sees.")  # fmt: skip
@click.option("--only", multiple=True, type=click.Choice(list(VARIANTS)),
              help="Only these rows, beside the first. May be given again.")  # fmt: skip
def measure(data: Path, out: Path, images: int, only: tuple[str, ...]) -> None:
    """Print a row for each setting: the scores, and by how much they differ from the first's."""
    data, out = data.absolute(), out.absolute()
    command("dataset", "import", data / "val", out / "real", "--size", 64,
            "--lr", out / "lr", "--per-class", PER_CLASS)  # fmt: skip
    command("dataset", "import", data / "train", out / "reference", "--size", 64,
            "--per-class", REFERENCE)  # fmt: skip
    drawn(out)
    names = [name for name in VARIANTS if name == "base" or not only or name in only]
    scores = {name: row(name, images, data, out) for name in names}
    table = [[name, *cells(*each, scores["base"][0])] for name, each in scores.items()]
    click.echo(f"{images:,} training images each; in brackets: change from the first row")
    columns = [*PAIRED, *SETS, *(f"{name}, drawn" for name in SETS)]
    click.echo(text_table(["", *columns], table))


def main(options: list[str]) -> None:
    """Run the benchmark with these command-line options."""
    measure.main(args=options, prog_name="manage.py bench ablation", standalone_mode=False)
