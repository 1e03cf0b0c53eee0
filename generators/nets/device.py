"""Where the nets run."""

from __future__ import annotations

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
