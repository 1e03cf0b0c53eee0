"""Shares of further questions: counted by hand, and the intervals of a fool rate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analysis.cli import analysis
from analysis.judgments.table import check_judgments, read_judgments
from analysis.rates.fool_rates import fool_rates
from analysis.rates.picked import ALL_NEITHER
from analysis.report.build import write_report
from analysis.report.results.schema import read_results

QUESTIONS = [
    {"id": "real", "wording": {}, "answers": ["left", "right"]},
    {"id": "sharper", "wording": {"en": "Which is sharper?"}, "answers": ["left", "right", "tie"]},
    {"id": "nicer", "wording": {"en": "Which is nicer?"}, "answers": ["left", "right", "bad"]},
]
STUDY = {"format_version": 1, "study_id": "s", "title": "S", "trial": "real-or-model",
         "questions": QUESTIONS, "exclusions": {"max_skipped_share": 0.2}}  # fmt: skip


def write_export(folder: Path) -> list[dict[str, str]]:
    """Write an export of 12 raters and 12 images; return the rows of the question sharper.

    The last rater skips all, and the rule leaves them out. Every answer to nicer is "both are bad".
    """
    rng = np.random.default_rng(5)
    judged, compared = [], []
    for rater in range(13):
        for item in range(12):
            skipped = rater == 12
            left = rng.random() < 0.5
            sides = ("sr3", "reference") if left else ("reference", "sr3")
            ids = {"rater_id": f"r{rater}", "item_id": f"i{item}", "kind": "main",
                   "trial_id": f"{rater}-{item}", "simulated": "0", "excluded": "0"}  # fmt: skip
            fooled = "" if skipped else str(int(rng.random() < 0.4))
            judged.append(ids | {"condition": "sr3", "fooled": fooled})
            said = str(rng.choice(["a", "b", "b", "tie"]))
            for question, choice in (("sharper", said), ("nicer", "tie")):
                answer = {"a": "left", "b": "right"}.get(
                    choice, "bad" if question == "nicer" else "tie"
                )
                row = {"model_a": sides[0], "model_b": sides[1], "question": question}
                row |= (
                    {"choice": choice, "answer": answer}
                    if not skipped
                    else {"choice": "", "answer": ""}
                )
                compared.append(ids | row)
    folder.mkdir()
    for name, rows in (("judgments.csv", judged), ("comparisons.csv", compared)):
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        (folder / name).write_text("\n".join(lines) + "\n")
    (folder / "study.json").write_text(json.dumps(STUDY))
    return [row for row in compared if row["question"] == "sharper" and row["rater_id"] != "r12"]


@pytest.mark.slow
def test_each_question_has_a_share_of_its_own(tmp_path: Path) -> None:
    rows = write_export(tmp_path / "e")
    points = [
        0.5
        if row["choice"] == "tie"
        else float((row["choice"] == "a") == (row["model_a"] == "sr3"))
        for row in rows
    ]
    told = CliRunner().invoke(analysis, ["fool-rates", str(tmp_path / "e"), "--json", "-"])
    found = json.loads(told.stdout)
    assert found["fool_rates"][0]["raters"] == 12
    sharper, nicer = found["further"]
    assert (sharper["question"], sharper["condition"]) == ("sharper", "sr3")
    assert sharper["share"] == pytest.approx(np.mean(points))
    assert (sharper["picked"], sharper["neither"]) == (points.count(1.0), points.count(0.5))
    assert (sharper["raters"], sharper["items"], sharper["trials"]) == (12, 12, 144)
    # The same answers as a fool rate have the same interval, ties drawn to one side and the other.
    low, high = (_as_fool_rate(rows, points, tie) for tie in (0.0, 1.0))
    assert low[0] < sharper["low"] < sharper["share"] < sharper["high"] < high[1]
    assert nicer["share"] == 0.5
    assert (nicer["low"], nicer["neither"], nicer["both_bad"]) == (None, 144, 144)
    assert nicer["flags"] == [ALL_NEITHER]
    text = CliRunner().invoke(analysis, ["fool-rates", str(tmp_path / "e")]).stdout
    assert "sharper" in text.split("further questions")[0]

    page = write_report(tmp_path / "e", tmp_path / "report").read_text()
    assert "Which is sharper?" in page
    results = read_results(tmp_path / "report" / "results.json")
    assert [each.share for each in results.further] == [sharper["share"], 0.5]
    methods = (tmp_path / "report" / "methods.md").read_text()
    asked = (
        "“Which is sharper?” (left, right, no difference); “Which is nicer?” (left, right, both "
    )
    assert asked in methods
    assert (tmp_path / "report" / "tables" / "further.tex").is_file()

    (tmp_path / "e" / "comparisons.csv").unlink()
    gone = CliRunner().invoke(analysis, ["fool-rates", str(tmp_path / "e")])
    assert "comparisons.csv: no such file, expected the answers to sharper, nicer" in str(
        gone.exception
    )


def _as_fool_rate(
    rows: list[dict[str, str]], points: list[float], tie: float
) -> tuple[float, float]:
    import pandas as pd

    table = pd.DataFrame(rows).assign(condition="sr3")
    drawn = [tie if point == 0.5 else point for point in points]
    table["fooled"] = [str(int(point)) for point in drawn]
    [rate] = fool_rates(check_judgments(table, "x"))
    assert rate.low is not None
    assert rate.high is not None
    return rate.low, rate.high


def test_a_folder_without_further_questions_is_read_as_before(tmp_path: Path) -> None:
    """A comparisons.csv that the study did not write says nothing of the judgments beside it."""
    write_export(tmp_path / "e")
    plain = STUDY | {"questions": []}
    (tmp_path / "e" / "study.json").write_text(json.dumps(plain))
    found = CliRunner().invoke(analysis, ["fool-rates", str(tmp_path / "e"), "--json", "-"])
    assert "further" not in json.loads(found.stdout)
    assert len(read_judgments(tmp_path / "e")) == 13 * 12
