"""The discrete process: betas, the published tables of steps, the bound, guidance, by others."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from generators.diffusion.bound import (
    bound_term,
    hybrid_loss,
    log_likelihood,
    log_variance,
    normal_kl,
)
from generators.diffusion.discrete import betas, ddim_strided, respaced, strided, whole
from generators.diffusion.process import diffuse, target
from generators.diffusion.respaced import SAMPLERS, ancestral
from generators.errors import ConfigError


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "theirs"), [("linear", "linear"), ("cosine", "squaredcos_cap_v2")]
)
def test_betas_are_those_of_diffusers(kind, theirs):
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDPMScheduler(
        1000, beta_start=1e-4, beta_end=0.02, beta_schedule=theirs, variance_type="learned_range"
    )
    np.testing.assert_allclose(betas(kind, 1000).numpy(), scheduler.betas, rtol=2e-4, atol=1e-8)


def test_a_linear_schedule_of_fewer_steps_ends_in_as_much_noise():
    ends = [float(whole("linear", steps).gamma[-1]) for steps in (500, 1000, 4000)]
    assert max(ends) < 5e-5  # 4.0e-5 with 1,000 steps (DDPM, section 4)
    assert ends[1] == pytest.approx(4.036e-5, rel=1e-3)


# Respacings of 1,000 steps that guided-diffusion's README samples with ("250", "25", and the 256
# model's "10,10,15,20,20"), by its rule and worked by hand: the ends, and where two strides meet.
PUBLISHED = {
    (250,): {0: 0, 1: 4, 2: 8, 3: 12, 82: 329, 83: 333, 84: 337, 248: 995, 249: 999},
    (25,): {0: 0, 1: 42, 2: 83, 3: 125, 4: 166, 12: 500, 23: 957, 24: 999},
    (10, 10, 15, 20, 20): {0: 0, 1: 22, 9: 199, 10: 200, 20: 400, 21: 414, 35: 600, 74: 999},
}


@pytest.mark.parametrize("sections", PUBLISHED)
def test_strides_are_the_published_ones(sections):
    found = strided(1000, sections)
    assert len(found) == sum(sections) == len(set(found))
    assert {k: found[k] for k in PUBLISHED[sections]} == PUBLISHED[sections]
    if len(sections) == 1:
        assert found == np.linspace(0, 999, sections[0]).round().astype(int).tolist()


def test_the_strides_of_the_documented_example():
    """300 steps by 10, 15 and 20: each hundred by its own stride."""
    found = strided(300, (10, 15, 20))
    parts = [np.linspace(k, k + 99, n).round() for k, n in ((0, 10), (100, 15), (200, 20))]
    assert found == np.concatenate(parts).astype(int).tolist()


def test_ddim_takes_whole_strides_only():
    assert ddim_strided(1000, 25) == list(range(0, 1000, 40))
    with pytest.raises(ConfigError, match="no whole stride visits 300 of 1000 steps"):
        ddim_strided(1000, 300)
    with pytest.raises(ConfigError, match="1001 of 1000 steps: expected a count from 1 to 1000"):
        strided(1000, (1001,))


def test_a_respaced_process_keeps_its_levels():
    process = whole("cosine", 1000)
    visited = strided(1000, (50,))
    few = respaced(process, visited)
    torch.testing.assert_close(few.gamma, process.gamma[visited], rtol=1e-10, atol=0)
    assert few.steps == tuple(visited)
    same = respaced(process, range(1000))
    torch.testing.assert_close(same.beta, process.beta, rtol=1e-9, atol=1e-15)


def test_the_kl_is_torchs():
    draws = torch.Generator().manual_seed(0)
    m, a, n, b = torch.randn(4, 50, generator=draws)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(m, (a / 2).exp()), normal(n, (b / 2).exp()))
    torch.testing.assert_close(normal_kl(m, a, n, b), expected, rtol=1e-4, atol=1e-5)


def test_the_likelihood_of_levels_is_scipys_and_sums_to_one():
    levels = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    mean, deviation = 0.9, 0.15
    log_var = torch.full((256,), 2 * math.log(deviation), dtype=torch.float64)
    found = log_likelihood(levels, torch.full_like(levels, mean), log_var).exp()
    edges = (levels[1:] - 1 / 255).numpy()
    cdf = stats.norm.cdf(np.concatenate([[-np.inf], edges, [np.inf]]), mean, deviation)
    np.testing.assert_allclose(found.numpy(), np.maximum(np.diff(cdf), 1e-12), atol=1e-9)
    assert float(found.sum()) == pytest.approx(1)


def example(t, seed=0):
    """Return a process, a clean and a noisy image at step t, and the noise."""
    process, draws = whole("linear", 1000), torch.Generator().manual_seed(seed)
    x0 = (torch.rand(1, 3, 4, 4, generator=draws) * 255).round() / 127.5 - 1
    noise, places = torch.randn(1, 3, 4, 4, generator=draws), torch.tensor([t])
    return process, x0, diffuse(x0, noise, process.gamma[t].float().reshape(1)), noise, places


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
@pytest.mark.parametrize("t", [1, 500, 999])
def test_the_bound_of_a_perfect_net_is_that_of_its_variance(t, prediction):
    """With the true noise only the variance is wrong: KL = ½(log r + 1/r − 1), r = σ²/β̃."""
    process, x0, y, noise, places = example(t)
    right = target(prediction, x0, noise, process.gamma[places].float())
    before, beta = float(process.gamma[t - 1]), float(process.beta[t])
    smallest = beta * (1 - before) / (1 - float(process.gamma[t]))  # DDPM, equation 7
    for share in (-1.0, -0.2, 1.0):
        output = torch.cat([right, torch.full_like(x0, share)], dim=1)
        found = bound_term(process, prediction, output, x0=x0, y=y, places=places)
        log_r = (share + 1) / 2 * math.log(beta / smallest)
        expected = 0.5 * (log_r + math.exp(-log_r) - 1) / math.log(2)
        # float32: the noise is scaled up by sqrt((1-ᾱ)/ᾱ), 157 at the last step.
        assert float(found) == pytest.approx(expected, abs=2e-4)


def test_the_first_term_of_the_bound_is_the_likelihood():
    process, x0, y, noise, places = example(0)
    output = torch.cat([noise, torch.full_like(x0, 1.0)], dim=1)
    found = bound_term(process, "epsilon", output, x0=x0, y=y, places=places)
    deviation = math.sqrt(float(process.beta[0]))
    upper = np.where(x0 > 0.999, 1, stats.norm.cdf(1 / 255, 0, deviation))
    lower = np.where(x0 < -0.999, 0, stats.norm.cdf(-1 / 255, 0, deviation))
    assert float(found) == pytest.approx(float(-np.log2(upper - lower).mean()), rel=1e-2)


def test_the_gradient_of_the_bound_reaches_the_variance_only():
    process, x0, _, noise, places = example(300)
    draws = torch.Generator().manual_seed(5)
    output = torch.randn(1, 6, 4, 4, generator=draws, requires_grad=True)
    simple, bound = hybrid_loss(process, "epsilon", output, x0=x0, noise=noise, places=places)
    by_simple, by_bound = (
        torch.autograd.grad(part, output, retain_graph=True)[0] for part in (simple, bound)
    )
    assert not by_bound[:, :3].any()
    assert not by_simple[:, 3:].any()
    torch.testing.assert_close(
        by_simple[:, :3], 2 * (output - torch.cat([noise] * 2, 1))[:, :3] / 48
    )
    # By hand: d KL/d log σ² = ½(1 − (β̃ + (μ̃ − μ)²)/σ²), times d log σ²/dv = ½ log(β/β̃); λT = 1.
    gamma, before, beta = (float(v[300]) for v in (process.gamma, process.before, process.beta))
    smallest = beta * (1 - before) / (1 - gamma)
    shift = math.sqrt(before) * beta / (1 - gamma) * math.sqrt((1 - gamma) / gamma)
    predicted, share = output.detach().double().chunk(2, dim=1)
    variance = ((share + 1) / 2 * math.log(beta / smallest)).exp() * smallest
    wrong = (shift * (predicted - noise)).square()
    expected = 0.25 * math.log(beta / smallest) * (1 - (smallest + wrong) / variance)
    expected /= 48 * math.log(2)
    torch.testing.assert_close(by_bound[:, 3:].double(), expected, rtol=2e-3, atol=1e-7)


@pytest.mark.slow
def test_the_learned_variance_is_diffusers():
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(1000, variance_type="learned_range")
    process, share = whole("linear", 1000), torch.linspace(-1, 1, 9).reshape(1, 1, 3, 3)
    for t in (1, 17, 999):
        found = log_variance(share, process, torch.tensor([t]))
        # _get_variance is what its step uses; for "learned_range" it gives log σ².
        torch.testing.assert_close(found, theirs._get_variance(t, share), rtol=1e-3, atol=1e-3)


MEANS, SPREAD = torch.tensor([[0.5, -0.4, 0.3], [-0.5, 0.4, -0.3]]), 0.12


def mixture(process):
    """Return the exact ε of an even mixture of two Gaussians, and ∇ log p(first | y)."""

    def parts(y, t):
        gamma = float(process.gamma[t])
        variance = gamma * SPREAD**2 + 1 - gamma
        apart = y.flatten(1)[:, None] - gamma**0.5 * MEANS
        shares = torch.softmax(-apart.square().sum(2) / (2 * variance), dim=1)[..., None]
        scores = -apart / variance  # of each Gaussian
        return shares, scores, 1 - gamma

    def ask(y, t):
        shares, scores, left = parts(y, t)
        epsilon = -(left**0.5) * (shares * scores).sum(1).reshape(y.shape)
        return torch.cat([epsilon, -torch.ones_like(epsilon)], dim=1)

    def guide(y, t):
        shares, scores, _ = parts(y, t)
        return (scores[:, 0] - (shares * scores).sum(1)).reshape(y.shape)

    return ask, guide


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_guidance_turns_a_mixture_into_the_class(name):
    """Unguided, half of the samples are the first Gaussian's; at scale 1 all are, as it is."""
    process = whole("linear", 1000)
    few = respaced(process, strided(1000, (200,)))
    ask, guide = mixture(process)
    draws = torch.Generator().manual_seed(3)
    start = torch.randn(1500, 3, 1, 1, generator=draws)

    def noise(_):
        return torch.randn(1500, 3, 1, 1, generator=draws)

    plain = SAMPLERS[name](ask, start, few, noise).flatten(1)
    first = (plain @ MEANS[0] > 0).float().mean()
    assert float(first) == pytest.approx(0.5, abs=4 * 0.5 / 1500**0.5)
    guided = SAMPLERS[name](ask, start, few, noise, guide=guide).flatten(1)
    assert (guided @ MEANS[0] > 0).float().mean() > 0.995
    torch.testing.assert_close(guided.mean(0), MEANS[0], atol=0.02, rtol=0)
    torch.testing.assert_close(guided.std(0), torch.full((3,), SPREAD), atol=0.02, rtol=0)


@pytest.mark.slow
def test_an_ancestral_step_is_diffusers():
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(1000, variance_type="learned_range", clip_sample=True)
    process, draws = whole("linear", 1000), torch.Generator().manual_seed(2)
    y, output = torch.randn(1, 3, 4, 4, generator=draws), torch.randn(1, 6, 4, 4, generator=draws)
    output[:, 3:].clamp_(-1, 1)
    fresh = torch.randn(1, 3, 4, 4, generator=draws)
    last_two = type(process)(process.beta[:2], process.steps[:2])
    seen = []

    def ask(noisy, t):
        seen.append(noisy)
        return output

    ancestral(ask, y, last_two, lambda _: fresh)
    expected = theirs.step(output, 1, y, generator=torch.Generator().manual_seed(9)).prev_sample
    drawn = torch.randn(y.shape, generator=torch.Generator().manual_seed(9))
    deviation = (0.5 * log_variance(output[:, 3:], process, torch.tensor([1]))).exp()
    torch.testing.assert_close(
        seen[1] - deviation * fresh, expected - deviation * drawn, atol=1e-4, rtol=1e-4
    )
