"""The training methods by name. To add one, see `generators.training.methods.contract`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from generators.config import closest, parse_config, read_toml
from generators.errors import ConfigError
from generators.training.config import TrainingConfig
from generators.training.methods.contract import Kind


def _diffusion() -> Kind:
    from generators.training.methods.unets import diffusion, unet

    return Kind(unet.UNetTraining, unet.check, diffusion.begin, unet.card)


def _regression() -> Kind:
    from generators.training.methods.unets import regression, unet

    return Kind(unet.UNetTraining, unet.check, regression.begin, unet.card)


def _adm() -> Kind:
    from generators.training.methods.unets import adm

    return Kind(adm.AdmTraining, adm.check, adm.begin, adm.card)


def _noisy_classifier() -> Kind:
    from generators.training.methods.unets import noisy_classifier as it

    return Kind(it.ClassifierTraining, it.check, it.begin, it.card)


def _fsrgan() -> Kind:
    from generators.training.methods.adversarial import fsrgan

    return Kind(fsrgan.FsrganTraining, fsrgan.check, fsrgan.begin, fsrgan.card)


def _stylegan() -> Kind:
    from generators.training.methods.adversarial import stylegan

    return Kind(stylegan.StyleGanTraining, stylegan.check, stylegan.begin, stylegan.card)


def _biggan_deep() -> Kind:
    from generators.training.methods.adversarial import biggan_deep as it

    return Kind(it.BigGanTraining, it.check, it.begin, it.card)


def _vqvae2() -> Kind:
    from generators.training.methods.codes import autoencoder as it

    return Kind(it.VqVaeTraining, it.check, it.begin, it.card)


def _code_prior() -> Kind:
    from generators.training.methods.codes import prior as it

    return Kind(it.PriorTraining, it.check, it.begin, it.card)


# Each entry imports its module when it is asked for.
METHODS: dict[str, Callable[[], Kind]] = {
    "diffusion": _diffusion,
    "regression": _regression,
    "adm": _adm,
    "noisy_classifier": _noisy_classifier,
    "fsrgan": _fsrgan,
    "stylegan": _stylegan,
    "biggan_deep": _biggan_deep,
    "vqvae2": _vqvae2,
    "code_prior": _code_prior,
}


def read_training(path: Path) -> tuple[TrainingConfig, Kind]:
    """Return a training's checked configuration and its registry entry. Raises `ConfigError`."""
    fields = read_toml(path)
    name = fields.get("method", _implied(fields))
    if not isinstance(name, str) or name not in METHODS:
        hint = closest(str(name), list(METHODS))
        raise ConfigError(f"{path}: method is {name!r}, {hint}")
    kind = METHODS[name]()
    config = parse_config(path, fields, kind.Config)
    _refuse_own_samples(path, config)
    kind.check(path, config)
    return config, kind


def _refuse_own_samples(path: Path, config: TrainingConfig) -> None:
    if config.out.resolve().is_relative_to(config.data.folder.resolve()):
        raise ConfigError(
            f"{path}: out {config.out} lies inside data.folder {config.data.folder}, where the "
            "samples it writes would be trained on; expected a place outside"
        )


def _implied(fields: dict[str, Any]) -> str:
    # Configurations of U-Nets may leave the method out: their task says it.
    model = fields.get("model")
    task = model.get("task") if isinstance(model, dict) else None
    return "regression" if task == "regression" else "diffusion"
