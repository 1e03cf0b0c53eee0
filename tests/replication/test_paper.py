"""`python manage.py paper`: its report of made-up outputs, and, tiny, from the shipped weights."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_commands import fake_command, value
from PIL import Image

import replication.results.upscaling as results_of_upscaling
import replication.stages.upscaling as stages_of_upscaling
from generators.manifest import open_run
from replication.errors import ReplicationError
from replication.remake import remake
from replication.stages.classes import check_classes, class_names
from replication.stages.making import ROOT
from replication.stages.plan import plan
from replication.stages.request import Request, Size, exports
from replication.stages.systems import FACES_128
from replication.stages.upscaling import choose

TINY = "Size(photos=6, faces=6, raters=2, trials=2, steps=2, stride=3)"
CODE = """
import os
import sys
from pathlib import Path
import manage, torch, analysis.cli, generators.cli, metrics.cli, study_server.cli
from replication.remake import remake
from replication.stages.request import Request, Size

def forked(command, log, lock):
    # In place of a process that imports everything anew, of a hundred.
    if command[0] in ("study", "analysis"):
        import analysis.commands.fool_rates
        import study_server.export.export
        import study_server.simulation.simulate
        import study_server.studies.create
    log.parent.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if not child:
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        os._exit(manage.run(list(command)))
    _, status = os.waitpid(child, 0)
    assert status == 0, (command, log.read_text())

request = Request(Path(sys.argv[1]), {size}, Path(sys.argv[2]))
remake(request, lambda line: print(line, flush=True), forked)
"""


def tiny(out: Path, faces: Path) -> list[str]:
    """Return the command line of a tiny remake."""
    return [sys.executable, "-c", CODE.format(size=TINY), str(out), str(faces)]


def face_photos(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for seed, name in enumerate(names):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC).save(folder / name)
    return folder


def without_times(report: Path) -> str:
    return re.sub(r"\d{4}-\d{2}-\d{2}(T[\d:]+Z)?", "TIME", report.read_text())


def class_photos(folder: Path) -> Path:
    for name in class_names():
        for part in ("train", "val"):
            (folder / part / name).mkdir(parents=True)
            (folder / part / name / f"{part}_{name}.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a whole remake of made-up outputs (`fake_commands`)."""
    place = tmp_path_factory.mktemp("paper")
    faces = face_photos(place / "faces", [f"f{k}.png" for k in range(8)])
    size = Size(photos=8, faces=8, raters=1, trials=4, samples=1, curve=1)
    networks = frozenset({"lpips_alex", "effnet_lite0"})
    classes = class_photos(place / "classes")
    request = Request(place / "out", size, faces, classes, networks=networks)
    return remake(request, lambda _: None, fake_command).parent


def tables_of(folder: Path) -> dict[str, dict[str, Any]]:
    results = json.loads((folder / "results.json").read_text())
    return {t["name"]: t for section in results["sections"] for t in section["tables"]}


def measured(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["system"]: row["cells"] for row in table["rows"] if row["measured"]}


@pytest.mark.slow
def test_every_number_is_the_one_that_its_command_wrote(made_up: Path) -> None:
    tables = tables_of(made_up)
    faces = measured(tables["faces-scores"])
    assert faces["FSRGAN"]["PSNR"]["value"] == value("psnr", "fsrgan")
    assert faces["SR3, 8 evaluations"]["consistency"]["value"] == value("consistency", "sr3")
    errors = measured(tables["classes-errors"])["SR3, 4 evaluations"]["top-1 error"]
    assert errors["value"] == 1 - value("top1", "sr3")
    assert errors["low"] == pytest.approx(errors["value"] - 0.05)
    rates = measured(tables["faces-rates"])["regression"]
    assert rates["fool rate, Task-2"]["value"] == 100 * value("regression", "task2")
    accuracy = measured(tables["classes-cas"])["ADM, 25 steps"]
    assert (accuracy["CAS top-1"]["value"], accuracy["CAS top-1"]["low"]) == (30, 20)
    cascade = [row["system"] for row in tables["classes-cascade"]["rows"]]
    assert cascade[:2] == ["no cascade", "ADM, 25 steps"]


@pytest.mark.slow
def test_no_published_number_is_one_that_is_known_only_from_memory(made_up: Path) -> None:
    cells = [
        cell
        for table in tables_of(made_up).values()
        for row in table["rows"]
        for cell in row["cells"].values()
        if not row["measured"]
    ]
    assert len(cells) > 80
    assert {cell["verified"] for cell in cells} == {"V", "S"}


@pytest.mark.slow
def test_lower_and_higher_are_as_each_quantity_has_it(made_up: Path) -> None:
    better = {c: way for t in tables_of(made_up).values() for c, way in t["better"].items()}
    lower = {c for c, way in better.items() if way == "lower"}
    assert {"FID", "FID, validation", "consistency", "top-1 error", "LPIPS, AlexNet"} <= lower
    assert {"PSNR", "SSIM", "IS", "CAS top-1", "fool rate, Task-1"} <= set(better) - lower


@pytest.mark.slow
def test_the_page_says_what_differs_before_any_table_and_marks_simulated_rows(
    made_up: Path,
) -> None:
    page = (made_up / "report.html").read_text()
    assert page.index("What differs from the papers") < page.index("<table")
    assert "550 million" in page
    assert page.index("SIMULATED") < page.index("<header")
    assert page.count("SIMULATED here") == sum(
        row["simulated"] for table in tables_of(made_up).values() for row in table["rows"]
    )
    assert "<script" not in page


@pytest.mark.slow
def test_fool_rates_of_people_are_not_called_simulated(tmp_path: Path) -> None:
    judgments = tmp_path / "judgments.csv"
    judgments.write_text("rater_id,item_id,condition,fooled\nr1,aitzgorri-01,sr3,1\n")
    size = Size(photos=8, faces=8, raters=1, trials=4)
    request = Request(tmp_path / "out", size, judgments={"photos": judgments})
    page = remake(request, lambda _: None, fake_command).read_text()
    assert "SIMULATED" not in page
    assert "measured here, 12 raters" in page


def test_a_part_without_its_data_says_in_one_line_what_it_needs(tmp_path: Path) -> None:
    size = Size(photos=8, faces=8, raters=1, trials=4)
    page = remake(Request(tmp_path / "out", size), lambda _: None, fake_command).read_text()
    assert "Not made. Needs photos of faces" in page
    assert "Not made. Needs photos of the 24 classes" in page
    assert 'id="table-faces-scores"' not in page


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_no_report(tmp_path: Path) -> None:
    def full(command: Sequence[str], log: Path, lock: int) -> None:
        if command[0] == "generate":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(log))
        fake_command(command, log, lock)

    request = Request(tmp_path / "out", Size(photos=8, faces=8, raters=1, trials=4))
    with pytest.raises(ReplicationError, match=r"photos-bicubic\.log: No space left on device$"):
        remake(request, lambda _: None, full)
    assert not (tmp_path / "out/report.html").exists()
    assert remake(request, lambda _: None, fake_command).exists()


def test_a_folder_of_somebodys_own_is_refused_and_kept(tmp_path: Path) -> None:
    own = tmp_path / "photos" / "real" / "mine.png"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    with pytest.raises(ReplicationError, match="holds other files"):
        remake(Request(tmp_path), lambda _: None, fake_command)
    assert own.read_text() == "mine"


def test_too_few_faces_are_one_line(tmp_path: Path) -> None:
    faces = face_photos(tmp_path / "faces", ["a.png", "b.png"])
    with pytest.raises(ReplicationError, match="2 images, expected 6 or more"):
        remake(Request(tmp_path / "out", faces=faces), lambda _: None, fake_command)
    assert not (tmp_path / "out").exists()


def test_faces_at_the_papers_size_need_nets_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages_of_upscaling, "here", lambda systems: list(systems[:1]))
    faces = face_photos(tmp_path / "faces", [f"f{k}.png" for k in range(8)])
    request = Request(tmp_path / "out", faces_128=faces)
    with pytest.raises(ReplicationError, match=r"faces of 128 pixels.*faces-128-sr3/model"):
        remake(request, lambda _: None, fake_command)


def width_of(run: Path) -> int:
    manifest = open_run(run).manifest
    assert manifest is not None
    return manifest.items[0].width


@pytest.mark.slow
def test_faces_at_the_papers_size_are_measured_by_the_nets_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bicubic, *_, sr3 = FACES_128
    there = (bicubic, replace(sr3, run="faces-sr3.toml"))
    for module in (stages_of_upscaling, results_of_upscaling):
        monkeypatch.setattr(module, "FACES_128", there)
    faces = face_photos(tmp_path / "faces", [f"f{k}.png" for k in range(8)])
    size = Size(photos=8, faces=8, raters=1, trials=4)
    remake(Request(tmp_path / "out", size, faces_128=faces), lambda _: None, fake_command)
    out = tmp_path / "out"
    scores = measured(tables_of(out)["faces-128-scores"])
    assert scores["SR3, 100 evaluations"]["PSNR"]["value"] == value("psnr", "sr3")
    sides = {run: width_of(out / "faces-128" / run) for run in ("real", "lr")}
    assert sides == {"real": 128, "lr": 16}
    study = tomllib.loads((out / "configs/study-faces-128.toml").read_text())
    assert set(study["conditions"]) == {"bicubic", "sr3"}


def test_all_data_are_imported_before_the_long_work(tmp_path: Path) -> None:
    faces = face_photos(tmp_path / "faces", [f"f{k}.png" for k in range(8)])
    classes, networks = class_photos(tmp_path / "classes"), frozenset({"effnet_lite0"})
    request = Request(tmp_path / "out", faces=faces, classes=classes, networks=networks)
    doing = [stage.commands[0][0] for stage in plan(request)]
    imports = doing.count("dataset")
    assert imports == 8  # photos; faces, and those of the curve; three of classes; two of Table 3
    assert doing[:imports] == ["dataset"] * imports


@pytest.mark.parametrize("begun", [False, True])
def test_a_refused_request_leaves_nothing_behind(tmp_path: Path, begun: bool) -> None:
    (tmp_path / "classes" / "train").mkdir(parents=True)
    faces = face_photos(tmp_path / "faces", [f"f{k}.png" for k in range(8)])
    out = tmp_path / "out"
    if begun:
        (out / "stages").mkdir(parents=True)
    request = Request(out, faces=faces, classes=tmp_path / "classes")
    with pytest.raises(ReplicationError, match="train/ has 0 class folders"):
        remake(request, lambda _: None, fake_command)
    assert [path.name for path in out.rglob("*")] == ["stages"] * begun


def test_class_folders_of_other_classes_are_one_line(tmp_path: Path) -> None:
    folder = class_photos(tmp_path / "in")
    check_classes(folder)
    (folder / "val" / class_names()[0]).rename(folder / "val" / "cats")
    with pytest.raises(ReplicationError, match="val/ has 24 class folders, expected those of"):
        check_classes(folder)


# Stages of nets on large photos, half of all the time: the run that is killed finds them made.
KEPT = ("photos-import", "photos-bicubic", "photos-regression", "photos-sr3")


@pytest.mark.integration
@pytest.mark.slow
def test_killed_and_gone_on_the_report_is_the_one_of_an_undisturbed_run(tmp_path: Path) -> None:
    faces = face_photos(tmp_path / "faces", [f"f{k}.png" for k in range(6)])
    out, first = tmp_path / "out", tmp_path / "first"
    whole = subprocess.run(tiny(out, faces), cwd=ROOT, capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    shutil.copytree(out, first)  # the study's digest, and so its order, knows the folders' names
    for record in (out / "stages").glob("*.json"):
        if record.stem.startswith("photos-") and record.stem not in KEPT:
            record.unlink()  # all of the faces is kept: half of the work is enough to be killed in
    for name in ("report.html", "results.json"):
        (out / name).unlink()
    kill_in_the_middle(out, faces)
    again = subprocess.run(tiny(out, faces), cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "is made" in again.stdout
    assert without_times(out / "report.html") == without_times(first / "report.html")
    check_report(out)


def kill_in_the_middle(out: Path, faces: Path) -> None:
    """Kill a remake, and the command that it runs, in the second stage that it makes."""
    process = subprocess.Popen(
        tiny(out, faces), cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    making = 0
    while making < 2:
        line = process.stdout.readline()
        assert line, "it ended before it was killed"
        making += "left)" in line
    time.sleep(0.5)
    subprocess.run(["kill", f"-{signal.SIGKILL.value}", "--", f"-{process.pid}"], check=True)
    process.wait()
    process.stdout.close()


def check_report(folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    tables = {t["name"]: t for section in results["sections"] for t in section["tables"]}
    assert set(tables) == {"photos-rates", "photos-scores", "faces-rates", "faces-scores"}
    scores = {row["system"]: row for row in tables["photos-scores"]["rows"] if row["measured"]}
    file = json.loads((folder / "photos/sr3.scores/scores.json").read_text())
    psnr = next(score["value"] for score in file["scores"] if score["name"] == "psnr")
    assert scores["SR3, 4 evaluations"]["cells"]["PSNR"]["value"] == psnr
    measured = [row for row in tables["faces-rates"]["rows"] if row["measured"]]
    assert all(row["simulated"] for row in measured)
    assert {row["system"] for row in measured} > {"FSRGAN", "regression"}
    page = (folder / "report.html").read_text()
    assert "SIMULATED" in page
    assert "What differs from the papers" in page
    assert "<script" not in page
    assert "http" not in re.sub(r'http-equiv|xmlns(:xlink)?="[^"]*"', "", page)  # asks nobody


def test_faces_that_nets_were_trained_on_are_left_out(tmp_path: Path) -> None:
    names = ["subject01_00.png", "subject33_00.png", "subject40_09.png"]
    assert choose(face_photos(tmp_path / "in", names), 10) == ["subject33_00", "subject40_09"]


@pytest.mark.parametrize(
    "names", [["subject33_smiling", "anna"], ["subject33", "subject01"], ["subject41_00", "x"]]
)
def test_faces_of_ones_own_are_used_whole(tmp_path: Path, names: list[str]) -> None:
    faces = face_photos(tmp_path / "in", [f"{name}.png" for name in names])
    assert choose(faces, 10) == sorted(names)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["subject33_00", "anna"], "1 of 2 images have names of the Olivetti .*'anna'; expected"),
        (
            ["subject01_00"],
            r"all 1 images, .*trained on; expected .*\(subject33_\* to subject40_\*\)",
        ),
    ],
)
def test_faces_that_may_have_been_trained_on_are_one_line(
    tmp_path: Path, names: list[str], said: str
) -> None:
    faces = face_photos(tmp_path / "in", [f"{name}.png" for name in names])
    with pytest.raises(ReplicationError, match=said) as caught:
        choose(faces, 10)
    assert str(faces) in str(caught.value)


def test_images_are_spread_over_the_folder(tmp_path: Path) -> None:
    faces = face_photos(tmp_path / "in", [f"{k}.png" for k in range(9)])
    assert choose(faces, 3) == ["0", "3", "6"]


@pytest.mark.parametrize("kind", ["missing", "text", "empty"])
def test_faces_that_are_none_are_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "faces"
    if kind == "text":
        path.write_text("no zip")
    if kind == "empty":
        path.mkdir()
    with pytest.raises(ReplicationError, match=str(path)):
        choose(path, 4)


def test_an_export_without_judgments_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReplicationError, match=r"holds no judgments\.csv"):
        exports({"faces": tmp_path})
    (tmp_path / "judgments.csv").write_text("rater_id,item_id,condition,fooled\n")
    assert exports({"faces": tmp_path, "photos": None}) == {"faces": tmp_path / "judgments.csv"}


def test_two_at_a_time_in_one_folder_are_refused(tmp_path: Path) -> None:
    from generators.errors import WriteError
    from generators.files import alone_in

    with alone_in(tmp_path / "out"), pytest.raises(WriteError, match="is at work in it"):
        remake(Request(tmp_path / "out", Size(photos=8, faces=8, raters=1, trials=4)), print)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"rater_id,item_id,condition,fooled\nr,aitzgorri-01,sr3,1\nr,subject33_00,sr3,0\n",
         "1 of 2 items, such as 'subject33_00', are no images of"),
        (b"x\n",
         r"judgments\.csv: no column 'rater_id' \(nor item_id, condition, fooled\), found x"),
        (b"", r"judgments\.csv: is empty, expected a header and rows"),
        (b"\xff\xfe\x00", r"judgments\.csv: not UTF-8 text"),
    ],
)  # fmt: skip
def test_judgments_of_other_images_are_refused_before_the_work(
    tmp_path: Path, content: bytes, said: str
) -> None:
    judgments = tmp_path / "judgments.csv"
    judgments.write_bytes(content)
    with pytest.raises(ReplicationError, match=said):
        plan(Request(tmp_path / "out", judgments={"photos": judgments}))


def test_ids_that_were_kept_from_spreadsheets_are_the_images_of_a_folder(tmp_path: Path) -> None:
    faces = face_photos(tmp_path / "faces", [f"-a{k}.png" for k in range(8)])
    judgments = tmp_path / "judgments.csv"
    judgments.write_text("rater_id,item_id,condition,fooled\nr,'-a1,sr3,1\nr,'-a2,sr3,0\n")
    request = Request(tmp_path / "out", faces=faces, judgments={"faces": judgments})
    assert "faces-rates" in [stage.name for stage in plan(request)]


def test_odd_zips_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("./", "")
        archive.writestr("/", "")
        archive.writestr("./a.png", "")
    assert choose(path, 4) == ["a"]
    whole = bytearray(path.read_bytes())
    at = whole.index(b"PK\x01\x02")
    whole[at : at + 4] = b"XXXX"
    path.write_bytes(whole)
    with pytest.raises(ReplicationError, match=r"faces\.zip: a damaged zip file"):
        choose(path, 4)
