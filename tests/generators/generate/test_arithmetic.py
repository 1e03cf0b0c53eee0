"""A run says what computed it, and is not continued by anything else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generators.errors import GeneratorError, RunError
from generators.generate import ray
from generators.generate.batch import made_with
from generators.generate.plan import read_config
from generators.generate.run import generate, make_run
from generators.manifest import JOURNAL, MANIFEST, read_manifest, verify_run
from generators.methods import registry
from generators.methods.contract import Facts, Generator, Kind, Runtime, Task
from generators.methods.resampling.interpolation import InterpolationConfig
from generators.resize import Pixels


@pytest.fixture
def toml(tmp_path):
    """Return a run's TOML, of three inputs."""
    folder = tmp_path / "lr"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / f"p{number}.png")
    path = tmp_path / "run.toml"
    path.write_text(f'generator = "bicubic"\ninputs = "{folder}"\nout = "{tmp_path / "out"}"\n')
    return path


class Stopped(Exception):
    """Stands for an interruption."""


def computing(arithmetic: str | None, monkeypatch, value: int, most: int = 3) -> None:
    """Let the generator be one whose net this computes; it is interrupted after `most` images."""
    made: list[Task] = []

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        made.extend(tasks)
        if len(made) > most:
            raise Stopped
        return [np.full((8, 8, 3), value, np.uint8) for _ in tasks]

    def load(_config: object, _runtime: Runtime) -> Generator:
        facts = Facts(arithmetic=arithmetic, dtype="bfloat16", libraries=("torch",))
        return Generator(images=images, facts=facts)

    kind = Kind(Config=InterpolationConfig, load=load)
    monkeypatch.setitem(registry.GENERATORS, "bicubic", lambda: kind)


def begun(toml: Path, monkeypatch, arithmetic: str | None) -> None:
    computing(arithmetic, monkeypatch, 7, most=2)
    with pytest.raises(Stopped):
        generate(toml, Runtime(batch=1))


@pytest.mark.parametrize(
    ("before", "now"), [("foolrate-cpu-kernels 1", "torch"), ("torch", "foolrate-cpu-kernels 1")]
)
def test_a_run_begun_with_one_arithmetic_is_not_continued_with_another(
    toml, monkeypatch, before, now
):
    begun(toml, monkeypatch, before)
    out = toml.parent / "out"
    journal = (out / JOURNAL).read_bytes()
    computing(now, monkeypatch, 9)
    with pytest.raises(RunError) as caught:
        generate(toml)
    line = str(caught.value)
    assert f"arithmetic is '{before}', this run has '{now}'" in line
    assert line.endswith("go on where it began, or begin anew with --start-over")
    assert "\n" not in line
    assert (out / JOURNAL).read_bytes() == journal
    computing(before, monkeypatch, 7)
    assert generate(toml).arithmetic == before


def test_told_to_start_over_it_makes_all_images_anew(toml, monkeypatch):
    begun(toml, monkeypatch, "foolrate-cpu-kernels 1")
    out = toml.parent / "out"
    for _ in ("unfinished", "finished"):
        computing("torch", monkeypatch, 9)
        manifest = make_run(*read_config(toml), Runtime(), start_over=True)
        assert manifest.arithmetic == "torch"
        assert verify_run(out) == []
        assert {int(np.asarray(Image.open(p))[0, 0, 0]) for p in out.glob("*.png")} == {9}


def test_starting_over_leaves_what_no_run_wrote(toml, monkeypatch):
    computing("torch", monkeypatch, 7)
    generate(toml)
    out = toml.parent / "out"
    (out / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(RunError, match=r"left as it is, because no run wrote notes\.txt"):
        make_run(*read_config(toml), Runtime(), start_over=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_starting_over_on_a_damaged_manifest_leaves_no_journal(toml, monkeypatch):
    computing("torch", monkeypatch, 7)
    generate(toml)
    out = toml.parent / "out"
    (out / MANIFEST).write_text("{}")
    with pytest.raises(RunError, match="format_version is None"):
        make_run(*read_config(toml), Runtime(), start_over=True)
    assert not (out / JOURNAL).exists()


def test_starting_over_takes_images_that_a_killed_run_did_not_record(toml, monkeypatch):
    begun(toml, monkeypatch, "torch")
    out = toml.parent / "out"
    (out / "p2.png").write_bytes(b"written, and killed before it was recorded")
    computing("foolrate-cpu-kernels 1", monkeypatch, 9)
    manifest = make_run(*read_config(toml), Runtime(), start_over=True)
    assert [item.file for item in manifest.items] == ["p0.png", "p1.png", "p2.png"]
    assert verify_run(out) == []


def test_a_finished_run_of_another_arithmetic_is_not_taken_for_this_one(toml, monkeypatch):
    computing("foolrate-cpu-kernels 1", monkeypatch, 7)
    generate(toml)
    computing("torch", monkeypatch, 9)
    with pytest.raises(RunError, match="arithmetic is 'foolrate-cpu-kernels 1', this run has"):
        generate(toml)


def test_runs_of_before_stay_readable_and_finished(toml, monkeypatch):
    computing(None, monkeypatch, 7)  # as every run was recorded before
    first = generate(toml)
    out = toml.parent / "out"
    assert "arithmetic" not in json.loads((out / MANIFEST).read_text())
    assert read_manifest(out) == first
    computing("torch", monkeypatch, 9)
    assert generate(toml) == first


def test_an_unfinished_run_of_before_is_not_mixed(toml, monkeypatch):
    begun(toml, monkeypatch, None)
    computing("torch", monkeypatch, 9)
    with pytest.raises(RunError, match="arithmetic is None, this run has 'torch'"):
        generate(toml)


def test_a_machine_of_the_cluster_that_is_unlike_the_first_refuses(toml, monkeypatch):
    computing("foolrate-cpu-kernels 1", monkeypatch, 7)
    config, kind = read_config(toml)
    expected = made_with(kind.load(config, Runtime()))
    assert expected["dtype"] == "bfloat16"
    assert "torch" in expected
    order = ray.Order(config.model_dump_json(), Runtime(), toml.parent, Path.cwd(), expected)
    computing("torch", monkeypatch, 9)
    ray._loaded.cache_clear()
    with pytest.raises(GeneratorError, match=r"with arithmetic 'torch', the run was begun with"):
        ray.make_shard(order, {}, [])
    other = ray.Order(order.config, Runtime(), toml.parent, Path.cwd(), {"torch": "2.9.0"})
    with pytest.raises(GeneratorError, match=r"with torch '.*', the run was begun with '2\.9\.0'"):
        ray.make_shard(other, {}, [])
    ray._loaded.cache_clear()
