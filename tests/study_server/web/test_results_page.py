"""The public results page: off by default, in whole batches, the same for everybody."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from actors import Rater
from flask import Flask
from preference_study import TWO_QUESTIONS, make_preference
from researchers import logged_in
from small_study import FURTHER, SECRET, STUDY, MakeStudy, app_on, create_once, text_with
from sqlalchemy import update

from analysis.inference.confidence_sequence import confidence_sequence
from study_server.commands import operations
from study_server.config import parse_study_file
from study_server.errors import StudyFileError
from study_server.publication.ethics_sheet import ethics_sheet
from study_server.sessions.entering.withdrawal import withdraw_session
from study_server.storage.database import Database
from study_server.storage.models import RaterSession
from study_server.studies.states import find_study, open_drafts, set_state
from study_server.web.app import create_app
from study_server.web.results.numbers import Kept, Numbers, Table
from study_server.web.settings import Settings

PAGE, JSON = "/results/small/", "/results/small/results.json"
NAMES = 'names = { blurred = { en = "Model A", zh = "模型甲" }, noisy = "Model B" }'
WITHIN = 'kind = "within-raters"\nraters = 12'


def results(public: str, more: str = "batch = 5") -> tuple[str, str]:
    """Return a replacement in the study file that turns the page on."""
    return "[practice]", f'[results]\npublic = "{public}"\n{more}\n[practice]'


@dataclass
class Published:
    """A study whose results page is on, with a clock that the test moves."""

    database: Database
    now: float = 0.0
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        """Serve it."""
        self.app = app_on(self.database, live_interval=confidence_sequence)
        self.app.extensions["foolrate results"] = Kept(clock=lambda: self.now)

    def get(self, path: str = PAGE, **headers: str) -> Any:
        """Open a page in a fresh browser, a while after the one before."""
        self.now += 61
        return self.app.test_client().get(path, headers=headers)

    def finish(self, choice: str | None = "left", **answers: str) -> Rater:
        """Let a rater take the study, answering alike everywhere; `answers` by question, if any."""
        rater = Rater(self.app).begin()
        given = {name: {"choice": answer} for name, answer in answers.items()}
        rater.answer_all(choice, **({"answers": given} if given else {}))
        rater.finish()
        return rater

    def lines(self) -> dict[str, tuple[int, float | None, float | None]]:
        """Return condition -> raters, low, high."""
        rows = self.get(JSON).json["results"]
        return {row["condition"]: (row["raters"], row["low"], row["high"]) for row in rows}


@pytest.fixture
def live(sqlite: Database, make_study: MakeStudy) -> Published:
    """Return a study of two conditions within raters whose page is on while it runs."""
    make_study(sqlite, ("raters = 3", WITHIN), results("live"))
    return Published(sqlite)


def fooled_means(raters: list[Rater], condition: int) -> list[float]:
    """Return each rater's own fool rate, who always chose the left image."""
    means = []
    for rater in raters:
        mine = [t for t in rater.truth() if t.kind == "main" and t.condition_id == condition]
        means.append(sum(trial.model_side == "left" for trial in mine) / len(mine))
    return means


def test_without_the_section_there_is_no_page(sqlite: Database, make_study: MakeStudy) -> None:
    make_study(sqlite)
    site = Published(sqlite)
    hidden, nowhere = site.get(), site.get("/results/absent/")
    assert (hidden.status_code, nowhere.status_code) == (404, 404)
    assert hidden.headers["Cache-Control"] == "no-store"
    assert hidden.text.replace("small", "") == nowhere.text.replace("absent", "")
    assert site.get(JSON).status_code == 404


@pytest.mark.slow
def test_numbers_are_confidence_sequences_after_whole_batches(live: Published) -> None:
    nothing = (0, None, None)
    assert live.lines() == {"blurred": nothing, "noisy": nothing}
    raters = [live.finish() for _ in range(4)]
    first = live.get()
    assert live.lines() == {"blurred": nothing, "noisy": nothing}
    raters.append(live.finish())
    fifth = live.get()
    expected = {
        name: (5, *confidence_sequence(fooled_means(raters, number)))
        for number, name in enumerate(("blurred", "noisy"), start=1)
    }
    assert live.lines() == expected
    for _ in range(4):  # a rater more changes nothing: their own answers would be the difference
        live.finish("right")
        assert live.lines() == expected
        assert live.get().headers["ETag"] == fifth.headers["ETag"]
    live.finish("right")
    assert {raters for raters, *_ in live.lines().values()} == {10}
    tenth = live.get()
    assert len({page.headers["ETag"] for page in (first, fifth, tenth)}) == 3
    assert "Results so far" in tenth.text


@pytest.mark.slow
def test_a_study_that_closes_keeps_its_last_whole_batch(live: Published) -> None:
    for _ in range(6):
        live.finish()
    before = live.lines()
    with live.database.session() as db_session:
        set_state(db_session, find_study(db_session, "small"), "closed", "test")
    assert live.lines() == before
    assert "Results so far" not in live.get().text


@pytest.mark.slow
def test_who_withdraws_is_no_longer_counted(live: Published) -> None:
    raters = [live.finish() for _ in range(5)]
    assert live.lines()["noisy"][0] == 5
    with live.database.session() as db_session:
        withdraw_session(db_session, raters[0].row().id, "test")
    assert live.lines()["noisy"] == (0, None, None)


@pytest.mark.slow
def test_results_wait_for_the_end_where_the_file_says_so(
    sqlite: Database, make_study: MakeStudy
) -> None:
    make_study(sqlite, ("raters = 3", WITHIN), results("closed"))
    site = Published(sqlite)
    for _ in range(5):
        site.finish()
    waiting = site.get()
    assert waiting.status_code == 200
    assert "once the study is closed" in waiting.text
    assert not any(word in waiting.text for word in ("blurred", "noisy", "%"))
    assert site.get(JSON).status_code == 404
    with sqlite.session() as db_session:
        set_state(db_session, find_study(db_session, "small"), "closed", "test")
    assert "blurred" in site.get().text


@pytest.mark.slow
def test_the_page_is_kept_by_caches_and_the_same_for_everybody(live: Published) -> None:
    page = live.get(**{"Accept-Language": "en"})
    assert page.headers["Cache-Control"] == "public, max-age=60"
    assert page.headers["Vary"] == "Accept-Language"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in page.headers
    again = live.get(**{"Accept-Language": "en", "If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Cache-Control"] == "public, max-age=60"
    chosen = live.get(f"{PAGE}?lang=zh", **{"Accept-Language": "en"})
    assert "目前的结果" in chosen.text
    assert "Set-Cookie" not in chosen.headers
    # A rater's cookie is no part of the request that a cache goes by.
    theirs = live.get(Cookie="lang=zh", **{"Accept-Language": "en"})
    assert theirs.text == page.text


@pytest.mark.slow
def test_numbers_are_made_once_a_minute_whoever_asks(live: Published) -> None:
    live.lines()
    for _ in range(5):
        live.finish()
    client = live.app.test_client()
    assert client.get(JSON).json["results"][0]["raters"] == 0
    live.now += 61
    assert client.get(JSON).json["results"][0]["raters"] == 5


def test_while_one_makes_new_numbers_the_others_get_the_old(live: Published) -> None:
    def make_and_ask() -> Numbers:
        nested.append(kept.numbers(1, lambda: Numbers((), simulated=True)))
        return new

    kept = Kept(clock=lambda: live.now)
    nested: list[Numbers] = []
    old = Numbers((), simulated=False)
    new = Numbers((Table("task2", 0, ()),), simulated=False)
    assert kept.numbers(1, lambda: old) is old
    live.now += 61
    assert kept.numbers(1, make_and_ask) is new
    assert nested == [old]
    assert kept.numbers(1, make_and_ask) is new


@pytest.mark.slow
def test_looking_takes_no_write_lock(database: Database, make_study: MakeStudy) -> None:
    make_study(database, ("raters = 3", WITHIN), results("live"))
    live = Published(database)
    for _ in range(5):
        live.finish()
    with database.write() as connection:
        connection.execute(update(RaterSession).values(comment="kept"))
        assert live.lines()["noisy"][0] == 5


def test_looks_from_one_address_are_limited(sqlite: Database, make_study: MakeStudy) -> None:
    make_study(sqlite, results("live"))
    settings = Settings(
        str(sqlite.url), SECRET, look_limit="2 per minute", limiter_storage="memory://"
    )
    app = create_app(settings, database=sqlite, live_interval=confidence_sequence)
    answers = [app.test_client().get(path) for path in (PAGE, JSON, PAGE, PAGE, PAGE)]
    assert [each.status_code for each in answers[:2]] == [200, 200]
    assert answers[-1].status_code == 429
    assert answers[-1].headers["Cache-Control"] == "no-store"


@pytest.mark.slow
def test_researchers_find_the_page(live: Published, sqlite: Database) -> None:
    dashboard = logged_in(live.app).client.get("/admin/studies/1/").text
    assert f'<a href="{PAGE}">' in dashboard
    assert f"results, for everybody: http://site{PAGE}" in operations._addresses(
        sqlite, "http://site"
    )


@pytest.mark.slow
def test_the_page_tells_nothing_of_items_sides_and_single_raters(live: Published) -> None:
    raters = [live.finish() for _ in range(5)]
    shown = live.get().text + live.get(JSON).text
    for word in ("item-", "r0001", "/i/", "left", "model_side", raters[0].token):
        assert word not in shown


def test_names_stand_in_place_of_the_conditions(sqlite: Database, make_study: MakeStudy) -> None:
    make_study(sqlite, results("live", NAMES))
    site = Published(sqlite)
    english, chinese = site.get(), site.get(f"{PAGE}?lang=zh")
    assert "Model A" in english.text
    assert "模型甲" in chinese.text
    assert not [page for page in (english, chinese) if "blurred" in page.text]
    assert set(site.lines()) == {"Model A", "Model B"}
    assert "with every 10 raters" in english.text


def test_simulated_raters_are_said_to_be(live: Published) -> None:
    assert "SIMULATED" not in live.get().text
    live.finish()
    with live.database.write() as connection:
        connection.execute(update(RaterSession).values(simulated=True))
    assert "SIMULATED" in live.get().text
    assert live.get(JSON).json["simulated"] is True


@pytest.mark.slow
def test_preferences_are_shown_as_shares_of_wins(sqlite: Database, images: Path) -> None:
    make_preference(sqlite, images, results("live"))
    site = Published(sqlite)
    for _ in range(5):
        site.finish()
    lines = site.lines()
    assert {name for name, (raters, *_) in lines.items() if raters == 5} == set(lines)
    assert set(lines) == {"blurred", "noisy", "exact"}
    assert {row["task"] for row in site.get(JSON).json["results"]} == {None}
    text = site.get().text
    assert "and not that of another model" in text
    assert "not the photo" not in text


def by_question(site: Published) -> dict[str, set[tuple[int, float | None, float | None]]]:
    """Return question -> what is shown of its conditions."""
    found: dict[str, set[tuple[int, float | None, float | None]]] = {}
    for row in site.get(JSON).json["results"]:
        found.setdefault(row["question"], set()).add((row["raters"], row["low"], row["high"]))
    return found


@pytest.mark.slow
def test_every_question_of_a_preference_has_its_table(sqlite: Database, images: Path) -> None:
    make_preference(sqlite, images, results("live"), more=TWO_QUESTIONS)
    site = Published(sqlite)
    for _ in range(5):
        site.finish("left", realism="left", beauty="bad")
    found = by_question(site)
    assert list(found) == ["realism", "beauty"]
    # Neither counts one half, whichever models were compared.
    assert found["beauty"] == {(5, *confidence_sequence([0.5] * 5))}
    assert {raters for raters, *_ in found["realism"]} == {5}
    shown = site.get(f"{PAGE}?lang=zh").text
    assert shown.index("哪一张看起来更真实？") < shown.index("哪一张更美？")
    assert shown.count("<tbody>") == 2
    assert shown.count("模型的图像的比例") == 1


@pytest.mark.slow
def test_further_questions_stand_below_the_fool_rates(sqlite: Database, images: Path) -> None:
    text = text_with(STUDY, images, ("raters = 3", WITHIN), results("live"), more=FURTHER)
    create_once(sqlite, text)
    open_drafts(sqlite, "test")
    site = Published(sqlite)
    raters = [site.finish("left", real="left", sharper="tie", nicer="right") for _ in range(5)]
    rows = site.get(JSON).json["results"]
    shown = {(row["question"], row["condition"]): (row["low"], row["high"]) for row in rows}
    fooled = {name: fooled_means(raters, of) for of, name in enumerate(("blurred", "noisy"), 1)}
    for name, means in fooled.items():
        assert shown["real", name] == confidence_sequence(means)
        assert shown["sharper", name] == confidence_sequence([0.5] * 5)
        assert shown["nicer", name] == confidence_sequence([1 - mean for mean in means])
    page = site.get().text
    told = ["could not tell the two", "For each further question", "sharper?", "nicer?"]
    assert sorted(told, key=page.index) == told
    assert page.count("For each further question") == 1


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("batch = 1", "results.batch is 1, expected: input should be greater than or equal to 5"),
        ('public = "yes"', "results.public is 'yes', expected: input should be 'never', 'closed'"),
        ('names = { sr3 = "A" }', "'sr3' is no condition, expected one of blurred, noisy"),
        ('names = { blurred = "noisy" }', "two conditions are called 'noisy'"),
        ('names = { blurred = { en = "A" } }', "results.names.blurred has no text in 'zh'"),
        ("publik = true", "no key 'results.publik', did you mean 'public'"),
    ],
)
def test_a_section_that_is_wrong_is_one_line(study_text: str, section: str, words: str) -> None:
    with pytest.raises(StudyFileError) as refusal:
        parse_study_file(f"{study_text}[results]\n{section}\n", "study.toml")
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_data_protection_sheet_says_what_is_public(study_text: str) -> None:
    old, new = results("live")
    sheet = ethics_sheet(parse_study_file(study_text.replace(old, new), "study.toml"))
    assert "/results/small/" in sheet
    assert "/results/" not in ethics_sheet(parse_study_file(study_text, "study.toml"))
