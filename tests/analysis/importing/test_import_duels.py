"""Anybody's comparisons become comparisons.csv, which `analysis rank` reads."""

from __future__ import annotations

import json

import pytest
from import_cases import imported

from analysis.judgments.duels import read_duels

HEAD = "rater_id,item_id,model_a,model_b,choice\n"
TIES = (
    "tie",
    "Tie (bothbad)",
    "TIE (both good)",
    "draw",
    "equal",
    "Equally good",
    "both",
    "both bad",
    "neither",
    "same",
    "no preference",
    "No difference",
    "can't decide",
    "A=B",
    "it's a tie",
    "both_bad",
    "bothbad_vote",
    "tievote",
    "Both are bad",
    "about the same",
)


@pytest.mark.parametrize("word", TIES)
def test_a_tie_of_any_wording(word, tmp_path) -> None:
    status, table = imported(
        tmp_path, "a.csv", HEAD + f'a,x,sr3,gan,"{word}"\nb,x,sr3,gan,left\n', "--duels"
    )
    assert status == 0
    assert table["choice"].tolist() == ["tie", "a"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("a", "B", "A"), "aba"),
        (("left", "Right", "LEFT"), "aba"),
        (("model_a", "model_b", "model_a"), "aba"),
        (("A>B", "B>>A", "A>>B"), "aba"),
        (("sr3", "GAN", "sr3"), "aba"),
        (("leftvote", "rightvote", "leftvote"), "aba"),
        (("A is slightly better", "Image B", "I prefer A"), "aba"),
    ],
)
def test_who_won_by_place_or_name(words, expected, tmp_path) -> None:
    text = HEAD + "".join(f"r{at},x,sr3,gan,{word}\n" for at, word in enumerate(words))
    status, table = imported(tmp_path, "a.csv", text, "--duels")
    assert status == 0
    assert "".join(table["choice"]) == expected


def test_a_place_is_not_taken_for_a_model_of_like_name(tmp_path) -> None:
    text = HEAD + "r,x,B,A,a\nr,y,A,B,a\ns,x,A,B,b\n"
    status, table = imported(tmp_path, "a.csv", text, "--duels")
    assert status == 0
    assert table["choice"].tolist() == ["a", "a", "b"]  # of line 2, model_a: B


@pytest.mark.parametrize(("target", "expected"), [("choice", ["a", "b"]), ("winner", ["b", "b"])])
def test_the_user_says_whether_it_is_a_place_or_a_name(target, expected, tmp_path) -> None:
    text = "judge,image,model_a,model_b,won\nr,x,B,A,A\nr,y,A,B,B\n"
    status, table = imported(tmp_path, "a.csv", text, "--duels", "--map", f"{target}=won")
    assert status == 0
    assert table["choice"].tolist() == expected


def test_arena_json_of_one_judge_and_of_none(tmp_path, capsys) -> None:
    battles = [
        {
            "question_id": at,
            "model_a": "x",
            "model_b": "y",
            "winner": winner,
            "judge": "arena_user_1",
        }
        for at, winner in enumerate(["model_a", "model_b", "tie (bothbad)", "tie"])
    ]
    status, table = imported(tmp_path, "a.json", json.dumps(battles), "--duels")
    assert status == 0
    assert table["choice"].tolist() == ["a", "b", "tie", "tie"]
    assert "caution: one judge only" in capsys.readouterr().out
    nobody = json.dumps([{key: each[key] for key in each if key != "judge"} for each in battles])
    assert imported(tmp_path, "b.json", nobody, "--duels")[0] == 1
    assert "--unknown-raters" in capsys.readouterr().err
    status, table = imported(tmp_path, "b.json", nobody, "--duels", "--unknown-raters")
    assert status == 0
    assert set(table["rater_id"]) == {"unknown"}
    assert "caution: the judges are not known" in capsys.readouterr().out


def test_columns_winner_and_loser_need_no_mapping(tmp_path) -> None:
    text = "judge,image,Winner,Loser,tie\na,x,sr3,gan,FALSE\nb,x,gan,sr3,TRUE\n"
    status, table = imported(tmp_path, "a.csv", text, "--duels")
    assert status == 0
    assert table[["model_a", "model_b", "choice"]].to_numpy().tolist() == [
        ["sr3", "gan", "a"],
        ["gan", "sr3", "tie"],
    ]


def test_what_is_written_is_read_back(tmp_path) -> None:
    text = HEAD + "a,x,sr3,gan,a\na,y,gan,sr3,tie\nb,x,sr3,gan,b\nb,y,gan,sr3,\n"
    assert imported(tmp_path, "a.csv", text, "--duels")[0] == 0
    duels = read_duels(tmp_path / "out.csv")
    assert duels.table["score"].tolist() == [1.0, 0.5, 0.0]
    assert duels.skipped == 1


def test_the_same_pair_in_the_other_order_is_another_comparison(tmp_path) -> None:
    text = HEAD + "a,x,sr3,gan,a\na,x,gan,sr3,a\nb,x,gan,sr3,b\n"  # position bias, not an error
    status, table = imported(tmp_path, "a.csv", text, "--duels")
    assert status == 0
    assert len(table) == 3


def test_a_ranking_of_unknown_judges_says_what_its_intervals_assume(tmp_path, capsys) -> None:
    import manage

    text = "image,better,worse\n" + "".join(
        f"i{at},{'sr3,gan' if at % 3 else 'gan,sr3'}\n" for at in range(30)
    )
    options = ("--duels", "--map", "winner=better", "--map", "loser=worse", "--unknown-raters")
    assert imported(tmp_path, "a.csv", text, *options)[0] == 0
    capsys.readouterr()
    assert manage.run(["analysis", "rank", str(tmp_path / "out.csv")]) == 0
    told = capsys.readouterr().out
    assert "the raters are not known: answers of one person count as independent" in told
    assert "one rater only" not in told


def test_another_rows_model_is_no_place(tmp_path, capsys) -> None:
    text = HEAD + "r,x,Image A,sr3,sr3\nr,y,sr3,gan,Image A\ns,x,sr3,gan,gan\n"
    assert imported(tmp_path, "a.csv", text, "--duels")[0] == 1
    assert "'Image A'" in capsys.readouterr().err
