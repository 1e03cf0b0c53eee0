"""Rates of single images: widths that the data allow, and coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from analysis.inference.clustered.crossed_design import design
from analysis.judgments.table import check_judgments
from analysis.models.simulation import NODES, WEIGHTS, intercept_for, random_design
from analysis.rates.fool_rates import fool_rates
from analysis.rates.shrinkage import item_rates, posterior, prior, rater_rates


def checked(frame: pd.DataFrame) -> pd.DataFrame:
    return check_judgments(frame, "test")


def test_images_without_variance_between_them_keep_the_width_that_the_data_allow() -> None:
    # 6 images, each picked by 2 of 6 raters: once 32.9 to 34.7 % beside a rate of 18.8 to 51.9 %.
    rows = [(f"r{r}", f"i{i}", str(int((r + i) % 3 == 0))) for r in range(6) for i in range(6)]
    frame = pd.DataFrame(rows, columns=["rater_id", "item_id", "fooled"]).assign(condition="m")
    table = item_rates(checked(frame))
    assert set(table["fooled"]) == {2}
    rate = fool_rates(checked(frame))[0]
    assert (table["high"] - table["low"] > rate.high - rate.low).all()
    assert (table["low"] > 0.0433).all()  # Clopper-Pearson on 2 of 6 (R: .0433 to .7772)
    assert (table["high"] < 0.7772).all()


def test_few_judgments_and_many_images_end_in_numbers() -> None:
    for fooled in ("01", "10", "0110", "00", "1111"):
        rows = [(f"r{k % 2}", f"i{k // 2}", each) for k, each in enumerate(fooled)]
        frame = pd.DataFrame(rows, columns=["rater_id", "item_id", "fooled"]).assign(condition="m")
        for table in (item_rates(checked(frame)), rater_rates(checked(frame))):
            assert (table["low"] < table["shrunken"]).all()
            assert (table["shrunken"] < table["high"]).all()


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("size", "sds", "widest"),
    [
        ((10, 30, 10), (0.8, 0.8), 0.52),
        ((20, 100, 10), (0.8, 0.3), 0.50),
        ((12, 40, 10), (0.5, 0.3), 0.50),
        ((40, 60, 30), (0.8, 0.8), 0.34),
    ],
)
def test_intervals_of_images_cover_their_rates(
    size: tuple[int, int, int], sds: tuple[float, float], widest: float
) -> None:
    # 77, 72 and 58 % of images were covered in the first three designs.
    rng, hits, widths = np.random.default_rng(12), [], []
    intercept = intercept_for(0.3, float(np.hypot(*sds)))
    for _ in range(25):
        raters, items = random_design(rng, *size)
        v = sds[1] * rng.standard_normal(size[1])
        eta = intercept + sds[0] * rng.standard_normal(size[0])[raters] + v[items]
        y = (rng.random(len(eta)) < expit(eta)).astype(float)
        truth = expit(intercept + v[:, None] + sds[0] * NODES) @ WEIGHTS
        k, n = np.bincount(items, y, size[1]), np.bincount(items, minlength=size[1])
        answers, trials = k.astype(float), n.astype(float)
        _, low, high = posterior(prior(y, design(raters, items)), answers, trials, 0.05)
        some = n > 0
        hits.append(((low <= truth) & (truth <= high))[some].mean())
        widths.append((high - low)[some].mean())
    assert np.mean(hits) > 0.93 - 2 * np.std(hits) / 5
    assert np.mean(widths) < widest
