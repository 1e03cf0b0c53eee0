"""TOML files into frozen values: strict keys, and errors that say which key was meant."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from generators.errors import ConfigError, SettingError
from generators.files import from_home, read_settings
from generators.images.item_names import IdRule

MOST_IMAGES = 2_000_000  # of a run; ImageNet's train set, made anew, has 1.3 million


class Strict(BaseModel):
    """A frozen configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_what_it_says(cls, value: Any, about: ValidationInfo) -> Any:
        """Refuse an empty path, which would be the current folder, and a word for a number.

        ``~`` at the start of a path is the home folder, as in a shell.
        """
        kind = cls.model_fields[str(about.field_name)].annotation
        if isinstance(value, str) and (kind is Path or Path in get_args(kind)):
            if value == "":
                raise ValueError("expected a path")
            return from_home(value)
        kinds = {kind, *get_args(kind)}
        if isinstance(value, bool | str) and kinds & {int, float} and not kinds & {bool, str}:
            raise ValueError("expected a number")  # which pydantic would make of true and "4"
        return value


class NetFile(Strict):
    """A file of weights; `sha256` says which one it has to be."""

    checkpoint: Path
    sha256: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$")


def too_many(images: int) -> str:
    """Return why a run cannot have this many images, or ``""``."""
    if images <= MOST_IMAGES:
        return ""
    return f"expected at most {MOST_IMAGES} images in a run, which lists each in its manifest"


class GenerateConfig(Strict):
    """What every run is made from; a generator's own settings come on top of it.

    `generator` names an entry of `generators.methods.registry.GENERATORS`; paths are relative to
    the folder the command runs in.
    """

    generator: str
    out: Path
    inputs: Path | None = None  # a run, or a plain folder, of input images
    ids: IdRule = "stem"  # of a plain folder's items: the file's stem, or its whole path
    seed: int = Field(default=0, ge=0)
    limit: int | None = Field(default=None, ge=1)  # only the first N items, in id order


class ClassesConfig(GenerateConfig):
    """A run of images of classes: `per_class` of each of `classes` (if empty, of all)."""

    classes: tuple[str, ...] = ()
    per_class: int = Field(default=1, ge=1)

    def items_of(self, known: tuple[str, ...]) -> list[tuple[str, str | None]]:
        """Return the (item id, class) list of the run of a net that knows these classes."""
        chosen = self.classes or known
        self.refuse_too_many(len(chosen))
        return [(f"{name}-{k:05d}", name) for name in chosen for k in range(self.per_class)]

    def refuse_too_many(self, classes: int = 1) -> None:
        """Raise `SettingError` for more images than a run can hold."""
        if reason := too_many(self.per_class * classes):
            of_each = f" of each of {classes} classes" if classes > 1 else ""
            raise SettingError(f"per_class is {self.per_class}{of_each}: {reason}")

    @field_validator("inputs")
    @classmethod
    def _takes_none(cls, inputs: Path | None) -> Path | None:
        if inputs is not None:
            raise ValueError("this generator makes images of classes, expected no inputs")
        return inputs

    @model_validator(mode="after")
    def _names_its_items(self) -> Self:
        refuse_unused(self, ["ids"], "which is of inputs, and this generator has none")
        return self

    @field_validator("classes")
    @classmethod
    def _each_once(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((name for name in classes if classes.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is there twice, expected each class once")
        return classes


Config = TypeVar("Config", bound=BaseModel)


def refuse_unused(table: BaseModel, keys: Iterable[str], why: str) -> None:
    """Raise `ValueError` for a key that is written and does nothing: a manifest would repeat it."""
    for key in keys:
        if key in table.model_fields_set:
            raise ValueError(f"{key} is {getattr(table, key)!r}, {why}; leave {key} out")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the keys of a TOML file. Raises `ConfigError`."""
    try:
        return tomllib.loads(read_settings(path))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file, expected a TOML configuration") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder, expected a TOML configuration") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        what = "expected a TOML configuration: save it as UTF-8"
        raise ConfigError(f"{path}: is not UTF-8 text, {what}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML ({error})") from None


def load_config(path: Path, model: type[Config]) -> Config:
    """Return a TOML file as a frozen `model`. Raises `ConfigError` naming the file and the key."""
    return parse_config(path, read_toml(path), model)


def parse_config(path: Path, fields: dict[str, Any], model: type[Config]) -> Config:
    """Return the keys read from `path` as a frozen `model`. Raises `ConfigError`."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        problems = "; ".join(_problem(fault, model) for fault in error.errors())
        raise ConfigError(f"{path}: {problems}") from None


def closest(found: str, known: list[str]) -> str:
    """Return a hint for a misspelt name: the closest of the known ones, or all of them."""
    near = difflib.get_close_matches(found, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"


def _problem(fault: Any, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        last = str(fault["loc"][-1])
        return f"unknown key {where!r}, {closest(last, _keys_at(model, fault['loc'][:-1]))}"
    if fault["type"] == "missing":
        return f"key {where!r} is missing"
    reason = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error" and isinstance(fault["input"], dict):  # of a whole table
        return f"{where}: {reason}" if where else reason
    return f"{where} is {fault['input']!r}: {reason}"


def _keys_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    # Follows the place of a fault into nested tables, so that a hint names that table's keys.
    for part in place:
        field = model.model_fields.get(str(part))
        nested = _model_in(field.annotation) if field else None
        model = nested or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = getattr(annotation, "__args__", ())
    return next((model for part in inner if (model := _model_in(part))), None)
