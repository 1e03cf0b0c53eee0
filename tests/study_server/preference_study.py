"""The small study of preferences that the server's tests take: three models, two questions."""

from __future__ import annotations

from pathlib import Path

from small_study import create_once, text_with

from study_server.config import StudyFile
from study_server.storage.database import Database
from study_server.studies.states import open_drafts

STUDY = """
[study]
id = "small"
title = "Which do you prefer?"
contact = "the laboratory"
[images]
reference = "{folder}/real"
inputs = "{folder}/inputs"
[conditions]
blurred = "{folder}/blurred"
noisy = "{folder}/noisy"
exact = "{folder}/real"
[design]
trial = "preference"
raters = 6
trials = 6
exposure_ms = 0
seed = 1
[practice]
trials = 2
[catch]
trials = 1
"""
TWO_QUESTIONS = """
[[question]]
id = "realism"
wording = {{ en = "Which one looks more real?", zh = "哪一张看起来更真实？" }}
answers = ["left", "right", "tie"]
[[question]]
id = "beauty"
wording = {{ en = "Which one is more beautiful?", zh = "哪一张更美？" }}
answers = ["left", "right", "tie", "bad"]
"""


def preference_text(folder: Path, *replacements: tuple[str, str], more: str = "") -> str:
    """Return the study file with lines replaced and tables added."""
    return text_with(STUDY, folder, *replacements, more=more)


def make_preference(
    database: Database, folder: Path, *replacements: tuple[str, str], more: str = ""
) -> StudyFile:
    """Make and open the study."""
    text = preference_text(folder, *replacements, more=more)
    file = create_once(database, text)
    open_drafts(database, "test")
    return file
