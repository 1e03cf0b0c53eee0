"""ADM: the U-Net predicts the image's noise and the reverse step's variance (hybrid loss)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from generators.diffusion.bound import hybrid_loss
from generators.diffusion.discrete import at as table_at
from generators.diffusion.discrete import ddim_strided, respaced
from generators.diffusion.process import diffuse
from generators.diffusion.respaced import ddim
from generators.errors import ConfigError
from generators.nets.adm import ADM, AdmModel
from generators.nets.checkpoint import write_model
from generators.nets.model import Condition, evaluate
from generators.nets.tensors import to_unit
from generators.nets.unet import UNet, channels_last, parameter_count
from generators.training.config import TrainingConfig
from generators.training.data import Images
from generators.training.methods.contract import Method, Start, last_with
from generators.training.part import Part, Step
from generators.training.sheet import write_sheet

WIDE = 8  # samples in a row


class AdmTraining(TrainingConfig):
    """A training of ADM's class-conditional net."""

    method: Literal["adm"]
    model: AdmModel

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the data must have."""
        return self.model.classes


def check(path: Path, config: AdmTraining) -> None:
    """Raise `ConfigError` if the parts of the configuration do not fit each other."""
    model, data = config.model, config.data
    if model.factor != 1 or data.factor != 1:
        raise ConfigError(f"{path}: training an upsampler (factor above 1) is not offered")
    check_images(path, config, model.size)
    if data.patch:
        raise ConfigError(f"{path}: data.patch is {data.patch}, ADM trains on whole images")


def check_images(path: Path, config: TrainingConfig, size: int) -> None:
    """Raise `ConfigError` unless the data's images and labels are those of the model."""
    if size != config.data.size:
        raise ConfigError(f"{path}: data.size is {config.data.size}, model.size is {size}")
    if config.classes and config.data.labels == "none":
        raise ConfigError(f"{path}: model.classes needs data.labels = 'folder'")


def drawn_steps(at: Step, steps: int) -> Tensor:
    """Return a step t of each example, ``(N,)``: uniform in 0..T-1, stratified over the batch."""
    places = torch.tensor(list(at.draws.examples)).double()
    share = (places + at.draws.rand().double()) / at.config.batch
    return (share * steps).long().clamp(max=steps - 1)


def begin(config: AdmTraining, start: Start) -> Method:
    """Return the training of one net on L_hybrid."""
    model, device = config.model, start.among.device
    process = model.process()
    part = Part(channels_last(UNet(model.net), device), config, start.among)

    def step(at: Step) -> dict[str, Tensor]:
        t = drawn_steps(at, model.steps)
        noise = at.draws.randn(3, model.size, model.size).to(device)
        x0, t = at.batch.high.to(device), t.to(device)
        label = at.batch.labels.to(device) if model.classes else None
        if model.net.dropout:
            at.seed_torch("dropout")
        y = diffuse(x0, noise, table_at(process.gamma, t))
        with at.autocast():
            output = evaluate(part.parallel, y, t, Condition(label=label))
        simple, bound = hybrid_loss(process, model.prediction, output, x0=x0, noise=noise, places=t)
        total = part.update(simple + bound, at)
        return {"loss": total, "simple": simple.detach(), "bound": bound.detach()}

    def look(held_back: Images, number: int) -> dict[str, float]:
        net = channels_last(UNet(model.net), device)
        net.load_state_dict(part.averages)
        return preview(net.eval(), config, held_back, number)

    def write(path: Path, facts: dict[str, Any]) -> str:
        return write_model(path, part.averages, model, facts, ADM.header)

    return Method(parts={"net": part}, step=step, preview=look, write=write)


def preview(
    net: UNet, config: AdmTraining, held_back: Images, number: int, evaluations: int = 25
) -> dict[str, float]:
    """Write ``samples/STEP.png``, a sample of each class; return how their mean lies, in levels.

    `offset` is the distance of their mean colour to that of the held-out images (0 without any): a
    short training may shift all colours.
    """
    model, device = config.model, next(net.parameters()).device
    count = max(WIDE, len(model.classes))
    label = torch.arange(count, device=device) % len(model.classes) if model.classes else None
    process = model.process()
    few = respaced(process, ddim_strided(model.steps, min(evaluations, model.steps)))
    draws = torch.Generator().manual_seed(0)
    y = torch.randn(count, 3, model.size, model.size, generator=draws).to(device)

    def ask(noisy: Tensor, t: int) -> Tensor:
        steps = torch.full((len(noisy),), t, device=device)
        return evaluate(net, noisy, steps, Condition(label=label))

    with torch.inference_mode():
        made = ddim(ask, y, few, lambda _: y, prediction=model.prediction).cpu()
    sheet = config.out / "samples" / f"{number:06d}.png"
    write_sheet(sheet, [made[k : k + WIDE] for k in range(0, count, WIDE)])
    return {"offset": _offset(made, held_back)} if len(held_back) else {}


def _offset(made: Tensor, held_back: Images) -> float:
    real = torch.stack([to_unit(held_back[k][0]).mean((1, 2)) for k in range(len(held_back))])
    return float((made.clamp(-1, 1).mean((0, 2, 3)) - real.mean(0)).abs().mean() * 127.5)


def card(config: AdmTraining, log: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the model card says of the net."""
    model = config.model
    about = f"one of {len(model.classes)} classes" if model.classes else "no class in particular"
    kept = "" if model.prediction == "epsilon" else f" (ADM's predicts ε; this one {_kind(model)})"
    last = last_with(log, "offset")
    return {
        "makes": f"a {model.size}x{model.size} image of {about}, by ADM with a learned "
        f"variance{kept}",
        "parameters": f"{parameter_count(model.net) / 1e6:.2f} million",
        "validation": "none (looked at samples)"
        if last is None
        else f"mean colour of samples {last['offset']:.2f} levels from held-out images' after "
        f"{last['step']} steps",
    }


def _kind(model: AdmModel) -> str:
    return {"v": "v", "x0": "the clean image", "epsilon": "ε"}[model.prediction]
