"""oTree on its smallest equal task: one question with two answers on each of 20 pages, no images.

An answer is what a browser does to give one: the POST of the form and the GET of the page that it
leads to, which together do what our one POST does (store the answer, bring what the next trial
needs). Both are awaited before the next answer. oTree runs its production server on its default
database, SQLite.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.study.peers import ANSWERS, FOLDER, Peer, environment, quietly, running
from benchmarks.support.http_load import Connection, Measured, Reply, timed

_SETTINGS = """
SESSION_CONFIGS = [dict(name="bench", app_sequence=["twoafc"], num_demo_participants=1)]
SESSION_CONFIG_DEFAULTS = dict(real_world_currency_per_point=1.0, participation_fee=0.0)
PARTICIPANT_FIELDS = []
SESSION_FIELDS = []
LANGUAGE_CODE = "en"
SECRET_KEY = "benchmark"
ADMIN_USERNAME = "admin"
"""
_APP = """
from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, Page, models

class C(BaseConstants):
    NAME_IN_URL = "t"
    PLAYERS_PER_GROUP = None
    NUM_ROUNDS = {answers}

class Subsession(BaseSubsession):
    pass

class Group(BaseGroup):
    pass

class Player(BasePlayer):
    choice = models.StringField(choices=["left", "right"])

class Judge(Page):
    form_model = "player"
    form_fields = ["choice"]

page_sequence = [Judge]
"""
_PAGE = """
{{ block title }}Which image would you guess is from a camera?{{ endblock }}
{{ block content }}{{ formfields }}{{ next_button }}{{ endblock }}
"""


def write_project(folder: Path) -> None:
    """Write the smallest oTree project that asks the question."""
    app = _APP.replace("{answers}", str(ANSWERS))
    files = {"settings.py": _SETTINGS, "twoafc/__init__.py": app, "twoafc/Judge.html": _PAGE}
    for name in ("twoafc", "_static/global", "_templates/global"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@contextmanager
def serve(port: int) -> Iterator[int]:
    """Serve the project with oTree's production server; yield its process."""
    programs = environment("otree", "otree")
    folder = FOLDER / "otree-project"
    write_project(folder)
    (folder / "db.sqlite3").unlink(missing_ok=True)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    clean |= {"PATH": f"{programs}:{os.environ['PATH']}", "OTREE_PRODUCTION": "1"}
    otree = str(programs / "otree")
    subprocess.run([otree, "resetdb", "--noinput"], cwd=folder, env=clean, check=True, **quietly())
    command = [otree, "prodserver", f"127.0.0.1:{port}"]
    with running(command, folder, clean, f"http://127.0.0.1:{port}/demo") as process:
        yield process


def participants(port: int, count: int) -> list[str]:
    """Make a session through oTree's REST interface and return its participants' codes."""
    base = f"http://127.0.0.1:{port}/api/sessions"
    body = json.dumps({"session_config_name": "bench", "num_participants": count}).encode()
    headers = {"Content-Type": "application/json"}
    made = urllib.request.urlopen(urllib.request.Request(base, body, headers), timeout=120)
    code = json.load(made)["code"]
    session = json.load(urllib.request.urlopen(f"{base}/{code}", timeout=60))
    return [participant["code"] for participant in session["participants"]]


async def take(port: int, code: str, measured: Measured) -> None:
    """Answer every page of one participant."""
    connection = Connection("127.0.0.1", port)
    reply = await connection.get(f"/InitializeParticipant/{code}")
    path = _path(reply)
    await connection.get(path)
    for _ in range(ANSWERS):

        async def answer(where: str = path) -> Reply:
            posted = await connection.post_form(where, "choice=left")
            follow = _path(posted)
            shown = await connection.get(follow)
            return Reply(shown.status, {"location": follow}, shown.body)

        reply = await timed(measured, answer())
        measured.acknowledged += reply.status == 200
        path = reply.headers["location"]
    await connection.close()


def _path(reply: Reply) -> str:
    location = reply.headers["location"]
    return "/" + location.split("/", 3)[3] if "://" in location else location


def stored() -> int:
    """Return how many answers oTree's database holds."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(FOLDER / "otree-project" / "db.sqlite3")) as database:
        query = "SELECT count(*) FROM twoafc_player WHERE choice = 'left'"
        count: int = database.execute(query).fetchone()[0]
    return count


PEER = Peer("oTree", "POST of the form, GET of the next page", serve, participants, take, stored)
