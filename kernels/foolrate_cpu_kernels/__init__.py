"""foolrate's bfloat16 operators for x86-64 processors with AVX512-BF16 and no matrix unit.

Importing loads the compiled library where the processor is right, and nothing where it is not;
`why_not` says which. The operators are ``torch.ops.foolrate_cpu.*``; `conv3x3`, `norm_act` and
`inception` are what the core calls.
"""

from __future__ import annotations

from pathlib import Path

import torch

from foolrate_cpu_kernels import processor

# Raise it when an operator's results change by a bit: runs record it and are not mixed.
ARITHMETIC = 1
NAME = f"foolrate-cpu-kernels {ARITHMETIC}"
LIBRARY = Path(__file__).with_name("_operators.so")


def _load() -> str:
    if reason := processor.why_not():
        return reason
    try:
        torch.ops.load_library(LIBRARY)
    except OSError as error:
        first = str(error).splitlines()[0]
        return f"{LIBRARY} does not load into torch {torch.__version__} ({first}); build it again"
    from foolrate_cpu_kernels import registered  # noqa: F401  (fakes and gradients)

    return ""


_WHY_NOT = _load()


def why_not() -> str:
    """Return why the operators are not used on this machine; empty if they are."""
    return _WHY_NOT
