"""Our DINOv2 against timm's, with random weights under the official file's names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.support.torchvision_import import define_operators
from metrics.compute.compute import compute
from metrics.compute.request import Request
from metrics.errors import InputError, WeightsError
from metrics.networks import dinov2
from metrics.weights import fetch
from metrics.weights import registry as weights
from metrics.weights.registry import WeightRegistry, WeightsFile

POSITIONS = 1 + 37 * 37  # of images of 518 pixels, as trained


def random_state(width: int, depth: int, positions: int = POSITIONS) -> dict[str, torch.Tensor]:
    """Return tensors named and shaped as in the official file, with activations of order 1."""
    torch.manual_seed(0)
    state = dinov2.VisionTransformer(width, depth, positions).state_dict()
    for key, tensor in state.items():
        one = "norm" in key and key.endswith("weight")
        state[key] = one + torch.randn(tensor.shape) * (0.1 if tensor.ndim == 1 else 0.05)
    return state | {"mask_token": torch.zeros(1, width)}


def found(path: Path = Path("random.pth")) -> WeightsFile:
    return WeightsFile(path, "random", False)


@pytest.mark.parametrize(
    ("size", "width", "depth"),
    [
        ("small", 384, 12),
        ("base", 768, 2),  # its first two blocks: the others are like them
        ("large", 1024, 2),
    ],
)
@pytest.mark.slow
def test_the_features_equal_timms(size: str, width: int, depth: int) -> None:
    define_operators()
    timm = pytest.importorskip("timm", reason="timm is the oracle of our DINOv2")
    state = random_state(width, depth)
    ours = dinov2.build(state, found()).eval()
    name = f"vit_{size}_patch14_dinov2"
    options = {"img_size": 224, "num_classes": 0, "depth": depth}
    peer = timm.create_model(name, pretrained=False, **options).eval()
    # timm resizes the positions in its own way; here both have ours.
    theirs = {key: value for key, value in state.items() if key != "mask_token"}
    peer.load_state_dict(theirs | {"pos_embed": ours.pos_embed.data})
    batch = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        one, other = ours(batch), peer(batch)
    assert one.shape == (2, width)
    assert float((one - other).abs().max()) < 1e-5 * float(other.abs().max())


def test_the_positions_are_moved_as_in_the_official_network() -> None:
    # Made by DinoVisionTransformer.interpolate_pos_encoding of the authors' package dinov2
    # 0.0.1.dev2 for 224x224 pixels: class token, and patches 0, 127 and 255 of 256.
    expected = [
        [-1.12584, -1.15236, -0.250579, -0.433879],
        [-0.283898, -0.192999, -0.405766, 0.064671],
        [-0.836917, -0.909829, -1.006, -0.613977],
        [0.937739, 0.2564, 2.181418, 1.112644],
    ]
    torch.manual_seed(0)
    moved = dinov2.at_grid(torch.randn(1, POSITIONS, 4))
    assert moved.shape == (1, 257, 4)
    assert moved[0, [0, 1, 128, 256]].numpy() == pytest.approx(np.array(expected), abs=2e-6)


def test_a_file_of_the_users_gives_the_distance(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for role in ("run", "real"):
        (tmp_path / role).mkdir()
        for index in range(3):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / role / f"{index}.png")
    torch.save(random_state(64, 1), tmp_path / "dino.pth")
    registry = WeightRegistry(os.environ, unpublished={"dinov2": tmp_path / "dino.pth"})
    places = (tmp_path / "run", tmp_path / "cache", tmp_path / "real")
    score = compute(Request(*places, metrics=("dinov2_fd",), registry=registry)).scores.score(
        "dinov2_fd"
    )
    assert score.value > 0
    assert score.resize == "Pillow bicubic to 224x224, 8 bits"
    assert any("unpublished weights" in warning for warning in score.warnings)
    same = Request(places[0], places[1], places[0], metrics=("dinov2_fd",), registry=registry)
    assert compute(same).scores.score("dinov2_fd").value == pytest.approx(0, abs=1e-9)


def test_without_weights_one_line_says_what_to_do(tmp_path: Path) -> None:
    registry = WeightRegistry({"FOOLRATE_WEIGHTS": str(tmp_path), "FOOLRATE_CACHE": str(tmp_path)})
    (tmp_path / "run").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "run" / "a.png")
    places = (tmp_path / "run", tmp_path / "cache", tmp_path / "run")
    with pytest.raises(InputError, match=r"dinov2 weights are not here.*import dinov2 FILE"):
        compute(Request(*places, metrics=("dinov2_fd",), registry=registry))
    with pytest.raises(WeightsError, match=r"dinov2 cannot be fetched: .*download it yourself"):
        fetch.fetch("dinov2", registry)
    torch.save(random_state(64, 1), tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match=r"sha256 is .*, expected d5383ea8f4877b24"):
        weights.import_file("dinov2", tmp_path / "mine.pth", registry)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match="not a DINOv2 file, it has no 'pos_embed'"):
        dinov2.load(found(tmp_path / "odd.pth"), "fp32")
    registers = random_state(64, 1) | {"register_tokens": torch.zeros(1, 4, 64)}
    torch.save(registers, tmp_path / "registers.pth")
    with pytest.raises(WeightsError, match="does not fit the network, first at 'register_tokens'"):
        dinov2.load(found(tmp_path / "registers.pth"), "fp32")
