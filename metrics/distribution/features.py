"""A run's features beside its reference's: what distances between distributions are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.pixels import DECODING
from metrics.distribution import moments
from metrics.distribution import neighbourhoods as prdc
from metrics.distribution.moments import Moments
from metrics.distribution.reference_statistics import Origin, Statistics
from metrics.errors import InputError
from metrics.extraction.algebra import Device, Matrix, placed
from metrics.extraction.row_store import RowStore
from metrics.images.pairing import ImageFiles
from metrics.networks.extractor import Extractor

BLOCK = 1024  # rows that are in memory at a time


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """The stored features of a set of images, in the order of their contents' digests.

    That order does not depend on names, folders or workers, so neither do the statistics.
    """

    images: ImageFiles
    store: RowStore
    device: Device = None  # where rows are reduced; None: numpy on the processor
    held: bool = True  # whether the device has room for all rows, so that they go there once

    @cached_property
    def keys(self) -> list[bytes]:
        """Return the rows' keys, in order."""
        return sorted(bytes.fromhex(file.digest) for file in self.images.files.values())

    def blocks(self) -> Iterator[Matrix]:
        """Yield all rows, some at a time, where they are reduced."""
        if self.device is not None and self.held:
            return iter(self._on_device)
        return (placed(block, self.device) for block in self.store.blocks(self.keys, BLOCK))

    @cached_property
    def _on_device(self) -> list[Matrix]:
        return [placed(block, self.device) for block in self.store.blocks(self.keys, BLOCK)]

    def chosen(self, numbers: Sequence[int] | NDArray[np.int64]) -> NDArray[Any]:
        """Return the rows of these numbers."""
        return self.store.rows([self.keys[number] for number in numbers])

    @cached_property
    def moments(self) -> Moments:
        """Return mean and covariance, merged block by block in order."""
        return moments.over(self.blocks())

    @property
    def count(self) -> int:
        """Return the number of images, copies included."""
        return len(self.images.files)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A run's features, the reference's - rows, or only statistics - and the network of both."""

    extractor: Extractor
    run: FeatureSet
    reference: FeatureSet | None = None
    statistics: Statistics | None = None
    k: int = prdc.K  # of the nearest neighbours in precision, recall, density and coverage

    @cached_property
    def reference_moments(self) -> Moments:
        """Return the reference's moments. Raises `InputError` if there is no reference."""
        if self.statistics:
            return self.statistics.moments
        return self.rows.moments

    @property
    def reference_count(self) -> int | None:
        """Return the number of images of the reference; None for foreign statistics."""
        return self.statistics.count if self.statistics else self.rows.count

    @property
    def rows(self) -> FeatureSet:
        """Return the reference's features. Raises `InputError` if only statistics are there."""
        if self.reference is None:
            raise InputError("the reference's images are needed, its statistics are not enough")
        return self.reference

    @cached_property
    def neighbourhoods(self) -> prdc.Neighbourhoods:
        """Return who lies in whose ball, for seeded subsets of at most 10,000 a side."""
        real = self.rows.chosen(prdc.subset(self.rows.count))
        fake = self.run.chosen(prdc.subset(self.run.count))
        return prdc.neighbourhoods(real, fake, self.k, self.run.device)

    @property
    def reference_digest(self) -> str | None:
        """Return the digest of the images that the reference was made from."""
        if self.statistics:
            return self.statistics.origin.digest
        return self.reference.images.digest if self.reference else None


def statistics_of(features: FeatureSet, extractor: Extractor) -> Statistics:
    """Return the statistics to export for a set of features."""
    origin = Origin(
        features.images.name,
        features.images.digest,
        decoding=DECODING,
        **extractor.provenance,
    )
    return Statistics(origin, features.moments)
