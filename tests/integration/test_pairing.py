"""Names as people give them: what pairs by itself, what does when told how, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from generators.dataset.import_photos import Preparation, import_photos
from generators.errors import GeneratorError, RunError
from generators.generate.run import generate
from generators.manifest import open_run
from generators.methods.contract import Runtime
from generators.pairing import pair_ids
from metrics.cli import metrics
from metrics.compute.compute import Request, compute
from metrics.compute.inputs import Naming
from metrics.errors import InputError
from study_server.config import parse_study_file
from study_server.errors import StudyFileError
from study_server.studies.images.run_folders import open_runs

SIDE = 8


def grey(level: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), level, np.uint8)


def folder(path: Path, **levels: int) -> Path:
    """Write flat images: name -> level."""
    path.mkdir(parents=True, exist_ok=True)
    for name, level in levels.items():
        target = path / f"{name}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey(level)).save(target)
    return path


def psnr(tmp_path: Path, mine: Path, real: Path, /, **naming: Any) -> dict[str, float]:
    names = Naming(**naming)
    request = Request(mine, tmp_path / "cache", real, metrics=("psnr",), naming=names)
    return compute(request).columns["psnr"]


# 20 log10(255 / c) for a constant difference c.
ONE, TWO = 48.1308036086791, 42.11020369539948


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (("baby_SRx4", "bird_SRx4"), ("baby", "bird")),
        (("0801x4", "0802x4"), ("0801", "0802")),
        (("SR-1-x", "SR-11-x"), ("1", "11")),
        (("baby", "bird"), ("baby_HR", "bird_HR")),
        (("cafe\u0301", "e\u0301"), ("caf\u00e9", "\u00e9")),
    ],
)
def test_names_that_differ_by_one_pattern_pair(
    tmp_path: Path, mine: tuple[str, str], theirs: tuple[str, str]
) -> None:
    run = folder(tmp_path / "run", **dict(zip(mine, (101, 152), strict=True)))
    real = folder(tmp_path / "real", **dict(zip(theirs, (100, 150), strict=True)))
    wanted = dict(zip(theirs, (pytest.approx(ONE), pytest.approx(TWO)), strict=True))
    assert psnr(tmp_path, run, real) == wanted


def test_how_names_pair_is_said(tmp_path: Path) -> None:
    run = folder(tmp_path / "run", a_SRx4=101, b_SRx4=102)
    real = folder(tmp_path / "real", a=100, b=100)
    arguments = ["compute", str(run), "--reference", str(real), "--metrics", "psnr"]
    done = CliRunner().invoke(metrics, [*arguments, "--cache", str(tmp_path / "cache")])
    assert done.exit_code == 0
    assert "names are {id}_SRx4 here and {id} there" in done.output
    assert (tmp_path / "run.scores" / "per_image.csv").read_text().splitlines()[1].startswith("a,")


@pytest.mark.parametrize(
    ("ids", "others"),
    [
        (["fake_1", "fake_2"], ["real_1", "real_2"]),  # numbered alike is not the same picture
        (["a_x", "b_x"], ["a", "b", "c"]),  # one has no partner
        (["a_x", "b_y"], ["a", "b"]),
        (["A", "B"], ["a", "b"]),
        (["a_x", "b"], ["a", "b"]),  # some are equal, so that the others are missing
    ],
)
def test_a_guess_that_does_not_fit_all_is_no_pairing(ids: list[str], others: list[str]) -> None:
    assert pair_ids(ids, others) is None


def test_ids_of_a_manifest_pair_in_any_unicode_form() -> None:
    found = pair_ids(["cafe\u0301", "b"], ["b\u0301", "caf\u00e9"])
    assert found is None
    found = pair_ids(["cafe\u0301"], ["caf\u00e9"])
    assert found is not None
    assert found.partner == {"cafe\u0301": "caf\u00e9"}
    assert "Unicode form" in found.said


def test_a_few_ids_of_each_side_are_shown_where_nothing_pairs(tmp_path: Path) -> None:
    run = folder(tmp_path / "run", **{f"fake_{n}": n for n in range(9)})
    real = folder(tmp_path / "real", **{f"real_{n}": n for n in range(9)})
    with pytest.raises(InputError, match=r"'fake_0', 'fake_1', 'fake_2' and 6 more here and 'real"):
        psnr(tmp_path, run, real)
    upper = folder(tmp_path / "upper", A=1)
    with pytest.raises(InputError, match="differ in capitals only"):
        psnr(tmp_path, upper, folder(tmp_path / "lower", a=1))


def test_templates_pair_what_no_guess_may(tmp_path: Path) -> None:
    run = folder(tmp_path / "run", fake_1=101, fake_2=152)
    real = folder(tmp_path / "real", real_1=100, real_2=150)
    found = psnr(tmp_path, run, real, run="fake_{id}", reference="real_{id}")
    assert found == {"1": pytest.approx(ONE), "2": pytest.approx(TWO)}
    with pytest.raises(InputError, match=r"2 names are not 'x\{id\}': fake_1, fake_2"):
        psnr(tmp_path, run, real, run="x{id}", reference="real_{id}")
    with pytest.raises(InputError, match=r"'x': expected one \{id\} in it"):
        psnr(tmp_path, run, real, run="x")


@pytest.mark.parametrize(
    ("name", "template"),
    [("s:a", "s:{id}"), ("s:a", "s_{id}"), ("caf\u00e9 a", "cafe\u0301 {id}"), ("a?x", "{id}?x")],
)
def test_a_template_is_read_as_names_are_in_every_command(
    tmp_path: Path, name: str, template: str
) -> None:
    run = folder(tmp_path / "run", **{name: 101})
    real = folder(tmp_path / "real", a=100)
    assert psnr(tmp_path, run, real, run=template) == {"a": pytest.approx(ONE)}
    assert imported(tmp_path, run, names=template) == {"a": 101}
    how = Preparation(size=SIDE, names=template)
    done = import_photos(run, tmp_path / "photos", preparation=how)
    assert [item.id for item in done.run.items] == ["a"]


def test_a_template_with_an_ending_says_what_was_expected(tmp_path: Path) -> None:
    run = folder(tmp_path / "run", a_SRx4=101)
    with pytest.raises(InputError, match=r"1 name is not .*: a_SRx4; .*, expected '\{id\}_SRx4'"):
        psnr(tmp_path, run, folder(tmp_path / "real", a=100), run="{id}_SRx4.png")


def test_class_folders_with_equal_names_pair_by_path(tmp_path: Path) -> None:
    names = {"cat/000": 101, "dog/000": 152}
    run = folder(tmp_path / "run", **names)
    real = folder(tmp_path / "real", **{"cat/000": 100, "dog/000": 150})
    found = psnr(tmp_path, run, real, ids="path")
    assert found == {"cat-000": pytest.approx(ONE), "dog-000": pytest.approx(TWO)}
    with pytest.raises(InputError, match=r"cat/000.png and dog/000.png share.*--ids path"):
        psnr(tmp_path, run, real)


@pytest.mark.slow
def test_a_set_needs_no_ids(tmp_path: Path) -> None:
    names = [f"{kind}/{n:03d}" for kind in ("cat", "dog") for n in range(3)]
    run = folder(tmp_path / "run", **{name: 9 * n for n, name in enumerate(names)})
    request = Request(run, tmp_path / "cache", run, metrics=("effnet_fd", "paired"))
    done = compute(request)
    assert [score.name for score in done.scores.scores] == ["effnet_fd"]
    assert done.scores.scores[0].value == pytest.approx(0, abs=1e-3)
    assert any("left out psnr" in note and "--ids path" in note for note in done.notes)


STUDY = """
[study]
id = "a"
title = "a"
contact = "me"
[images]
reference = "{0}/real"
inputs = "{0}/lr"
[conditions]
mine = "{0}/mine"
theirs = "{0}/theirs"
[design]
raters = 1
trials = 1
"""


def test_a_study_pairs_its_folders_and_says_so(tmp_path: Path) -> None:
    folder(tmp_path / "real", a=1, b=2)
    folder(tmp_path / "lr", ax4=3, bx4=4)
    folder(tmp_path / "mine", a_SR=5, b_SR=6)
    folder(tmp_path / "theirs", a=7, b=8)
    runs = open_runs(parse_study_file(STUDY.format(tmp_path), "a"))
    assert runs.items == ("a", "b")
    assert runs.conditions["mine"].files["b"].name == "b_SR.png"
    assert runs.inputs is not None
    assert runs.inputs.files["a"].name == "ax4.png"
    assert [note.split(": ")[-1] for note in runs.notes] == [
        "names are {id}_SR here and {id} there",
        "names are {id}x4 here and {id} there",
    ]
    assert runs.digests()["condition:mine"] == open_run(tmp_path / "mine").digest()
    folder(tmp_path / "mine", c_SR=9)
    with pytest.raises(StudyFileError, match=r"none pairs: .*'a_SR'.*"):
        open_runs(parse_study_file(STUDY.format(tmp_path), "a"))


def imported(tmp_path: Path, source: Path, **more: str) -> dict[str, int]:
    """Import outputs and return item id -> level."""
    fields = {"generator": "imported", "source": str(source), "out": str(tmp_path / "out")} | more
    lines = (f"{key} = {json.dumps(value)}" for key, value in fields.items())
    (tmp_path / "a.toml").write_text("\n".join(lines))
    generate(tmp_path / "a.toml", Runtime(workers=1))
    files = open_run(tmp_path / "out").files
    return {item: int(np.asarray(Image.open(path))[0, 0, 0]) for item, path in files.items()}


def numbered(tmp_path: Path) -> tuple[Path, Path]:
    """Return an .npz of 12 images in the order of numbers, and the folder 0.png to 11.png."""
    reference = folder(tmp_path / "real", **{str(n): n for n in range(12)})
    np.savez(tmp_path / "a.npz", np.stack([grey(n) for n in range(12)]))
    return tmp_path / "a.npz", reference


def test_an_order_that_can_be_read_in_two_ways_is_refused(tmp_path: Path) -> None:
    source, reference = numbered(tmp_path)
    with pytest.raises(RunError, match=r"0, 1, 10, 11 .* by id, 0, 1, 2, 3 .* by number"):
        imported(tmp_path, source, ids_from=str(reference))
    assert not (tmp_path / "out").exists()
    found = imported(tmp_path, source, ids_from=str(reference), order="number")
    assert found == {str(n): n for n in range(12)}


def test_an_order_by_id_can_be_asked_for(tmp_path: Path) -> None:
    source, reference = numbered(tmp_path)
    found = imported(tmp_path, source, ids_from=str(reference), order="id")
    assert [found[item] for item in sorted(found)] == list(range(12))


def test_outputs_take_the_ids_of_the_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder(tmp_path / "real", **{"cat/a": 1, "dog/b": 2})
    source = folder(tmp_path / "mine", a_SRx4=3, b_SRx4=4)
    assert imported(tmp_path, source, ids_from=str(tmp_path / "real")) == {"a": 3, "b": 4}
    assert open_run(tmp_path / "out").labels() == {"a": "cat", "b": "dog"}
    assert "names are {id}_SRx4 here and {id} there" in capsys.readouterr().err


def test_a_template_gives_the_ids_of_an_import(tmp_path: Path) -> None:
    source = folder(tmp_path / "mine", a_SRx4=3, b_SRx4=4)
    assert imported(tmp_path, source, names="{id}_SRx4") == {"a": 3, "b": 4}


def test_labels_of_adms_second_array_are_kept(tmp_path: Path) -> None:
    stack = np.stack([grey(n) for n in range(3)])
    np.savez(tmp_path / "a.npz", stack, np.array([7, 8, 7]))
    imported(tmp_path, tmp_path / "a.npz")
    assert open_run(tmp_path / "out").labels() == {"000000": "7", "000001": "8", "000002": "7"}


def test_a_second_array_that_is_no_labels_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = np.stack([grey(n) for n in range(3)])
    np.savez(tmp_path / "a.npz", stack, np.zeros((3, 10), np.float32))
    imported(tmp_path, tmp_path / "a.npz")
    assert open_run(tmp_path / "out").labels() == {}
    assert "not read: arr_1" in capsys.readouterr().err


def test_class_folders_come_through_imported_as_labels(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", **{"cat/a": 1, "dog/b": 2})
    imported(tmp_path, source)
    assert open_run(tmp_path / "out").labels() == {"a": "cat", "b": "dog"}
    with pytest.raises(GeneratorError, match="share the item id"):
        imported(tmp_path, folder(tmp_path / "twice", **{"cat/a": 1, "dog/a": 2}))
