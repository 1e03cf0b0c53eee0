"""The generators by name. To add one, see `generators.methods.contract`."""

from __future__ import annotations

from collections.abc import Callable

from generators.config import closest
from generators.errors import ConfigError
from generators.methods.contract import Kind


def _interpolation() -> Kind:
    from generators.methods.resampling import interpolation

    return Kind(Config=interpolation.InterpolationConfig, load=interpolation.load)


def _downsample() -> Kind:
    from generators.methods.resampling import downsample

    return Kind(Config=downsample.DownsampleConfig, load=downsample.load)


def _imported() -> Kind:
    from generators.methods.foreign import imported

    return Kind(
        Config=imported.ImportedConfig,
        load=imported.load,
        items=imported.items,
        prompts=imported.prompts,
    )


def _sr3() -> Kind:
    from generators.methods.trained import sr3

    return Kind(Config=sr3.Sr3Config, load=sr3.load)


def _cdm() -> Kind:
    from generators.methods.trained import cdm

    return Kind(Config=cdm.CdmConfig, load=cdm.load, items=cdm.items)


def _adm() -> Kind:
    from generators.methods.trained import adm

    return Kind(Config=adm.AdmConfig, load=adm.load, items=adm.items)


def _diffusers() -> Kind:
    from generators.methods.foreign import diffusers_pipeline as adapter

    return Kind(
        Config=adapter.DiffusersConfig,
        load=adapter.load,
        items=adapter.items,
        prompts=adapter.prompts,
    )


def _spandrel() -> Kind:
    from generators.methods.foreign import spandrel_model as adapter

    return Kind(Config=adapter.SpandrelConfig, load=adapter.load)


def _fsrgan() -> Kind:
    from generators.methods.trained import fsrgan

    return Kind(Config=fsrgan.FsrganConfig, load=fsrgan.load)


def _pulse() -> Kind:
    from generators.methods.trained import pulse

    return Kind(Config=pulse.PulseConfig, load=pulse.load)


def _biggan_deep() -> Kind:
    from generators.methods.trained import biggan_deep as it

    return Kind(Config=it.BigGanRun, load=it.load, items=it.items)


def _vqvae2() -> Kind:
    from generators.methods.trained import vqvae2

    return Kind(Config=vqvae2.VqVaeRun, load=vqvae2.load, items=vqvae2.items)


# Each entry imports its module when it is asked for, so that a bicubic run does not load torch.
GENERATORS: dict[str, Callable[[], Kind]] = {
    "nearest": _interpolation,
    "bilinear": _interpolation,
    "bicubic": _interpolation,
    "lanczos": _interpolation,
    "sr3": _sr3,
    "regression": _sr3,
    "cdm": _cdm,
    "fsrgan": _fsrgan,
    "pulse": _pulse,
    "adm": _adm,
    "biggan_deep": _biggan_deep,
    "vqvae2": _vqvae2,
    "downsample": _downsample,
    "imported": _imported,
    "diffusers": _diffusers,
    "spandrel": _spandrel,
}


def kind_of(name: object, where: object) -> Kind:
    """Return the registry's entry. Raises `ConfigError` naming the file `where`."""
    if not isinstance(name, str) or name not in GENERATORS:
        hint = closest(str(name), list(GENERATORS))
        raise ConfigError(f"{where}: generator is {name!r}, {hint}")
    return GENERATORS[name]()
