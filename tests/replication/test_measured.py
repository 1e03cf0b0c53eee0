"""Scores of several stages meet in one table only where they may be compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.scores import Score, ScoredRun, ScoreFile, write_scores
from replication.errors import ReplicationError
from replication.results.measured import scores_of


def scored(folder: Path, name: str, resize: str) -> Path:
    one = Score(name="fid", value=2.5, direction="lower", unit="", n=9, resize=resize)
    other = Score(name="psnr", value=30.0, direction="higher", unit="dB", n=9)
    run = ScoredRun(name=name, folder=name, digest="0" * 64)
    write_scores(folder / f"{name}.scores" / "scores.json", ScoreFile(run=run, scores=(one, other)))
    return folder / f"{name}.scores"


def test_values_that_must_not_be_compared_make_no_table(tmp_path: Path) -> None:
    folders = [scored(tmp_path, "bicubic", "tf1"), scored(tmp_path, "sr3", "clean")]
    expected = (
        r"^fid of bicubic and sr3 cannot stand in one table: resize is 'tf1' and 'clean'; "
        rf"remove {tmp_path}/\*\.scores, and the same command makes them anew$"
    )
    with pytest.raises(ReplicationError, match=expected):
        scores_of(folders, ["fid", "psnr"])
    assert [found.cells["PSNR"].value for found in scores_of(folders, ["psnr"])] == [30.0, 30.0]
    assert [found.rests_on for found in scores_of(folders[:1], ["fid"])] == ["9 images"]
