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
RATED = """
[[question]]
id = "aesthetics"
wording = {{ en = "How pleasing is this image?", zh = "这张图像有多美观？" }}
scale = "ordinal"
options = [
  {{ value = "bad", text = {{ en = "Bad", zh = "差" }} }},
  {{ value = "fair", text = {{ en = "Fair", zh = "一般" }} }},
  {{ value = "good", text = {{ en = "Good", zh = "好" }} }},
]
[[question]]
id = "people"
wording = {{ en = "Does it show people?", zh = "图中有人吗？" }}
scale = "nominal"
options = [
  {{ value = "yes", text = {{ en = "Yes", zh = "有" }} }},
  {{ value = "no", text = {{ en = "No", zh = "没有" }} }},
]
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
