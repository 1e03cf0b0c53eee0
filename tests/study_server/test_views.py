"""Large images: reductions below the image, windows drawn by the seed, what was seen is stored."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from actors import Rater
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from preference_study import TWO_QUESTIONS as PREFERENCE_QUESTIONS
from preference_study import make_preference
from small_study import STUDY, app_on, create_once, write_images
from sqlalchemy import select

from study_server.config import parse_study_file
from study_server.errors import StudyError
from study_server.export.export import export_study
from study_server.export.verify import verify_export
from study_server.judgments import COLUMNS
from study_server.publication.released_rows import released_rows
from study_server.publication.released_tables import TABLES
from study_server.storage.database import Database
from study_server.storage.models import Judgment, Study, Trial
from study_server.studies.create import create_study
from study_server.studies.draws import windows
from study_server.studies.images.stimuli import encode_equal, with_reductions
from study_server.studies.images.viewing import MOST_GLANCES, levels, sheet_height
from study_server.studies.states import open_drafts

CROP = 'view = "crop"\nwindow = [10, 8]\n'
ZOOM = 'view = "zoom"\n'
GLANCES = [["fit", 0.0, 0.5, 0, 0, 24, 16], ["zoom", 812.5, 1.0, 3, 2, 12, 10]]


def with_view(text: str, view: str) -> str:
    """Return a study file whose images are shown in a view."""
    return text.replace("[conditions]", f"{view}[conditions]")


def open_study(database: Database, folder: Path, view: str) -> None:
    """Make and open the small study of real photos in a view."""
    text = with_view(STUDY.format(folder=folder), view)
    create_once(database, text)
    open_drafts(database, "test")


# ── reductions ───────────────────────────────────────────────────────────────────────────────────


@given(st.integers(8, 4096), st.integers(8, 4096))
def test_reductions_lie_below_the_image_and_beside_each_other(width: int, height: int) -> None:
    found = levels(width, height)
    for level in found:
        assert (level.width, level.height) == (
            max(1, width // level.divisor),
            max(1, height // level.divisor),
        )
        assert level.x + level.width <= width
        assert height <= level.y <= level.y + level.height <= sheet_height(width, height)
        for other in found:
            apart = (
                level.x + level.width <= other.x
                or other.x + other.width <= level.x
                or level.y + level.height <= other.y
                or other.y + other.height <= level.y
            )
            assert apart or other is level
    assert max([width, height] if not found else found[-1][3:]) <= 160
    assert sheet_height(width, height) <= 2 * height


def test_the_largest_image_costs_less_than_twice_its_rows() -> None:
    assert sheet_height(2048, 2048) == 2048 + 1024 + 512


def test_a_reduction_is_the_images_own_lanczos() -> None:
    """Pillow on the whole squares alone; a smooth ramp stays within a grey level of its means."""
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (331, 517, 3), dtype=np.uint8)
    sheet = with_reductions(image)
    assert (sheet[:331] == image).all()
    for divisor, x, y, width, height in levels(517, 331):
        whole = Image.fromarray(image[: height * divisor, : width * divisor])
        expected = np.asarray(whole.resize((width, height), Image.Resampling.LANCZOS))
        assert (sheet[y : y + height, x : x + width] == expected).all()
    ramp = np.repeat((np.arange(400)[None, :, None] // 2).astype(np.uint8), 400, 0).repeat(3, 2)
    _, x, y, width, height = levels(400, 400)[0]
    got = with_reductions(ramp)[y + 5 : y + height - 5, x + 5 : x + width - 5].astype(float)
    means = ramp.reshape(200, 2, 200, 2, 3).mean((1, 3))[5:-5, 5:-5]
    assert np.abs(got - means).max() <= 1


def test_a_small_image_has_no_reductions() -> None:
    image = np.zeros((160, 90, 3), dtype=np.uint8)
    assert levels(90, 160) == ()
    assert with_reductions(image).shape == image.shape


def test_files_with_reductions_are_of_equal_size() -> None:
    rng = np.random.default_rng(6)
    noise = rng.integers(0, 256, (200, 300, 3), dtype=np.uint8)
    flat = np.full_like(noise, 90)
    sheets = [with_reductions(noise), with_reductions(flat)]
    first, second = encode_equal(sheets)
    assert len(first) == len(second)
    assert Image.open(io.BytesIO(first)).size == (300, sheet_height(300, 200))
    short, long = sorted(map(len, encode_equal(sheets, pad=False)))
    assert short < long / 10


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ('view = "crop"\n', 'images.view is "crop": images.window is missing'),
        ("window = [8, 8]\n", 'images.window is for images.view = "crop"'),
        (ZOOM + "window = [8, 8]\n", 'images.window is for images.view = "crop"'),
        ("flicker = true\n", 'images.flicker is for images.view = "zoom"'),
        (CROP + "flicker = true\n", 'images.flicker is for images.view = "zoom"'),
        ('view = "tiles"\n', "'whole', 'crop' or 'zoom'"),
        ('view = "crop"\nwindow = [4, 8]\n', "images.window"),
    ],
)
def test_keys_that_do_not_fit_the_view_are_one_line(images: Path, view: str, words: str) -> None:
    with pytest.raises(StudyError) as refusal:
        parse_study_file(with_view(STUDY.format(folder=images), view), "study.toml")
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("view", "size", "words"),
    [
        ('view = "crop"\nwindow = [25, 8]\n', (24, 16), "at least images.window, 25x8"),
        ('view = "crop"\nwindow = [24, 17]\n', (24, 16), "is 24x16, expected at least"),
        (ZOOM, (4097, 8), "is 4097x8, expected at most 4096 a side"),
    ],
)
def test_images_that_do_not_fit_the_view_make_no_study(
    sqlite: Database, tmp_path: Path, view: str, size: tuple[int, int], words: str
) -> None:
    folder = write_images(tmp_path / "own", [f"item-{number}" for number in range(9)], size)
    text = with_view(STUDY.format(folder=folder), view)
    with pytest.raises(StudyError) as refusal:
        create_study(sqlite, parse_study_file(text, "study.toml"), text)
    assert words in str(refusal.value)
    assert "item 'item-0'" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    with sqlite.session() as db_session:
        assert db_session.scalar(select(Study)) is None


@pytest.mark.slow
def test_a_zoom_of_unequal_images_is_refused(sqlite: Database, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "own", [f"item-{number}" for number in range(9)])
    Image.new("RGB", (20, 16)).save(folder / "noisy" / "item-4.png")
    text = with_view(STUDY.format(folder=folder), ZOOM)
    with pytest.raises(StudyError, match=r"'item-4': noisy is 20x16, expected the reference's"):
        create_study(sqlite, parse_study_file(text, "study.toml"), text)


def test_a_file_that_says_the_default_keeps_its_digest(images: Path) -> None:
    text = STUDY.format(folder=images)
    plain = parse_study_file(text, "study.toml")
    said = parse_study_file(with_view(text, 'view = "whole"\nflicker = false\n'), "study.toml")
    assert said.digest({}) == plain.digest({})
    assert "view" not in plain.canonical()
    zoomed = parse_study_file(with_view(text, ZOOM), "study.toml")
    assert zoomed.digest({}) != plain.digest({})


# ── a window of each image ───────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_windows_are_drawn_by_the_seed_and_told_and_exported(
    database: Database, images: Path, tmp_path: Path
) -> None:
    open_study(database, images, CROP)
    with database.session() as db_session:
        query = select(Trial).order_by(Trial.block_id, Trial.position)
        drawn = [(trial.window_x, trial.window_y) for trial in db_session.scalars(query)]
    assert {x for x, _ in drawn} <= set(range(24 - 10 + 1))
    assert {y for _, y in drawn} <= set(range(16 - 8 + 1))
    assert len(set(drawn)) > len(drawn) / 2
    rater = Rater(app_on(database)).begin()
    mine = rater.truth()
    while rater.state["trials"]:
        told = rater.state["trials"][0]
        trial = mine[told["position"]]
        assert told["window"] == {
            "x": trial.window_x, "y": trial.window_y, "width": 10, "height": 8
        }  # fmt: skip
        assert told["levels"] is None
        rater.answer()
    export_study(database, "small", tmp_path / "export")
    with (tmp_path / "export" / "judgments.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(int(row["window_x"]), int(row["window_y"])) for row in rows] == [
        (trial.window_x, trial.window_y) for trial in mine
    ]
    sidecar = json.loads((tmp_path / "export" / "study.json").read_text())
    shown = {"beside": None, "prompt": False}
    assert sidecar["view"] == {"kind": "crop", "window": [10, 8], "flicker": False} | shown
    assert verify_export(tmp_path / "export") == []


def test_the_same_seed_draws_the_same_windows(
    sqlite: Database, images: Path, tmp_path: Path, another: Callable[[Path], Database]
) -> None:
    text, other = with_view(STUDY.format(folder=images), CROP), another(tmp_path / "other.sqlite3")
    for database in (sqlite, other):
        create_study(database, parse_study_file(text, "study.toml"), text)
    query = select(Trial.window_x, Trial.window_y).order_by(Trial.block_id, Trial.position)
    with sqlite.read() as one, other.read() as two:
        assert one.execute(query).all() == two.execute(query).all()


def test_every_place_is_as_likely(images: Path) -> None:
    file = parse_study_file(with_view(STUDY.format(folder=images), CROP), "study.toml")
    draw = windows(file, "digest", "seed", 0)
    places = [draw((12, 9)) for _ in range(6000)]
    counts = np.unique([f"{p['window_x']} {p['window_y']}" for p in places], return_counts=True)[1]
    assert len(counts) == 3 * 2
    # 6 places, 1000 each expected: chi-square of 5 degrees of freedom is above 20.5 once in 1000.
    assert ((counts - 1000) ** 2 / 1000).sum() < 20.5


def test_a_release_of_an_export_from_before_windows_is_made(tmp_path: Path) -> None:
    before = [name for name in COLUMNS if not name.startswith("window_")]
    row = dict.fromkeys(before, "") | {"rater_id": "r0001", "position": "0"}
    path = tmp_path / "judgments.csv"
    path.write_text("\n".join([",".join(before), ",".join(row[name] for name in before)]))
    [[released]] = released_rows(path.parent, [TABLES["real-or-model"]])
    assert released["window_x"] == ""


# ── what was seen ────────────────────────────────────────────────────────────────────────────────


def test_what_was_seen_is_stored_once_chained_and_exported(
    database: Database, images: Path, tmp_path: Path
) -> None:
    open_study(database, images, ZOOM)
    rater = Rater(app_on(database)).begin()
    assert rater.state["trials"][0]["levels"] == []  # of an image of 24 x 16
    body = rater.body(viewport=GLANCES)
    assert rater.post("answer", body).status_code == 200
    assert rater.post("answer", body).status_code == 200  # sent again
    other = body | {"viewport": [*GLANCES, ["move", 900.0, 1.0, 4, 2, 12, 10]]}
    assert rater.post("answer", other).status_code == 409  # not the same answer
    rater.open()
    rater.answer_all()
    rater.finish()
    export_study(database, "small", tmp_path / "export")
    with (tmp_path / "export" / "viewports.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["trial_id"], row["event"], row["kind"], row["width"]) for row in rows] == [
        ("small-1-1-0", "0", "fit", "24"),
        ("small-1-1-0", "1", "zoom", "12"),
    ]
    assert verify_export(tmp_path / "export") == []
    chain = (tmp_path / "export" / "chain.jsonl").read_text()
    (tmp_path / "export" / "chain.jsonl").write_text(chain.replace("812.5", "813.5"))
    assert any("chain is broken" in problem for problem in verify_export(tmp_path / "export"))


@pytest.mark.slow
def test_as_many_as_are_taken_fit_into_one_answer(sqlite: Database, images: Path) -> None:
    """Of the longest numbers that the page writes, beside the answers to two questions."""
    wordy = [["swap", 86399999.9, 0.0313, 8191, 8191, 8191, 8191]] * MOST_GLANCES
    two = PREFERENCE_QUESTIONS
    make_preference(sqlite, images, ("[conditions]", f"{ZOOM}[conditions]"), more=two)
    rater = Rater(app_on(sqlite)).begin()
    answers = {name: {"choice": "left", "rt_ms": 812.4} for name in ("realism", "beauty")}
    reply = rater.post("answer", rater.body(viewport=wordy, answers=answers))
    assert reply.status_code == 200


def test_what_is_no_viewport_is_refused(sqlite: Database, images: Path) -> None:
    open_study(sqlite, images, ZOOM)
    rater = Rater(app_on(sqlite)).begin()
    for viewport in (
        [["fit", 0.0, 0.5, 0, 0, 24]],
        [["tile", 0.0, 0.5, 0, 0, 24, 16]],
        [["fit", -1.0, 0.5, 0, 0, 24, 16]],
        [["fit", 0.0, 0, 0, 0, 24, 16]],
        [["fit", 0.0, 0.5, 0.5, 0, 24, 16]],
        [["fit", "0", 0.5, 0, 0, 24, 16]],
        "fit",
        GLANCES * 101,
    ):
        body = rater.body(viewport=viewport)
        assert rater.post("answer", body).status_code == 400, viewport
    assert rater.post("answer", rater.body(viewport=GLANCES)).status_code == 200


def test_a_study_without_zoom_takes_no_viewport(sqlite: Database, images: Path) -> None:
    open_study(sqlite, images, "")
    rater = Rater(app_on(sqlite)).begin()
    assert rater.post("answer", rater.body(viewport=GLANCES)).status_code == 400
    rater.answer()
    with sqlite.session() as db_session:
        assert db_session.scalars(select(Judgment)).one().viewport is None


@pytest.mark.slow
def test_preferences_are_zoomed_and_cropped_as_well(
    sqlite: Database, images: Path, tmp_path: Path
) -> None:
    make_preference(sqlite, images, ("[conditions]", f"{CROP}[conditions]"))
    rater = Rater(app_on(sqlite)).begin()
    rater.answer_all()
    export_study(sqlite, "small", tmp_path / "export")
    with (tmp_path / "export" / "comparisons.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["window_x"], row["window_y"]) for row in rows] == [
        (str(trial.window_x), str(trial.window_y)) for trial in rater.truth()
    ]


@pytest.mark.slow
def test_the_device_check_asks_for_the_window_or_a_viewport(
    another: Callable[[Path], Database], tmp_path: Path
) -> None:
    folder = write_images(
        tmp_path / "own", [f"item-{number}" for number in range(9)], size=(400, 40)
    )
    asked: dict[str, Any] = {}
    small = {"row_width": "420", "row_height": "200", "column_width": "0", "column_height": "0"}
    for view in ("", 'view = "crop"\nwindow = [200, 30]\n', ZOOM):
        database = another(tmp_path / f"{len(asked)}.sqlite3")
        open_study(database, folder, view)
        rater = Rater(app_on(database))
        rater.arrive()
        query = {**small, "pixel_ratio": "1"}
        reply = rater.client.get(f"/r/{rater.token}/device/fits", query_string=query)
        asked[view[8:12]] = reply.json["fits"]
    assert asked == {"": False, "crop": True, "zoom": True}
