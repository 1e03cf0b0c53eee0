"""Peers of the study site, measured in the same run: oTree on its smallest equal task.

The task is one question with two answers on each of 20 pages, without images. An answer is what a
browser does to give one: the POST of the form and the GET of the page that it leads to, which
together do what our one POST does (store the answer, bring what the next trial needs). Both are
awaited before the next answer. oTree runs its production server on SQLite, in an environment of
its own. Whether it loses or doubles answers is not checked.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from benchmarks.http_load import Connection, Measured, Reply, timed

FOLDER = Path("build/peers")
RATERS, ROUNDS = 50, 20

SETTINGS = """
SESSION_CONFIGS = [dict(name="bench", app_sequence=["twoafc"], num_demo_participants=1)]
SESSION_CONFIG_DEFAULTS = dict(real_world_currency_per_point=1.0, participation_fee=0.0)
PARTICIPANT_FIELDS = []
SESSION_FIELDS = []
LANGUAGE_CODE = "en"
SECRET_KEY = "benchmark"
ADMIN_USERNAME = "admin"
"""
APP = """
from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, Page, models

class C(BaseConstants):
    NAME_IN_URL = "t"
    PLAYERS_PER_GROUP = None
    NUM_ROUNDS = 20

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
PAGE = """
{{ block title }}Which image would you guess is from a camera?{{ endblock }}
{{ block content }}{{ formfields }}{{ next_button }}{{ endblock }}
"""


def environment(name: str, package: str) -> Path:
    """Return the programs' folder of a peer's own environment, made on the first run."""
    programs = (FOLDER / name / "bin").absolute()
    if not (programs / "pip").exists():
        click.echo(f"installing {package}", err=True)
        subprocess.run(["python3", "-m", "venv", str(FOLDER / name)], check=True)
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        install = [str(programs / "pip"), "install", "-q", "--disable-pip-version-check", package]
        subprocess.run(install, check=True, env=clean)
    return programs


def write_project(folder: Path) -> None:
    """Write the smallest oTree project that asks the question."""
    files = {"settings.py": SETTINGS, "twoafc/__init__.py": APP, "twoafc/Judge.html": PAGE}
    for name in ("twoafc", "_static/global", "_templates/global"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@contextmanager
def otree_server() -> Iterator[tuple[int, int]]:
    """Serve the oTree project with its production server; yield port and process."""
    from study_server.serve import free_port

    programs = environment("otree", "otree")
    folder, port = FOLDER / "otree-project", free_port()
    write_project(folder)
    (folder / "db.sqlite3").unlink(missing_ok=True)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    clean |= {"PATH": f"{programs}:{os.environ['PATH']}", "OTREE_PRODUCTION": "1"}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    otree = str(programs / "otree")
    subprocess.run([otree, "resetdb", "--noinput"], cwd=folder, env=clean, check=True, **quiet)
    command = [otree, "prodserver", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=folder, env=clean, **quiet)
    try:
        _wait(port)
        yield port, process.pid
    finally:
        for child in _children(process.pid):
            os.kill(child, 15)
        process.terminate()
        process.wait(timeout=30)


def _children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in listed.split()]


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/demo", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise click.ClickException("oTree's server did not answer")


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
    for _ in range(ROUNDS):

        async def answer(where: str = path) -> Reply:
            posted = await connection.post_form(where, "choice=left")
            follow = _path(posted)
            shown = await connection.get(follow)
            return Reply(shown.status, {"location": follow}, shown.body)

        reply = await timed(measured, answer())
        measured.acknowledged += 1
        path = reply.headers["location"]
    await connection.close()


def _path(reply: Reply) -> str:
    location = reply.headers["location"]
    return "/" + location.split("/", 3)[3] if "://" in location else location


def measure_peers() -> Iterator[Any]:
    """Yield oTree's result."""
    from benchmarks.study import Result, cpu_seconds

    with otree_server() as (port, process):
        codes = participants(port, RATERS)
        measured = Measured()

        async def all_of_them() -> None:
            await asyncio.gather(*(take(port, code, measured) for code in codes))

        server_before, load_before = cpu_seconds(process), time.process_time()
        start = time.perf_counter()
        asyncio.run(all_of_them())
        seconds = time.perf_counter() - start
        spent = (cpu_seconds(process) - server_before, time.process_time() - load_before)
    what = f"oTree: closed loop, {RATERS} raters, no images"
    done = measured.acknowledged
    each = (1000 * spent[0] / done, 1000 * spent[1] / done)
    yield Result(what, done, seconds, measured, done, 0, each)
