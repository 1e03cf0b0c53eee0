"""What the peers do, called as their users call them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.support.torchvision_import import define_operators
from metrics.paired import lpips as our_lpips
from metrics.weights.registry import WeightsFile

define_operators()

import lpips  # noqa: E402
import prdc  # noqa: E402
import torch_fidelity  # noqa: E402
from skimage.metrics import peak_signal_noise_ratio, structural_similarity  # noqa: E402
from torch_fidelity import metric_fid, metric_isc, metric_kid  # noqa: E402
from torch_fidelity.feature_extractor_inceptionv3 import (  # noqa: E402
    FeatureExtractorInceptionV3,
)
from torch_fidelity.utils import extract_featuresdict_from_input_id  # noqa: E402

NETWORK: type[torch.nn.Module] = FeatureExtractorInceptionV3  # that torch-fidelity computes with
Pixels = NDArray[np.uint8]
Rows = NDArray[np.float32]


def fidelity_extractor(weights: Path) -> FeatureExtractorInceptionV3:
    """Return torch-fidelity's extractor of 2048 features and unbiased logits."""
    features = ["2048", "logits_unbiased"]
    return FeatureExtractorInceptionV3(
        "inception-v3-compat", features, feature_extractor_weights_path=str(weights)
    )


def fidelity_files(
    extractor: FeatureExtractorInceptionV3, folder: Path, *, cuda: bool = False
) -> NDArray[np.float32]:
    """Return torch-fidelity's features of a folder, in order of names, by its own loader."""
    kind: dict[str, Any] = {"cuda": cuda, "verbose": False, "batch_size": 64, "rng_seed": 2020}
    kind |= {"samples_shuffle": False, "cache": False, "input1": str(folder)}
    found = extract_featuresdict_from_input_id(1, extractor, **kind)
    features: NDArray[np.float32] = found["2048"].numpy()
    return features


def read(paths: Sequence[Path]) -> list[Pixels]:
    """Return the images decoded by Pillow, as each peer does for itself."""
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def fidelity(weights: Path, fake: Path, real: Path, *, cuda: bool = False) -> dict[str, float]:
    """Return FID, IS and KID as torch-fidelity's own entrance computes them, from folders."""
    return _calculated(weights, fake, real, cuda=cuda, kid_subset_size=min(1000, _count(fake)))


def fidelity_values(
    weights: Path, fake: Path, real: Path, *, k: int, cuda: bool
) -> dict[str, float]:
    """Return FID, IS, KID of one subset of all images, precision and recall, from folders."""
    return _calculated(
        weights,
        fake,
        real,
        cuda=cuda,
        prc=True,
        kid_subsets=1,
        kid_subset_size=_count(fake),
        prc_neighborhood=k,
        feature_extractor="inception-v3-compat",
        feature_layer_prc="2048",
        save_cpu_ram=True,  # reads here: its worker processes cost more than few images
    )


def _count(folder: Path) -> int:
    return len(list(folder.iterdir()))


def _calculated(weights: Path, fake: Path, real: Path, **options: Any) -> dict[str, float]:
    found: dict[str, float] = torch_fidelity.calculate_metrics(
        input1=str(fake),
        input2=str(real),
        fid=True,
        isc=True,
        kid=True,
        feature_extractor_weights_path=str(weights),
        cache=False,
        verbose=False,
        **options,
    )
    return found


def of_features(f: Rows, r: Rows, logits: Rows) -> dict[str, float]:
    """Return FID, IS and KID as torch-fidelity computes them, from rows."""
    one, other = torch.from_numpy(f), torch.from_numpy(r)
    statistics = [metric_fid.fid_features_to_statistics(part) for part in (one, other)]
    kid = metric_kid.kid_features_to_metric(
        one,
        other,
        kid_subsets=100,
        kid_subset_size=min(1000, len(f)),
        kid_kernel="poly",
        kid_kernel_poly_degree=3,
        kid_kernel_poly_gamma=None,
        kid_kernel_poly_coef0=1,
        rng_seed=2020,
        verbose=False,
    )
    result = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    return result | metric_isc.isc_features_to_metric(torch.from_numpy(logits)) | kid


def fid_of_statistics(fake: dict[str, Any], real: dict[str, Any]) -> float:
    """Return torch-fidelity's FID from two means (`mu`) and covariances (`sigma`)."""
    found = metric_fid.fid_statistics_to_metric(fake, real, verbose=False)
    return float(found["frechet_inception_distance"])


def precision_recall(real: Rows, fake: Rows, k: int) -> dict[str, float]:
    """Return the authors' precision, recall, density and coverage of rows `(n, d)`."""
    found: dict[str, float] = prdc.compute_prdc(real, fake, k)
    return found


def neighbours(weights: Path, fake: Path, real: Path) -> dict[str, float]:
    """Return precision, recall, density and coverage by prdc, of torch-fidelity's features."""
    extractor = fidelity_extractor(weights)
    f, r = (fidelity_files(extractor, folder) for folder in (fake, real))
    return dict(prdc.compute_prdc(r, f, 5))


def psnr(fake: Sequence[Path], real: Sequence[Path]) -> float:
    """Return the mean PSNR by scikit-image, from files."""
    pairs = zip(read(fake), read(real), strict=True)
    return float(np.mean([peak_signal_noise_ratio(y, x) for x, y in pairs]))


def ssim_of(x: Pixels, y: Pixels) -> float:
    """Return Wang's SSIM by scikit-image."""
    return float(
        structural_similarity(
            x,
            y,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )
    )


def ssim(fake: Sequence[Path], real: Sequence[Path]) -> float:
    """Return the mean SSIM by scikit-image, from files."""
    return float(np.mean([ssim_of(x, y) for x, y in zip(read(fake), read(real), strict=True)]))


def lpips_net(name: str, found: WeightsFile) -> lpips.LPIPS:
    """Return the `lpips` package's network with the same weights as ours."""
    net = lpips.LPIPS(net="alex" if name == "lpips_alex" else "vgg", pnet_rand=True, verbose=False)
    ours = [m for m in our_lpips.load(name, found).modules() if isinstance(m, torch.nn.Conv2d)]
    theirs = [m for m in net.net.modules() if isinstance(m, torch.nn.Conv2d)]
    for one, other in zip(ours, theirs, strict=True):
        other.weight.data.copy_(one.weight)
        if one.bias is not None and other.bias is not None:
            other.bias.data.copy_(one.bias)
    return net.eval()


def lpips_mean(net: lpips.LPIPS, fake: Sequence[Path], real: Sequence[Path]) -> float:
    """Return the mean LPIPS, pair by pair as the package's own script does, from files."""
    values = []
    with torch.no_grad():
        for x, y in zip(read(fake), read(real), strict=True):
            a, b = (torch.tensor(one).permute(2, 0, 1)[None] / 127.5 - 1 for one in (x, y))
            values.append(net(a, b).item())
    return float(np.mean(values))
