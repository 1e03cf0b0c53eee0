"""Warnings in words: what a reader of a distance between distributions should know."""

from __future__ import annotations

from collections.abc import Iterator

from metrics.images.pairing import ImageFiles

FEW = 10_000


def about_images(images: ImageFiles, role: str) -> Iterator[str]:
    """Yield what is doubtful about a set of images."""
    count = len(images.files)
    if images.lossy:
        yield f"{images.lossy} of {count} images of the {role} are lossy files: they shift features"
    sizes = sorted(images.sizes)
    if len(sizes) > 1:
        (w, h), (big_w, big_h) = sizes[0], sizes[-1]
        yield f"the {role} mixes {len(sizes)} sizes, from {w}x{h} to {big_w}x{big_h}"
    copies = count - len({file.digest for file in images.files.values()})
    if copies:
        yield f"{copies} images of the {role} are copies of others"


def about_foreign(label: str) -> Iterator[str]:
    """Yield a warning for statistics that do not say what they are of."""
    yield (
        f"foreign statistics ({label}): their file says neither network, weights, resize and "
        "precision nor the number of images, so there is no floor"
    )


def about_counts(n: int, m: int | None, width: int) -> Iterator[str]:
    """Yield what is doubtful about a Fréchet distance between n and m images, None: unknown."""
    if m is None:
        if n < FEW:
            yield f"n = {n}: below {FEW:,} the distance is biased upwards"
        return
    if min(n, m) <= width:
        least = min(n, m)
        yield f"{least} images for {width} features: singular covariance, see the noise floor"
    if min(n, m) < FEW:
        yield f"n = {n} against {m}: below {FEW:,} the distance is biased upwards"


def about_pairing(run: ImageFiles, reference: ImageFiles) -> Iterator[str]:
    """Yield a warning for a kernel distance between images and what they were made from."""
    if not run.files.keys().isdisjoint(reference.files):
        yield "run and reference share their items: pairs resemble, which biases it low at small n"


def about_weights(published: bool, title: str) -> Iterator[str]:
    """Yield a warning for weights that are not the published ones."""
    if not published:
        yield f"unpublished weights: not comparable with any {title} elsewhere"
