"""Potato on its smallest equal task: one radio question with two answers on 20 texts, no images.

An answer is what its page does for one: the POST of ``/updateinstance`` with the label and the POST
of ``/annotate`` for the next item, whose reply is the next page. Both are awaited before the next
answer. (Its page then loads itself once more, which is left out: to Potato's advantage.) Potato
runs as its documentation starts it, ``potato start``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.study.peers import ANSWERS, FOLDER, Peer, environment, running
from benchmarks.support.http_load import Connection, Measured, Reply, timed

_CONFIG = """
annotation_task_name: Benchmark
task_dir: .
output_annotation_dir: annotations
data_files: [items.jsonl]
item_properties: {id_key: id, text_key: text}
login: {type: url_direct, url_argument: PROLIFIC_PID}
require_password: false
user_config: {allow_all_users: true, users: []}
assignment_strategy: fixed_order
max_annotations_per_user: {answers}
max_annotations_per_item: -1
annotation_schemes:
  - annotation_type: radio
    name: choice
    description: Which image would you guess is from a camera?
    labels: [left, right]
"""
_PROJECT = FOLDER / "potato-project"


def write_project(folder: Path) -> None:
    """Write the smallest Potato project that asks the question, without answers of before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(_CONFIG.replace("{answers}", str(ANSWERS + 1)))
    # One more than is answered: Potato ends a rater's session with the last.
    items = [{"id": f"item{number}", "text": f"Trial {number}"} for number in range(ANSWERS + 1)]
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))


@contextmanager
def serve(port: int) -> Iterator[int]:
    """Serve the project; yield Potato's process."""
    programs = environment("potato", "potato-annotation")
    write_project(_PROJECT)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    address = ["-p", str(port), "--host", "127.0.0.1"]
    command = [str(programs / "potato"), "start", "config.yaml", *address]
    with running(command, _PROJECT, clean, f"http://127.0.0.1:{port}/health") as process:
        yield process


def participants(_port: int, count: int) -> list[str]:
    """Return names: Potato takes anybody who comes."""
    return [f"rater{number}" for number in range(count)]


async def take(port: int, name: str, measured: Measured) -> None:
    """Annotate every item of one rater."""
    connection = Connection("127.0.0.1", port)
    await connection.get(f"/?PROLIFIC_PID={name}&STUDY_ID=bench&SESSION_ID={name}")
    for number in range(ANSWERS):

        async def answer(item: str = f"item{number}") -> Reply:
            body = {"instance_id": item, "annotations": {"choice:left": "left"}}
            saved = await connection.post_json("/updateinstance", body | {"span_annotations": []})
            if saved.status != 200:
                return saved
            step = {"action": "next_instance", "instance_id": item}
            return await connection.post_json("/annotate", step)

        reply = await timed(measured, answer())
        measured.acknowledged += reply.status == 200
    await connection.close()


def stored() -> int:
    """Return how many answers Potato's files hold."""
    count = 0
    for path in (_PROJECT / "annotations").glob("rater*/user_state.json"):
        labels = json.loads(path.read_text())["instance_id_to_label_to_value"]
        count += sum(bool(label) for label in labels.values())
    return count


PEER = Peer(
    "Potato", "POST of the label, POST for the next page", serve, participants, take, stored
)
