"""scores.json and per_image.csv: what is written reads back, what is wrong is named."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from metrics.errors import ScoreError
from metrics.scores import (
    Score,
    ScoredRun,
    ScoreFile,
    read_per_image,
    read_scores,
    refuse_incomparable,
    write_per_image,
    write_scores,
)

BASE = Score(
    name="fid",
    value=12.5,
    direction="lower",
    unit="squared distance",
    n=100,
    extractor="inception",
    weights_digest="a" * 64,
    resize="TF1",
    precision="fp32",
    reference_digest="b" * 64,
    decoding=3,
    settings={"border": 0},
)


def file_of(run: str, **changes: object) -> ScoreFile:
    source = ScoredRun(name=run, folder=f"runs/{run}", digest="c" * 64)
    return ScoreFile(run=source, scores=(BASE.model_copy(update=changes),))


def test_scores_come_back_as_written(tmp_path: Path) -> None:
    written = file_of(
        "sr3",
        name="psnr",
        value=math.inf,
        direction="higher",
        low=1.5,
        high=math.inf,
        warnings=("few",),
    )
    write_scores(tmp_path / "scores.json", written)
    assert read_scores(tmp_path) == written
    fields = json.loads((tmp_path / "scores.json").read_text())
    assert fields["format_version"] == 1
    assert fields["scores"][0]["value"] == "Infinity"
    assert {"name", "value", "direction", "n", "unit", "low", "high"} <= fields["scores"][0].keys()


def test_per_image_values_come_back_exactly(tmp_path: Path) -> None:
    columns = {"psnr": {"b": 1 / 3, "a": math.inf}, "ssim": {"a": 0.1}}
    write_per_image(tmp_path / "per_image.csv", columns)
    assert read_per_image(tmp_path) == columns
    assert (tmp_path / "per_image.csv").read_text().startswith("item_id,psnr,ssim\na,inf,0.1\n")


def test_no_spreadsheet_runs_an_items_name(tmp_path: Path) -> None:
    columns = {"psnr": {"=1+1": 30.0, "'=2": 31.0, "'a": 32.0, "-3": 33.0}}
    write_per_image(tmp_path / "per_image.csv", columns)
    lines = (tmp_path / "per_image.csv").read_text().splitlines()[1:]
    assert lines == ["''=2,31.0", "'a,32.0", "-3,33.0", "'=1+1,30.0"]
    assert read_per_image(tmp_path) == columns


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reference_digest": "d" * 64}, "reference_digest is bbbbbbbbbbbb… and dddddddddddd…"),
        ({"weights_digest": "e" * 64}, "weights_digest"),
        ({"extractor": "effnet_lite0"}, "extractor is 'inception' and 'effnet_lite0'"),
        ({"resize": "antialiased"}, "resize is 'TF1' and 'antialiased'"),
        ({"precision": "bf16"}, "precision is 'fp32' and 'bf16'"),
        ({"decoding": 2}, "decoding is 3 and 2"),
        ({"decoding": None}, "decoding is 3 and None"),
        ({"settings": {"border": 4}}, "setting border is 0 and 4"),
    ],
)
def test_incomparable_scores_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ScoreError) as refused:
        refuse_incomparable([file_of("sr3"), file_of("bicubic", **change)])
    assert str(refused.value).startswith("fid of sr3 and bicubic cannot stand in one table: ")
    assert words in str(refused.value)


def test_scores_of_other_runs_and_values_may_meet() -> None:
    refuse_incomparable([file_of("sr3"), file_of("bicubic", value=99.0, n=50)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ('{"format_version": 7}', "format_version is 7, expected 1"),
        ('{"format_version": 1, "run": 3, "scores": []}', "run: "),
        ("[]", "format_version is None"),
    ],
)
def test_a_file_that_is_not_one_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "scores.json"
    path.write_text(text)
    with pytest.raises(ScoreError, match=words):
        read_scores(path)
    with pytest.raises(ScoreError, match="no such file"):
        read_scores(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"low": 14.0, "high": 12.0}, "low is 14.0 and high is 12.0, expected low to be the lower"),
        ({"low": 12.0}, "low is 12.0 and high is None, expected both or neither"),
        ({"direction": "higher"}, "direction is 'higher', expected 'lower' of this metric"),
        ({"value": math.nan}, "value is NaN, expected a number"),
        ({"low": 1.0, "high": math.nan}, "high is NaN, expected a number"),
        ({"noise_floor": math.nan}, "noise_floor is NaN, expected a number"),
        ({"n": 0}, "n is 0, expected 1 image or more"),
        ({"name": " "}, "name is ' ', expected a metric"),
    ],
)
def test_a_score_that_no_metric_can_have_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    good = BASE.model_copy(update={"name": "kid"})
    written = file_of("sr3", **change)
    path = tmp_path / "scores.json"
    write_scores(path, written.model_copy(update={"scores": (good, *written.scores)}))
    with pytest.raises(ScoreError) as refused:
        read_scores(path)
    assert str(refused.value).startswith(f"{path}: {written.scores[0].name}: {words}")


@pytest.mark.parametrize("name", ["value", "low", "n"])
def test_true_is_no_number(tmp_path: Path, name: str) -> None:
    path = tmp_path / "scores.json"
    write_scores(path, file_of("sr3"))
    fields = json.loads(path.read_text())
    fields["scores"][0][name] = True
    path.write_text(json.dumps(fields))
    with pytest.raises(ScoreError, match=rf"scores\.0\.{name}: .* a number \(found True\)"):
        read_scores(path)


def test_a_file_needs_scores_and_each_once(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    write_scores(path, file_of("sr3").model_copy(update={"scores": ()}))
    with pytest.raises(ScoreError, match="scores is empty, expected one score or more"):
        read_scores(path)
    write_scores(path, file_of("sr3").model_copy(update={"scores": (BASE, BASE)}))
    with pytest.raises(ScoreError, match="fid stands there twice"):
        read_scores(path)


def test_a_spreadsheets_per_image_values_are_read(tmp_path: Path) -> None:
    (tmp_path / "per_image.csv").write_bytes(b"\xef\xbb\xbfitem_id,psnr\r\na,31.5\r\n\r\nb,\r\n")
    assert read_per_image(tmp_path) == {"psnr": {"a": 31.5}}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,31.5,9\n", "line 2 has 3 cells, expected 2"),
        ("a,31.5\nb\n", "line 3 has 1 cells, expected 2"),
        ('a,31.5\n"b,4\n', r"cannot be read \(unexpected end of data\)"),
        ("a,4;5\n", "column 'psnr': could not convert string to float: '4;5', expected a number"),
    ],
)
def test_a_per_image_table_that_cannot_be_right_is_refused(
    tmp_path: Path, rows: str, words: str
) -> None:
    (tmp_path / "per_image.csv").write_text(f"item_id,psnr\n{rows}")
    with pytest.raises(ScoreError, match=words):
        read_per_image(tmp_path)


def test_a_per_image_value_is_a_number(tmp_path: Path) -> None:
    (tmp_path / "per_image.csv").write_text("item_id,psnr\na,31.5\nb,nan\n")
    with pytest.raises(ScoreError, match="psnr of item 'b' is NaN, expected a number"):
        read_per_image(tmp_path)
