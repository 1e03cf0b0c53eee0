"""The samplers against diffusers' schedulers, and against distributions known exactly."""

import math

import pytest
import torch

from generators.diffusion.grids import log_snr_grid, searched_grid, training_grid
from generators.diffusion.samplers import SAMPLERS, ddim, dpmpp_2m, dpmpp_2m_sde, sr3
from generators.diffusion.schedule import ScheduleConfig
from generators.errors import ConfigError

# Importing diffusers takes longer than all other tests of this file.
against_diffusers = pytest.mark.slow

BETAS = torch.linspace(1e-3, 0.2, 30, dtype=torch.float64).float().numpy()


def diffusers():
    """Return the library, or skip the test where it is not installed."""
    return pytest.importorskip("diffusers")


def epsilon(y, gamma):
    """Return a fixed, smooth ε function of y and γ, in place of a net."""
    return torch.tanh(1.3 * y + 0.4 * math.cos(5 * gamma)) * 0.9


def denoise(y, gamma):
    """Return the x0 that `epsilon` means."""
    return (y - (1 - gamma) ** 0.5 * epsilon(y, gamma)) / gamma**0.5


def start():
    """Return the first noise, in float64: parity is of the formulas, not of rounding."""
    draws = torch.Generator().manual_seed(7)
    return torch.randn(4, 3, 8, 8, generator=draws, dtype=torch.float64)


def levels(scheduler):
    """Return the grid over all of a scheduler's levels, from noise to 1."""
    return [*map(float, scheduler.alphas_cumprod.double().flip(0)), 1.0]


def run(scheduler, y, **keywords):
    """Return diffusers' result for the same ε function."""
    for t in scheduler.timesteps:
        gamma = float(scheduler.alphas_cumprod.double()[t])
        y = scheduler.step(epsilon(y, gamma), t, y, **keywords).prev_sample
    return y


@against_diffusers
def test_sr3_matches_diffusers_ddpm():
    scheduler = diffusers().DDPMScheduler(
        trained_betas=BETAS, num_train_timesteps=30, variance_type="fixed_large", clip_sample=False
    )
    scheduler.set_timesteps(30)
    theirs = run(scheduler, start(), generator=torch.Generator().manual_seed(1))
    draws = torch.Generator().manual_seed(1)
    shape = start().shape

    def noise(_):
        return torch.randn(shape, generator=draws, dtype=torch.float64)

    ours = sr3(denoise, start(), levels(scheduler), noise)
    assert float((ours - theirs).abs().max()) <= 1e-5


@against_diffusers
def test_ddim_matches_diffusers():
    scheduler = diffusers().DDIMScheduler(
        trained_betas=BETAS, num_train_timesteps=30, clip_sample=False, set_alpha_to_one=True
    )
    scheduler.set_timesteps(30)
    ours = ddim(denoise, start(), levels(scheduler), None)
    assert float((ours - run(scheduler, start())).abs().max()) <= 1e-5


# diffusers hands a tensor to numpy the old way.
@against_diffusers
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("count", [8, 20])
def test_dpmpp_2m_matches_diffusers(count):
    scheduler = diffusers().DPMSolverMultistepScheduler(
        trained_betas=BETAS, num_train_timesteps=30, final_sigmas_type="zero"
    )
    scheduler.set_timesteps(count)
    grid = [float(1 / (1 + sigma.double() ** 2)) for sigma in scheduler.sigmas]
    y = start()
    for k, t in enumerate(scheduler.timesteps):
        y = scheduler.step(epsilon(y, grid[k]), t, y).prev_sample
    assert float((dpmpp_2m(denoise, start(), grid, None) - y).abs().max()) <= 1e-5


@against_diffusers
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("count", [8, 20])
def test_dpmpp_2m_sde_matches_diffusers(count):
    scheduler = diffusers().DPMSolverMultistepScheduler(
        trained_betas=BETAS,
        num_train_timesteps=30,
        algorithm_type="sde-dpmsolver++",
        final_sigmas_type="zero",
    )
    scheduler.set_timesteps(count)
    grid = [float(1 / (1 + sigma.double() ** 2)) for sigma in scheduler.sigmas]
    y, shape = start(), start().shape
    noises = torch.randn((count, *shape), generator=torch.Generator().manual_seed(1))
    for k, t in enumerate(scheduler.timesteps):
        y = scheduler.step(epsilon(y, grid[k]), t, y, variance_noise=noises[k]).prev_sample
    ours = dpmpp_2m_sde(denoise, start(), grid, lambda k: noises[k])
    assert float((ours - y).abs().max()) <= 1e-5


WEIGHTS, MEANS, DEVIATIONS = (0.3, 0.7), (-0.6, 0.5), (0.1, 0.2)


def mixture(y, gamma):
    """Return E[x0 | y] when x0 is the mixture of two normals above."""
    total, blend = 0.0, 0.0
    for weight, mean, deviation in zip(WEIGHTS, MEANS, DEVIATIONS, strict=True):
        variance = gamma * deviation**2 + 1 - gamma
        density = weight * torch.exp(-((y - gamma**0.5 * mean) ** 2) / (2 * variance))
        density = density / variance**0.5
        posterior = mean + gamma**0.5 * deviation**2 / variance * (y - gamma**0.5 * mean)
        total, blend = total + density, blend + density * posterior
    return blend / total


@pytest.mark.parametrize(
    ("name", "evaluations"),
    [
        ("sr3", 200),
        ("ddim", 100),
        ("dpmpp_2m", 20),
        ("dpmpp_2m_sde", 60),
        ("heun", 40),
    ],
)
def test_the_exact_score_recovers_the_mixture(name, evaluations):
    draws = torch.Generator().manual_seed(0)
    y = torch.randn(40_000, 1, 1, 1, generator=draws)
    grid = log_snr_grid(ScheduleConfig(gamma_last=1e-4), evaluations)
    made = SAMPLERS[name](mixture, y, grid, lambda _: torch.randn(y.shape, generator=draws))
    mean = sum(w * m for w, m in zip(WEIGHTS, MEANS, strict=True))
    second = sum(w * (m * m + d * d) for w, m, d in zip(WEIGHTS, MEANS, DEVIATIONS, strict=True))
    assert float(made.mean()) == pytest.approx(mean, abs=0.02)
    assert float(made.std()) == pytest.approx((second - mean**2) ** 0.5, abs=0.02)
    assert float((made < -0.05).float().mean()) == pytest.approx(0.3, abs=0.02)


def test_grids_run_from_noise_to_one():
    schedule = ScheduleConfig(kind="linear")
    for grid in (training_grid(schedule, 20), log_snr_grid(schedule, 20)):
        assert len(grid) == 21
        assert grid == sorted(grid)
        assert grid[0] == pytest.approx(4.39e-5, rel=0.01)
        assert grid[-1] == 1.0
    assert log_snr_grid(schedule, 20)[-2] == pytest.approx(0.9999)


def test_a_searched_grid_must_rise():
    assert searched_grid((0.1, 0.5)) == [0.1, 0.5, 1.0]
    with pytest.raises(ConfigError, match="rising"):
        searched_grid((0.5, 0.1))
