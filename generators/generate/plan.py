"""The plan of a run: its checked configuration, and the images to make, in id order."""

from __future__ import annotations

import hashlib
from pathlib import Path

from generators.config import GenerateConfig, parse_config, read_toml
from generators.errors import ConfigError, SettingError
from generators.images.item_names import IdRule
from generators.manifest import Run
from generators.methods.contract import Kind, Task
from generators.methods.registry import kind_of
from generators.prompts import prompts_of


def read_config(
    path: Path,
    *,
    inputs: Path | None = None,
    out: Path | None = None,
    ids: IdRule | None = None,
) -> tuple[GenerateConfig, Kind]:
    """Return a run's checked configuration and its registry entry. Raises `ConfigError`."""
    fields = read_toml(path)
    if "generator" not in fields:
        raise ConfigError(f"{path}: key 'generator' is missing")
    kind = kind_of(fields["generator"], path)
    given = {"inputs": inputs, "out": out, "ids": ids}
    fields |= {key: str(value) for key, value in given.items() if value is not None}
    return parse_config(path, fields, kind.Config), kind


def plan(config: GenerateConfig, kind: Kind, run: Run | None) -> list[Task]:
    """Return the images to make, in id order: one per input image, or the generator's own list."""
    entries: list[tuple[str, str | None, Path | None]]
    if run is not None:
        labels = run.labels()
        entries = [(item, labels.get(item), source) for item, source in run.files.items()]
    elif kind.items is not None:
        entries = [(item, label, None) for item, label in sorted(kind.items(config))]
    else:
        raise SettingError(
            f"generator {config.generator!r} needs the key 'inputs': a run of images"
        )
    entries = entries[: config.limit]
    prompts = prompts_of(run) if run is not None else {}
    if kind.prompts is not None:
        prompts |= kind.prompts(config, [item for item, _, _ in entries])
    return [
        Task(item, item_seed(config.seed, item), label, source, prompts.get(item))
        for item, label, source in entries
    ]


def item_seed(seed: int, item: str) -> int:
    """Return the seed of one item's randomness: a hash, so that it stays when other items go.

    Below 2**53, so that the manifest's number survives readers that hold numbers as doubles.
    """
    digest = hashlib.sha256(f"{seed}\0{item}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 11
