"""Install foolrate-cpu-kernels where they bring something; else say in one line why not.

    python kernels/install.py

Never an error: without them torch computes everything. `make demo` and `make test` call it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
PIP = ("-m", "pip", "install", "-q", "--disable-pip-version-check")


def processor() -> ModuleType:
    """Return the package's module of that name, which needs nothing installed."""
    path = HERE / "foolrate_cpu_kernels" / "processor.py"
    spec = importlib.util.spec_from_file_location("processor", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def why_not() -> str:
    """Return why there is nothing to install; empty if there is."""
    if os.environ.get("FOOLRATE_NATIVE") == "0":
        return "FOOLRATE_NATIVE is 0"
    if reason := str(processor().why_not()):
        return reason
    compilers = (os.environ.get("CC", "cc"), os.environ.get("CXX", "c++"))
    missing = [program for program in compilers if shutil.which(program) is None]
    return f"no compiler ({' and '.join(missing)} missing)" if missing else ""


def install() -> str:
    """Build and install the package; return the last line of what went wrong, or nothing."""
    # Not in an environment of its own: the build needs the headers of the torch it is for.
    build = ("--no-build-isolation", "--no-deps", "--force-reinstall", str(HERE))
    for arguments in (("setuptools>=77",), build):
        command = [sys.executable, *PIP, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
            faults = [line for line in lines if "error" in line.lower()]
            return (faults or lines or ["pip failed"])[0]
    return ""


def main() -> None:
    """Install, and say in one line what became of it."""
    reason = why_not()
    if reason:
        print(f"CPU kernels: not installed, torch computes everything ({reason})")
    elif fault := install():
        print(f"CPU kernels: could not be built, torch computes everything ({fault})")
    else:
        print("CPU kernels: installed, for bfloat16 on this processor")


if __name__ == "__main__":
    main()
