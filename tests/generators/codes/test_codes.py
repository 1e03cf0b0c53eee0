"""VQ-VAE-2's codebooks and autoencoder, against numbers worked by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from generators.codes.autoencoder import VqVae, VqVaeConfig
from generators.codes.quantiser import DECAY, EPS, Quantised, Quantiser, usage

SMALL = VqVaeConfig(size=16, hidden=8, residual=4, layers=1, codes=6, dimensions=3)


def found_of(vectors: list[list[float]], codes: list[int]) -> Quantised:
    """Return what quantising vectors to these codes would give."""
    known = torch.tensor(vectors)
    return Quantised(known, torch.tensor(codes), torch.zeros(()), known)


def test_codebooks_move_by_the_averages_of_the_papers_appendix():
    book: Any = Quantiser(3, 2)
    book.codes.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]]))
    book.sums.copy_(book.codes)
    book.learn(found_of([[2.0, 0.0], [4.0, 2.0], [0.0, 3.0]], [0, 0, 1]))
    # N = .99 · 1 + .01 · n, m = .99 · e + .01 · Σ z, with n = 2, 1, 0.
    counts = [0.99 + 0.02, 0.99 + 0.01, 0.99]
    sums = [[0.99 + 0.06, 0.02], [0.0, 0.99 + 0.03], [4.95, 4.95]]
    total = sum(counts)
    for code in range(3):
        assert book.counts[code].item() == pytest.approx(counts[code], rel=1e-6)
        smooth = (counts[code] + EPS) / (total + 3 * EPS) * total
        expected = [value / smooth for value in sums[code]]
        assert book.codes[code].tolist() == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert (DECAY, EPS) == (0.99, 1e-5)


def test_a_code_without_vectors_begins_anew_at_one_of_the_batch():
    book: Any = Quantiser(4, 2)
    book.counts.copy_(torch.tensor([0.49, 0.5, 3.0, 0.0]))
    before = book.codes.clone()
    vectors = [[7.0, 8.0], [9.0, 10.0]]
    torch.manual_seed(0)
    unused = book.restart(found_of(vectors, [2, 2]))
    assert unused.tolist() == [True, False, False, True]
    assert torch.equal(book.codes[1:3], before[1:3])
    for code in (0, 3):
        assert book.codes[code].tolist() in vectors
        assert torch.equal(book.sums[code], book.codes[code])
        assert book.counts[code] == 1


def test_the_gradient_passes_straight_through():
    torch.manual_seed(0)
    book: Any = Quantiser(5, 3)
    book.norm.eval()  # its statistics, 0 and 1, then only scale by 1 / √(1 + ε)
    x: Any = torch.randn(2, 3, 4, 4, requires_grad=True)
    wanted = torch.randn(2, 3, 4, 4)
    found = book(x)
    (found.values * wanted).sum().backward()
    assert torch.allclose(x.grad, wanted / math.sqrt(1 + book.norm.eps), atol=1e-6)
    assert torch.allclose(found.values.detach(), book.look_up(found.codes), atol=1e-6)
    distances = (x.permute(0, 2, 3, 1)[..., None, :] - book.codes).square().sum(-1)
    assert torch.equal(found.codes, distances.argmin(-1))
    gap = x.detach() - book.look_up(found.codes)
    assert found.commitment.item() == pytest.approx(gap.square().mean().item(), rel=1e-4)


def test_commitment_pulls_the_input_and_not_the_codebook():
    book: Any = Quantiser(5, 3)
    x: Any = torch.randn(2, 3, 4, 4, requires_grad=True)
    book(x).commitment.backward()
    assert x.grad.abs().sum() > 0
    assert not list(book.parameters())


def test_the_input_is_normalised_before_the_nearest_code_is_sought():
    torch.manual_seed(0)
    book: Any = Quantiser(512, 4)
    small = 0.01 * torch.randn(16, 4, 8, 8) + 3  # without the norm all lie at one code
    used, perplexity = usage(book(small).codes, 512)
    assert used > 200
    assert perplexity > 100
    book.norm = torch.nn.Identity()
    assert usage(book(small).codes, 512)[0] <= 3


def test_usage_by_hand():
    used, perplexity = usage(torch.tensor([[0, 0], [2, 2]]), 4)
    assert (used, round(perplexity, 9)) == (2, 2.0)
    # Shares 3/4 and 1/4.
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    used, perplexity = usage(torch.tensor([1, 1, 1, 3]), 4)
    assert used == 2
    assert perplexity == pytest.approx(math.exp(entropy))


def test_the_levels_are_those_of_the_paper():
    torch.manual_seed(0)
    net: Any = VqVae(SMALL).eval()
    images = torch.randn(2, 3, 16, 16)
    made, encoded = net(images)
    assert made.shape == images.shape
    assert encoded.top.codes.shape == (2, 2, 2)  # 8 pixels a code
    assert encoded.bottom.codes.shape == (2, 4, 4)  # 4 pixels a code
    again = net.images(encoded.top.codes, encoded.bottom.codes)
    assert torch.allclose(made, again, atol=1e-5)
    # The bottom is quantised knowing the top: another top moves the bottom's features.
    other = net.top.codes.clone()
    net.top.codes.copy_(other.flip(0) * 5)
    assert not torch.equal(net.encode(images).bottom.vectors, encoded.bottom.vectors)


@pytest.mark.parametrize("size", [20, 8])
def test_sizes_that_have_no_whole_codes_are_refused(size):
    with pytest.raises(ValueError, match="size"):
        VqVaeConfig(size=size)
