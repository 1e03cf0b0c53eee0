"""The systems that are compared, each by the file in runs/ that describes it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from replication.stages.making import ROOT

WEIGHTS = {".safetensors", ".pt", ".pth", ".pkl"}  # whatever key of a configuration names them


def preset(name: str) -> dict[str, Any]:
    """Return the keys of a TOML file that ships, named from the repository's root."""
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class System:
    """One system of one task."""

    name: str  # of its folder, and of its condition in a study
    title: str  # in the report
    run: str  # file in runs/
    published: str = ""  # the name of the rows of the papers that it stands beside
    seconds: float = 0.05  # of two idle cores, for an image

    @property
    def file(self) -> Path:
        """Return the configuration's path."""
        return ROOT / "runs" / self.run

    def config(self) -> dict[str, Any]:
        """Return the configuration's keys."""
        return preset(f"runs/{self.run}")

    @property
    def checkpoints(self) -> list[Path]:
        """Return the weights that the configuration names."""
        return [ROOT / name for name in _named(self.config())]

    @property
    def here(self) -> bool:
        """Return whether all its weights are here: shipped, or trained by the user."""
        return self.file.is_file() and all(path.is_file() for path in self.checkpoints)


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _named(inner)
    elif isinstance(value, str) and Path(value).suffix in WEIGHTS:
        yield value


PHOTOS = (
    System("bicubic", "bicubic", "demo-bicubic.toml"),
    System("regression", "regression", "demo-regression.toml", "Regression", 0.1),
    System("sr3", "SR3, 4 evaluations", "demo-sr3.toml", "SR3", 0.35),
)
FACES = (
    System("bicubic", "bicubic", "demo-bicubic.toml"),
    System("pulse", "PULSE", "faces-pulse.toml", "PULSE", 2.5),
    System("fsrgan", "FSRGAN", "faces-fsrgan.toml", "FSRGAN"),
    System("regression", "regression", "faces-regression.toml", "Regression"),
    System("sr3", "SR3, 8 evaluations", "faces-sr3.toml", "SR3", 0.2),
)
# At the paper's size: no net ships, because no faces that large came with a licence to train on.
FACES_128 = (
    System("bicubic", "bicubic", "faces-128-bicubic.toml"),
    System("pulse", "PULSE", "faces-128-pulse.toml", "PULSE", 10.0),
    System("fsrgan", "FSRGAN", "faces-128-fsrgan.toml", "FSRGAN", 0.2),
    System("regression", "regression", "faces-128-regression.toml", "Regression", 0.2),
    System("sr3", "SR3, 100 evaluations", "faces-128-sr3.toml", "SR3", 10.0),
)
CLASSES = (
    System("biggan", "BigGAN-deep, truncation 1", "biggan-deep-64.toml", "BigGAN-deep", 0.05),
    System("vqvae2", "VQ-VAE-2", "vqvae2-64.toml", "VQ-VAE-2", 0.5),
    System("adm", "ADM, 25 steps", "adm-64.toml", "ADM", 0.12),
    System("adm-guided", "ADM-G, 25 steps", "adm-64-guided.toml", "ADM", 0.22),
    System("cdm", "CDM, augmentation level 0", "cdm-16-64.toml", "CDM", 0.05),
    System("cdm-plain", "CDM without augmentation", "cdm-16-64-plain.toml", "CDM", 0.05),
    System("cdm-guided", "CDM, guided by 4 and 3", "cdm-16-64-guided.toml", "CDM", 0.07),
)


def here(systems: tuple[System, ...]) -> list[System]:
    """Return the systems whose weights are here."""
    return [system for system in systems if system.here]
