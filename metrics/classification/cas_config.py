"""The configuration of a classification accuracy score, read from TOML."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from generators.errors import cause
from generators.files import from_home, read_settings
from metrics.errors import InputError


class CasConfig(BaseModel):
    """What a classifier is trained on, and how: everything that changes the score."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    test: Path  # real images with labels
    generated: Path | None = None  # a run, or class folders; None scores only the ceiling
    real: Path | None = None  # real training images, for the ceiling
    network: Literal["resnet50", "resnet10"] = "resnet50"
    image_size: int = Field(64, ge=8, le=512, strict=True)
    epochs: int = Field(90, ge=1, strict=True)
    batch: int = Field(128, ge=2, strict=True)
    learning_rate: float = Field(0.1, gt=0, strict=True)  # for a batch of 256, scaled to `batch`
    weight_decay: float = Field(1e-4, ge=0, strict=True)
    precision: Literal["fp32", "bf16"] = "fp32"  # of the training's convolutions; tests are fp32
    seed: int = Field(0, strict=True)

    @field_validator("test", "generated", "real", mode="before")
    @classmethod
    def _names_a_path(cls, value: Any) -> Any:
        """Refuse an empty path, which would be the current folder; ``~`` is the home folder."""
        if value == "":
            raise ValueError("expected a path")
        return from_home(value) if isinstance(value, str) else value


def read_config(path: Path) -> CasConfig:
    """Return the configuration in a file. Raises `InputError` naming the file and the key."""
    try:
        config = CasConfig.model_validate(tomllib.loads(read_settings(path)))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, expected a TOML configuration") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        what = "expected a TOML configuration"
        raise InputError(f"{path}: cannot be read ({cause(error)}), {what}") from None
    except ValidationError as error:
        raise InputError(f"{path}: {_in_words(error)}") from None
    if config.generated is None and config.real is None:
        raise InputError(f"{path}: neither 'generated' nor 'real' is set, so nothing to train on")
    return config


def _in_words(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(key, CasConfig.model_fields, 1)
        hint = f", did you mean {close[0]!r}?" if close else ""
        return f"unknown key {key!r}{hint}"
    return f"{key}: {first['msg']} (found {first['input']!r})"
