"""BigGAN-deep: a class-conditional generator against a discriminator with projection.

Losses, spectral norm, the orthogonal penalty and the optimizers are the paper's (Brock et al.,
2019). The changes that the discriminator sees are DiffAugment's (Zhao et al., 2020): without them
it learns few images by heart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from generators.diffusion.noise import draw_seed
from generators.errors import ConfigError
from generators.gan.augment import Change, augment
from generators.gan.biggan import (
    BIGGAN,
    BigGan,
    BigGanConfig,
    Collecting,
    standing_at,
    truncated,
)
from generators.gan.biggan_critic import BigCritic, CriticConfig, hinge
from generators.gan.spectral import KINDS, folded, normalise, orthogonal_penalty
from generators.nets.checkpoint import write_model
from generators.nets.unet import channels_last
from generators.training.config import TrainingConfig
from generators.training.data import Images
from generators.training.methods.contract import Method, Start, last_with, parameters_of
from generators.training.part import Part, Step
from generators.training.processes import Workers
from generators.training.sheet import write_sheet

BETAS = (0.0, 0.999)
WIDE = 8  # samples in a row
STATISTICS = ("means", "variances")  # the ends of the names of standing statistics
DEFAULT: tuple[Change, ...] = ("translation", "cutout")


class BigGanTraining(TrainingConfig):
    """A training of BigGAN-deep.

    `rate` is the generator's and `critic_rate` the discriminator's, which takes `critic_steps`
    steps for one, each on its part of the batch. `orthogonal` is the penalty's β. Standing
    statistics are means over `standing` batches for each truncation.
    """

    method: Literal["biggan_deep"]
    critic: CriticConfig
    critic_rate: float = Field(gt=0)
    critic_steps: int = Field(default=1, ge=1)
    orthogonal: float = Field(default=1e-4, ge=0)
    standing: int = Field(default=16, ge=1)
    changes: tuple[Change, ...] = DEFAULT
    model: BigGanConfig

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the data must have."""
        return self.model.classes


def check(path: Path, config: BigGanTraining) -> None:
    """Raise `ConfigError` if the parts of the configuration do not fit each other."""
    model, data, critic = config.model, config.data, config.critic
    if data.size != model.size or data.factor != 1 or data.patch or data.labels != "folder":
        raise ConfigError(
            f"{path}: data gives images of {data.size} pixels, factor {data.factor}, patch "
            f"{data.patch}, labels {data.labels!r}; expected whole images of model.size "
            f"{model.size} and labels 'folder'"
        )
    if model.latent != "resampled":
        raise ConfigError(f"{path}: model.latent is {model.latent!r}, trainings have 'resampled'")
    trunk = model.size // model.patch
    sides = [trunk >> level for level in range(1, len(critic.multipliers) + 1)]
    widths = [critic.channels * multiplier for multiplier in (1, *critic.multipliers)]
    if critic.attention not in sides or sides[-1] < 2 or widths != sorted(widths):
        raise ConfigError(
            f"{path}: critic has multipliers {list(critic.multipliers)} and attention "
            f"{critic.attention}; expected rising multipliers of at least 1 for sides "
            f"{trunk >> 1} to 4, and attention at one of them"
        )
    if (widths[1 + sides.index(critic.attention)]) % 8:
        raise ConfigError(f"{path}: critic's attention needs a multiple of 8 channels")
    if config.batch % config.critic_steps:
        raise ConfigError(
            f"{path}: batch {config.batch} is no multiple of critic_steps {config.critic_steps}"
        )


def begin(config: BigGanTraining, start: Start) -> Method:
    """Return the training of the generator and its discriminator."""
    device, model = start.among.device, config.model
    maker, judge = _parts(config, start.among)
    rows = _penalised(maker.net)

    def step(at: Step) -> dict[str, Tensor]:
        real = augment(at.batch.high.to(device), config.changes, at.draws)
        labels = at.batch.labels.to(device)
        z, label = at.draws.randn(model.z), at.draws.below(len(model.classes)).to(device)
        with at.autocast():
            # One batch of made images serves all steps: parts of it the discriminator's.
            made = augment(maker.parallel(z.to(device), label), config.changes, at.draws)
        for some in torch.arange(len(real)).chunk(config.critic_steps):
            seen = torch.cat([real[some], made[some].detach()])
            with at.autocast():
                scores = judge.parallel(seen, torch.cat([labels[some], label[some]]))
            judged = judge.update(hinge(*scores.chunk(2)), at)
        with at.autocast():
            fooled = -judge.net(made, label).mean()
        penalty = orthogonal_penalty(weight() for weight in rows)
        maker.update(fooled + config.orthogonal * penalty, at)
        taken = (scores.chunk(2)[0] > 0).float().mean()
        values = {"critic": judged, "real": taken, "rows": penalty.detach()}
        return {"loss": fooled.detach()} | values

    def look(held_back: Images, number: int) -> dict[str, float]:
        return preview(_averaged(maker, config, passes=4), judge, config, held_back, number)

    def write(path: Path, facts: dict[str, Any]) -> str:
        tensors = _averaged(maker, config, passes=config.standing).state_dict()
        exact = {name for name in tensors if name.endswith(STATISTICS)}
        return write_model(path, tensors, model, facts, BIGGAN.header, exact=exact)

    return Method({"net": maker, "critic": judge}, step, look, write)


def _parts(config: BigGanTraining, among: Workers) -> tuple[Part, Part]:
    """Return the generator and its discriminator, each normalised and with its optimizer."""
    model = config.model

    def adam(rate: float) -> Any:
        return lambda them: torch.optim.Adam(them, lr=rate, betas=BETAS, eps=1e-8, fused=True)

    maker = BigGan(model)
    judge = BigCritic(config.critic, len(model.classes), model.size, model.patch)
    for net in (maker, judge):
        _orthogonal(net)
    normalise(maker, leave=[maker.embedding])
    normalise(judge)
    return (
        Part(channels_last(maker, among.device), config, among, optimizer=adam(config.rate)),
        Part(
            channels_last(judge, among.device),
            config,
            among,
            optimizer=adam(config.critic_rate),
            rate=config.critic_rate,
            averaged=False,
        ),
    )


def _orthogonal(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, KINDS):
            nn.init.orthogonal_(module.weight)
            if not isinstance(module, nn.Embedding) and module.bias is not None:
                nn.init.zeros_(module.bias)


def _penalised(maker: nn.Module) -> list[Any]:
    """Return what gives the trained weights whose rows should be orthogonal: all but the classes'.

    They are those before the division by the spectral norm, as in public code.
    """
    names = [name for name, _ in maker.named_parameters() if name.endswith("weight.original")]
    return [lambda name=name: maker.get_parameter(name) for name in names]


def _averaged(maker: Part, config: BigGanTraining, passes: int) -> BigGan:
    """Return the averaged generator with standing statistics of `passes` batches each."""
    net = BigGan(config.model)
    net.load_state_dict({n: value.cpu() for n, value in folded(maker.averages).items()})
    collect(net.eval(), config.seed, config.batch, passes)
    return net


def collect(net: BigGan, seed: int, batch: int, passes: int) -> None:
    """Fill the net's standing statistics: means over batches whose classes come in turn."""
    model = net.config
    with torch.inference_mode():
        for entry in range(model.entries):
            threshold = model.most * entry / (model.entries - 1)
            for number in range(passes):
                first = (entry * passes + number) * batch
                seeds = range(first, first + batch)
                z = torch.stack(
                    [truncated(draw_seed(seed, -1, each), model.z, threshold) for each in seeds]
                )
                label = torch.arange(number * batch, (number + 1) * batch) % len(model.classes)
                net(z, label, Collecting(entry, number))


def preview(
    net: BigGan, judge: Part, config: BigGanTraining, held_back: Images, number: int
) -> dict[str, float]:
    """Write ``samples/STEP.png``: two rows a sheet of classes, the lower truncated to half.

    Returns the discriminator's mean scores of held-out and of made images: it knows its own by
    heart where it takes the held-out ones for made.
    """
    model = config.model
    count = max(WIDE, len(model.classes))
    label = torch.arange(count) % len(model.classes)
    rows: list[Tensor] = []
    with torch.inference_mode():
        for truncation in (model.most, model.most / 4):
            z = torch.stack([truncated(each, model.z, truncation) for each in range(count)])
            made = net(z, label, standing_at(model, truncation))
            rows += list(made.split(WIDE))
    write_sheet(config.out / "samples" / f"{number:06d}.png", rows)
    made = torch.cat(rows[: len(rows) // 2])
    found = {"mean": float(made.mean()), "spread": float(made.std(0).mean())}
    return found | (_known(judge, held_back, made, label) if len(held_back) else {})


def _known(judge: Part, held_back: Images, made: Tensor, label: Tensor) -> dict[str, float]:
    count = min(len(held_back), len(made))
    numbers: Sequence[int] = torch.linspace(0, len(held_back) - 1, count).long().tolist()
    real, device = held_back.stacked(numbers), next(judge.net.parameters()).device
    judge.net.eval()  # looking at it must not move its spectral norms
    with torch.inference_mode():
        unseen = judge.net(real.high.to(device), real.labels.to(device))
        own = judge.net(made[:count].to(device), label[:count].to(device))
    judge.net.train()
    return {"held_back_score": float(unseen.mean()), "made_score": float(own.mean())}


def card(config: BigGanTraining, log: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the model card says of the net."""
    model = config.model
    folds = f", trunk of {model.sides[-1]} pixels" if model.patch > 1 else ""
    last = last_with(log, "spread")
    return {
        "makes": f"a {model.size}x{model.size} image of one of {len(model.classes)} classes, by "
        f"BigGAN-deep ({model.channels} channels where the paper has 128{folds}; DiffAugment)",
        "parameters": parameters_of(lambda: BigGan(model)),
        "validation": "none (looked at samples)" if last is None else _told(last),
    }


def _told(entry: dict[str, Any]) -> str:
    judged = ""
    if "held_back_score" in entry:
        unseen, own = entry["held_back_score"], entry["made_score"]
        judged = f"; the discriminator's mean score of held-out images {unseen:.2f}, own {own:.2f}"
    return f"looked at samples after {entry['step']} steps{judged}"
