"""Find the landmarks of a folder of faces, with MediaPipe's face mesh.

A tool for making training data, not a part of the product: it needs an environment of its own with
``pip install mediapipe==0.10.14 "numpy<2" pillow pydantic click``.

python -m generators.faces.detect FACES OUT.npz
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from generators.faces.landmarks import NUMBERS, Points, write_landmarks
from generators.images.listing import list_images
from generators.pixels import read_image

ENLARGED = 4  # times, for the detector, which is made for larger faces
MARGIN = 0.25  # of a side, around the face


def find(folder: Path, mesh: Any) -> tuple[dict[str, Points], list[str]]:
    """Return the points of each face by item id, and the items without a face."""
    found: dict[str, Points] = {}
    none: list[str] = []
    for path in sorted(list_images(folder).files.values()):
        points = _points(read_image(path), mesh)
        if points is None:
            none.append(path.stem)
        else:
            found[path.stem] = points
    return found, none


def _points(pixels: Any, mesh: Any) -> Points | None:
    height, width = pixels.shape[:2]
    large = (width * ENLARGED, height * ENLARGED)
    image = np.asarray(Image.fromarray(pixels).resize(large, Image.Resampling.BICUBIC))
    rim = (round(large[1] * MARGIN), round(large[0] * MARGIN))
    padded = np.pad(image, ((rim[0],) * 2, (rim[1],) * 2, (0, 0)), mode="edge")
    faces = mesh.process(padded).multi_face_landmarks
    if not faces:
        return None
    shares: Any = np.array([(faces[0].landmark[n].x, faces[0].landmark[n].y) for n in NUMBERS])
    inside = shares * padded.shape[1::-1] - rim[::-1]
    points: Points = (inside / large).astype(np.float32)
    return points


def main(folder: Path, target: Path) -> None:
    """Write the landmarks, and print which images have none."""
    import mediapipe

    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=1, min_detection_confidence=0.2
    )
    found, none = find(folder, mesh)
    write_landmarks(target, found)
    print(f"{target}: {len(found)} faces; none found in {', '.join(none) or 'no image'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
