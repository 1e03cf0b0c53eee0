"""What a generator is: the contract between the driver (`generate/run.py`) and every method.

How to plug a generator in
--------------------------
A generator is three things, registered as one `Kind` in `generators.methods.registry.GENERATORS`:

1. a configuration, a subclass of `generators.config.GenerateConfig` with its own keys. `inputs` is
   None by default: a generator that needs input images declares ``inputs: Path``; one that makes
   images from class labels or noise gives `items(config)` instead (see `Kind`);
2. ``load(config, runtime) -> Generator``: does the slow part once (opens the checkpoint, moves the
   net to `runtime.device`), and returns
3. a `Generator`: ``images(tasks) -> list of (H, W, 3) uint8 arrays`` in the order of the tasks, and
   the facts that the manifest records. An image that falls short of what was sought (a search that
   did not converge) is given as `Made`, which says so: the manifest keeps it, and every command
   that reads the run repeats it.

    def load(config: Sr3Config, runtime: Runtime) -> Generator:
        net = open_checkpoint(config.checkpoint).to(runtime.device)

        def images(tasks: Sequence[Task]) -> list[Pixels]:
            ...

        return Generator(images=images, micro_batch=runtime.batch or 8, facts=Facts(...))

    # generators/methods/registry.py
    def _sr3() -> Kind:
        from generators.methods.trained import sr3
        return Kind(Config=sr3.Sr3Config, load=sr3.load)

    GENERATORS = {..., "sr3": _sr3}

A generator that cannot take inputs of every size says so by ``refuses(width, height)``, a reason or
``""``: the driver asks it of all inputs before the first is made.

`images` must depend on nothing but the config, the checkpoint and each task by itself: everything
random comes from `task.seed` (derived from the run's seed and the item's id), never from how the
items were batched, so that a run killed at any moment and started again gives the same folder.

The commands `train CONFIG` and `schedule search CONFIG` call, when they run,
``generators.training.loop.train(path, device=…)`` and
``generators.sampling.schedule_search.search(path, device=…)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from generators.config import GenerateConfig
from generators.errors import ConfigError
from generators.resize import Pixels

M = TypeVar("M", bound="Pixels | Made")


@dataclass(frozen=True)
class Task:
    """One image to make."""

    id: str
    seed: int  # of this item only, below 2**53
    label: str | None = None  # class label
    source: Path | None = None  # the input image's file
    prompt: str | None = None  # the text that the image is to show
    pixels: Pixels | None = None  # the input image, (h, w, 3) uint8, read just before `images`

    def input(self) -> Pixels:
        """Return the input image. Raises `ConfigError` for a task that has none."""
        if self.pixels is None:
            raise ConfigError(f"item {self.id!r} has no input image: set `inputs` to a run of them")
        return self.pixels


@dataclass(frozen=True)
class Made:
    """An image, and what it falls short of, in one line; None where there is nothing to say."""

    pixels: Pixels
    shortfall: str | None = None


@dataclass(frozen=True)
class Runtime:
    """What the command line may choose: where and how fast, never what."""

    device: str = "cpu"
    batch: int | None = None  # images per call; None lets the generator choose
    workers: int = 2  # threads that read and write files


@dataclass(frozen=True)
class Facts:
    """What the manifest records of a loaded generator."""

    checkpoint: dict[str, str] | None = None  # file name -> sha256
    inputs: dict[str, str] = field(default_factory=dict)  # role -> digest, besides `inputs`
    sampler: str | None = None
    evaluations: int | None = None  # network evaluations per image
    dtype: str = "uint8"
    arithmetic: str | None = None  # what computes its nets (`generators.nets.operators`)
    libraries: tuple[str, ...] = ()  # to record besides numpy and pillow; torch's heed --device
    seeded: bool = True  # False for generators that use no randomness


@dataclass(frozen=True)
class Generator:
    """A loaded generator."""

    images: Callable[[Sequence[Task]], Sequence[Pixels | Made]]
    facts: Facts = field(default_factory=Facts)
    refuses: Callable[[int, int], str] | None = None  # why not an input of this (width, height)
    micro_batch: int | None = None  # recorded where the result may depend on it; None: it does not


@dataclass(frozen=True)
class Kind:
    """An entry of the registry. `items` gives the item list of a generator without inputs.

    `prompts` gives the items' prompts that the configuration states; those of the inputs' run are
    kept without it.
    """

    Config: type[GenerateConfig]
    load: Callable[[Any, Runtime], Generator]
    items: Callable[[Any], list[tuple[str, str | None]]] | None = None  # (item id, label)
    prompts: Callable[[Any, Sequence[str]], dict[str, str]] | None = None  # of these item ids


def one_by_one(image: Callable[[Task], M]) -> Callable[[Sequence[Task]], list[M]]:
    """Return `images` of a `Generator` that makes each by itself: the same bytes for any batch."""
    return lambda tasks: [image(task) for task in tasks]


def by_name(files: Sequence[tuple[Path, str]]) -> dict[str, str]:
    """Return digests by file name; files of one name, as trainings write them, by folder too."""
    names = [path.name for path, _ in files]
    return {
        path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}": digest
        for path, digest in files
    }
