"""Columns and tables that say one thing twice are refused where they disagree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.errors import AnalysisError, TableError
from analysis.judgments.duels import further_answers, read_duels
from analysis.judgments.ratings import further_ratings
from analysis.judgments.rules import LIMITS
from analysis.judgments.study import read_study
from analysis.judgments.table import read_judgments
from analysis.raters.exclusions import RULES

SIDES = "rater_id,item_id,condition,fooled,model_side,choice\n"
SEEN = "rater_id,item_id,truth,model,answer,correct\n"
PAIRS = "rater_id,item_id,model_a,model_b,choice,answer\n"
DETECTIONS = "rater_id,item_id,truth,model,answer,trial_id,kind,excluded\n"
RATINGS = "rater_id,item_id,truth,model,question,rating,score,trial_id,kind,excluded\n"
GOOD = {
    "detections.csv": DETECTIONS + "a,x,real,,real,t1,main,0\na,y,made,gan,made,t2,main,0\n",
    "ratings.csv": RATINGS + "a,x,real,,good,yes,,t1,main,0\na,y,made,gan,good,no,,t2,main,0\n",
    "judgments.csv": "rater_id,item_id,condition,fooled,kind\na,x,gan,1,main\na,y,gan,0,main\n",
    "comparisons.csv": "rater_id,item_id,model_a,model_b,choice,question,kind\n"
    "a,x,reference,gan,a,nicer,main\na,y,gan,reference,tie,nicer,main\n",
}
STUDY = {"format_version": 1, "study_id": "s"}
WORDED = {"wording": {"en": "Good?"}}
ASKED = {
    "single": [{"id": "real"}, {"id": "good", **WORDED, "scale": "nominal",
                "options": [{"value": "yes", "text": "Yes"}, {"value": "no", "text": "No"}]}],
    "real-or-model": [{"id": "real"}, {"id": "nicer", **WORDED, "answers": ["left", "right"]}],
}  # fmt: skip


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,x,m,1,left,left\na,y,m,1,left,right\n", "line 3: fooled is 1 where choice is 'right'"
         r" and model_side 'left', expected 0 \(1 row\)$"),
        ("a,x,m,0,left,left\na,y,m,1,left,right\n", r"line 2: .*\(2 rows\); does choice name the"),
    ],
)  # fmt: skip
def test_fooled_is_what_the_sides_say(tmp_path: Path, rows: str, words: str) -> None:
    with pytest.raises(TableError, match=f"^judgments.csv: {words}"):
        read_judgments(write(tmp_path, "judgments.csv", SIDES + rows))


def test_sides_that_say_nothing_are_let_pass(tmp_path: Path) -> None:
    rows = "a,x,m,1,left,left\na,y,m,0,left,right\na,z,m,,left,\na,w,m,1,2,1\na,v,m,0,,left\n"
    assert len(read_judgments(write(tmp_path, "judgments.csv", SIDES + rows))) == 5


def test_a_detection_is_correct_where_its_answer_is_the_truth(tmp_path: Path) -> None:
    rows = "a,x,real,,real,1\na,y,made,gan,,\na,z,made,gan,real,no idea\na,w,made,gan,made,0\n"
    file = write(tmp_path, "detections.csv", SEEN + rows)
    with pytest.raises(TableError, match="line 5: correct is '0' where answer says '1'"):
        read_judgments(file)


def test_a_choice_is_what_the_answer_says(tmp_path: Path) -> None:
    rows = "a,x,m,n,a,left\nb,x,m,n,tie,bad\nb,y,m,n,b,left\n"
    file = write(tmp_path, "comparisons.csv", PAIRS + rows)
    with pytest.raises(TableError, match="line 4: choice is 'b' where answer says 'a'"):
        read_duels(file)


def export(folder: Path, trial: str, changed: dict[str, str]) -> Path:
    """Write an export whose tables fit, but for the changes, and return it."""
    names = ["detections.csv", "ratings.csv"]
    for name in names if trial == "single" else ["judgments.csv", "comparisons.csv"]:
        write(folder, name, changed.get(name, GOOD[name]))
    study = STUDY | {"trial": trial, "questions": ASKED[trial]}
    write(folder, "study.json", json.dumps(study))
    return folder


def test_tables_of_one_export_that_fit_are_read(tmp_path: Path) -> None:
    single = export(tmp_path, "single", {})
    assert len(further_ratings(single, read_study(single)).table) == 2
    pairs = export(tmp_path, "real-or-model", {})
    assert len(further_answers(pairs, read_study(pairs))) == 2


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("ratings.csv", "a,y", "b,y", "line 3: rater 'b' on item 'y' of 'gan' .* is not in det"),
        ("ratings.csv", "made,gan", "made,cdm", "line 3: .* of 'cdm' .* is not in detections.csv"),
        ("ratings.csv", "t1,main,0", "t1,main,1", r"line 2: .*\(main, trial 't1', excluded\) is"),
        ("ratings.csv", "t2", "t3", "line 3: .*trial 't3'"),
        ("detections.csv", "t1,main,0", "t1,main,1", "line 2: .*, not excluded"),
        ("detections.csv", "a,y,made,gan,made,t2,main,0\n", "", r"line 3: .*\(1 such row\)"),
        ("ratings.csv", "a,x,real,,good,yes,,t1,main,0\n", "",
         r"rater 'a' on item 'x' of 'real' .* is in detections.csv beside it, and not here"),
        ("comparisons.csv", "a,y", "b,y", "line 3: rater 'b' on item 'y' .* is not in judgments"),
        ("judgments.csv", "a,x,gan,1,main\n", "", "line 2: rater 'a' on item 'x' of 'gan'"),
    ],
)  # fmt: skip
def test_tables_of_one_export_hold_the_same_trials(
    tmp_path: Path, name: str, old: str, new: str, words: str
) -> None:
    changed = GOOD[name].replace(old, new, 1)
    assert changed != GOOD[name]
    trial = "single" if name in ("ratings.csv", "detections.csv") else "real-or-model"
    folder = export(tmp_path, trial, {name: changed})
    of = further_ratings if trial == "single" else further_answers
    with pytest.raises(TableError, match=f"^(ratings|comparisons).csv: {words}") as refusal:
        of(folder, read_study(folder))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{head}\n\n\na,x,m,1\n\na,y,m,7\n", 6),
        ("\n\n{head}\na,x,m,1\na,y,m,7\n", 5),
        ('{head}\na,"x\n\nz",m,1\na,y,m,7\n', 5),
        ("{head}\r\na,x,m,1\r\n\r\na,y,m,7\r\n", 4),
    ],
    ids=["blank lines", "blank first", "broken field", "CRLF"],
)
def test_a_line_is_that_of_the_file(tmp_path: Path, text: str, line: int) -> None:
    text = text.format(head="rater_id,item_id,condition,fooled")
    with pytest.raises(TableError, match=f"line {line}: fooled is '7'"):
        read_judgments(write(tmp_path, "judgments.csv", text))
    read = read_judgments(write(tmp_path, "judgments.csv", text.replace("7", "0")))
    assert list(read.index) == [0, 1]
    duels = text.replace("condition,fooled", "model_a,model_b,choice").replace("m,1", "m,n,a")
    duels = duels.replace("m,7", "m,n,7")
    with pytest.raises(TableError, match=f"line {line}: choice is '7'"):
        read_duels(write(tmp_path, "comparisons.csv", duels))


@pytest.mark.parametrize(
    ("rules", "words"),
    [({"max_faild_catch": 1}, "no rule 'max_faild_catch', did you mean 'max_failed_catch'"),
     ({"side_bias_alpha": 2}, "the limit of side_bias_alpha is 2, expected 0 to 1")],
)  # fmt: skip
def test_a_rule_that_is_none_names_its_file(tmp_path: Path, rules: dict, words: str) -> None:
    write(tmp_path, "study.json", json.dumps(STUDY | {"exclusions": rules}))
    with pytest.raises(AnalysisError, match=f"study.json: exclusions: {words}"):
        read_study(tmp_path)


def test_every_rule_has_its_limits() -> None:
    assert list(RULES) == list(LIMITS)
