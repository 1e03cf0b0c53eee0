"""A metric that fails on the way is named; the scores of the others are kept, shown and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from manage import run
from metrics.catalogue import METRICS
from metrics.compute.compute import compute
from metrics.compute.request import Request
from metrics.errors import NumericError
from metrics.networks.extractor import Extractor
from metrics.scores import read_per_image, read_scores


def boom(*_: Any) -> Any:
    raise ValueError("no such number\nsecond line")


def nothing(*_: Any) -> float:
    return float("nan")


def divides(*_: Any) -> float:
    return 1 // 0


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    for role in ("real", "fake"):
        (tmp_path / role).mkdir()
        for index in range(8):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / role / f"{index}.png")
    return tmp_path


def failing(monkeypatch: pytest.MonkeyPatch, name: str, function: Callable[..., Any]) -> None:
    """Let a metric's function be another one."""
    place = f"{__name__}:{function.__name__}"
    monkeypatch.setitem(METRICS, name, dataclasses.replace(METRICS[name], function=place))


def command(folders: Path, names: str) -> int:
    arguments = ["metrics", "compute", str(folders / "fake"), "--reference", str(folders / "real")]
    arguments += ["--cache", str(folders / "cache"), "-o", str(folders / "out"), "--metrics", names]
    return run(arguments)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (boom, "ValueError: no such number"),
        (nothing, "a computed row holds NaN"),
        (divides, "ZeroDivisionError"),
    ],
)
def test_a_paired_metric_that_fails_leaves_the_others(
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    function: Callable[..., Any],
    reason: str,
) -> None:
    assert command(folders, "psnr") == 0
    expected = read_scores(folders / "out").score("psnr").value
    failing(monkeypatch, "ssim", function)
    assert command(folders, "psnr,ssim,psnr_y") == 1
    said = capsys.readouterr()
    assert "PSNR, luma" in said.out
    assert "ssim failed: " in said.err
    assert reason in said.err
    assert "second line" not in said.err
    assert len(said.err.splitlines()) == 1
    kept = read_scores(folders / "out")
    assert [score.name for score in kept.scores] == ["psnr", "psnr_y"]
    assert kept.score("psnr").value == expected
    assert list(read_per_image(folders / "out")) == ["psnr", "psnr_y"]


@pytest.mark.slow
def test_a_network_that_fails_takes_its_metrics_with_it_and_no_others(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Extractor, "_rows", boom)
    assert command(folders, "psnr,effnet_fd,effnet_kid") == 1
    error = capsys.readouterr().err
    assert "effnet_fd, effnet_kid failed: ValueError: no such number" in error
    assert [score.name for score in read_scores(folders / "out").scores] == ["psnr"]


@pytest.mark.slow
def test_a_statistic_that_fails_leaves_those_of_the_same_network(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "effnet_kid", boom)
    names = ("psnr", "effnet_fd", "effnet_kid")
    outcome = compute(Request(folders / "fake", folders / "cache", folders / "real", metrics=names))
    assert [score.name for score in outcome.scores.scores] == ["psnr", "effnet_fd"]
    assert outcome.failed == {"effnet_kid": "ValueError: no such number"}


def test_where_all_fail_nothing_is_written(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "ssim", boom)
    request = Request(folders / "fake", folders / "cache", folders / "real", metrics=("ssim",))
    with pytest.raises(NumericError, match=r"ssim: .*ValueError: no such number"):
        compute(request)
    assert command(folders, "ssim") == 1
    assert not (folders / "out").exists()


@pytest.mark.slow
def test_a_group_leaves_out_what_the_images_are_too_small_for(folders: Path) -> None:
    request = Request(folders / "fake", folders / "cache", folders / "real", metrics=("paired",))
    outcome = compute(request)
    assert "psnr" in {score.name for score in outcome.scores.scores}
    assert any(
        note.startswith("left out ms_ssim: needs at least 176 pixels a side") and "32x32" in note
        for note in outcome.notes
    )
