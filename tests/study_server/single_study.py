"""The small study of single images that the server's tests take: two models and the real photos."""

from __future__ import annotations

from pathlib import Path

from small_study import create_once, text_with

from study_server.config import StudyFile
from study_server.storage.database import Database
from study_server.studies.states import open_drafts

STUDY = """
[study]
id = "small"
title = "Real or not?"
contact = "the laboratory"
[images]
reference = "{folder}/real"
[conditions]
blurred = "{folder}/blurred"
noisy = "{folder}/noisy"
[design]
trial = "single"
raters = 6
trials = 4
exposure_ms = 0
seed = 1
[practice]
trials = 2
[catch]
trials = 1
"""


def single_text(folder: Path, *replacements: tuple[str, str], more: str = "") -> str:
    """Return the study file with lines replaced and tables added."""
    return text_with(STUDY, folder, *replacements, more=more)


def make_single(
    database: Database, folder: Path, *replacements: tuple[str, str], more: str = ""
) -> StudyFile:
    """Make and open the study."""
    text = single_text(folder, *replacements, more=more)
    file = create_once(database, text)
    open_drafts(database, "test")
    return file
