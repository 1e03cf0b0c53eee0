"""Metrics against people."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.commands.correlate import correlate_payload, correlate_text, read_condition_scores
from analysis.errors import DesignError, TableError
from analysis.inference.ranks import permutation_p, spearman
from analysis.judgments.study import read_study
from analysis.judgments.table import check_judgments
from analysis.rankings.correlation import item_correlations, model_correlation, pair_score
from metrics.scores import Score, ScoredRun, ScoreFile, write_per_image, write_scores

CONDITIONS = {"a": 0.1, "b": 0.25, "c": 0.4, "d": 0.5}


def study(task: str = "task2", seed: int = 0) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Return judgments of 4 models, and each model's true logit per image."""
    rng = np.random.default_rng(seed)
    rows, truth = [], {}
    for name, rate in CONDITIONS.items():
        truth[name] = np.log(rate / (1 - rate)) + rng.standard_normal(30)
        for r in range(25):
            for i in range(30):
                y = int(rng.random() < 1 / (1 + np.exp(-truth[name][i])))
                rows.append((f"r{r}", f"i{i:02d}", name, str(y), task))
    columns = ["rater_id", "item_id", "condition", "fooled", "task"]
    return check_judgments(pd.DataFrame(rows, columns=columns), "test"), truth


def test_spearman_equals_scipy_and_is_vectorised() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 5, 12).astype(float), rng.standard_normal((7, 12))
    assert spearman(x, y) == pytest.approx([stats.spearmanr(x, row).statistic for row in y])
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))


def test_exact_permutation_p_by_hand() -> None:
    # Perfect agreement of 4: 2 of the 24 orders are as extreme.
    assert permutation_p(np.arange(4.0), np.arange(4.0)) == pytest.approx(2 / 24)
    assert permutation_p(np.ones(4), np.arange(4.0)) == 1
    # R 4.2.2: cor.test(1:9, c(2,1,4,3,6,5,8,7,9), method = "spearman")$p.value, exact.
    y = np.array([2, 1, 4, 3, 6, 5, 8, 7, 9], dtype=float)
    assert permutation_p(np.arange(9.0), y) < 0.001


def test_direction_decides_what_agreement_is() -> None:
    table, _ = study()
    values = {"a": 30.0, "b": 20.0, "c": 10.0, "d": 5.0}  # like FID: lower is better
    lower = model_correlation(table, "fid", "lower", values, resamples=200)
    assert (lower.spearman, lower.agreement) == (pytest.approx(-1), pytest.approx(1))
    assert lower.kendall == pytest.approx(1)
    assert lower.p == pytest.approx(2 / 24)
    assert lower.exact
    higher = model_correlation(table, "psnr", "higher", values, resamples=200)
    assert higher.agreement == pytest.approx(-1)
    assert higher.low <= higher.agreement <= higher.high


@pytest.mark.slow
def test_an_item_metric_that_is_the_truth_agrees_within_every_model() -> None:
    table, truth = study()
    values = {c: {f"i{i:02d}": float(v) for i, v in enumerate(truth[c])} for c in truth}
    found = item_correlations(table, "truth", "higher", values, resamples=200)
    assert [each.condition for each in found] == list(CONDITIONS)
    for each in found:
        assert each.low <= each.agreement <= each.high
        assert each.agreement > 0.6
        assert each.disattenuated >= each.agreement
    noise = {c: {k: float(j % 7) for j, k in enumerate(values[c])} for c in values}
    assert all(
        abs(e.agreement) < 0.5 for e in item_correlations(table, "n", "higher", noise, resamples=50)
    )


def test_pooling_models_is_never_done() -> None:
    # Simpson: within each model the metric is useless, across models it is perfect.
    table, _ = study()
    values = {
        c: {f"i{i:02d}": rate + 0.001 * (i % 3) for i in range(30)}
        for c, rate in CONDITIONS.items()
    }
    found = item_correlations(table, "m", "higher", values, resamples=50)
    assert all(abs(each.agreement) < 0.45 for each in found)


def test_the_2afc_score_lies_between_its_floor_and_its_ceiling() -> None:
    table, truth = study()
    values = {c: {f"i{i:02d}": float(v) for i, v in enumerate(truth[c])} for c in truth}
    good = pair_score(table, "truth", "higher", values)
    bad = pair_score(table, "truth", "lower", values)
    assert good.pairs == 6 * 30
    assert bad.score < 0.5 < good.score <= good.ceiling
    assert good.score + bad.score == pytest.approx(1)


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_the_2afc_score_of_equal_values_is_one_half(direction: str) -> None:
    table, truth = study()
    for equal in (30.0, np.inf):  # the PSNR of an image that equals its reference
        values = {c: {f"i{i:02d}": equal for i in range(30)} for c in truth}
        assert pair_score(table, "psnr", direction, values).score == 0.5


@pytest.mark.slow
def test_several_tasks_and_few_models_are_refused() -> None:
    both = pd.concat([study("task1")[0], study("task2")[0]], ignore_index=True)
    both = check_judgments(both.astype({"fooled": "Int64"}).astype(str), "both")
    with pytest.raises(DesignError, match="holds the tasks task1, task2; choose one"):
        model_correlation(both, "m", "higher", {"a": 1.0, "b": 2.0, "c": 3.0})
    with pytest.raises(DesignError, match="m: a correlation over models needs 3 or more, found 2"):
        model_correlation(study()[0], "m", "higher", {"a": 1.0, "b": 2.0})


def scores_folder(tmp_path: Path, name: str, value: float, truth, digest: str = "") -> Path:
    folder = tmp_path / f"{name}.scores"
    folder.mkdir()
    run = ScoredRun(name=name, folder=f"runs/{name}", digest=digest or name * 64)
    score = Score(name="psnr", value=value, direction="higher", unit="dB", n=30)
    write_scores(folder / "scores.json", ScoreFile(run=run, scores=(score,)))
    around = np.asarray(truth) - np.mean(truth) + value  # a run's score is the mean of its images
    write_per_image(
        folder / "per_image.csv", {"psnr": {f"i{i:02d}": float(v) for i, v in enumerate(around)}}
    )
    return folder


def test_scores_files_meet_judgments_by_condition(tmp_path: Path) -> None:
    table, truth = study()
    folders = [
        scores_folder(tmp_path, name, rate, truth[name]) for name, rate in CONDITIONS.items()
    ]
    scores = read_condition_scores([str(folder) for folder in folders], list(CONDITIONS))
    payload = correlate_payload(table, scores, resamples=100)
    assert payload["models"][0]["agreement"] == pytest.approx(1)
    assert len(payload["items"]) == 4
    assert "across models" in correlate_text(payload)
    with pytest.raises(DesignError, match="no task 'task3' in the judgments, found task2"):
        correlate_payload(table, scores, task="task3")


def test_wrong_scores_are_one_line(tmp_path: Path) -> None:
    _, truth = study()
    folder = scores_folder(tmp_path, "a", 1.0, truth["a"], digest="f" * 64)
    with pytest.raises(TableError, match="scores of 'a', which is no condition of the judgments"):
        read_condition_scores([str(folder)], ["sr3", "pulse"])
    assert list(read_condition_scores([f"sr3={folder}"], ["sr3"])) == ["sr3"]
    with pytest.raises(TableError, match="a second scores file for condition 'a'"):
        read_condition_scores([str(folder), f"a={folder}"], ["a"])
    study_json = tmp_path / "study.json"
    study_json.write_text(json.dumps({"conditions": {"a": {"run_digest": "0" * 64}}}))
    with pytest.raises(TableError, match="scores of run ffffffffffff…, but raters saw run 0000"):
        read_condition_scores([str(folder)], ["a"], read_study(tmp_path))
    study_json.write_text('{"conditions": [1]}')
    with pytest.raises(TableError, match=r"conditions is \[1\], expected a valid dictionary"):
        read_condition_scores([str(folder)], ["a"], read_study(tmp_path))
