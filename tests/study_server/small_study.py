"""The small study that the server's tests take: its file, its images, its application."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from PIL import Image
from sqlalchemy import func, select

from study_server.config import StudyFile, parse_study_file
from study_server.storage.database import Database
from study_server.storage.models import Study
from study_server.storage.schema import open_database
from study_server.studies.create import create_study
from study_server.studies.states import open_drafts
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
FURTHER = """
[[question]]
id = "sharper"
wording = {{ en = "Which one is sharper?", zh = "哪一张更清晰？" }}
answers = ["left", "right", "tie"]
[[question]]
id = "nicer"
wording = {{ en = "Which one is nicer?", zh = "哪一张更好看？" }}
answers = ["left", "right", "bad", "tie"]
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


def text_with(study: str, folder: Path, *replacements: tuple[str, str], more: str = "") -> str:
    """Return a study file with lines replaced and tables added, about the images of a folder."""
    text = study + more
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return text.format(folder=folder)


_created: dict[str, bytes] = {}


def create_once(database: Database, text: str, **options: Any) -> StudyFile:
    """Create a study, each file once a test process: later SQLite databases get a copy of it.

    Creating is most of what a small study costs, and is tested by itself (`studies/`).
    """
    file = parse_study_file(text, "study.toml")
    path = database.url.database or ""
    with database.session() as db_session:
        first = not db_session.scalar(select(func.count()).select_from(Study))
    if options or not first or not path.endswith(".sqlite3"):
        create_study(database, file, text, **options)
        return file
    if text not in _created:
        create_study(database, file, text)
    with closing(sqlite3.connect(path)) as stored, closing(sqlite3.connect(":memory:")) as copy:
        if text in _created:
            copy.deserialize(_created[text])
            copy.backup(stored)
        else:
            stored.backup(copy)
            content = copy.serialize()
            # Without WAL, which no database in memory can have.
            _created[text] = content[:18] + b"\1\1" + content[20:]
    return file


def app_of_its_own(folder: Path, empty: Path, text: str) -> Flask:
    """Return an application with an open study on a copy of an empty SQLite database in a folder.

    For what several tests only read; whoever makes it disposes of its database.
    """
    shutil.copy(empty, folder / "study.sqlite3")
    database = open_database(f"sqlite:///{folder}/study.sqlite3")
    create_once(database, text)
    open_drafts(database, "test")
    return app_on(database)


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
