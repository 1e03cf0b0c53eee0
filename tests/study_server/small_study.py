"""The small study that the server's tests take: its file, its images, its application."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from PIL import Image

from study_server.config import StudyFile
from study_server.storage.database import Database
from study_server.web.app import create_app
from study_server.web.context import LiveInterval
from study_server.web.settings import Settings

MakeStudy = Callable[..., StudyFile]
SECRET = bytes(range(32))

STUDY = """
[study]
id = "small"
title = "A small study"
contact = "the laboratory"
[images]
reference = "{folder}/real"
inputs = "{folder}/inputs"
[conditions]
blurred = "{folder}/blurred"
noisy = "{folder}/noisy"
[design]
raters = 3
trials = 4
exposure_ms = 0
seed = 1
[practice]
trials = 2
[catch]
trials = 1
"""


def write_images(folder: Path, names: list[str], size: tuple[int, int] = (24, 16)) -> Path:
    """Write random photos, two sets of outputs and low-resolution inputs, as plain folders."""
    rng = np.random.default_rng(7)
    for name in names:
        real = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        rough = real // 32 * 32  # compresses better, as generated images do
        shift = np.clip(real.astype(int) + rng.integers(-9, 10, real.shape), 0, 255)
        sets = {"real": real, "blurred": rough, "noisy": shift.astype(np.uint8)}
        for kind, pixels in (sets | {"inputs": real[::4, ::4]}).items():
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / kind / f"{name}.png")
    return folder


class Compiled(BytecodeCache):
    """The site's templates, compiled once for all applications that a test process makes."""

    def __init__(self) -> None:
        """Start with none."""
        self._code: dict[str, Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give what an application before compiled."""
        bucket.code = self._code.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what this application compiled."""
        self._code[bucket.key] = bucket.code


COMPILED = Compiled()


def app_on(database: Database, live_interval: LiveInterval | None = None, **settings: Any) -> Flask:
    """Return the application on a database, without rate limits."""
    url = database.url.render_as_string(hide_password=False)
    chosen = Settings(url, SECRET, limits=False, **settings)
    app = create_app(chosen, database=database, live_interval=live_interval)
    app.testing = True
    app.jinja_env.bytecode_cache = COMPILED
    return app
