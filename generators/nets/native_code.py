"""Compiles the C sources beside it on first use and loads them; without a compiler, nothing.

The library is kept in the user's cache folder under a name made of its sources, its flags and the
processor, so that a change of any gives a new one. It calls the OpenMP that torch has loaded: two
of them in a process would fight for the cores. Set FOOLRATE_NATIVE=0 to do without.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from torch import Tensor

SOURCES = Path(__file__).with_name("native")
# Not -ffast-math: it lets the order of a sum depend on where an array lies in memory, and makes the
# whole process flush denormals to zero.
FLAGS = (
    *("-O3", "-march=native", "-mprefer-vector-width=512", "-fopenmp", "-fPIC"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"),
)
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # their numbers in malloc.h
SECONDS = 60.0  # that a compiler is given


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the loaded library, or None where it cannot be built, loaded or is not wanted."""
    if os.environ.get("FOOLRATE_NATIVE") == "0" or platform.system() != "Linux":
        return None
    try:
        path = _cache() / f"native-{_key()}.so"
        if not path.exists():
            _build(path)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "foolrate"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _key() -> str:
    content = [" ".join(FLAGS).encode()]
    content += [path.read_bytes() for path in sorted(SOURCES.glob("*.[ch]"))]
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    content += [line.encode() for line in lines if line.startswith(("model name", "flags"))][:2]
    return hashlib.sha256(b"\0".join(content)).hexdigest()[:16]


def _build(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        objects = []
        for source in sorted(SOURCES.glob("*.c")):
            objects.append(str(Path(folder) / f"{source.stem}.o"))
            _run("cc", *FLAGS, "-c", str(source), "-o", objects[-1])
        # Linked without -fopenmp: its symbols are those of the library that torch brought.
        made = Path(folder) / path.name
        _run("cc", "-shared", *objects, "-o", str(made))
        made.replace(path)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)


def call(name: str, *arguments: Tensor | int | float | None) -> None:
    """Call a function of the library, which must be there; tensors are given by address."""
    getattr(library(), name)(*map(_plain, arguments))


def keep_memory() -> None:
    """Keep freed memory instead of handing it back to the system; needs the GNU C library.

    Else every evaluation asks for its activations page by page again: 4 % of its time.
    """
    with contextlib.suppress(OSError, AttributeError):
        allocator = ctypes.CDLL(None).mallopt
        allocator(MMAP_THRESHOLD, 1 << 25)
        allocator(TRIM_THRESHOLD, 1 << 30)


def _plain(value: Tensor | int | float | None) -> Any:
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    if isinstance(value, float):
        return ctypes.c_double(value)
    return ctypes.c_void_p(None) if value is None else ctypes.c_long(value)
