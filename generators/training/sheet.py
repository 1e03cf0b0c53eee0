"""A sheet of samples to look at: rows of images as one PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from generators.files import write_atomically
from generators.nets.tensors import to_pixels


def write_sheet(path: Path, rows: Sequence[Tensor]) -> None:
    """Write rows of images ``(N, 3, S, S)`` in -1..1, one under the other. Atomic."""
    width = max(len(row) for row in rows)
    size = rows[0].shape[-1]
    sheet = np.zeros((len(rows) * size, width * size, 3), dtype=np.uint8)
    for r, row in enumerate(rows):
        for c, image in enumerate(to_pixels(row).permute(0, 2, 3, 1).numpy()):
            sheet[r * size : (r + 1) * size, c * size : (c + 1) * size] = image
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())
