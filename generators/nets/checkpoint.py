"""Checkpoints: one safetensors file with the weights and, in its header, what they mean."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from generators.errors import ConfigError, cause
from generators.files import file_sha256, write_atomically
from generators.nets.model import ModelConfig
from generators.nets.unet import UNet

FORMAT = "foolrate-model-1"

C = TypeVar("C", bound=BaseModel)
N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Kind(Generic[C, N]):
    """A kind of model file: its header's key, its configuration, and the net that this makes."""

    header: str
    Config: type[C]
    net: Callable[[C], N]


UNET: Kind[ModelConfig, UNet] = Kind(FORMAT, ModelConfig, lambda config: UNet(config.net))


def write_model(
    path: Path,
    net: Mapping[str, Tensor],
    config: BaseModel,
    facts: dict[str, Any],
    header: str = FORMAT,
    *,
    exact: Collection[str] = (),
) -> str:
    """Write the weights as float16 and return the file's sha256. Atomic.

    float16 halves the file; its rounding (2^-11) is below that of the bfloat16 it usually runs in.
    Tensors named in `exact` stay float32 (variances lie beyond float16's range).
    """
    tensors = {
        name: value.detach().to(torch.float32 if name in exact else torch.float16).contiguous()
        for name, value in net.items()
    }
    # One key: safetensors writes several in an order that changes from run to run.
    content = {"model": config.model_dump(mode="json"), "facts": facts}
    write_atomically(path, save(tensors, {header: json.dumps(content)}))
    return file_sha256(path)


def read_config(path: Path) -> tuple[ModelConfig, dict[str, Any]]:
    """Return a U-Net's configuration and the facts of its training, without weights.

    Raises `ConfigError` as `read_header` does.
    """
    return read_header(path, UNET)


def read_header(path: Path, kind: Kind[C, N]) -> tuple[C, dict[str, Any]]:
    """Return a model file's configuration and the facts of its training, without weights.

    Raises `ConfigError` for a file that is not one, and for a header that is not what `write_model`
    writes.
    """
    model, facts = _content(path, kind.header)
    try:
        return kind.Config.model_validate(model), facts
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        fault = f"{where}: {first['msg']}"
        raise ConfigError(f"{path}: its model configuration is wrong ({fault})") from None


def read_facts(path: Path) -> dict[str, Any]:
    """Return the facts of a model file's training, whatever kind it is. Raises `ConfigError`."""
    return _content(path, None)[1]


def _content(path: Path, wanted: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header's model and facts; `wanted` is its key, None any of ours."""
    with _opened(path) as stream:
        header = stream.metadata() or {}
    key = wanted or next((name for name in header if name.startswith("foolrate-")), FORMAT)
    if key not in header:
        found = ", ".join(list(header)[:5]) or "none"
        raise ConfigError(f"{path}: header keys are {found}, expected {key!r}")
    try:
        content = json.loads(header[key])
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: its header is not JSON ({error})") from None
    model, facts = (
        content.get(key) if isinstance(content, dict) else None for key in ("model", "facts")
    )
    if not isinstance(model, dict) or not isinstance(facts, dict):
        raise ConfigError(f"{path}: its header lacks 'model' or 'facts', expected both as objects")
    return model, facts


def read_model(path: Path, sha256: str | None = None) -> tuple[UNet, ModelConfig, str]:
    """Return a U-Net as `read_net` does."""
    return read_net(path, UNET, sha256)


def read_net(path: Path, kind: Kind[C, N], sha256: str | None = None) -> tuple[N, C, str]:
    """Return the net (float32, evaluation mode), its configuration and the file's sha256.

    Raises `ConfigError` when the file is missing or damaged, when its digest is not `sha256`, or
    when its weights do not fit its configuration (the shapes are compared before memory is taken)
    or are no finite numbers.
    """
    config, _ = read_header(path, kind)
    digest = file_sha256(path)
    check_digest(path, digest, sha256)
    net = _meta_net(path, kind, config)
    with _opened(path) as stream:
        names = list(stream.keys())
        _check_shapes(path, net, {name: stream.get_slice(name).get_shape() for name in names})
        weights = {name: stream.get_tensor(name).float() for name in names}
    _check_finite(path, weights)
    net = net.to_empty(device="cpu")
    net.load_state_dict(weights, strict=True)
    return net.eval(), config, digest


def check_digest(path: Path, digest: str, expected: str | None) -> None:
    """Raise `ConfigError` when a file is not the one that the configuration expects, if any."""
    if expected is not None and digest != expected.lower():
        raise ConfigError(f"{path}: sha256 is {digest}, the configuration expects {expected}")


def read_tensors(path: Path, expected: str) -> dict[str, Tensor]:
    """Return the tensors of a foreign state dict, which torch wrote; no code of the file is run.

    `expected` says in an error whose file it should be. Raises `ConfigError`.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file, expected {expected}")
    try:
        with warnings.catch_warnings():
            # Of a file that it then refuses, torch asks for support of its pickle protocol.
            warnings.simplefilter("ignore", UserWarning)
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever bytes that are no such file make torch raise
        reason = cause(error)[:120]
        raise ConfigError(f"{path}: not a whole file of torch tensors ({reason})") from None
    if not isinstance(found, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    ):
        raise ConfigError(f"{path}: holds {type(found).__name__}, expected tensors by name")
    _check_finite(path, found)
    return dict(found)


@contextmanager
def as_laid_out(path: Path, found: Mapping[str, Tensor], expected: str) -> Iterator[None]:
    """Take a foreign file's tensors for what they should be; those that are not are refused.

    `expected` says whose they should be. Raises `ConfigError`.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError):
        names = ", ".join(sorted(found)[:3])
        raise ConfigError(f"{path}: its tensors ({names}, …) are not those of {expected}") from None


def refuse_other(
    path: Path,
    net: nn.Module,
    weights: Mapping[str, Tensor],
    of: str,
    theirs: Mapping[str, str] | None = None,
) -> None:
    """Raise `ConfigError` unless the tensors are a net's, by name and shape.

    `of` says in the error what they should be of; `theirs` how the file itself names them.
    """
    wanted = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    differ = sorted(name for name in wanted | shapes if wanted.get(name) != shapes.get(name))
    if differ:
        is_there = shapes.get(differ[0], "missing")
        expected = wanted.get(differ[0], "nothing of this name")
        raise ConfigError(
            f"{path}: {(theirs or {}).get(differ[0], differ[0])} is {is_there}, expected "
            f"{expected} in {of} ({len(differ)} tensors differ)"
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Give the safetensors file. Raises `ConfigError` for one that is missing or damaged."""
    if not path.exists():
        raise ConfigError(f"{path}: no such file, expected a checkpoint (.safetensors)")
    if not path.is_file():
        raise ConfigError(f"{path}: no regular file, expected a checkpoint (.safetensors)")
    try:
        with safe_open(path, "pt") as stream:
            yield stream
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"{path}: not a whole safetensors file ({cause(error)})") from None


def _meta_net(path: Path, kind: Kind[C, N], config: C) -> N:
    """Return the net without memory for its weights. Raises `ConfigError` for impossible shapes."""
    try:
        with torch.device("meta"):
            return kind.net(config)
    except (ValueError, RuntimeError, ZeroDivisionError, OverflowError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path}: its configuration makes no net ({reason})") from None


def _check_finite(path: Path, found: Mapping[str, Tensor]) -> None:
    for name, value in found.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ConfigError(f"{path}: {name} holds values that are not finite, expected numbers")


def _check_shapes(path: Path, net: nn.Module, found: dict[str, list[int]]) -> None:
    wanted = {name: list(value.shape) for name, value in net.state_dict().items()}
    differ = [name for name in sorted(wanted | found) if wanted.get(name) != found.get(name)]
    if differ:
        name = differ[0]
        is_there, expected = found.get(name, "missing"), wanted.get(name, "none of this name")
        reason = f"{name} is {is_there}, expected {expected}"
        raise ConfigError(f"{path}: the weights do not fit their net: {reason}")
