"""One table of inputs and commands: all commands see the same pixels and refuse the same files."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from image_files import SIDE, Array, Case, cases
from PIL import Image
from sqlalchemy import select

from generators.dataset.import_photos import Preparation, import_photos
from generators.errors import GeneratorError
from generators.generate.run import generate
from generators.methods.contract import Runtime
from metrics.compute.compute import Request, compute
from metrics.errors import InputError
from study_server.config import parse_study_file
from study_server.errors import StudyError
from study_server.storage.database import Database
from study_server.storage.models import Item, Stimulus
from study_server.storage.schema import open_database
from study_server.studies.create import create_study

CASES = cases()
REFUSALS = (GeneratorError, InputError, StudyError)
STUDY = """
[study]
id = "{id}"
title = "One image"
contact = "me"
[images]
reference = "{folder}"
[conditions]
same = "{folder}"
[design]
raters = 1
trials = 1
[practice]
trials = 0
[catch]
trials = 0
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("database") / "study.sqlite3"
    opened = open_database(f"sqlite:///{path}", create=True)
    yield opened
    opened.dispose()


@pytest.fixture(params=CASES, ids=lambda case: case.id)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def folder(case: Case, tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    case.write(made)
    return made


def toml(path: Path, **fields: object) -> Path:
    path.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in fields.items()))
    return path


def image(path: Path) -> Array:
    with Image.open(path) as opened:
        return np.asarray(opened)


def by_import(folder: Path, out: Path, _database: Database) -> tuple[Array, str]:
    how = Preparation(size=SIDE)
    done = import_photos(folder, out, preparation=how, runtime=Runtime(workers=1))
    return image(out / "x.png"), " ".join(done.notes)


def by_imported(folder: Path, out: Path, _database: Database) -> tuple[Array, str]:
    config = toml(out.with_name("a.toml"), generator="imported", source=str(folder), out=str(out))
    generate(config, Runtime(workers=1))
    return image(out / "x.png"), ""


def by_generate(folder: Path, out: Path, _database: Database) -> tuple[Array, str]:
    fields = {"generator": "nearest", "factor": 2, "inputs": str(folder), "out": str(out)}
    generate(toml(out.with_name("a.toml"), **fields), Runtime(workers=1))
    return image(out / "x.png")[::2, ::2], ""


def by_create(folder: Path, out: Path, database: Database) -> tuple[Array, str]:
    name = f"s{abs(hash(out)) % 10**12}"
    text = STUDY.format(folder=folder, id=name)
    said: list[str] = []
    study = create_study(database, parse_study_file(text, "a"), text, say=said.extend)
    wanted = select(Stimulus.png).join(Item).where(Item.study_id == study.id)
    with database.session() as session:
        found = session.scalars(wanted).first()
    assert found is not None
    return np.asarray(Image.open(io.BytesIO(found))), " ".join(said)


COMMANDS = {
    "dataset-import": by_import,
    "imported": by_imported,
    "generate": by_generate,
    "study-create": by_create,
}


# One of them with every file in the fast layer: they share the decoders.
OTHERS = [
    pytest.param(name, marks=pytest.mark.slow) for name in COMMANDS if name != "dataset-import"
]


@pytest.mark.parametrize("command", ["dataset-import", *OTHERS])
def test_an_image_is_the_same_in_every_command(
    case: Case, command: str, folder: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder.with_name("out")
    if case.pixels is None:
        with pytest.raises(REFUSALS, match=case.refusal) as refused:
            COMMANDS[command](folder, out, database)
        assert case.name in str(refused.value)
        assert not out.exists()
        return
    found, said = COMMANDS[command](folder, out, database)
    off = np.abs(found.astype(int) - case.pixels).max()
    assert off <= case.near
    assert case.note in said + capsys.readouterr().err


@pytest.mark.slow
def test_an_image_is_the_same_in_metrics_compute(case: Case, folder: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference"
    reference.mkdir()
    shown = case.pixels if case.pixels is not None else np.zeros((SIDE, SIDE, 3), np.uint8)
    Image.fromarray(shown).save(reference / "x.png")
    request = Request(folder, tmp_path / "cache", reference, metrics=("psnr",), workers=1)
    if case.pixels is None:
        with pytest.raises(InputError, match=case.refusal) as refused:
            compute(request)
        assert case.name in str(refused.value)
        return
    done = compute(request)
    # Pixels that are off by at most `near` score at least this; PSNR = 20 log10(255 / error).
    least = 20 * np.log10(255 / case.near) if case.near else np.inf
    assert done.columns["psnr"]["x"] >= least
    assert case.note in " ".join(done.notes)
