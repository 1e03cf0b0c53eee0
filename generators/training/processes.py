"""The processes that train together (torchrun): their devices, their agreements, how they stop."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from generators.errors import ConfigError
from generators.nets.device import usable

T = TypeVar("T")
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Workers:
    """This process among those that train together."""

    rank: int = 0
    count: int = 1
    device: torch.device = CPU

    def share(self, batch: int) -> range:
        """Return which examples of a batch are this process's: every `count`-th."""
        return range(self.rank, batch, self.count)

    def agree(self, values: Mapping[str, Tensor], stop: bool) -> tuple[Mapping[str, Tensor], bool]:
        """Return the mean of each value over all processes, and whether any was asked to stop."""
        if self.count == 1:
            return values, stop
        means = [value / self.count for value in values.values()]
        asked = torch.tensor(float(stop), device=self.device)
        together = torch.stack([*means, asked])
        torch.distributed.all_reduce(together)
        return dict(zip(values, together[:-1], strict=True)), bool(together[-1] > 0)

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what the first process makes, in all of them; its errors are all processes'."""
        if self.count == 1:
            return make()
        told: list[Any] = [None]
        if self.rank == 0:
            told = [_outcome(make)]
        torch.distributed.broadcast_object_list(told, device=self.device)
        made, error = told[0]
        if error is not None:
            raise error
        value: T = made
        return value

    def parallel(self, net: nn.Module) -> nn.Module:
        """Return the net so that its gradients are the mean of all processes'."""
        if self.count == 1:
            return net
        cards = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(net, device_ids=cards)


def _outcome(make: Callable[[], T]) -> tuple[T | None, Exception | None]:
    try:
        return make(), None
    except Exception as error:
        return None, error


def device_of(name: str, environment: Mapping[str, str]) -> str:
    """Return the device of this process: of several on a machine each takes its own card.

    torchrun numbers a machine's processes in LOCAL_RANK. Raises `ConfigError` where they would
    meet on one card, or where there are fewer cards than processes.
    """
    together = number_of("WORLD_SIZE", environment)
    if together == 1 or name == "cpu":
        return name
    if name != "cuda":
        raise ConfigError(f"--device {name}: {together} processes need --device cuda or cpu")
    _require(("LOCAL_RANK",), environment)
    rank, cards = number_of("LOCAL_RANK", environment, least=0), torch.cuda.device_count()
    if rank >= cards:
        raise ConfigError(
            f"--device cuda: torch finds {cards} cards on this machine, and process {rank + 1} "
            f"needs one of its own; expected --nproc-per-node {cards} at most"
        )
    return f"cuda:{rank}"


def number_of(name: str, environment: Mapping[str, str], least: int = 1) -> int:
    """Return a number of torchrun's, or the least where it is not set. Raises `ConfigError`."""
    given = environment.get(name, str(least))
    if not (given.isascii() and given.isdigit() and int(given) >= least):
        expected = f"expected a whole number of {least} or more, as torchrun sets it"
        raise ConfigError(f"{name} is {given!r}, {expected}")
    return int(given)


def _require(names: Sequence[str], environment: Mapping[str, str]) -> None:
    missing = [name for name in names if not environment.get(name)]
    if missing:
        together = environment.get("WORLD_SIZE")
        raise ConfigError(
            f"WORLD_SIZE is {together}, but {', '.join(missing)} is not set; start several "
            "processes with torchrun, or unset WORLD_SIZE for one"
        )


@contextlib.contextmanager
def _group(backend: str) -> Iterator[None]:
    """Meet the other processes. Raises `ConfigError` where they cannot be reached."""
    _require(("RANK", "MASTER_ADDR", "MASTER_PORT"), os.environ)
    try:
        torch.distributed.init_process_group(backend)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"the processes cannot meet at {where} ({first})") from None
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


@contextlib.contextmanager
def workers(name: str) -> Iterator[Workers]:
    """Give this process its place among the others, from torchrun's environment."""
    device = usable(device_of(name, os.environ))
    if number_of("WORLD_SIZE", os.environ) == 1:
        yield Workers(device=device)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with _group("gloo" if device.type == "cpu" else "nccl"):
        yield Workers(torch.distributed.get_rank(), torch.distributed.get_world_size(), device)


class Stop:
    """True once Ctrl-C or SIGTERM was received; the step in flight is finished first."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Stop:
        signals = (signal.SIGINT, signal.SIGTERM)
        self.before = {number: signal.signal(number, self._ask) for number in signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self.asked

    def _ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
