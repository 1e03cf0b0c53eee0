"""Classification accuracy score (Ravuri and Vinyals 2019): train on generated, test on real images.

The same network trained on real images is the ceiling. Every epoch draws its order, crops and flips
only from (seed, epoch), so a training that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from generators.files import alone_in, utc_now, write_atomically
from metrics.classification.accuracy import hits
from metrics.classification.cas_config import CasConfig, read_config
from metrics.classification.cas_network import build
from metrics.classification.cas_result import TOP, CasResult
from metrics.classification.cas_scores import CAS, as_scores
from metrics.errors import InputError, counted, few
from metrics.images.decode import decode
from metrics.images.pairing import ImageFiles, open_images
from metrics.intervals import wilson
from metrics.networks.devices import check_device, without_tf32
from metrics.progress import Advance, Stage, say, silent
from metrics.scores import SCORES, read_scores, write_scores

FORMAT_VERSION = 1
_MOMENTUM = 0.9
_PADDING = 1 / 8  # of the side, for random crops


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images in memory: pixels ``(N, 3, S, S)`` uint8 and class numbers ``(N,)``."""

    pixels: Tensor
    classes: Tensor
    digest: str


def run_config(
    path: Path, output: Path, stage: Stage = silent, *, device: str = "cpu"
) -> list[CasResult]:
    """Return the scores of a configuration, generated first, then the ceiling.

    They are also written to ``cas.json`` in `output`, where the trainings keep their state, and
    those of generated images to ``scores.json`` beside it, for a report; one process at a time.
    """
    config = read_config(path)
    check_device(device)
    _check_apart(output / SCORES)
    test_images = _open(config.test)
    names = sorted(set(test_images.labels.values()))
    test = _load(test_images, names, config.image_size)
    results: list[CasResult] = []
    opened: dict[str, ImageFiles] = {}
    with alone_in(output):
        _check_apart(output / SCORES)  # again: now nobody adds any
        for role, folder in (("generated", config.generated), ("real", config.real)):
            if folder is not None:
                images = opened[role] = _open(folder)
                train = _load(images, names, config.image_size)
                say(_cautions(folder, train, names))
                state = output / f"{role}.state.pt"
                with stage(f"training on {role}", config.epochs) as advance:
                    model = fit(train, len(names), config, state, advance, device=device)
                results.append(_result(role, model, train, test))
        _write(output / "cas.json", config, names, results, device)
        if "generated" in opened:
            file = as_scores(config, opened["generated"], test_images, results)
            write_scores(output / SCORES, file)
    return results


def _check_apart(scores: Path) -> None:
    """Raise `InputError` where scores of other metrics would be lost."""
    others = [score.name for score in read_scores(scores).scores] if scores.is_file() else []
    others = [name for name in others if not name.startswith(CAS)]
    if others:
        raise InputError(f"{scores}: holds {few(others)}, expected none of these; use another -o")


def _cautions(folder: Path, train: Labelled, names: Sequence[str]) -> Iterator[str]:
    """Yield what a reader of an accuracy should know of the classes that it rests on."""
    lacking = sorted(set(range(len(names))) - set(train.classes.tolist()))
    if lacking:
        words = counted(len(lacking), "class of the test set has", "classes of the test set have")
        yield f"{folder}: {words} no images here: {few([names[number] for number in lacking])}"
    if len(names) <= TOP:
        yield f"top-{TOP} accuracy says nothing about {counted(len(names), 'class', 'classes')}"


def _open(folder: Path) -> ImageFiles:
    images = open_images(folder)
    say(images.notes)
    bare = [item for item in images.files if item not in images.labels]
    if bare:
        words = counted(len(bare), "image has", "images have")
        raise InputError(f"{folder}: {words} no class label: {few(bare)}")
    return images


def _load(images: ImageFiles, names: Sequence[str], side: int) -> Labelled:
    """Return the images resized (antialiased bicubic) to the network's side, in id order."""
    number = {name: index for index, name in enumerate(names)}
    strange = sorted(set(images.labels.values()) - set(names))
    if strange:
        raise InputError(f"{images.folder}: classes that the test set lacks: {few(strange)}")
    pixels = torch.empty((len(images.files), 3, side, side), dtype=torch.uint8)
    for index, file in enumerate(images.files.values()):
        image = torch.from_numpy(decode(file)).permute(2, 0, 1)[None].float()
        if image.shape[2:] != (side, side):
            image = functional.interpolate(image, (side, side), mode="bicubic", antialias=True)
        pixels[index] = image[0].round().clamp(0, 255).to(torch.uint8)
    classes = torch.tensor([number[images.labels[item]] for item in images.files])
    return Labelled(pixels, classes, images.digest)


def fit(
    train: Labelled,
    classes: int,
    config: CasConfig,
    state: Path,
    advance: Advance,
    *,
    device: str = "cpu",
) -> nn.Module:
    """Return the trained classifier, going on from the state file if there is one.

    SGD with momentum 0.9 and a cosine schedule. Raises `InputError` if the state file belongs to
    another configuration or training set.
    """
    torch.manual_seed(config.seed)
    model = build(config.network, classes).to(device)  # drawn on the processor: one start for all
    rate = config.learning_rate * config.batch / 256
    optimiser = torch.optim.SGD(
        model.parameters(), rate, _MOMENTUM, weight_decay=config.weight_decay, nesterov=True
    )
    mark = _mark(config, train, classes)
    first = _resume(state, mark, model, optimiser)
    advance(first)
    for epoch in range(first, config.epochs):
        with without_tf32(device):
            _train_epoch(model, optimiser, train, config, epoch)
        _save(state, mark, model, optimiser, epoch + 1)
        advance(1)
    return model.eval()


def _train_epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    train: Labelled,
    config: CasConfig,
    epoch: int,
) -> None:
    model.train()
    device = next(model.parameters()).device
    random = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    order = torch.randperm(len(train.classes), generator=random)
    # A batch of one has no batch statistics; the last images of an odd epoch wait for the next.
    batches = [part for part in torch.split(order, config.batch) if len(part) > 1]
    base = config.learning_rate * config.batch / 256
    for step, part in enumerate(batches):
        done = (epoch + step / len(batches)) / config.epochs
        for group in optimiser.param_groups:
            group["lr"] = base * 0.5 * (1 + math.cos(math.pi * done))
        inputs = _normal(augment(train.pixels[part], random)).to(device, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            logits = model(inputs)
        loss = functional.cross_entropy(logits.float(), train.classes[part].to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def augment(pixels: Tensor, random: torch.Generator) -> Tensor:
    """Return the images ``(N, 3, S, S)`` shifted by up to S/8, reflected, and flipped at random."""
    count, _, side, _ = pixels.shape
    pad = int(side * _PADDING)
    padded = functional.pad(pixels.float(), (pad,) * 4, mode="reflect")
    top, left = torch.randint(0, 2 * pad + 1, (2, count), generator=random)
    rows = (top[:, None] + torch.arange(side))[:, None, :, None]
    columns = (left[:, None] + torch.arange(side))[:, None, None, :]
    image = torch.arange(count)[:, None, None, None]
    channel = torch.arange(3)[None, :, None, None]
    cut = padded[image, channel, rows, columns]
    flip = torch.rand(count, generator=random) < 0.5
    return torch.where(flip[:, None, None, None], cut.flip(3), cut)


def _normal(pixels: Tensor) -> Tensor:
    return (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def _logits(model: nn.Module, test: Labelled) -> NDArray[np.float32]:
    device = str(next(model.parameters()).device)
    with torch.inference_mode(), without_tf32(device):
        parts = [model(_normal(part).to(device)).cpu() for part in torch.split(test.pixels, 256)]
    logits: NDArray[np.float32] = torch.cat(parts).numpy()
    return logits


def _result(name: str, model: nn.Module, train: Labelled, test: Labelled) -> CasResult:
    logits, truth = _logits(model, test), test.classes.tolist()
    top1, top5 = (float(hits(logits, truth, k).mean()) for k in (1, TOP))
    count = len(truth)
    return CasResult(
        name,
        top1,
        wilson(top1, count),
        top5,
        wilson(top5, count),
        len(train.classes),
        count,
        train.digest,
        test.digest,
    )


def _mark(config: CasConfig, train: Labelled, classes: int) -> str:
    """Return the digest of all that decides a training, its images' classes among it."""
    fields = config.model_dump(mode="json", exclude={"test", "generated", "real"})
    fields |= {"train": train.digest, "labels": train.classes.tolist(), "classes": classes}
    text = json.dumps(fields, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _save(
    path: Path, mark: str, model: nn.Module, optimiser: torch.optim.Optimizer, epochs: int
) -> None:
    stream = io.BytesIO()
    fields = {"mark": mark, "epochs": epochs, "model": model.state_dict()}
    torch.save(fields | {"optimiser": optimiser.state_dict()}, stream)
    write_atomically(path, stream.getvalue())


def _resume(path: Path, mark: str, model: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Return the number of epochs that are done, after loading their state."""
    if not path.exists():
        return 0
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        found = saved["mark"]
    except Exception as error:  # whatever a file that is none makes torch raise
        raise InputError(f"{path}: no whole state of a training; remove it") from error
    if found != mark:
        raise InputError(
            f"{path}: belongs to another configuration or training set; use another -o"
        )
    model.load_state_dict(saved["model"])
    optimiser.load_state_dict(saved["optimiser"])
    return int(saved["epochs"])


def _write(
    path: Path,
    config: CasConfig,
    names: Sequence[str],
    results: Sequence[CasResult],
    device: str,
) -> None:
    fields = {
        "format_version": FORMAT_VERSION,
        "created_at": utc_now(),
        "config": config.model_dump(mode="json"),
        "device": torch.device(device).type,
        "classes": list(names),
        "results": [asdict(result) for result in results],
    }
    write_atomically(path, (json.dumps(fields, indent=1) + "\n").encode())
