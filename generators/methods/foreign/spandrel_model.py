"""Any super-resolution network that spandrel knows as a generator (optional: ``spandrel``).

Real-ESRGAN, SwinIR, HAT, RCAN and some forty others, from the weight file that their authors
publish; what kind of network a file holds is read from the file itself:

    generator = "spandrel"
    inputs = "demo/lr"
    out = "runs/real-esrgan"
    checkpoint = "weights/RealESRGAN_x4plus.pth"
    scale = 4                         # refused when the network's is another
    # tile = 256, overlap = 32        # input pixels; for images that do not fit in memory

spandrel reads pickles with an unpickler that takes tensors only; no code of the file is run.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from generators.config import GenerateConfig, NetFile, refuse_unused
from generators.errors import ConfigError, GeneratorError
from generators.files import file_sha256
from generators.methods.contract import Facts, Generator, Runtime, Task
from generators.nets.checkpoint import check_digest
from generators.nets.device import usable
from generators.nets.operators import TORCH
from generators.pixels import too_large
from generators.resize import Pixels
from generators.sampling.overlap import ramp, starts

EXTRA = "generator 'spandrel' needs: pip install -e \".[spandrel]\""


class SpandrelConfig(GenerateConfig, NetFile):
    """Settings of a run of a network that spandrel reads."""

    generator: Literal["spandrel"]
    inputs: Path
    scale: int | None = Field(default=None, ge=1)  # what the network is expected to enlarge by
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    tile: int | None = Field(default=None, ge=16)  # input pixels a side
    overlap: int = Field(default=32, ge=0)

    @model_validator(mode="after")
    def _overlaps_less_than_a_tile(self) -> SpandrelConfig:
        if self.tile is None:
            refuse_unused(self, ["overlap"], "which is of tiles, and `tile` is not set")
        elif self.overlap >= self.tile:
            raise ValueError(f"overlap {self.overlap}: expected less than tile {self.tile}")
        return self


def load(config: SpandrelConfig, runtime: Runtime) -> Generator:
    """Return the network as a generator. Raises `ConfigError` where the TOML does not fit it."""
    digest = _digest(config)
    model = _checked(config, _opened(config))
    device, dtype = usable(runtime.device), getattr(torch, config.dtype)
    model.to(device).to(dtype).eval()

    def enlarge(image: Tensor) -> Tensor:
        try:
            made: Tensor = model(image.to(device, dtype)).float().cpu()
        except Exception as error:  # whatever a network of others raises
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise GeneratorError(f"{config.checkpoint}: the network failed ({reason})") from error
        if not made.isfinite().all():
            raise GeneratorError(f"{config.checkpoint}: the network made values that are no number")
        return made

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        # One at a time: a result then depends on no other image.
        return [_pixels(_tiled(enlarge, _unit(task), config, model.scale)) for task in tasks]

    facts = Facts(
        checkpoint={config.checkpoint.name: digest},
        sampler=str(model.architecture.name),
        evaluations=1,
        dtype=config.dtype,
        arithmetic=TORCH,
        libraries=("torch", "spandrel"),
        seeded=False,
    )

    def refuses(width: int, height: int) -> str:
        return too_large(width * model.scale, height * model.scale)

    return Generator(images=images, facts=facts, refuses=refuses)


def _digest(config: SpandrelConfig) -> str:
    if not config.checkpoint.is_file():
        raise ConfigError(f"{config.checkpoint}: no such file, expected a network's weights")
    digest = file_sha256(config.checkpoint)
    check_digest(config.checkpoint, digest, config.sha256)
    return digest


def _spandrel() -> Any:
    """Return the module. Raises `ConfigError` where it is missing or cannot be imported."""
    if importlib.util.find_spec("spandrel") is None:
        raise ConfigError(EXTRA)
    try:
        import spandrel
    except Exception as error:  # whatever a package in the environment raises when it is imported
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        how = "; it needs the torchvision that was built for this torch"
        told = how if "torchvision" in reason else ""
        raise ConfigError(f"spandrel cannot be imported ({reason}){told}") from None
    return spandrel


def _opened(config: SpandrelConfig) -> Any:
    if config.checkpoint.suffix.lower() == ".pt":  # TorchScript, which holds code
        raise ConfigError(f"{config.checkpoint}: is .pt, expected .pth, .ckpt or .safetensors")
    try:
        return _spandrel().ModelLoader().load_from_file(config.checkpoint)
    except ConfigError:
        raise
    except Exception as error:  # of files that are damaged, foreign, or of no known network
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise ConfigError(
            f"{config.checkpoint}: no network that spandrel knows ({reason[:160]})"
        ) from None


def _checked(config: SpandrelConfig, model: Any) -> Any:
    where = f"{config.checkpoint}: {model.architecture.name}"
    if not isinstance(model, _spandrel().ImageModelDescriptor):
        raise ConfigError(f"{where} takes more than an image, expected a network that enlarges one")
    if (model.input_channels, model.output_channels) != (3, 3):
        found = f"{model.input_channels} to {model.output_channels} channels"
        raise ConfigError(f"{where} maps {found}, expected colour images (3 to 3)")
    if config.scale is not None and model.scale != config.scale:
        raise ConfigError(
            f"{where} enlarges by {model.scale}, the configuration says {config.scale}"
        )
    able = {"float16": model.supports_half, "bfloat16": model.supports_bfloat16, "float32": True}
    if not able[config.dtype]:
        raise ConfigError(f"{where} does not compute in {config.dtype}, expected float32")
    if config.tile is not None and model.tiling.name != "SUPPORTED":
        raise ConfigError(f"{where} sees the whole image: tiles would show, leave out `tile`")
    return model


def _unit(task: Task) -> Tensor:
    return torch.from_numpy(task.input().copy()).permute(2, 0, 1)[None].float() / 255


def _pixels(image: Tensor) -> Pixels:
    made: Pixels = (image[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return made


def _tiled(enlarge: Any, image: Tensor, config: SpandrelConfig, scale: int) -> Tensor:
    """Return the enlarged image, put together from tiles that are blended over their overlap."""
    height, width = image.shape[-2:]
    tile, overlap = config.tile, config.overlap
    if tile is None or (height <= tile and width <= tile):
        made: Tensor = enlarge(image)
        return made
    total = torch.zeros(1, 3, height * scale, width * scale)
    weight = torch.zeros_like(total[:, :1])
    for top in starts(height, tile, overlap):
        for left in starts(width, tile, overlap):
            part = enlarge(image[:, :, top : top + tile, left : left + tile])
            rows = slice(top * scale, top * scale + part.shape[-2])
            columns = slice(left * scale, left * scale + part.shape[-1])
            fade = overlap * scale
            sides = ramp(part.shape[-2], fade)[:, None] * ramp(part.shape[-1], fade)[None]
            total[:, :, rows, columns] += part * sides
            weight[:, :, rows, columns] += sides
    return total / weight
