"""Files made to do harm, and files that broke on their way: one line, and nothing written."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import manage
from analysis.errors import AnalysisError
from analysis.report.results.schema import read_results
from generators.cli import run
from generators.dataset import zip_limits
from generators.dataset.import_photos import Preparation, import_photos
from generators.errors import ConfigError, GeneratorError, ImageError, RunError
from generators.generate.run import generate
from generators.images.header import LIMIT_VARIABLE
from generators.manifest import MANIFEST, open_run, read_manifest
from generators.methods.contract import Runtime
from generators.runs.writer import JOURNAL
from metrics.classification import cas_config
from metrics.cli import metrics
from metrics.distribution import reference_statistics
from metrics.errors import InputError, ScoreError
from metrics.scores import read_scores
from study_server.config import parse_study_file, read_study_file
from study_server.errors import StudyFileError
from study_server.export.verify import verify_export
from study_server.simulation.rater_model import read_model

SMALL = Preparation(size=8)


def picture(side: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 99, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def npy(shape: tuple[int, ...], descr: str, data: bytes, fortran: bool = False) -> bytes:
    """Return an .npy whose header may claim anything (numpy.lib.format, version 1.0)."""
    fields = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
    return raw_npy(fields, data)


def raw_npy(fields: str, data: bytes) -> bytes:
    head = fields.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def npz(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


IMAGES = npy((2, 8, 8, 3), "|u1", bytes(384))
NPZ: dict[str, tuple[dict[str, bytes], str]] = {
    "a-million-million-images": (
        {"arr_0": npy((10**12, 64, 64, 3), "|u1", b"x")},
        "claims uint8 .* and has",
    ),
    "more-than-there-are": ({"arr_0": npy((3, 8, 8, 3), "|u1", bytes(384))}, "claims uint8"),
    "negative": ({"arr_0": npy((-1, 8, 8, 3), "|u1", b"")}, "claims uint8"),
    "none": ({"arr_0": npy((0, 8, 8, 3), "|u1", b"")}, "expected uint8"),
    "vast-ids": ({"arr_0": IMAGES, "ids": npy((10**12,), "<U8", b"x")}, "ids claims"),
    "long-ids": ({"arr_0": IMAGES, "ids": npy((2,), "<U9999", bytes(79_992))}, "ids is <U9999"),
    "three-ids": ({"arr_0": IMAGES, "ids": npy((3,), "<i8", bytes(24))}, "2 images, but ids has"),
    "equal-ids": (
        {"arr_0": IMAGES, "ids": npy((2,), "<i8", bytes(16))},
        "two images share the item id .0. and .0.",
    ),
    "ids-that-differ-in-capitals": (
        {"arr_0": IMAGES, "ids": npy((2,), "|S1", b"Aa")},
        "two images share the item id 'A' and 'a'",
    ),
    "an-id-that-is-no-name": (
        {"arr_0": IMAGES, "ids": npy((2,), "|S2", b"..ab")},
        "item id '..': cannot be a file name",
    ),
    "labels-of-floats": (
        {"arr_0": IMAGES, "labels": npy((2,), "<f8", bytes(16))},
        "labels is float",
    ),
    "bad-magic": ({"arr_0": b"nothing"}, "not a whole .npz"),
    "bad-header": ({"arr_0": raw_npy("{'descr'", b"")}, "header of arr_0 cannot be read"),
    "nested-header": ({"arr_0": raw_npy("(" * 9000, b"")}, "header of arr_0 cannot be read"),
    "objects": ({"arr_0": npy((2,), "|O", bytes(16))}, "Python objects"),
    "nothing": ({}, "has nothing, expected images or arr_0"),
}


def imported(tmp_path: Path, source: Path) -> None:
    fields = {"generator": "imported", "source": str(source), "out": str(tmp_path / "out")}
    (tmp_path / "a.toml").write_text("\n".join(f"{k} = {json.dumps(v)}" for k, v in fields.items()))
    generate(tmp_path / "a.toml", Runtime(workers=1))


def refused(tmp_path: Path, members: dict[str, bytes], found: str) -> None:
    source = npz(tmp_path / "a.npz", **members)
    with pytest.raises((RunError, ImageError), match=found) as why:
        imported(tmp_path, source)
    assert str(source) in str(why.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", NPZ)
def test_an_npz_is_believed_only_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    refused(tmp_path, *NPZ[name])


@pytest.mark.slow
def test_an_npz_of_one_vast_image_is_refused(tmp_path: Path) -> None:
    vast = {"arr_0": npy((1, 7000, 7000, 3), "|u1", bytes(147_000_000))}
    refused(tmp_path, vast, "are 7000x7000, expected at most 40 megapixels")


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_an_npz_cut_off_while_downloading_is_one_line(tmp_path: Path, part: float) -> None:
    source = npz(tmp_path / "a.npz", arr_0=IMAGES)
    data = source.read_bytes()
    source.write_bytes(data[: int(part * len(data))])
    with pytest.raises(RunError, match=r"a\.npz: not a whole \.npz"):
        imported(tmp_path, source)


@pytest.mark.parametrize(
    "members",
    [
        {"origin": npy((), "<U1", b"x\0\0\0"), "n": npy((10**12,), "<i8", b"")},
        {"origin": raw_npy("(" * 9000, b"")},
        {"origin": npy((), "<U2", "[]".encode("utf-32-le")), "n": npy((), "<i8", bytes(8))},
        {},
    ],
)
def test_statistics_with_a_false_header_are_one_line(
    tmp_path: Path, members: dict[str, bytes]
) -> None:
    with pytest.raises(InputError, match=r"a\.npz: "):
        reference_statistics.read(npz(tmp_path / "a.npz", **members))


def test_ids_that_are_not_utf_8_are_read_as_latin_1(tmp_path: Path) -> None:
    imported(tmp_path, npz(tmp_path / "a.npz", arr_0=IMAGES, ids=npy((2,), "|S2", b"r\xf8ab")))
    assert list(open_run(tmp_path / "out").files) == ["ab", "rø"]


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.png", content)
    return path


def test_a_member_that_unpacks_to_too_much_is_left_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "0.01")
    source = zipped(tmp_path / "a.zip", a=picture(), b=bytes(20_000_000))
    assert source.stat().st_size < 100_000
    with pytest.raises(ImageError, match=r"b\.png: .*has 20000000 bytes, expected at most"):
        import_photos(source, tmp_path / "out", preparation=SMALL)
    done = import_photos(source, tmp_path / "out", preparation=Preparation(size=8, skip_bad=True))
    assert [item.id for item in done.run.items] == ["a"]


def test_a_zip_of_too_many_members_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = zipped(tmp_path / "a.zip", **{f"x{n}": b"" for n in range(12)})
    monkeypatch.setattr(zip_limits, "MEMBERS", 11)
    with pytest.raises(RunError, match="has 12 members or more, expected at most 11"):
        import_photos(source, tmp_path / "out", preparation=SMALL)
    data = bytearray(source.read_bytes())
    at = data.rfind(b"PK\5\6")
    data[at + 8 : at + 12] = struct.pack("<2H", 1, 1)  # a lie: the list is as long as it was
    source.write_bytes(data)
    monkeypatch.setattr(zip_limits, "MEMBERS", 2)
    with pytest.raises(RunError, match="expected at most 2"):
        import_photos(source, tmp_path / "out", preparation=SMALL)


def test_one_limit_on_pixels_is_raised_by_one_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(picture(200))
    monkeypatch.setenv(LIMIT_VARIABLE, "0.03")
    with pytest.raises(ImageError, match=rf"200x200, 0.0 megapixels.*0.03 \({LIMIT_VARIABLE}"):
        imported(tmp_path, tmp_path / "in")
    monkeypatch.setenv(LIMIT_VARIABLE, "0.05")
    imported(tmp_path, tmp_path / "in")
    for wrong in ("many", "0", "-1", "nan", "1e9"):
        monkeypatch.setenv(LIMIT_VARIABLE, wrong)
        with pytest.raises(ConfigError, match=rf"{LIMIT_VARIABLE} is '{wrong}', expected megap"):
            import_photos(tmp_path / "in", tmp_path / "new", preparation=SMALL)


def finished(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(picture())
    import_photos(tmp_path / "in", tmp_path / "run", preparation=SMALL)
    return tmp_path / "run"


def with_config(value: str) -> Callable[[str], str]:
    return lambda text: text.replace('"config": {', f'"config": {{"x": {value},', 1)


@pytest.mark.parametrize(
    "change",
    [
        with_config('{"a":' * 900 + "1" + "}" * 900),
        with_config("[" * 100_000 + "]" * 100_000),
        with_config("NaN"),
        with_config("1e999"),
        with_config("9" * 5000),
        with_config('"\\ud800"'),
        lambda _text: "[" * 100_000,
        lambda _text: "[]",
        lambda text: text[:99],
    ],
    ids=["deep", "deeper", "nan", "infinite", "long", "surrogate", "brackets", "list", "cut"],
)
def test_a_hostile_manifest_is_one_line(tmp_path: Path, change: Callable[[str], str]) -> None:
    folder = finished(tmp_path)
    text = (folder / MANIFEST).read_text(encoding="utf-8")
    (folder / MANIFEST).write_text(change(text), encoding="utf-8")
    with pytest.raises(RunError, match=r"manifest\.json: ") as refused:
        read_manifest(folder)
    assert "\n" not in str(refused.value)


def test_a_manifest_that_is_no_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).symlink_to("/dev/zero")
    with pytest.raises(RunError, match="is a device, expected a regular file"):
        open_run(tmp_path)


def test_a_damaged_journal_costs_its_images_only(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    whole = (folder / "a.png").read_bytes()
    manifest = read_manifest(folder)
    identity = {key: getattr(manifest, key) for key in ("generator", "config", "inputs")}
    head = json.dumps({"identity": identity, "items": 1}, sort_keys=True)
    lines = [head, "{", "[" * 100_000, "[1]", '{"seconds": "soon"}', '{"seconds": null}']
    (folder / MANIFEST).unlink()
    (folder / JOURNAL).write_text("\n".join(lines) + "\n")
    import_photos(tmp_path / "in", folder, preparation=SMALL)
    assert (folder / "a.png").read_bytes() == whole


def test_names_are_no_markup_on_the_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "v2[red]"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture())
    cache = ["--cache", str(tmp_path / "cache"), "-o", str(tmp_path / "scores")]
    scored = CliRunner().invoke(
        metrics, ["compute", str(folder), "--reference", str(folder), "--metrics", "psnr", *cache]
    )
    assert "v2[red] against v2[red]" in scored.output
    import_photos(folder, tmp_path / "out[b]", preparation=SMALL)
    shown = CliRunner().invoke(run, ["show", str(tmp_path / "out[b]")])
    assert shown.exit_code == 0, shown.output
    assert "out[b]" in shown.output
    assert "v2[red]" in shown.output


def one_by_one(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line]


def test_a_name_of_two_lines_and_a_colour_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a\x1b[31m.txt", "b\nerror: c.txt"):
        (tmp_path / "in" / name).write_text("x")
    (tmp_path / "in" / "d\x1b[2J\ne.png").write_text("x")
    (tmp_path / "in" / "f.png").write_bytes(picture())
    source, out = str(tmp_path / "in"), str(tmp_path / "out")
    cache = ["--cache", str(tmp_path / "cache"), "--metrics", "psnr"]
    for words in (
        ["dataset", "import", source, out, "--size", "8"],
        ["metrics", "compute", source, "--reference", source, *cache],
        ["dataset", "import", source, out, "--size", "8", "--skip-bad"],
    ):
        manage.run(words)
        shown = capfd.readouterr()
        assert "\x1b" not in shown.out + shown.err
        assert r"d\x1b[2J\ne.png" in shown.out + shown.err
        assert [line for line in one_by_one(shown.err) if line.startswith("error: c")] == []


@pytest.mark.parametrize("value", ["abc", "1e5", "99999999999999999999", ""])
def test_a_date_that_is_none_is_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(picture())
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(ConfigError, match=rf"SOURCE_DATE_EPOCH is '{value}', expected seconds"):
        import_photos(tmp_path / "in", tmp_path / "out", preparation=SMALL)
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH"):
        imported(tmp_path, tmp_path / "in")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", ["[60000, 60000]", "[-5, 0]", "[7, 9]", "[1e400, 8]", "[8]"])
def test_a_size_on_the_screen_is_one(size: str) -> None:
    text = (
        '[study]\nid = "a"\ntitle = "a"\ncontact = "a"\n[images]\nreference = "a"\n'
        f'show_at = {size}\n[conditions]\na = "a"\n[design]\nraters = 1\ntrials = 1\n'
    )
    with pytest.raises(StudyFileError, match=r"a: .*images\.show_at") as refused:
        parse_study_file(text, "a")
    assert "\n" not in str(refused.value)


def test_settings_nested_without_end_are_one_line(tmp_path: Path) -> None:
    text = "a = " + "[" * 5000 + "]" * 5000
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(GeneratorError, match="not TOML"):
        generate(tmp_path / "a.toml")
    with pytest.raises(StudyFileError, match="not TOML"):
        parse_study_file(text, "a")
    with pytest.raises(StudyFileError, match="cannot be read"):
        read_model(tmp_path / "a.toml")


@pytest.mark.parametrize("read", [generate, read_study_file, cas_config.read_config, read_model])
def test_settings_without_end_are_one_line(read: Callable[[Path], object]) -> None:
    with pytest.raises((GeneratorError, StudyFileError, InputError), match="/dev/zero: cannot be"):
        read(Path("/dev/zero"))


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "[]", '{"files": 1}', "{}"])
def test_records_of_others_are_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(ScoreError, match=r"scores\.json: ") as refused:
        read_scores(tmp_path)
    assert "\n" not in str(refused.value)
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(AnalysisError, match=r"results\.json: "):
        read_results(tmp_path / "results.json")
    (tmp_path / "study.json").write_text(text)
    (tmp_path / "chain.jsonl").write_text("")
    (line,) = verify_export(tmp_path)
    assert "is not as it was written" in line
