"""Areas, their intervals, and an adversary that is blind where there is nothing to see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from study_server.audit.adversary import attack
from study_server.audit.auc import Area, paired_area, roc_area, roc_interval


@pytest.mark.slow
@given(st.lists(st.integers(0, 5), min_size=2, max_size=30), st.integers(0, 2**31))
def test_area_equals_scipys_mann_whitney(values, seed):
    positive = np.random.default_rng(seed).permutation(np.arange(len(values)) % 2 == 0)
    scores = np.array(values, dtype=float)
    u = mannwhitneyu(scores[positive], scores[~positive]).statistic
    assert roc_area(scores, positive) == pytest.approx(u / (positive.sum() * (~positive).sum()))


def test_area_of_one_class_is_an_error():
    with pytest.raises(ValueError, match="0 negative"):
        roc_area([1.0, 2.0], [True, True])


def test_perfect_separation_still_has_an_interval():
    low, high = roc_interval(1.0, 100, 100)
    assert high == 1.0
    assert 0.95 < low < 1.0


def test_interval_mirrors_when_the_classes_swap():
    low, high = roc_interval(0.7, 80, 80)
    mirrored = roc_interval(0.3, 80, 80)
    assert mirrored == pytest.approx((1 - high, 1 - low))


@pytest.mark.slow
def test_interval_covers_a_known_area_as_often_as_it_says():
    rng = np.random.default_rng(5)
    shift, truth = 0.742, 0.70  # two unit normals 0.742 apart: area = Phi(0.742 / sqrt 2) = .700
    inside = 0
    for _ in range(400):
        scores = np.concatenate([rng.normal(shift, 1, 60), rng.normal(0, 1, 60)])
        low, high = roc_interval(roc_area(scores, np.arange(120) < 60), 60, 60)
        inside += low <= truth <= high
    assert 0.92 < inside / 400 <= 0.99


def test_paired_area_counts_ties_half():
    assert paired_area([1.0, 1.0, 0.0, -1.0]).value == 0.625
    assert paired_area(np.zeros(200)).blind


@pytest.mark.statistical
def test_adversary_is_blind_on_noise_whatever_the_number_of_features():
    rng = np.random.default_rng(11)
    blind = 0
    for trial in range(60):
        left, right = rng.normal(size=(2, 200, 40))
        blind += attack(left, right, rng.random(200) < 0.5, seed=trial).blind
    assert blind >= 52  # 95 % of 60 is 57; a run of 51 or fewer has probability below .002


def test_adversary_finds_one_informative_feature_among_forty():
    rng = np.random.default_rng(12)
    left, right = rng.normal(size=(2, 200, 40))
    model_left = rng.random(200) < 0.5
    left[:, 7] += np.where(model_left, 3.0, 0.0)
    right[:, 7] += np.where(model_left, 0.0, 3.0)
    assert attack(left, right, model_left).low > 0.9


def test_an_area_prints_its_interval():
    assert str(Area(0.5, 0.42, 0.58, 200)) == "0.500 [0.420, 0.580]"
