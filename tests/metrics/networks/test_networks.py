"""The networks against their originals, with random weights where the real ones are not shipped."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from benchmarks.support.images import crops
from benchmarks.support.random_inception import write_random_inception
from benchmarks.support.torchvision_import import define_operators
from metrics.compute.compute import compute
from metrics.compute.request import Request
from metrics.errors import WeightsError
from metrics.networks import effnet, inception
from metrics.networks.registry import NetworkSettings
from metrics.paired import lpips
from metrics.scores import difference
from metrics.weights import fetch
from metrics.weights import registry as weights
from metrics.weights.registry import REGISTRY, WeightRegistry, WeightsFile

if TYPE_CHECKING:
    from lpips import LPIPS

# The peers import torchvision, which takes seconds: the tests that need them are `slow`.


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(32, 32), (64, 48), (299, 299), (256, 400), (601, 333)])
def test_the_resize_equals_tensorflow_1s(shape: tuple[int, int]) -> None:
    define_operators()
    from torch_fidelity.interpolate_compat_tensorflow import (
        interpolate_bilinear_2d_like_tensorflow1x,
    )

    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    whole = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    expected = interpolate_bilinear_2d_like_tensorflow1x(whole, (299, 299), align_corners=False)
    found = inception.preprocess(pixels) * 128 + 128
    assert float((found - expected[0]).abs().max()) < 0.0015


# Pixels of images resized by clean-fid 0.1.35, build_resizer("clean"), with Pillow 12.3:
# at (0, 0, 0), (7, 298, 1), (150, 150, 2) and (298, 298, 0).
CLEAN_FID = {
    "chelsea": (np.s_[:, :], [143.1028, 40.0699, 116.1067, 161.6546]),
    "astronaut": (np.s_[:, :], [146.3432, 116.9909, 4.1941, 0.0]),
    "small": (np.s_[100:132, 150:182], [193.1061, 109.0541, 153.44, 164.2454]),
}


@pytest.mark.parametrize("name", CLEAN_FID)
def test_the_clean_resize_equals_clean_fids(name: str) -> None:
    part, expected = CLEAN_FID[name]
    photo = getattr(data, "astronaut" if name == "small" else name)()[part]
    found = (inception.preprocess_clean(photo) * 128 + 128).permute(1, 2, 0)
    assert found.shape == (299, 299, 3)
    chosen = found[[0, 7, 150, 298], [0, 298, 150, 298], [0, 1, 2, 0]]
    assert chosen.tolist() == pytest.approx(expected, abs=1e-3)


@pytest.fixture(scope="module")
def random_inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_inception(tmp_path_factory.mktemp("weights") / "random.pth")


@pytest.mark.slow
def test_inception_features_equal_torch_fidelitys(random_inception: Path) -> None:
    define_operators()
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    images = crops(4, 128)
    peer = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(random_inception)
    )
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    expected = peer(batch)[0].numpy()
    found = inception.load(WeightsFile(random_inception, "random", False), "fp32").features(images)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def mixed_runs(folder: Path) -> tuple[Path, Path]:
    """Write 10 crops, and as outputs 5 crops and 5 images of noise, so that half are far away."""
    random = np.random.default_rng(2)
    noise = random.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    sides = {"real": crops(10, 64), "fake": [*crops(5, 64, seed=1), *noise]}
    for role, images in sides.items():
        (folder / role).mkdir()
        for index, pixels in enumerate(images):
            Image.fromarray(pixels).save(folder / role / f"{index:02d}.png")
    return folder / "fake", folder / "real"


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_scores_equal_torch_fidelitys_own_of_the_same_files(
    random_inception: Path, tmp_path: Path
) -> None:
    from benchmarks.metrics import values

    found = {one.name: one for one in values.values(random_inception, *mixed_runs(tmp_path))}
    assert set(found) == {"fid", "kid", "inception_score", "precision", "recall"}
    for one in found.values():
        assert one.ours == pytest.approx(one.theirs, rel=values.TOLERANCE), one.name
    assert found["precision"].theirs == 0.5
    assert 0 < found["recall"].theirs < 1


@pytest.mark.slow
def test_unpublished_weights_are_stamped(random_inception: Path, tmp_path: Path) -> None:
    for index, pixels in enumerate(crops(6, 64)):
        folder = tmp_path / ("run" if index % 2 else "real")
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    registry = WeightRegistry(os.environ, unpublished={"inception": random_inception})
    request = Request(
        tmp_path / "run", tmp_path / "cache", tmp_path / "real", metrics=("fid",), registry=registry
    )
    score = compute(request).scores.score("fid")
    clean = compute(replace(request, networks=NetworkSettings(resize="clean"))).scores.score("fid")
    assert difference(score, clean) == (
        "resize is 'TF1 bilinear to 299x299' and 'clean-fid: Pillow bicubic (antialiased) to "
        "299x299, in floats, clipped'"
    )
    assert clean.value != pytest.approx(score.value, rel=0.01)
    assert any("unpublished weights" in warning for warning in score.warnings)
    assert score.weights_digest is not None
    assert score.weights_digest != REGISTRY["inception"].sha256


@pytest.mark.slow
def test_a_row_does_not_depend_on_its_neighbours() -> None:
    network = effnet.load(WeightRegistry(os.environ).find("effnet_lite0"), "fp32")
    images = [data.chelsea(), data.coffee(), data.astronaut()]
    together = network.features(images)
    alone = np.concatenate([network.features([image]) for image in images])
    assert np.array_equal(together, alone)


@pytest.mark.slow
def test_folding_batch_norms_leaves_the_logits() -> None:
    from efficientnet_lite_pytorch import EfficientNet

    found = WeightRegistry(os.environ).find("effnet_lite0")
    original = EfficientNet.from_name("efficientnet-lite0")
    original.load_state_dict(torch.load(found.path, weights_only=True))
    original.eval()
    image = data.coffee()
    with torch.inference_mode():
        expected = original(effnet.preprocess(image)[None])[0].numpy()
    network = effnet.load(found, "fp32")
    assert network.head is not None
    logits = network.features([image])[0] @ network.head[0].T + network.head[1]
    assert np.abs(logits - expected).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("photo", "classes"),
    # Of ImageNet: 967 espresso, 968 cup; 281 tabby, 282 tiger cat, 285 Egyptian cat.
    [("coffee", {967, 968}), ("chelsea", {281, 282, 285})],
)
def test_the_first_five_classes_of_a_photo_are_sensible(photo: str, classes: set[int]) -> None:
    network = effnet.load(WeightRegistry(os.environ).find("effnet_lite0"), "fp32")
    assert network.head is not None
    features = network.features([getattr(data, photo)()])[0]
    logits = features @ network.head[0].T + network.head[1]
    assert classes <= set(np.argsort(-logits)[:5].tolist())


def random_arrays(plan: str) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Return nested arrays like those of the published file, drawn at random."""
    random = np.random.default_rng(0)
    prefix, stages = lpips.NETWORKS[plan]
    nested: dict[str, dict[str, dict[str, np.ndarray]]] = {prefix: {}}
    channels, number = 3, 0
    for index, (_, convolutions) in enumerate(stages):
        for outputs, kernel, _, _ in convolutions:
            shape = (kernel, kernel, channels, outputs)
            weight = random.standard_normal(shape) * np.sqrt(2 / (kernel**2 * channels))
            bias = random.standard_normal(outputs) / 10
            arrays = {"kernel": weight.astype(np.float32), "bias": bias.astype(np.float32)}
            nested[prefix][f"Conv_{number}"] = arrays
            channels, number = outputs, number + 1
        head = random.random((1, 1, channels, 1)).astype(np.float32)
        nested[f"NetLinLayer_{index}"] = {"Conv_0": {"kernel": head}}
    return nested


def lpips_package(net: str) -> LPIPS:
    """Return the `lpips` package's network with the heads of version 0.1, its trunk left blank.

    To draw the 138 million parameters of a VGG takes seconds, and no test looks at them.
    """
    define_operators()
    from lpips import LPIPS

    with pytest.MonkeyPatch.context() as blank:
        for name in ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_", "constant_"):
            blank.setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)
        return LPIPS(net=net, pnet_rand=True, verbose=False)


def peer_of(model: lpips.Lpips, net: str) -> LPIPS:
    """Return the `lpips` package's network with the weights of ours."""
    peer = lpips_package(net)
    ours = [part for part in model.modules() if isinstance(part, torch.nn.Conv2d)]
    theirs = [part for part in peer.net.modules() if isinstance(part, torch.nn.Conv2d)]
    with torch.no_grad():
        for one, other in zip(ours, theirs, strict=True):
            other.weight.copy_(one.weight)
            other.bias.copy_(one.bias)
        for index, head in enumerate(model.heads):
            getattr(peer, f"lin{index}").model[1].weight.copy_(head.view(1, -1, 1, 1))
    return peer.eval()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
@pytest.mark.parametrize(("name", "net"), [("lpips_alex", "alex"), ("lpips_vgg", "vgg")])
def test_lpips_equals_the_lpips_package(name: str, net: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.ckpt"
    path.write_bytes(pickle.dumps(random_arrays(name), protocol=4))
    model = lpips.load(name, WeightsFile(path, "random", False))
    x, y, z = crops(3, 70)
    small = [(x[:48, :40], y[:48, :40])]
    found = lpips.distances(model, [(x, y), *small, (x, z)])
    peer = peer_of(model, net)
    for value, (a, b) in zip(found, [(x, y), *small, (x, z)], strict=True):
        one, other = (torch.tensor(p).permute(2, 0, 1)[None] / 127.5 - 1 for p in (a, b))
        with torch.inference_mode():
            assert value == pytest.approx(peer(one, other).item(), rel=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
@pytest.mark.parametrize(("name", "net"), [("lpips_alex", "alex"), ("lpips_vgg", "vgg")])
def test_lpips_heads_equal_version_0_1s(name: str, net: str) -> None:
    if WeightRegistry(os.environ).path_of(name) is None:
        pytest.skip(f"{name} weights are not here: `metrics weights fetch lpips`")
    model = lpips.load(name, WeightRegistry(os.environ).find(name))
    peer = lpips_package(net)
    for index, head in enumerate(model.heads):
        assert torch.equal(head, getattr(peer, f"lin{index}").model[1].weight.flatten())


class Evil:
    """Runs a command when it is unpickled without care."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("false",)


def test_pickles_that_run_code_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.ckpt"
    path.write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(WeightsError, match=r"system is not allowed"):
        lpips.load("lpips_alex", WeightsFile(path, "x", False))
    torch.save({"a": Evil()}, path)
    with pytest.raises(WeightsError, match="not a file of inception weights"):
        inception.load(WeightsFile(path, "x", False), "fp32")


@pytest.mark.slow
def test_nan_weights_are_refused(tmp_path: Path) -> None:
    found = WeightRegistry(os.environ).find("effnet_lite0")
    state = torch.load(found.path, weights_only=True)
    state["_fc.bias"][3] = torch.nan
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(WeightsError, match=r"_fc\.bias holds values that are not finite"):
        effnet.load(WeightsFile(tmp_path / "nan.pth", "x", False), "fp32")
    del state["_fc.bias"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(WeightsError, match=r"does not fit the network, first at '_fc\.bias'"):
        effnet.load(WeightsFile(tmp_path / "short.pth", "x", False), "fp32")


def test_weights_are_found_verified_and_imported(tmp_path: Path) -> None:
    registry = WeightRegistry(
        {"FOOLRATE_WEIGHTS": str(tmp_path), "FOOLRATE_CACHE": str(tmp_path / "c")}
    )
    assert registry.find("effnet_lite0").published
    with pytest.raises(WeightsError, match=r"inception weights are not here: .*6726825d.*fetch"):
        registry.find("inception")
    wrong = tmp_path / REGISTRY["inception"].file
    wrong.write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"sha256 is .*, expected 6726825d0af5f729"):
        registry.find("inception")
    with pytest.raises(WeightsError, match="sha256 is"):
        weights.import_file("inception", wrong, registry)
    copied = weights.import_file("effnet_lite0", registry.find("effnet_lite0").path, registry)
    assert copied.is_relative_to(tmp_path)
    with pytest.raises(WeightsError, match="no weights 'dino', expected one of"):
        registry.find("dino")
    with pytest.raises(WeightsError, match="comes with the package"):
        fetch.fetch("effnet_lite0", registry)


@pytest.mark.slow
def test_inception_comes_from_where_torch_fidelity_publishes_it() -> None:
    define_operators()
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    from metrics.weights import fetch

    assert f"{fetch._RELEASE}/{REGISTRY['inception'].file}" == URL_INCEPTION_V3
