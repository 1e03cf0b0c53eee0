"""An extraction killed by SIGKILL goes on where its cache ends, and the scores are the same."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metrics.compute.compute import compute
from metrics.compute.request import Outcome, Request

ROOT = Path(__file__).resolve().parents[3]
IMAGES = 48  # two batches of the network a side
CHILD = """
import sys
from pathlib import Path
from metrics.compute.compute import compute
from metrics.compute.request import Request
run, reference, cache = map(Path, sys.argv[1:])
compute(Request(run, cache, reference, metrics=("effnet_fd", "effnet_kid")))
"""


def scored(folder: Path, cache: str) -> Outcome:
    names = ("effnet_fd", "effnet_kid")
    return compute(Request(folder / "run", folder / cache, folder / "real", metrics=names))


@pytest.mark.integration
def test_kill_9_loses_only_the_rows_under_way(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for role in ("run", "real"):
        (tmp_path / role).mkdir()
        for index in range(IMAGES):
            pixels = random.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / role / f"{index}.png")
    folders = [str(tmp_path / name) for name in ("run", "real", "killed")]
    child = subprocess.Popen([sys.executable, "-c", CHILD, *folders], cwd=ROOT)
    try:
        _wait_for_rows(tmp_path / "killed", child)
    finally:
        child.kill()
        child.wait()
    after = scored(tmp_path, "killed")
    fresh = scored(tmp_path, "fresh")
    assert 0 < after.computed["effnet_lite0"] < 2 * IMAGES == fresh.computed["effnet_lite0"]
    for first, second in zip(after.scores.scores, fresh.scores.scores, strict=True):
        assert first == second


def _wait_for_rows(cache: Path, child: subprocess.Popen[bytes]) -> None:
    """Return once some rows are stored and the child is still at work."""
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        assert child.poll() is None, "the extraction ended before it was killed"
        if any(index.stat().st_size for index in cache.glob("rows/*/index.bin")):
            return
        time.sleep(0.01)
    pytest.fail("no rows after 120 s")
