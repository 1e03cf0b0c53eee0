"""`generate`: the same folder whatever the batch, however often killed; clear refusals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generators.errors import ConfigError, GeneratorError, ImageError, RunError, WriteError
from generators.generate.plan import item_seed, read_config
from generators.generate.run import generate, make_run
from generators.images.header import LIMIT_VARIABLE
from generators.manifest import JOURNAL, MANIFEST, Manifest, open_run, read_manifest, verify_run
from generators.methods import registry
from generators.methods.contract import Generator, Kind, Made, Runtime, Task
from generators.methods.resampling.interpolation import InterpolationConfig
from generators.resize import Pixels

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _fixed_date(monkeypatch: pytest.MonkeyPatch) -> None:
    # With it a manifest has no time of its own, and folders can be compared to the last byte.
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


def inputs(folder: Path, count: int = 7, side: int = 8) -> Path:
    folder.mkdir(parents=True)
    random = np.random.default_rng(3)
    for number in range(count):
        pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"photo-{number:02d}.png")
    return folder


def config(tmp_path: Path, name: str = "bicubic", **changes: object) -> Path:
    """Write a TOML in `tmp_path` and return it; its inputs are made when they are missing."""
    if not (tmp_path / "lr").exists():
        inputs(tmp_path / "lr")
    fields: dict[str, object] = {
        "generator": name,
        "inputs": str(tmp_path / "lr"),
        "out": str(tmp_path / "out"),
    }
    fields |= {"factor": 4} | changes
    path = tmp_path / "run.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items() if value is not None]
    path.write_text("\n".join(lines))
    return path


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_run_pairs_with_its_inputs_by_id(tmp_path: Path) -> None:
    manifest = generate(config(tmp_path))
    run = open_run(tmp_path / "out")
    assert list(run.files) == list(open_run(tmp_path / "lr").files)
    assert verify_run(tmp_path / "out") == []
    assert (manifest.items[0].width, manifest.items[0].source) == (32, "photo-00")
    assert manifest.inputs == {"inputs": open_run(tmp_path / "lr").digest()}
    assert manifest.config["factor"] == 4


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_batch_size_and_workers_change_no_byte(tmp_path: Path, name: str) -> None:
    path = config(tmp_path, name)
    generate(path, Runtime(batch=1, workers=1))
    one_by_one = content(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    generate(path, Runtime(batch=5, workers=4))
    assert content(tmp_path / "out") == one_by_one


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    path = config(tmp_path)
    generate(path)
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    generate(path)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()} == times


class Fault(Exception):
    """Stands for a kill in the middle of a run."""


def failing_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the bicubic generator stop after so many images."""
    made = 0
    real = registry.GENERATORS["bicubic"]()

    def load(config: InterpolationConfig, runtime: Runtime) -> Generator:
        loaded = real.load(config, runtime)

        def images(tasks: Sequence[Task]) -> Sequence[Pixels | Made]:
            nonlocal made
            made += len(tasks)
            if made > count:
                raise Fault
            return loaded.images(tasks)

        return Generator(images=images, facts=loaded.facts)

    monkeypatch.setitem(
        registry.GENERATORS, "bicubic", lambda: Kind(Config=InterpolationConfig, load=load)
    )


def test_an_interrupted_run_goes_on_and_equals_one_in_one_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(tmp_path)
    generate(path)
    whole = content(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    with monkeypatch.context() as patch:
        failing_after(4, patch)
        with pytest.raises(Fault):
            generate(path, Runtime(batch=2))
    assert len(list((tmp_path / "out").glob("*.png"))) == 4
    with pytest.raises(RunError, match="unfinished run"):
        open_run(tmp_path / "out")
    # A damaged file, a torn journal line and a stray part, as a power cut leaves them.
    (tmp_path / "out" / "photo-01.png").write_bytes(b"half a fi")
    (tmp_path / "out" / ".photo-05.png.abc.part").write_bytes(b"x")
    with (tmp_path / "out" / JOURNAL).open("a") as journal:
        journal.write('{"id":"photo-05","fi')
    generate(path)
    assert content(tmp_path / "out") == whole


def test_batches_that_matter_are_made_again_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        # A stand-in for a network whose rounding depends on what is beside an image.
        calls.append([task.id for task in tasks])
        mean = np.mean([task.input() for task in tasks])
        return [np.full((4, 4, 3), mean + n, np.uint8) for n in range(len(tasks))]

    generator = Generator(images=images, micro_batch=3)
    kind = Kind(Config=InterpolationConfig, load=lambda *_: generator)
    monkeypatch.setitem(registry.GENERATORS, "bicubic", lambda: kind)
    path = config(tmp_path)
    generate(path)
    whole = content(tmp_path / "out")
    (tmp_path / "out" / MANIFEST).unlink()
    lines = [item.model_dump_json() for item in Manifest.model_validate_json(whole[MANIFEST]).items]
    header = {"identity": identity_of(whole[MANIFEST]), "items": 7}
    del lines[4]  # of the second batch, as if it had been damaged
    (tmp_path / "out" / JOURNAL).write_text(
        "\n".join([json.dumps(header, sort_keys=True), *lines]) + "\n"
    )
    calls.clear()
    generate(path)
    assert calls == [["photo-03", "photo-04", "photo-05"]]
    assert content(tmp_path / "out") == whole


def identity_of(manifest: bytes) -> dict[str, object]:
    keys = ("generator", "config", "inputs", "checkpoint", "micro_batch", "dtype", "device")
    fields = json.loads(manifest)
    return {key: fields[key] for key in keys}


def test_resuming_makes_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(tmp_path)
    with monkeypatch.context() as patch:
        failing_after(4, patch)
        with pytest.raises(Fault):
            generate(path, Runtime(batch=2))
    failing_after(3, monkeypatch)  # seven images, four done: a fourth new one would fail
    generate(path, Runtime(batch=1))
    assert verify_run(tmp_path / "out") == []


@pytest.mark.slow
@pytest.mark.parametrize("grace", [0.0, 0.1])
def test_killed_at_any_moment_and_run_again_gives_the_same_folder(
    tmp_path: Path, grace: float
) -> None:
    inputs(tmp_path / "lr", count=200, side=24)
    path = config(tmp_path, "lanczos")
    command = [sys.executable, "manage.py", "generate", str(path), "--batch", "4"]
    journal = tmp_path / "out" / JOURNAL
    killed = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while not journal.exists() and killed.poll() is None:
        time.sleep(0.005)
    time.sleep(grace)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "out" / MANIFEST).exists(), "finished before the kill: no test"
    generate(path, Runtime(batch=4))
    resumed = content(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    generate(path)
    assert content(tmp_path / "out") == resumed


def test_another_configuration_does_not_overwrite_a_run(tmp_path: Path) -> None:
    generate(config(tmp_path))
    with pytest.raises(RunError, match=r"config factor is 4, this run has 2"):
        generate(config(tmp_path, factor=2))
    with pytest.raises(RunError, match=r"generator is 'bicubic', this run has 'nearest'"):
        generate(config(tmp_path, "nearest"))


def test_a_damaged_finished_run_is_not_called_finished(tmp_path: Path) -> None:
    path = config(tmp_path)
    generate(path)
    image = tmp_path / "out" / "photo-03.png"
    image.write_bytes(image.read_bytes()[:-1])
    with pytest.raises(RunError, match=r"photo-03.png: sha256 is .*; remove"):
        generate(path)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="is not empty and no run"):
        generate(config(tmp_path))
    assert content(tmp_path / "out") == {"thesis.txt": b"years of work"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WriteError, match=r"file/out: cannot be written \(Not a directory\)"):
        generate(config(tmp_path, out=str(tmp_path / "file" / "out")))


def test_a_place_that_is_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "gone")
    with pytest.raises(RunError, match=r"out is a link to .*gone, which is not there; expected a"):
        generate(config(tmp_path))
    assert not (tmp_path / "gone").exists()


def test_two_writers_of_one_run_are_refused(tmp_path: Path) -> None:
    from generators.runs.writer import RunWriter

    identity = {"generator": "x", "config": {}}
    with (
        RunWriter(tmp_path / "out", identity, {"a": None}),
        pytest.raises(RunError, match="another process is writing"),
        RunWriter(tmp_path / "out", identity, {"a": None}),
    ):
        pass


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"facter": 4, "factor": None}, "unknown key 'facter', did you mean 'factor'?"),
        ({"factor": "four"}, "factor is 'four'"),
        ({"factor": 1}, "factor is 1"),
        ({"inputs": None}, "key 'inputs' is missing"),
        ({"generator": "bicubik"}, "generator is 'bicubik', did you mean 'bicubic'?"),
        ({"generator": None}, "key 'generator' is missing"),
        ({"seed": -1}, "seed is -1"),
        ({"inputs": "nowhere"}, "inputs nowhere: no such folder, expected a run or a folder of"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = config(tmp_path, **changes)
    with pytest.raises(ConfigError) as caught:
        generate(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_toml_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("generator = ")
    faults = {"a.toml": "not TOML", "b.toml": "no such file", ".": "is a folder"}
    for name, message in faults.items():
        with pytest.raises(ConfigError, match=message):
            generate(tmp_path / name)


def save(path: Path, mode: str, size: tuple[int, int] = (8, 8)) -> None:
    Image.new(mode, size).save(path)


@pytest.mark.parametrize(
    ("mode", "found"), [("RGBA", "alpha"), ("I;16", "16 bits"), ("LA", "alpha"), ("1", "1-bit")]
)
def test_unfit_inputs_are_refused_before_anything_is_written(
    tmp_path: Path, mode: str, found: str
) -> None:
    path = config(tmp_path)
    save(tmp_path / "lr" / "photo-02.png", mode)
    with pytest.raises(ImageError, match=f"photo-02.png: has .*{found}"):
        generate(path)
    assert not (tmp_path / "out").exists()


def test_altered_inputs_are_refused(tmp_path: Path) -> None:
    generate(config(tmp_path, "nearest"))
    first = tmp_path / "out" / "photo-00.png"
    first.write_bytes((tmp_path / "out" / "photo-01.png").read_bytes())
    path = config(tmp_path, inputs=str(tmp_path / "out"), out=str(tmp_path / "again"))
    with pytest.raises(ImageError, match=r"photo-00.png: sha256 is"):
        generate(path)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (lambda _: [], "made 0 images of 7"),
        (lambda tasks: [np.zeros((4, 4), np.uint8)] * len(tasks), r"made uint8 \(4, 4\)"),
        (lambda tasks: [np.zeros((4, 4, 3))] * len(tasks), "made float64"),
    ],
)
def test_what_a_generator_hands_over_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: object, message: str
) -> None:
    kind = Kind(Config=InterpolationConfig, load=lambda *_: Generator(images=images))  # type: ignore[arg-type]
    monkeypatch.setitem(registry.GENERATORS, "bicubic", lambda: kind)
    with pytest.raises(GeneratorError, match=message):
        generate(config(tmp_path))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("there", [False, True])
def test_a_run_refused_at_its_first_batch_leaves_nothing_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    def images(tasks: Sequence[Task]) -> list[Pixels]:
        # The first of the batch is written before the second is refused.
        return [np.zeros((4, 4, 3), np.uint8), *[np.zeros((4, 4), np.uint8)] * (len(tasks) - 1)]

    if there:
        (tmp_path / "new").mkdir()
    kind = Kind(Config=InterpolationConfig, load=lambda *_: Generator(images=images))
    with monkeypatch.context() as patch:
        patch.setitem(registry.GENERATORS, "bicubic", lambda: kind)
        with pytest.raises(GeneratorError, match="expected uint8"):
            generate(config(tmp_path, out=str(tmp_path / "new")))
    assert (tmp_path / "new").exists() == there
    manifest = generate(config(tmp_path, out=str(tmp_path / "new"), factor=2))
    assert len(manifest.items) == 7


def test_a_run_refused_later_keeps_the_images_that_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def images(tasks: Sequence[Task]) -> list[Pixels]:
        if tasks[0].id > "photo-01":
            raise ConfigError("no more")
        return [np.zeros((4, 4, 3), np.uint8) for _ in tasks]

    kind = Kind(Config=InterpolationConfig, load=lambda *_: Generator(images=images))
    monkeypatch.setitem(registry.GENERATORS, "bicubic", lambda: kind)
    with pytest.raises(ConfigError, match="no more"):
        generate(config(tmp_path), Runtime(batch=2))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [JOURNAL, "photo-00.png", "photo-01.png"]


def test_a_run_is_known_by_digest_and_not_by_path(tmp_path: Path) -> None:
    first = generate(config(tmp_path))
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / "lr", tmp_path / "moved" / "lr")
    again = config(tmp_path, inputs=str(tmp_path / "moved" / "lr"))
    assert generate(again) == first
    assert str(tmp_path) not in (tmp_path / "out" / MANIFEST).read_text()


def test_limit_takes_the_first_items(tmp_path: Path) -> None:
    manifest = generate(config(tmp_path, limit=3))
    assert [item.id for item in manifest.items] == ["photo-00", "photo-01", "photo-02"]


def test_labels_and_sources_come_through(tmp_path: Path) -> None:
    generate(config(tmp_path, "nearest"))
    manifest = read_manifest(tmp_path / "out")
    assert all(item.source == item.id and item.seed is None for item in manifest.items)


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(0, 2**40), st.text(alphabet="aZ09 -_./:é火\u202e\0'\"😀", max_size=30))
def test_an_items_seed_is_its_own_and_safe_in_json(seed: int, item: str) -> None:
    value = item_seed(seed, item)
    assert 0 <= value < 2**53
    assert value == item_seed(seed, item) == json.loads(json.dumps(float(value)))
    assert value != item_seed(seed + 1, item)
    assert value != item_seed(seed, item + "x")


@pytest.mark.slow
def test_interrupting_keeps_the_finished_images(tmp_path: Path) -> None:
    inputs(tmp_path / "lr", count=400, side=24)
    path = config(tmp_path, "lanczos")
    command = [sys.executable, "manage.py", "generate", str(path), "--batch", "4"]
    running = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ,
        # A job that a script started in the background ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while not list((tmp_path / "out").glob("*.png")) and running.poll() is None:
        time.sleep(0.005)
    running.send_signal(signal.SIGINT)
    _out, error = running.communicate(timeout=20)
    assert running.returncode == 130
    assert b"Traceback" not in error
    assert (tmp_path / "out" / JOURNAL).exists()
    assert not list((tmp_path / "out").glob(".*.part"))


@pytest.mark.parametrize("place", ["lr", "lr/out", "lr/deep/out"])
def test_a_run_is_not_written_over_what_it_is_made_from(tmp_path: Path, place: str) -> None:
    path = config(tmp_path, out=str(tmp_path / place))
    with pytest.raises(RunError, match=r"lies inside .*lr, which is read"):
        generate(path)
    assert len(list((tmp_path / "lr").iterdir())) == 7


@pytest.mark.parametrize("made_of", [{"inputs": "real"}, {"source": "real"}, {"ids_from": "real"}])
def test_starting_over_removes_no_inputs(tmp_path: Path, made_of: dict[str, str]) -> None:
    config(tmp_path)
    for folder in ("real", "other"):
        generate(config(tmp_path, "nearest", factor=2, out=str(tmp_path / folder)))
    before = content(tmp_path / "real")
    fields: dict[str, object] = {"inputs": None, "factor": None, "source": str(tmp_path / "other")}
    name = "nearest" if "inputs" in made_of else "imported"
    fields = {"factor": 2} if name == "nearest" else fields
    fields |= {key: str(tmp_path / folder) for key, folder in made_of.items()}
    checked, kind = read_config(config(tmp_path, name, out=str(tmp_path / "real"), **fields))
    with pytest.raises(RunError, match=r"real, which is read"):
        make_run(checked, kind, Runtime(), start_over=True)
    assert content(tmp_path / "real") == before


def test_a_run_is_not_written_into_another(tmp_path: Path) -> None:
    generate(config(tmp_path))
    (tmp_path / "manifest.json").write_text('{"name": "of a browser\'s extension"}')
    with pytest.raises(RunError, match=r"lies inside the run .*out, expected a place outside"):
        generate(config(tmp_path, out=str(tmp_path / "out" / "more")))
    assert verify_run(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("name", "factor", "reason"),
    [
        ("downsample", 3, r"photo-00.png: is 8x8, not a multiple of the factor 3.* and 2 more"),
        ("nearest", 64, r"would give 512x512, 0.3 megapixels, expected at most 0.2"),
    ],
)
def test_sizes_that_cannot_be_taken_are_refused_before_the_first_image(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    factor: int,
    reason: str,
) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "0.2")
    with pytest.raises(ImageError, match=reason):
        generate(config(tmp_path, name, factor=factor))
    assert not (tmp_path / "out").exists()
