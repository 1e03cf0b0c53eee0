"""Where the nets run, by a name for torch and in words for a model card."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from generators.errors import ConfigError


def usable(name: str) -> torch.device:
    """Return the device of this name. Raises `ConfigError` when torch cannot use it here."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {name!r}: {str(error).splitlines()[0].split('. ')[0]}") from None
    return device


def hardware(device: torch.device) -> str:
    """Return what a device is: a GPU by its name, a CPU by its model and the cores it gives us."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = _processor() or platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    counted = f"{cores} core{'s' * (cores != 1)}"
    return f"{name}, {counted}, {platform.system()} on {platform.machine()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
