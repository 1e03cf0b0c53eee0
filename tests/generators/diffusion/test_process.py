"""The forward process, the schedules and the γ embedding."""

import math

import numpy as np
import pytest
import torch

from generators.diffusion.augmentation import (
    AugmentationConfig,
    augment,
    blur,
    corrupt,
    level_gamma,
)
from generators.diffusion.noise import Draws
from generators.diffusion.process import diffuse, loss, target, to_x0
from generators.diffusion.schedule import ScheduleConfig, gammas, sample_gammas
from generators.nets.blocks import sinusoid

SCHEDULES = [ScheduleConfig(kind=kind, steps=200) for kind in ("linear", "cosine", "log_snr")]


@pytest.mark.parametrize("kind", ["epsilon", "x0", "v"])
def test_what_the_net_predicts_gives_back_the_image(kind):
    draws = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 6, 3, 4, 4, generator=draws, dtype=torch.float64)
    gamma = torch.tensor([0.0001, 0.01, 0.3, 0.5, 0.9, 0.9999], dtype=torch.float64)
    y = diffuse(x0, noise, gamma)
    output = target(kind, x0, noise, gamma)
    torch.testing.assert_close(to_x0(kind, output, y, gamma), x0, atol=1e-9, rtol=0)


def test_the_process_keeps_unit_variance():
    # Var y = γ Var x0 + (1-γ) for independent x0 and ε (SR3, equation 4).
    draws = torch.Generator().manual_seed(1)
    x0, noise = torch.randn(2, 4, 3, 64, 64, generator=draws)
    y = diffuse(x0, noise, torch.tensor([0.1, 0.4, 0.7, 0.99]))
    assert y.flatten(1).var(1).tolist() == pytest.approx([1.0] * 4, abs=0.03)


def test_the_linear_schedule_ends_where_the_literature_says():
    # Re-implementations of SR3: 1e-6..1e-2 in 2,000 steps gives γ_T = 4.39e-5.
    assert float(gammas(ScheduleConfig(kind="linear"))[-1]) == pytest.approx(4.39e-5, rel=0.005)


@pytest.mark.parametrize("config", SCHEDULES, ids=lambda config: config.kind)
def test_schedules_fall(config):
    table = gammas(config)
    assert len(table) == config.steps + 1
    assert (table.diff() <= 0).all()
    assert 0 < table[-1] < table[0] <= 1


def test_the_log_snr_schedule_is_even_in_log_snr():
    steps = torch.logit(gammas(ScheduleConfig(kind="log_snr", steps=50))).diff()
    torch.testing.assert_close(steps, steps[:1].expand(50), atol=1e-9, rtol=0)


def test_every_example_has_its_own_gamma_between_neighbouring_steps():
    table = gammas(ScheduleConfig(kind="log_snr", steps=64))
    draws = torch.rand(64, 2, generator=torch.Generator().manual_seed(0))
    drawn = sample_gammas(table, draws, torch.arange(64), 64)
    assert len(drawn.unique()) == 64
    # Stratified over the batch: with as many examples as steps, one in each interval.
    between = torch.searchsorted(-table, -drawn.double())
    assert sorted(between.tolist()) == list(range(1, 65))


def test_gamma_is_uniform_within_its_step():
    table = torch.tensor([1.0, 0.2], dtype=torch.float64)
    draws = torch.rand(20_000, 2, generator=torch.Generator().manual_seed(3))
    drawn = sample_gammas(table, draws, torch.arange(20_000), 20_000)
    assert float(drawn.mean()) == pytest.approx(0.6, abs=0.005)
    assert float(drawn.var()) == pytest.approx(0.8**2 / 12, rel=0.03)


def test_the_embedding_needs_its_scale():
    # Unscaled, the embedding of γ in 0..1 has numerical rank 3; scaled by 1,000 it is full.
    gamma = torch.linspace(0, 1, 1000)
    ranks = [
        int(np.linalg.matrix_rank(sinusoid(gamma, 32, scale).double().numpy(), tol=1.0))
        for scale in (1.0, 1000.0)
    ]
    assert ranks[0] <= 4
    assert ranks[1] >= 20


def test_loss_powers():
    one, two = torch.tensor([1.0, -1.0]), torch.tensor([3.0, -1.0])
    assert float(loss(one, two, 1)) == 1.0
    assert float(loss(one, two, 2)) == 2.0


def test_augmentation_noise_has_its_level_per_example():
    table = gammas(ScheduleConfig(kind="cosine", steps=100))
    config = AugmentationConfig(noise=True, most=1.0)
    low = torch.zeros(64, 3, 32, 32)
    noised, gamma = augment(low, config, table, Draws(0, 0, range(64)))
    assert len(gamma.unique()) > 30
    assert noised.flatten(1).var(1).tolist() == pytest.approx((1 - gamma).tolist(), abs=0.08)


def test_no_augmentation_leaves_the_input_alone():
    low = torch.rand(2, 3, 8, 8)
    same, level = augment(
        low, AugmentationConfig(), gammas(ScheduleConfig()), Draws(0, 0, range(2))
    )
    assert level is None
    assert torch.equal(same, low)


def test_level_zero_adds_next_to_nothing():
    table = gammas(ScheduleConfig())
    gamma = level_gamma(table, torch.zeros(1))
    low = torch.rand(1, 3, 8, 8)
    assert float((corrupt(low, torch.randn(1, 3, 8, 8), gamma) - low).abs().max()) < 0.06


def test_blur_is_a_gaussian_of_the_asked_width():
    impulse = torch.zeros(2, 1, 15, 15)
    impulse[:, :, 7, 7] = 1
    out = blur(impulse, torch.tensor([0.0, 0.6]))
    assert torch.equal(out[0], impulse[0])
    assert float(out[1].sum()) == pytest.approx(1, abs=1e-5)
    # Ratio of neighbour to centre: exp(-1 / (2 * 0.6 ** 2)).
    ratio = float(out[1, 0, 7, 8] / out[1, 0, 7, 7])
    assert ratio == pytest.approx(math.exp(-1 / 0.72), rel=1e-4)


def test_blur_falls_on_half_of_the_examples():
    low = torch.rand(400, 1, 8, 8)
    config = AugmentationConfig(blur=(0.5, 0.6))
    out, _ = augment(low, config, gammas(ScheduleConfig()), Draws(0, 0, range(400)))
    changed = (out - low).flatten(1).abs().amax(1) > 1e-4
    assert int(changed.sum()) == pytest.approx(200, abs=45)
