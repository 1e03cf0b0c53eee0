"""One table of folders and commands: the same files, ids and labels in all, and what is said."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generators.dataset.import_photos import Preparation, import_photos
from generators.errors import ImageError, RunError
from generators.generate.run import generate
from generators.images.item_names import IdRule
from generators.manifest import Run, open_run, read_manifest, verify_run
from generators.methods.contract import Runtime
from metrics.errors import InputError
from metrics.images.pairing import open_images
from study_server.config import parse_study_file
from study_server.errors import StudyError
from study_server.studies.images.run_folders import open_runs

SIDE = 8


def images(folder: Path, *names: str) -> None:
    """Write small different images under these names."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((SIDE, SIDE, 3), 10 + number, np.uint8)
        Image.fromarray(pixels).save(path, "JPEG" if name.lower().endswith("jpeg") else "PNG")


def hidden(folder: Path) -> None:
    images(folder, "a.png", "b.png", ".c.png", ".git/d.png")
    (folder / "._a.png").write_bytes(b"fork")
    (folder / "sub").mkdir()
    (folder / "sub" / "._b.png").write_bytes(b"fork")


def thumbnails(folder: Path) -> None:
    images(folder, "a.png", "__MACOSX/a.png", "@eaDir/a.png", "thumbnails/b.png")


def other_formats(folder: Path) -> None:
    images(folder, "a.png")
    for name in ("b.gif", "c.bmp", "d.tif", "e.heic", "f.avif", "g.jxl", "h.jp2"):
        (folder / name).write_bytes(b"x")


def other_files(folder: Path) -> None:
    images(folder, "a.png")
    (folder / "labels.csv").write_text("x")


def linked_class(folder: Path) -> None:
    images(folder, "cat/c1.png", "cat/c2.png")
    images(folder.parent / "elsewhere", "d1.png", "d2.png")
    (folder / "dog").symlink_to(folder.parent / "elsewhere")


def loop(folder: Path) -> None:
    images(folder, "cat/c1.png")
    (folder / "cat" / "again").symlink_to(folder)


def broken_class(folder: Path) -> None:
    images(folder, "a.png")
    (folder / "dog").symlink_to(folder / "nowhere")


def latin_1(folder: Path) -> None:
    images(folder, "a.png")
    shutil.copy(os.fsencode(folder / "a.png"), os.fsencode(folder) + b"/r\xf8d.png")


@dataclass(frozen=True)
class Case:
    """A folder, and the ids, labels and notes that every command must have of it."""

    id: str
    make: Callable[[Path], None]
    labels: dict[str, str | None] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    ids: IdRule = "stem"
    refusal: str = ""
    folders_only: bool = False  # a zip has no links, and another code page for names


def of(*names: str) -> Callable[[Path], None]:
    return lambda folder: images(folder, *names)


TINY = [f"train/{name}/images/{name}_{n}.JPEG" for name in ("n01", "n02") for n in (0, 1)]
TINY_LABELS: dict[str, str | None] = {
    "n01_0": "n01",
    "n01_1": "n01",
    "n02_0": "n02",
    "n02_1": "n02",
}
CASES = [
    Case("hidden", hidden, {"a": None, "b": None}, ("(hidden): ", "._a.png", ".c.png")),
    Case("thumbnails", thumbnails, {"a": None}, ("thumbnail or system folder", "__MACOSX")),
    Case("formats", other_formats, {"a": None}, ("7 entries (other image format)", "and 2 more")),
    Case("files", other_files, {"a": None}, ("1 entry (not an image): labels.csv",)),
    Case(
        "linked-class",
        linked_class,
        {"c1": "cat", "c2": "cat", "d1": "dog", "d2": "dog"},
        ("followed 1 link: dog",),
        folders_only=True,
    ),
    Case("loop", loop, {"c1": None}, ("cat/again",), folders_only=True),
    Case("broken-class", broken_class, {"a": None}, ("broken link): dog",), folders_only=True),
    Case("tiny-imagenet", of(*TINY), TINY_LABELS),
    Case(
        "tiny-imagenet-whole",
        of(*TINY, "val/images/val_0.JPEG", "test/images/test_0.JPEG"),
        TINY_LABELS | {"val_0": None, "test_0": None},
    ),
    Case(
        "splits-of-classes",
        of("train/cat/a.png", "val/cat/b.png", "val/dog/c.png"),
        {"a": "cat", "b": "cat", "c": "dog"},
    ),
    Case("a-class-called-train", of("train/a.png", "bus/b.png"), {"a": "train", "b": "bus"}),
    Case(
        "kinds-as-classes", of("images/a.png", "sketches/b.png"), {"a": "images", "b": "sketches"}
    ),
    Case("one-folder", of("set/a.png", "set/b.png"), {"a": None, "b": None}),
    Case("composed", of("cafe\u0301.png"), {"caf\u00e9": None}),
    Case(
        "latin-1",
        latin_1,
        {"a": None, "rød": None},
        ("read as Latin-1: rød.png",),
        folders_only=True,
    ),
    Case(
        "characters",
        of('rød #1, "x".png', "at 10:20:30.png"),
        {"rød #1, _x_": None, "at 10_20_30": None},
        ("2 names hold what no file name may",),
    ),
    Case(
        "path-ids",
        of("cat/000.png", "dog/000.png"),
        {"cat-000": "cat", "dog-000": "dog"},
        ids="path",
    ),
    Case(
        "shared-stems",
        of("cat/000.png", "dog/000.png"),
        refusal=r"cat/000.png and dog/000.png share the item id '000'; --ids path",
    ),
    Case(
        "shared-stems-of-formats",
        of("c1.png", "c1.jpeg"),
        refusal=r"c1.jpeg and c1.png share the item id 'c1'$",
    ),
    Case(
        "shared-but-for-capitals",
        of("one/A.png", "two/a.png"),
        refusal=r"share the item id 'a'; --ids path",
    ),
    Case("none", of(".a.png"), refusal=r"holds no images.*left out 1 entry \(hidden\)"),
]


def manifest_of(out: Path) -> dict[str, str | None]:
    return {item.id: item.label for item in read_manifest(out).items}


def by_import(source: Path, case: Case) -> tuple[dict[str, str | None], str]:
    out = source.with_name("out")
    how = Preparation(size=SIDE, ids=case.ids)
    done = import_photos(source, out, preparation=how, runtime=Runtime(workers=1))
    return manifest_of(out), " ".join(done.notes)


def by_zip(source: Path, case: Case) -> tuple[dict[str, str | None], str]:
    packed = shutil.make_archive(str(source.with_name("packed")), "zip", source)
    return by_import(Path(packed), case)


def by_config(folder: Path, case: Case, **fields: object) -> dict[str, str | None]:
    out = folder.with_name("out")
    fields |= {"out": str(out), "ids": case.ids}
    config = folder.with_name("a.toml")
    config.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in fields.items()))
    generate(config, Runtime(workers=1))
    return manifest_of(out)


def by_imported(source: Path, case: Case) -> tuple[dict[str, str | None], str]:
    return by_config(source, case, generator="imported", source=str(source)), ""


def by_generate(source: Path, case: Case) -> tuple[dict[str, str | None], str]:
    return by_config(source, case, generator="nearest", factor=2, inputs=str(source)), ""


def by_metrics(source: Path, case: Case) -> tuple[dict[str, str | None], str]:
    found = open_images(source, ids=case.ids)
    return {item: found.labels.get(item) for item in found.files}, " ".join(found.notes)


STUDY = """
[study]
id = "a"
title = "a"
contact = "me"
[images]
reference = "{}"
[conditions]
mine = "{}"
[design]
raters = 1
trials = 1
"""


def by_study(source: Path, case: Case) -> tuple[dict[str, str | None], str]:
    text = (
        f'[study]\nid = "a"\ntitle = "a"\ncontact = "me"\n'
        f'[images]\nreference = "{source}"\nids = "{case.ids}"\n'
        f'[conditions]\nsame = "{source}"\n[design]\nraters = 1\ntrials = 1\n'
    )
    runs = open_runs(parse_study_file(text, "a"))
    labels = runs.reference.labels()
    return {item: labels.get(item) for item in runs.items}, " ".join(runs.notes)


COMMANDS = {
    "dataset-import": by_import,
    "dataset-import-zip": by_zip,
    "imported": by_imported,
    "generate": by_generate,
    "metrics-compute": by_metrics,
    "study-create": by_study,
}


CELLS = [
    pytest.param(case, command, id=f"{case.id}-{command}")
    for case in CASES
    for command in COMMANDS
    if not (case.folders_only and command == "dataset-import-zip")
]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "command"), CELLS)
def test_a_folder_is_the_same_in_every_command(
    case: Case, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    case.make(source)
    if case.refusal:
        with pytest.raises((RunError, InputError, StudyError), match=case.refusal):
            COMMANDS[command](source, case)
        assert not (tmp_path / "out").exists()
        return
    found, said = COMMANDS[command](source, case)
    assert found == case.labels
    said += capsys.readouterr().err
    assert [words for words in case.says if words not in said] == []


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("nowhere.png")])
@pytest.mark.parametrize("command", ["generate", "study-create"])
def test_a_file_that_is_not_used_is_read_for_the_digest(
    tmp_path: Path, command: str, make: Callable[[Path], None]
) -> None:
    source = tmp_path / "in"
    images(source, "a.png")
    images(tmp_path / "mine", "a.png")
    make(source / "z.png")
    one = {"generator": "nearest", "factor": 2, "inputs": str(source), "limit": 1}
    study = parse_study_file(STUDY.format(source, tmp_path / "mine"), "a")
    commands: dict[str, Callable[[], object]] = {
        "generate": lambda: by_config(source, Case("", make), **one),
        "study-create": lambda: open_runs(study).digests(),
    }
    with pytest.raises(ImageError, match=r"in/z\.png: cannot be read \((is a FIFO|a link to n)"):
        commands[command]()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["imported", "generate", "metrics-compute", "study-create"])
def test_an_image_that_no_manifest_lists_is_refused(tmp_path: Path, command: str) -> None:
    images(tmp_path / "photos", "a.png")
    source = tmp_path / "in"
    import_photos(tmp_path / "photos", source, preparation=Preparation(size=SIDE))
    images(source, "b.png")
    with pytest.raises((ImageError, InputError, StudyError), match=r"b\.png: not in the manifest"):
        COMMANDS[command](source, Case("", lambda _: None))


def test_verify_does_not_take_forks_for_images(tmp_path: Path) -> None:
    images(tmp_path / "in", "a.png")
    import_photos(tmp_path / "in", tmp_path / "out", preparation=Preparation(size=SIDE))
    (tmp_path / "out" / "._a.png").write_bytes(b"fork")
    assert verify_run(tmp_path / "out") == []


def test_a_run_keeps_its_digest_under_other_ids(tmp_path: Path) -> None:
    images(tmp_path / "real", "baby.png", "bird.png")
    images(tmp_path / "mine", "baby_SRx4.png", "bird_SRx4.png")
    real, mine = open_run(tmp_path / "real"), open_run(tmp_path / "mine")
    paired: Run = mine.with_ids_of(real)
    assert list(paired.files) == ["baby", "bird"]
    assert paired.digest() == mine.digest()
    assert "names are {id}_SRx4 here and {id} there" in paired.notes[-1]
