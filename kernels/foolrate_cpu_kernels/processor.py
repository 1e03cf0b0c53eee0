"""Is this processor one that the operators are for? Answered without importing torch."""

from __future__ import annotations

import platform
from pathlib import Path

# What the C is compiled for (csrc, setup.py), by the names of /proc/cpuinfo.
NEEDED = (
    *("avx2", "bmi2", "fma", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
    *("avx512_bf16", "avx512_vnni"),
)
MATRIX_UNIT = "amx_tile"  # with it, torch's own convolutions are faster


def lacking(flags: frozenset[str]) -> str:
    """Return why a processor with these flags does not run the operators; empty if it does."""
    missing = [flag for flag in NEEDED if flag not in flags]
    if missing:
        return f"this processor has no {missing[-1].replace('_', '-').upper()}"
    if MATRIX_UNIT in flags:
        return "this processor has a matrix unit (AMX), with which torch is faster"
    return ""


def flags_of(cpuinfo: str) -> frozenset[str]:
    """Return the flags that all processors of a /proc/cpuinfo have."""
    lines = [line.partition(":")[2] for line in cpuinfo.splitlines() if line.startswith("flags")]
    sets = [frozenset(line.split()) for line in lines]
    return frozenset.intersection(*sets) if sets else frozenset()


def why_not() -> str:
    """Return why the operators do not run on this machine; empty if they do."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return f"the operators are for Linux on x86-64, not {platform.system()}"
    try:
        return lacking(flags_of(Path("/proc/cpuinfo").read_text()))
    except OSError as error:
        return f"/proc/cpuinfo cannot be read ({error.strerror})"
