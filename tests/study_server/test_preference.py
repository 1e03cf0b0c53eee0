"""A preference study from its file to its export, on both databases where that matters."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from actors import Rater
from preference_study import TWO_QUESTIONS, make_preference, preference_text
from small_study import app_on
from sqlalchemy import select

from analysis.commands.rank import rankings
from analysis.judgments.duels import as_judgments, read_comparisons
from analysis.raters.exclusions import exclusions
from generators.errors import RunError
from generators.generate.run import generate
from generators.manifest import verify_run
from study_server.config import Images, Rules, parse_study_file
from study_server.errors import StudyFileError
from study_server.export.export import export_study
from study_server.export.other_formats import write_jspsych, write_psych_ds
from study_server.export.rater_rules import broken_rules, rater_facts
from study_server.export.verify import verify_export
from study_server.publication.ethics_sheet import ethics_sheet
from study_server.storage.database import Database
from study_server.storage.models import Block, Condition, Item, Judgment, RaterSession, Stimulus
from study_server.storage.models import Trial as TrialRow
from study_server.studies.create import create_study
from study_server.studies.images.run_folders import open_runs
from study_server.web.admin.dashboard import counts
from study_server.web.admin.dashboard.judged import Judged, judged_of

TIES = '\n[[question]]\nid = "preference"\nanswers = ["left", "right", "tie", "bad"]\n'


@pytest.mark.parametrize(
    ("replacements", "more", "words"),
    [
        ([('noisy = "{folder}/noisy"\nexact = "{folder}/real"\n', "")], "", "'blurred': a pref"),
        ([("raters = 6", 'raters = 6\nbaseline = "gan"')], "", "'gan' is no condition"),
        ([("raters = 6", 'raters = 6\npairs = [["noisy", "noisy"]]')], "", "expected two models"),
        ([("raters = 6", 'raters = 6\npairs = "some"')], "", "design.pairs: 'some', exp"),
        ([("raters = 6", "raters = 6\npairs = []")], "", r"design.pairs: \[\], expected"),
        ([("raters = 6", 'raters = 6\npairs = ["noisy", "exact"]')], "", "or a list of pairs"),
        ([("raters = 6", 'raters = 6\npairs = [["noisy", "exact"]]')], "", "'blurred', which"),
        ([("raters = 6", "raters = 6\nshowings = 2")], "", "a divisor of the 3 pairs"),
        (
            [("raters = 6", 'raters = 6\nbaseline = "noisy"\npairs = [["noisy", "exact"]]')],
            "",
            "give one",
        ),
        ([("[images]", '[images]\nbeside = "reference"'), ('reference = "{folder}/real"\n', "")],
         "", "images.reference is missing"),
        ([('title = "W', 'tasks = ["task1"]\ntitle = "W')], "", "study.tasks is for a real photo"),
        ([], '[[question]]\nid = "x"\nwording = {{ en = "Which?" }}\n', "no wording in 'zh'"),
        ([], '[[question]]\nid = "x"\nanswers = ["left"]\n', "expected left and right"),
        ([], '[[question]]\nid = "x"\nword = "?"\n', "no key 'question.0.word', did you mean"),
        ([], '[[question]]\nid = "x"\nwording = {{ en = "Which?", zh = " " }}\n', "in 'zh'"),
        ([], '[[question]]\nid = "x"\nwording = "Which?"\n', 'a table, such as . en = "…"'),
        ([], '[[question]]\nid = "x"\nanswers = ["left", "right", "real"]\n', "right, real, exp"),
        ([], '[question]\nid = "x"\n', r"question is one table, .* write \[\[question\]\]"),
        ([], "".join(TWO_QUESTIONS.replace('id = "', f'id = "x{n}-') for n in range(6)),
         r"\[\[question\]\] is there 12 times, expected at most 10"),
        ([], TWO_QUESTIONS.replace("beauty", "realism"), "'realism' is there twice"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(
    tmp_path: Path, replacements: list[tuple[str, str]], more: str, words: str
) -> None:
    text = preference_text(tmp_path, *replacements, more=more)
    with pytest.raises(StudyFileError, match=words) as refusal:
        parse_study_file(text, "study.toml")
    assert "\n" not in str(refusal.value)


def test_a_question_is_worded_in_every_language_that_a_study_may_offer(tmp_path: Path) -> None:
    offered = ("contact", 'languages = ["de", "ar"]\ncontact')
    asked = '[[question]]\nid = "x"\nwording = {{ de = "Welches Bild?", ar = "أي صورة؟" }}\n'
    file = parse_study_file(preference_text(tmp_path, offered, more=asked), "study.toml")
    assert [file.questions[0].words(each) for each in ("de", "ar")] == ["Welches Bild?", "أي صورة؟"]
    with pytest.raises(StudyFileError, match="no wording in 'ar'"):
        parse_study_file(
            preference_text(tmp_path, offered, more=asked.replace(', ar = "أي صورة؟"', "")),
            "study.toml",
        )


def test_a_study_without_photos_shows_only_outputs(sqlite: Database, images: Path) -> None:
    bare = [('reference = "{folder}/real"\ninputs = "{folder}/inputs"\n', "")]
    make_preference(sqlite, images, *bare)
    with sqlite.session() as db_session:
        assert set(db_session.scalars(select(Stimulus.role))) == {"output"}
        trials = list(db_session.scalars(select(TrialRow)))
        names = {row.id: row.name for row in db_session.scalars(select(Condition))}
    for trial in trials:
        assert trial.input_id is None
        assert trial.left_id != trial.right_id
        assert (names[trial.condition_id] == "catch") == (trial.kind == "catch")
    checks = [trial for trial in trials if trial.kind == "catch"]
    assert {names[trial.other_id] for trial in checks} == {"blurred"}


@pytest.mark.slow
@pytest.mark.parametrize(("beside", "role"), [("reference", "reference"), ("input", "input")])
def test_what_stands_beside_them_the_file_says(
    sqlite: Database, images: Path, beside: str, role: str
) -> None:
    make_preference(sqlite, images, ("[images]", f'[images]\nbeside = "{beside}"'))
    with sqlite.session() as db_session:
        shown = {trial.input_id for trial in db_session.scalars(select(TrialRow))}
        roles = select(Stimulus.role).where(Stimulus.id.in_(shown))
        assert set(db_session.scalars(roles)) == {role}
    state = Rater(app_on(sqlite)).begin().state
    assert all(trial["input"] for trial in state["trials"])


def test_pairs_items_and_sides_are_balanced(sqlite: Database, images: Path) -> None:
    """6 raters x 6 trials over 6 items and 3 pairs: each item twice a pair, each side once."""
    make_preference(sqlite, images)
    with sqlite.session() as db_session:
        query = select(TrialRow, Block.number).join(Block).where(TrialRow.kind == "main")
        rows = list(db_session.execute(query))
    pairs = Counter((number, trial.condition_id, trial.other_id) for trial, number in rows)
    assert set(pairs.values()) == {2}
    cells = Counter((t.item_id, t.condition_id, t.other_id, t.model_side) for t, _ in rows)
    assert set(cells.values()) == {1}
    assert len(cells) == 6 * 3 * 2


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ('baseline = "noisy"', {("noisy", "blurred"), ("noisy", "exact")}),
        ('pairs = [["exact", "noisy"], ["blurred", "exact"]]',
         {("exact", "noisy"), ("blurred", "exact")}),
    ],
)  # fmt: skip
def test_pairs_are_those_that_the_file_names_and_balanced(
    sqlite: Database, images: Path, key: str, expected: set[tuple[str, str]]
) -> None:
    make_preference(sqlite, images, ("raters = 6", f"raters = 6\n{key}"))
    with sqlite.session() as db_session:
        main = list(db_session.scalars(select(TrialRow).where(TrialRow.kind == "main")))
        names = {row.id: row.name for row in db_session.scalars(select(Condition))}
    shown = Counter((names[t.condition_id], names[t.other_id or 0]) for t in main)
    assert dict(shown) == dict.fromkeys(expected, 18)  # of 6 raters' 6 trials, half
    cells = Counter((t.item_id, t.condition_id, t.other_id) for t in main)
    assert set(cells.values()) == {3}
    sides = Counter((t.condition_id, t.other_id, t.model_side) for t in main)
    assert set(sides.values()) == {9}


def test_an_item_comes_up_as_often_as_the_file_lets_it(sqlite: Database, images: Path) -> None:
    make_preference(sqlite, images, ("raters = 6", "raters = 6\nshowings = 3"))
    with sqlite.session() as db_session:
        main = list(db_session.scalars(select(TrialRow).where(TrialRow.kind == "main")))
    shown = Counter((trial.block_id, trial.item_id) for trial in main)
    assert set(shown.values()) == {3}
    pairs = {(t.block_id, t.item_id, t.condition_id, t.other_id) for t in main}
    assert len(pairs) == len(main)  # never the same pair twice
    assert {trial.showing for trial in main} == {0, 1, 2}


def test_answers_are_taken_once_whatever_they_are(
    database: Database, images: Path, tmp_path: Path
) -> None:
    make_preference(database, images, more=TIES)
    app = app_on(database)
    first = Rater(app).begin()
    assert first.state["settings"]["questions"] == [
        {"id": "preference", "text": None, "answers": ["left", "right", "tie", "bad"]}
    ]
    body = first.body("tie")
    assert first.post("answer", body).json["feedback"] is None  # no preference is right
    assert first.post("answer", body).status_code == 200  # sent again: stored once
    assert first.post("answer", body | {"choice": "bad"}).status_code == 409
    first.open()
    for choice in ("left", "right", "bad", "tie", None, "left", "right", "left"):
        first.answer(choice)
    first.finish()
    assert Rater(app).begin().post("answer", {}).status_code == 400
    done = export_study(database, "small", tmp_path)
    assert (done.table, done.judgments, done.raters) == ("comparisons.csv", 9, 1)
    assert verify_export(tmp_path) == []
    rows = _rows(tmp_path)
    assert [row["answer"] for row in rows][:6] == ["tie", "left", "right", "bad", "tie", ""]
    said = {"left": "a", "right": "b", "tie": "tie", "bad": "tie", "": ""}
    assert all(row["choice"] == said[row["answer"]] for row in rows)
    assert not (tmp_path / "judgments.csv").exists()


@pytest.mark.slow
def test_the_models_of_a_row_are_those_on_its_sides(
    sqlite: Database, images: Path, tmp_path: Path
) -> None:
    """What the file calls a was on the left: the stimulus that was served there is that model's."""
    make_preference(sqlite, images)
    Rater(app_on(sqlite)).begin().answer_all("left")
    export_study(sqlite, "small", tmp_path)
    query = (
        select(TrialRow.position, Condition.name)
        .join(RaterSession, RaterSession.block_id == TrialRow.block_id)
        .join(Stimulus, Stimulus.id == TrialRow.left_id)
        .outerjoin(Condition, Condition.id == Stimulus.condition_id)
    )
    with sqlite.read() as connection:
        left = dict(connection.execute(query).all())
        fooled = dict(connection.execute(select(Judgment.position, Judgment.fooled)).all())
    for row in _rows(tmp_path):
        position = int(row["position"])
        assert row["model_a"] == (left[position] or "reference")
        assert row["choice"] == "a"
        assert row["model_a"] != row["model_b"]
        assert fooled[position] in (0, 1)


@pytest.mark.slow
def test_several_questions_are_one_answer(sqlite: Database, images: Path, tmp_path: Path) -> None:
    make_preference(sqlite, images, more=TWO_QUESTIONS)
    rater = Rater(app_on(sqlite)).begin()
    both = {"realism": {"choice": "left", "rt_ms": 700.5}, "beauty": {"choice": "bad"}}
    for wrong in (
        {},
        {"answers": {"realism": both["realism"]}},
        {"answers": both | {"beauty": {"choice": "up"}}},
        {"answers": both | {"realism": {"choice": "right"}}},
        {"answers": {**both, "price": {"choice": "left"}}},
        {"answers": {"realism": both["beauty"], "beauty": both["realism"]}, "choice": "bad"},
    ):
        assert rater.post("answer", rater.body("left") | wrong).status_code == 400, wrong
    while rater.state["trials"]:
        rater.answer("left", answers=both)
    export_study(sqlite, "small", tmp_path)
    rows = _rows(tmp_path)
    assert Counter((row["question"], row["answer"]) for row in rows) == {
        ("realism", "left"): 9, ("beauty", "bad"): 9,
    }  # fmt: skip
    assert json.loads((tmp_path / "study.json").read_text())["judgments"] == 9
    assert json.loads((tmp_path / "study.json").read_text())["questions"][1]["id"] == "beauty"
    lines = (tmp_path / "codebook.csv").read_text().splitlines()
    names = {row["column"] for row in csv.DictReader(lines)}
    assert names == set(rows[0])
    assert write_psych_ds(tmp_path).is_dir()
    assert json.loads(write_jspsych(tmp_path).read_text())[0]["trial_type"] == "foolrate-preference"


def test_the_page_speaks_the_raters_language(sqlite: Database, images: Path) -> None:
    make_preference(sqlite, images, more=TWO_QUESTIONS)
    rater = Rater(app_on(sqlite), query="?lang=zh")
    rater.arrive()
    rater.form(f"/r/{rater.token}/device", **_device())
    page = rater.client.get(f"/r/{rater.token}/instructions").text
    assert "哪一张看起来更真实？" in page
    assert "哪一张更美？" in page
    assert "没有差别" in page
    assert "camera" not in page
    rater.form(f"/r/{rater.token}/instructions")
    asked = rater.open()["settings"]["questions"]
    assert [each["text"] for each in asked] == ["哪一张看起来更真实？", "哪一张更美？"]


def _device() -> dict[str, str]:
    from actors import DEVICE

    return DEVICE


@pytest.mark.slow
def test_the_site_and_the_analysis_apply_one_set_of_rules(
    sqlite: Database, images: Path, tmp_path: Path
) -> None:
    """A tie is an answer on a main trial, and on a catch trial it is a mistake."""
    make_preference(sqlite, images, more=TIES)
    app = app_on(sqlite)
    habits: dict[str, list[str | None]] = {
        "ties": ["tie"] * 9,
        "skips": [None] * 9,
        "lefts": ["left"] * 9,
    }
    for habit in (*habits.values(), ["left", "right"] * 5):
        rater = Rater(app).begin()
        for choice in habit[: len(rater.truth())]:
            rater.answer(choice, rt_ms=700.0)
    export_study(sqlite, "small", tmp_path)
    rules: dict[str, Any] = {
        "max_failed_catch": 0,
        "max_skipped_share": 0.5,
        "max_same_side_run": 4,
    }
    with sqlite.read() as connection:
        facts = rater_facts(connection, RaterSession.study_id == 1)
    there = {f"r{who:04d}": rules for who, rules in broken_rules(facts, Rules(**rules)).items()}
    table = read_comparisons(tmp_path)
    here = exclusions(as_judgments(table.assign(excluded="0"), "x"), rules).reasons
    assert {who: set(broken) for who, broken in there.items() if broken} == {
        who: set(broken) for who, broken in here.items()
    }
    assert there["r0001"] == ("max_failed_catch",)
    assert set(there["r0002"]) == {"max_failed_catch", "max_skipped_share"}
    assert "max_same_side_run" in there["r0003"]


@pytest.mark.slow
def test_the_dashboard_shows_win_shares_against_the_field(database: Database, images: Path) -> None:
    """Counted by hand from the stored trials: a win 1, a loss 0, neither a half."""
    make_preference(database, images, more=TIES)
    app = app_on(database)
    rater = Rater(app).begin()
    choices = ["left", "right", "tie", "left", "bad", "right", None, "left", "right"]
    for choice in choices:
        rater.answer(choice)
    rater.finish()
    points: dict[int, list[float]] = {}
    for trial, choice in zip(rater.truth(), choices, strict=True):
        if trial.kind == "main" and choice is not None:
            mine = 0.5 if choice in ("tie", "bad") else float(choice == trial.model_side)
            points.setdefault(trial.condition_id, []).append(mine)
            points.setdefault(trial.other_id or 0, []).append(1 - mine)
    judged = Judged(1)
    with database.reading() as db_session:
        judged.refresh(db_session.connection())
        items = len(list(db_session.scalars(select(Item).where(Item.role == "main"))))
    found = counts.win_shares(judged)
    assert {model: [sum(each) / len(each)] for model, each in points.items()} == found
    cells = counts.coverage(judged)
    assert {pair: len(of_pair) for pair, of_pair in cells.items()} == dict.fromkeys(cells, items)
    assert len(cells) == 3
    assert sum(cell.got for of_pair in cells.values() for cell in of_pair) == 6


@pytest.mark.slow
def test_the_export_is_ranked_by_question(sqlite: Database, images: Path, tmp_path: Path) -> None:
    file = make_preference(sqlite, images, more=TWO_QUESTIONS)
    app = app_on(sqlite)
    for _ in range(4):
        rater = Rater(app).begin()
        for trial in rater.truth():
            real = "left" if (trial.position + rater.row().number) % 3 else "right"
            other = "right" if real == "left" else "left"
            given = {"realism": {"choice": real}, "beauty": {"choice": other}}
            rater.answer(real, answers=given)
        rater.finish()
    export_study(sqlite, "small", tmp_path)
    made, _ = rankings(tmp_path, alpha=0.05, seed=0, ties="davidson")
    assert list(made) == ["realism", "beauty"]
    one, two = made.values()
    assert one.comparisons == two.comparisons == 4 * 6  # main trials only
    scores = [{each.model: each.score for each in ranking.models} for ranking in (one, two)]
    for model, score in scores[0].items():  # the second question was answered the other way
        assert score == pytest.approx(-scores[1][model], abs=1e-8)
    judged = judged_of(1, file)
    with sqlite.reading() as db_session:
        judged.refresh(db_session.connection())
    first, second = (counts.win_shares(judged, place) for place in (0, 1))
    assert len(first) == 3
    for of_model, shares in first.items():
        assert second[of_model] == pytest.approx([1 - share for share in shares])


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "comparisons.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_ethics_sheet_counts_the_questions(images: Path) -> None:
    file = parse_study_file(preference_text(images, more=TWO_QUESTIONS), "study.toml")
    assert "answer 2 questions about each" in ethics_sheet(file)


def write_prompts(folder: Path, text: str) -> tuple[str, str]:
    """Write a file of prompts and return what names it in the study file."""
    (folder / "prompts.csv").write_text(text, encoding="utf-8")
    return "[images]", f'[images]\nprompts = "{folder}"'


PROMPTS = "id,prompt\n" + "".join(f'item-{n},"A cat, number {n} 猫"\n' for n in range(9))


@pytest.mark.slow
def test_the_prompt_stands_over_the_images_and_in_the_export(
    database: Database, images: Path, tmp_path: Path
) -> None:
    make_preference(database, images, write_prompts(tmp_path, PROMPTS))
    rater = Rater(app_on(database))
    rater.begin()
    assert "A cat, number" in rater.client.get(f"/r/{rater.token}/run").text
    with database.read() as connection:
        names = dict(connection.execute(select(Item.id, Item.name)).all())
    for trial, truth in zip(rater.state["trials"], rater.truth(), strict=False):
        number = names[truth.item_id].removeprefix("item-")
        assert trial["prompt"] == f"A cat, number {number} 猫"
    rater.answer_all()
    export_study(database, "small", tmp_path / "export")
    for row in _rows(tmp_path / "export"):
        assert row["prompt"] == f"A cat, number {row['item_id'].removeprefix('item-')} 猫"
    assert verify_export(tmp_path / "export") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            PROMPTS.replace('item-8,"A cat, number 8 猫"\n', ""),
            "lacks a prompt for 1 item: item-8$",
        ),
        (
            PROMPTS.replace('item-8,"', 'item-8.png,"'),
            r"lacks a prompt for 1 item: item-8; it has some for other ids: item-8\.png$",
        ),
        (PROMPTS.replace('item-2,"A cat', 'item-2,"A "cat'), "line 4: is not CSV"),
        ("id,prompt\nitem-0,\n", "line 2: the prompt has 0 characters, expected 1 to 2000"),
        ("id,prompt\nitem-0,a\nitem-0,b\n", "line 3: 'item-0' is there twice"),
        ("name,prompt\nitem-0,a\n", "no column 'id', found name, prompt"),
        ("", "no column 'id', found nothing"),
        (PROMPTS.replace('"', ""), "the line of 'item-0' has too many cells"),
    ],
)
def test_prompts_that_do_not_fit_are_one_line(
    sqlite: Database, images: Path, tmp_path: Path, text: str, words: str
) -> None:
    named = write_prompts(tmp_path, text)
    with pytest.raises(StudyFileError, match=words) as refusal:
        make_preference(sqlite, images, named)
    assert "\n" not in str(refusal.value)
    with pytest.raises(StudyFileError, match="cannot be read"):
        make_preference(sqlite, images, ("[images]", '[images]\nprompts = "nowhere.csv"'))


@pytest.mark.slow
def test_prompts_of_the_runs_need_no_file_in_the_study_file(images: Path, tmp_path: Path) -> None:
    """Of the file beside plain folders, of a manifest, and of both where they agree."""
    for name in ("blurred", "noisy", "real"):
        shutil.copytree(images / name, tmp_path / name)
    shown = ("[images]", '[images]\nbeside = "prompt"')
    bare = ('reference = "{folder}/real"\ninputs = "{folder}/inputs"\n', "")
    file = parse_study_file(preference_text(tmp_path, shown, bare), "x")
    with pytest.raises(StudyFileError, match=r"^images\.beside is 'prompt': .*lacks a prompt"):
        open_runs(file)
    (tmp_path / "prompts.csv").write_text(PROMPTS.replace(',"', '.PNG,"'), encoding="utf-8")
    with pytest.raises(StudyFileError, match=r"some for other ids: item-0\.PNG, item-1\.PNG"):
        open_runs(file)
    # With a byte order mark, Windows' line ends and a prompt of no image.
    text = PROMPTS.replace("\n", "\r\n") + "item-99,of no image\r\n"
    (tmp_path / "prompts.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    runs = open_runs(file)
    assert runs.prompts["item-8"] == "A cat, number 8 猫"
    of_no_image = f"{tmp_path}/prompts.csv: 1 of its prompts is of no image: item-99"
    assert runs.told[-1] == of_no_image
    named = file.model_copy(update={"images": Images(prompts=str(tmp_path))})
    assert open_runs(named).digests() == runs.digests()
    items = len(runs.items)
    assert open_runs(named).told == (
        f"the prompts of {items} images come from {tmp_path}/prompts.csv",
        of_no_image,
    )
    imported = f'generator = "imported"\nsource = "{tmp_path}/noisy"\nout = "{tmp_path}/run"\n'
    (tmp_path / "run.toml").write_text(imported)
    manifest = generate(tmp_path / "run.toml")
    assert {item.id: item.prompt for item in manifest.items} == runs.prompts
    assert verify_run(tmp_path / "run") == []
    (tmp_path / "prompts.csv").unlink()
    of_run = (f'noisy = "{tmp_path}/noisy"', f'noisy = "{tmp_path}/run"')
    text = preference_text(tmp_path, shown, bare)
    file = parse_study_file(text.replace(*of_run), "x")
    assert open_runs(file).prompts == runs.prompts
    (tmp_path / "blurred" / "prompts.csv").write_text("id,prompt\nitem-3,A dog\n")
    with pytest.raises(StudyFileError) as refusal:
        open_runs(file)
    said = "conditions.noisy: its prompt of 'item-3' is 'A cat, number 3 猫', expected that of"
    assert str(refusal.value) == f"{said} conditions.blurred, 'A dog'"
    (tmp_path / "blurred" / "prompts.csv").unlink()
    (tmp_path / "more.csv").write_text("id,prompt\nitem-3,A dog\n")
    (tmp_path / "run.toml").write_text(imported + f'prompts = "{tmp_path}/more.csv"\n')
    with pytest.raises(RunError, match=r"more\.csv: lacks a prompt for 8 items: item-0, item-1"):
        generate(tmp_path / "run.toml", out=tmp_path / "other")


def test_two_conditions_with_the_same_images_are_told(sqlite: Database, images: Path) -> None:
    """A copied line of the study file would else be noticed in the results."""
    said: list[str] = []
    text = preference_text(images, ('noisy = "{folder}/noisy"', 'noisy = "{folder}/blurred"'))
    create_study(sqlite, parse_study_file(text, "x"), text, say=said.extend)
    assert said == [
        "conditions.blurred and conditions.noisy hold the same images: nobody can tell them apart"
    ]


def test_another_prompt_is_another_study(images: Path, tmp_path: Path) -> None:
    found = set()
    for text in (PROMPTS, PROMPTS.replace("cat", "dog")):
        file = parse_study_file(preference_text(images, write_prompts(tmp_path, text)), "x")
        found.add(file.digest(open_runs(file).digests()))
    assert len(found) == 2
