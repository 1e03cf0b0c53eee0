"""Tables with too little in them, by every command: a result, or one line; never a traceback."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import manage

Row = tuple[str, str, str, str]


def grid(raters: int, items: int, condition: str, answer: Callable[[int, int], str]) -> list[Row]:
    cells = itertools.product(range(raters), range(items))
    return [(f"r{r}", f"i{i}", condition, answer(r, i)) for r, i in cells]


def mixed(r: int, i: int) -> str:
    return "0110100110010110100101101"[(5 * r + 2 * i) % 25]


def always(answer: str) -> Callable[[int, int], str]:
    return lambda *_: answer


def of_rater(r: int, _: int) -> str:
    return str(r % 2)


def of_image(_: int, i: int) -> str:
    return str(i % 2)


TABLES: dict[str, list[Row]] = {
    "one skipped": grid(5, 5, "m", mixed) + grid(5, 5, "none", always("")),
    "all skipped": grid(5, 5, "m", always("")),
    "one rater": grid(1, 5, "m", mixed),
    "one rater in one of two": grid(5, 5, "m", mixed) + grid(1, 5, "n", mixed),
    "one image": grid(5, 1, "m", mixed),
    "one image in one of two": grid(5, 5, "m", mixed) + grid(5, 1, "n", mixed),
    "one judgment": [("r", "i", "m", "1")],
    "one judgment in one of two": [*grid(5, 5, "m", mixed), ("r0", "i0", "n", "0")],
    "nobody fooled": grid(5, 5, "m", always("0")),
    "everybody fooled": grid(5, 5, "m", always("1")),
    "nobody and everybody": grid(5, 5, "m", always("0")) + grid(5, 5, "n", always("1")),
    "constant in one of two": grid(5, 5, "m", mixed) + grid(5, 5, "n", always("0")),
    "each rater constant": grid(6, 5, "m", of_rater),
    "each image constant": grid(5, 6, "m", of_image),
    "two by two": grid(2, 2, "m", mixed),
    "one trial a rater": [(f"r{k}", f"i{k}", "m", str(k % 2)) for k in range(8)],
    "all excluded": [],
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "fool-rates": ("analysis", "fool-rates", "FILE"),
    "fool-rates, everything": (
        *("analysis", "fool-rates", "FILE", "--bootstrap", "100", "--published", "--glmm"),
    ),
    "fool-rates, fixed": ("analysis", "fool-rates", "FILE", "--estimand", "fixed-images"),
    "compare": ("analysis", "compare", "FILE"),
    "compare, fixed": ("analysis", "compare", "FILE", "--estimand", "fixed-images"),
    "compare, everything": ("analysis", "compare", "FILE", "--permutations", "20"),
    "compare, odds": ("analysis", "compare", "FILE", "--odds"),
    "fool-rates, by": ("analysis", "fool-rates", "FILE", "--by", "rater_id"),
    "single images, odds": ("analysis", "compare", "FILE", "--real", "m", "--odds"),
    "single images, errors": ("analysis", "fool-rates", "FILE", "--real", "m"),
    "rater-average": ("analysis", "compare", "FILE", "--estimand", "rater-average"),
    "raters": ("analysis", "raters", "FILE", "--rule", "max_skipped_share=0.5"),
    "items": ("analysis", "items", "FILE"),
    "power": ("analysis", "power", "--pilot", "FILE", "--condition", "m"),
    "report": ("report", "FILE", "-o", "OUT"),
    "single images": ("analysis", "compare", "FILE", "--real", "m"),
}


# The other commands, and these with their other options, in the whole suite.
FAST = ("fool-rates",)
REPORT = pytest.param("report", marks=pytest.mark.integration)  # half a second each
OTHERS = [
    pytest.param(name, marks=pytest.mark.slow) for name in COMMANDS if name not in (*FAST, "report")
]


@pytest.fixture(autouse=True)
def no_image_files(monkeypatch) -> None:
    """Leave out a report's files of figures: its page has the same drawings."""
    monkeypatch.setattr("analysis.report.build.figure_files", lambda *_: {})


@pytest.mark.parametrize("command", [*FAST, *OTHERS, REPORT])
@pytest.mark.parametrize("table", TABLES)
def test_thin_data_give_a_result_or_one_line(capsys, tmp_path: Path, table, command) -> None:
    file = tmp_path / "judgments.csv"
    lines = ["rater_id,item_id,condition,fooled,excluded"]
    lines += [",".join((*row, "0")) for row in TABLES[table]] or ["r,i,m,1,1", "s,j,m,0,1"]
    file.write_text("\n".join(lines) + "\n")
    names = {"FILE": str(file), "OUT": str(tmp_path / "out")}
    status = manage.run([names.get(word, word) for word in COMMANDS[command]])
    captured = capsys.readouterr()
    if status == 0:
        assert captured.out
        assert "nan" not in captured.out.lower().replace("all excluded", "")
        return
    assert status == 1
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


THREE: dict[str, list[Row]] = {
    "one of three skipped": grid(6, 6, "a", mixed)
    + grid(6, 6, "b", of_rater)
    + grid(6, 6, "c", always("")),
    "all alike": [row for name in "abc" for row in grid(6, 6, name, always("0"))],
    "equal rates": [row for name in "abc" for row in grid(6, 6, name, mixed)],
    "one image": [row for name in "abc" for row in grid(6, 1, name, of_rater)],
    "one rater": [row for name in "abc" for row in grid(1, 6, name, of_image)],
}


VARIED, CONSTANT = (1.0, 2.0, 3.0), (2.0, 2.0, 2.0)
SCORED = [
    *((table, command, VARIED) for table in THREE for command in ("correlate", "report")),
    *((table, "correlate", CONSTANT) for table in THREE),
    ("equal rates", "report", CONSTANT),
]


@pytest.mark.integration
@pytest.mark.parametrize(("table", "command", "values"), SCORED)
def test_scores_beside_thin_data(capsys, tmp_path: Path, table, command, values) -> None:
    file = tmp_path / "judgments.csv"
    lines = [",".join(row) for row in THREE[table]]
    file.write_text("rater_id,item_id,condition,fooled\n" + "\n".join(lines) + "\n")
    options: list[str] = []
    for name, value in zip("abc", values, strict=True):
        folder = tmp_path / f"{name}.scores"
        folder.mkdir()
        score = {"name": "psnr", "value": value, "direction": "higher", "unit": "dB", "n": 6}
        run = {"name": name, "folder": name, "digest": name * 64}
        fields = {"format_version": 1, "created_at": "2026-01-01T00:00:00Z", "run": run}
        (folder / "scores.json").write_text(json.dumps({**fields, "scores": [score]}))
        rows = "".join(f"i{i},{2 * value if i % 2 else 0}\n" for i in range(6))
        (folder / "per_image.csv").write_text(f"item_id,psnr\n{rows}")
        options += ["--scores", str(folder)]
    call = (
        ["analysis", "correlate"]
        if command == "correlate"
        else ["report", "-o", str(tmp_path / "o")]
    )
    status = manage.run([*call, str(file), *options])
    captured = capsys.readouterr()
    if command == "report":
        assert (status, captured.err) == (0, "")
    elif status:
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1
    else:
        assert "nan" not in captured.out


def test_the_glmm_names_the_condition_that_it_cannot_fit(capsys, tmp_path: Path) -> None:
    """Finding 74: a condition with skips only was a traceback."""
    file = tmp_path / "judgments.csv"
    rows = TABLES["one skipped"]
    file.write_text("rater_id,item_id,condition,fooled\n" + "\n".join(map(",".join, rows)) + "\n")
    assert manage.run(["analysis", "fool-rates", str(file), "--glmm"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {file}: condition 'none': ")
    assert "all 25 trials were skipped" in said
