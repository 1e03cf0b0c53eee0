"""Work spread over a Ray cluster: calls of one function, retried where a worker is lost.

Every machine must have this checkout, and must see the files that the calls name under the same
paths. A call may be made twice, so it must give the same result each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from generators.errors import ConfigError

IN_FLIGHT = 4  # calls handed out for each that the cluster can make at once
RETRIES = 5  # of a call whose worker died


def spread(
    address: str,
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    *,
    device: str = "cpu",
    errors: type[Exception],
) -> Iterator[Any]:
    """Give the results of the calls' arguments as the cluster finishes them, in any order.

    `address` is ``local``, ``local:N`` for N processes here, or a cluster's. An error of the kind
    `errors` in a worker is raised here as it is. Raises `ConfigError` when Ray is not installed or
    the cluster cannot be reached or dies.
    """
    ray = connect(address)
    try:
        unit = "GPU" if device.startswith("cuda") else "CPU"
        remote = ray.remote(**{f"num_{unit.lower()}s": 1}, max_retries=RETRIES)(function)
        left = list(calls)
        most = IN_FLIGHT * max(1, int(ray.cluster_resources().get(unit, 1)))
        waiting: set[Any] = set()
        while left or waiting:
            while left and len(waiting) < most:
                waiting.add(remote.remote(*left.pop(0)))
            ready, _rest = ray.wait(list(waiting), num_returns=1)
            waiting -= set(ready)
            yield from _results(ray, ready, errors)
    finally:
        ray.shutdown()


def connect(address: str) -> Any:
    """Return Ray, connected. Raises `ConfigError` where there is no Ray, or no cluster."""
    try:
        import ray
    except ImportError:
        raise ConfigError("--ray needs the package: pip install 'ray>=2.45'") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    root = str(Path(__file__).resolve().parents[1])
    environment = {"env_vars": {"PYTHONPATH": root}}
    place, options = _place(address)
    try:
        ray.init(place, runtime_env=environment, log_to_driver=False, **options)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(f"--ray {address}: no cluster there ({first})") from None
    return ray


def check_address(address: str) -> None:
    """Raise `ConfigError` for a word that says nothing of a cluster here."""
    _place(address)


def _place(address: str) -> tuple[str, dict[str, Any]]:
    name, colon, count = address.partition(":")
    if name != "local":
        return address, {}
    options: dict[str, Any] = {"include_dashboard": False}
    if colon:
        if not count.isdecimal() or int(count) < 1:
            raise ConfigError(
                f"--ray {address}: expected local, local:N with N processes, or ADDRESS"
            )
        options["num_cpus"] = int(count)
    return name, options


def _results(ray: Any, ready: Sequence[Any], errors: type[Exception]) -> Iterator[Any]:
    for reference in ready:
        try:
            yield ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, errors):
                raise error.cause from None
            raise
        except ray.exceptions.RayError as error:
            first = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"the Ray cluster lost work for good ({first}); the same command goes on"
            ) from None
