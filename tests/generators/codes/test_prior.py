"""Priors over codes: they see earlier codes only; drawing row by row is drawing from the whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from generators.codes.prior import Prior, PriorConfig, draw

SMALL: dict[str, Any] = {
    "side": 4,
    "codes": 5,
    "channels": 8,
    "layers": 3,
    "known": 1,
    "classes": ("a", "b"),
}


def prior(level: Any, **changed: Any) -> Prior:
    """Return a prior whose every weight matters."""
    torch.manual_seed(0)
    net = Prior(PriorConfig(level=level, **(SMALL | changed))).eval()
    for weight in net.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return net


KINDS = [("top", 0), ("top", 2), ("bottom", 0)]


def given(level: str, count: int = 1) -> torch.Tensor | None:
    """Return codes of the top for the bottom's prior."""
    return torch.arange(4 * count).reshape(count, 2, 2) % 5 if level == "bottom" else None


@pytest.mark.parametrize(("level", "heads"), KINDS)
def test_a_code_depends_on_the_earlier_ones_only(level, heads):
    net, label, top = prior(level, heads=heads, attend_every=1), torch.tensor([1]), given(level)
    draws = torch.Generator().manual_seed(1)
    codes = torch.randint(5, (1, 4, 4), generator=draws)
    with torch.inference_mode():
        before = net(codes, label, top).flatten(2)
        for place in range(16):
            other = codes.flatten().clone()
            other[place:] = (other[place:] + 1 + torch.arange(16 - place)) % 5
            other[place] = (codes.flatten()[place] + 1) % 5
            after = net(other.reshape(1, 4, 4), label, top).flatten(2)
            # The logits of codes up to this one stand still: they are of what came before.
            assert torch.allclose(before[:, :, : place + 1], after[:, :, : place + 1], atol=1e-6)
            if place < 15:
                assert not torch.allclose(before[:, :, place + 1], after[:, :, place + 1])


@pytest.mark.parametrize(("level", "heads"), [("top", 2), ("bottom", 0)])
def test_every_earlier_code_is_seen(level, heads):
    # Five layers of 2 x 3 reach over a map of 4 x 4; so does attention.
    net, label = prior(level, heads=heads, layers=5), torch.tensor([0])
    codes = torch.zeros(1, 4, 4, dtype=torch.long)
    with torch.inference_mode():
        before = net(codes, label, given(level))[0, :, 3, 3]
        for place in range(15):
            other = codes.flatten().clone()
            other[place] = 3
            after = net(other.reshape(1, 4, 4), label, given(level))[0, :, 3, 3]
            assert (before - after).abs().max() > 1e-6, place


def test_the_class_and_the_top_are_seen_from_the_first_code():
    net, codes = prior("bottom"), torch.zeros(1, 4, 4, dtype=torch.long)
    with torch.inference_mode():
        first = net(codes, torch.tensor([0]), given("bottom"))
        label = net(codes, torch.tensor([1]), given("bottom"))
        other: Any = given("bottom")
        other = other.clone()
        other[0, 1, 1] = 4
        top = net(codes, torch.tensor([0]), other)
    assert not torch.allclose(first[..., 0, 0], label[..., 0, 0])
    assert not torch.allclose(first[..., 0, 0], top[..., 0, 0])
    with pytest.raises(ValueError, match="top's codes"):
        net(codes, torch.tensor([0]))
    with pytest.raises(ValueError, match="top's codes"):
        prior("top")(codes, torch.tensor([0]), given("bottom"))


@pytest.mark.parametrize(("level", "heads"), KINDS)
def test_drawing_row_by_row_is_drawing_from_the_whole(level, heads):
    net, label, top = prior(level, heads=heads), torch.tensor([0, 1, 1]), given(level, 3)
    noise = -torch.empty(3, 4, 4, 5).exponential_(generator=torch.Generator().manual_seed(2)).log()
    with torch.inference_mode():
        codes = draw(net, label, noise, top, temperature=0.7)
        logits = net(codes, label, top)
    # Each code is the one that the whole map's logits and the noise choose at its place.
    wanted = (logits.permute(0, 2, 3, 1) / 0.7 + noise).argmax(-1)
    assert torch.equal(codes, wanted)
    assert len(codes.unique()) > 1


@pytest.mark.slow
def test_a_lower_temperature_draws_the_more_probable_codes():
    net, label = prior("top"), torch.zeros(200, dtype=torch.long)
    noise = torch.empty(200, 4, 4, 5).exponential_(generator=torch.Generator().manual_seed(3))
    found = []
    with torch.inference_mode():
        for temperature in (1.0, 0.3, 1e-6):
            codes = draw(net, label, -noise.log(), temperature=temperature)
            logits = net(codes, label).log_softmax(1)
            found.append(float(logits.gather(1, codes[:, None]).sum((1, 2, 3)).mean()))
            if temperature == 1e-6:
                assert (codes == codes[:1]).all()  # the most probable at each place
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"heads": 3}, "channels 8 are no multiple of heads 3"),
        ({"level": "bottom", "heads": 2}, "the bottom's prior has no attention"),
        ({"classes": ()}, "at least one"),
    ],
)
def test_impossible_shapes_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        PriorConfig(**({"level": "top"} | SMALL | change))
