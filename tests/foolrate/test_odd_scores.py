"""Images and scores as notebooks hand them over: ids, levels, kinds of numbers, images of a run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import foolrate as fr

OWN: dict[str, Any] = {"direction": "lower", "source": "pyiqa 0.1.16"}
ITEMS = [f"photo-{i}" for i in range(6)]


class Frame:
    """A frame of polars where pyarrow is missing."""

    def to_pandas(self) -> pd.DataFrame:
        raise ModuleNotFoundError("no module pyarrow")


@pytest.fixture
def judgments() -> pd.DataFrame:
    random = np.random.default_rng(3)
    rows = [
        (f"r{rater}", item, model, bool(random.random() < 0.5))
        for model in ("a", "b")
        for rater in range(6)
        for item in ITEMS
    ]
    return pd.DataFrame(rows, columns=["rater_id", "item_id", "condition", "fooled"])


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    """Return folders of images by name: two models' and the real photos."""
    random = np.random.default_rng(4)
    for name in ("a", "b", "real"):
        (tmp_path / name).mkdir()
        for item in ITEMS:
            pixels = random.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{item}.png")
    return {name: tmp_path / name for name in ("a", "b", "real")}


@pytest.fixture
def niqe() -> pd.DataFrame:
    return pd.DataFrame({"niqe": {item: 4.0 + n for n, item in enumerate(ITEMS)}})


def test_numbers_that_became_floats_are_the_items_of_the_judgments(niqe: pd.DataFrame) -> None:
    floats = niqe.set_axis([float(n) for n in range(6)])
    assert list(fr.own_scores(floats, **OWN).per_image["niqe"]) == list("012345")


def test_a_table_with_levels_names_its_runs(niqe: pd.DataFrame) -> None:
    several = pd.concat({"a": niqe, "b": niqe}, names=["model", "item_id"])
    with pytest.raises(fr.MetricError, match=r"2 levels \(model, item_id\), expected item ids onl"):
        fr.own_scores(several, **OWN)
    assert list(fr.own_scores(several, **OWN, runs="model")) == ["a", "b"]
    numbers = niqe.assign(model=1.0).rename_axis("item_id")  # as the judgments name them
    assert list(fr.own_scores(numbers, **OWN, runs="model")) == ["1"]


def test_scores_and_images_that_cannot_be_meant_are_refused(
    judgments: pd.DataFrame, niqe: pd.DataFrame
) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    image: dict[Any, Any] = {"0": pixels}
    lost = niqe.set_axis([*ITEMS[:-1], np.nan])
    days = pd.DataFrame({"m": pd.date_range("2026-01-01", periods=6).to_numpy()}, index=ITEMS)
    huge = pd.DataFrame({"m": pd.Series({"x": 10**400, "y": 1}, dtype=object)})
    scores: Any = [fr.own_scores(niqe, **OWN)]
    calls: list[tuple[str, Any]] = [
        ("the item id is missing in row 5", lambda: fr.own_scores(lost, **OWN)),
        ("m holds times, expected finite real", lambda: fr.own_scores(days, **OWN)),
        ("m holds durations", lambda: fr.own_scores(days - days.m.iloc[0], **OWN)),
        ("m holds a number beyond 1e+100", lambda: fr.own_scores(huge, **OWN)),
        ("two columns 'niqe'", lambda: fr.own_scores(pd.concat([niqe, niqe], axis=1), **OWN)),
        ("scores is a list, expected a dictionary", lambda: fr.correlate(judgments, scores)),
        ("scores is a list, expected", lambda: fr.report(judgments, "x", scores=scores)),
        ("no condition 'c', found a, b", lambda: fr.report(judgments, "x", scores={"c": scores})),
        ("foreign is 3, expected a str", lambda: fr.score(image, image, foreign=3)),
        ("ray is 3, expected a str", lambda: fr.score(image, image, ray=3)),
        ("device is None, expected", lambda: fr.score(image, image, device=None)),  # type: ignore[arg-type]
        ("cache is 3, expected", lambda: fr.score(image, image, cache=3)),  # type: ignore[arg-type]
        ("x: no such file", lambda: fr.score(image, image, metrics="top1", classes="x")),
        ("is uint8(0, 0, 3), expected", lambda: fr.score({"0": pixels[:0, :0]}, image)),
        ("runs is a list, expected", lambda: fr.report(judgments, "x", runs=["y"])),  # type: ignore[arg-type]
        ("out is a int, expected a folder", lambda: fr.report(judgments, 3)),  # type: ignore[arg-type]
        ("reference is a dict,", lambda: fr.report(judgments, "x", reference=image)),  # type: ignore[arg-type]
        ("the run of a is a dict", lambda: fr.report(judgments, "x", runs={"a": image})),  # type: ignore[dict-item]
        ("runs= of c: no such condition", lambda: fr.report(judgments, "x", runs={"c": "y"})),
        ("a test_odd_scores Frame, which becomes no D", lambda: fr.rates(Frame())),  # type: ignore[arg-type]
        ("here: no module pyarrow", lambda: fr.own_scores(Frame(), **OWN)),  # type: ignore[call-overload]
        ("item '0' stands there twice", lambda: fr.score(image | {0: pixels}, image)),
        ("run is a NoneType, expected a folder", lambda: fr.score(None, image)),  # type: ignore[arg-type]
        ("metrics is 3, expected names", lambda: fr.score(image, image, metrics=3)),  # type: ignore[arg-type]
        ("workers is 0, expected 1 or more", lambda: fr.score(image, image, workers=0)),
        ("score takes no run, expected border", lambda: fr.score(image, image, run="x")),
        ("networks is 'x', expected a NetworkSet", lambda: fr.score(image, image, networks="x")),
    ]
    for words, call in calls:
        with pytest.raises((fr.AnalysisError, fr.MetricError), match=re.escape(words)):
            call()


def test_notes_of_arrays_name_no_temporary_folder(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    photos = {item: random.integers(0, 256, (16, 16, 3), dtype=np.uint8) for item in ITEMS}
    outputs = {f"out_{item}": image for item, image in photos.items()}
    (note,) = fr.score(outputs, photos, metrics="psnr", cache=tmp_path).notes
    assert note.startswith("run: pairs with reference: names are out_{id} here")


def test_photos_of_catch_and_practice_trials_need_no_score(
    judgments: pd.DataFrame, niqe: pd.DataFrame
) -> None:
    others = judgments.groupby("rater_id").head(1).assign(item_id="other", condition="a")
    kinds = [judgments.assign(kind="main")]
    kinds += [others.assign(kind=kind) for kind in ("practice", "catch")]
    assert fr.correlate(pd.concat(kinds), {"a": fr.own_scores(niqe, **OWN)}).notes == ()


def test_conditions_that_nobody_answered_are_no_models(
    judgments: pd.DataFrame, niqe: pd.DataFrame
) -> None:
    skipped = judgments[judgments["condition"] == "a"].assign(condition="c", fooled=None)
    scores = {name: fr.own_scores(niqe, **OWN) for name in "abc"}
    found = fr.correlate(pd.concat([judgments, skipped]), scores)
    assert (found.models, {each.condition for each in found.items}) == ((), {"a", "b", "c"})
    tasks = pd.concat([judgments.assign(task=task) for task in ("task1", "task2")])
    with pytest.raises(fr.AnalysisError, match=r"tasks task1, task2, .*table\.task == 'task1'"):
        fr.correlate(tasks, {"a": scores["a"]})


@pytest.mark.slow
def test_scores_of_a_report_are_of_the_condition_that_they_are_given_for(
    judgments: pd.DataFrame, runs: dict[str, Path], niqe: pd.DataFrame, tmp_path: Path
) -> None:
    shown: dict[str, Any] = {"runs": {n: runs[n] for n in "ab"}, "reference": runs["real"]}
    of_b = fr.score(runs["b"], runs["real"], metrics="psnr", cache=tmp_path / "cache")
    with pytest.raises(fr.AnalysisError, match=r"^the scores of 'a': scores of other images: run"):
        fr.report(judgments, tmp_path / "report", scores={"a": of_b}, **shown)
    assert not (tmp_path / "report").exists()
    own = {n: fr.own_scores(niqe, **OWN) for n in "ab"}  # these do not say of which images
    page = fr.report(judgments, tmp_path / "report", scores=own, **shown)
    results = json.loads((page.parent / "results.json").read_text())
    assert [value["key"] for value in results["metrics"]["values"]] == ["a", "b"]
