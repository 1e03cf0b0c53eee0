"""Settings of a run that mean nothing, or cannot be: one line before anything is begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from generators.config import ClassesConfig
from generators.errors import ConfigError, SettingError
from generators.generate import ray
from generators.generate.plan import read_config
from generators.generate.run import generate

SR3 = 'generator = "sr3"\ninputs = "lr"\ncheckpoint = "net"\n'
REGRESSION = 'generator = "regression"\ninputs = "lr"\ncheckpoint = "net"\n'
ADM = 'generator = "adm"\n[base]\ncheckpoint = "net"\n'
CDM = 'generator = "cdm"\n[base]\ncheckpoint = "net"\n'
STAGES = '[[stages]]\ncheckpoint = "net"\n'
BICUBIC = 'generator = "bicubic"\ninputs = "lr"\n'
NPZ = 'generator = "imported"\nsource = "a.npz"\n'
FOLDER = 'generator = "imported"\nsource = "a"\n'
DIFFUSERS = 'generator = "diffusers"\npipeline = "p"\ncount = 1\n'
SPANDREL = 'generator = "spandrel"\ninputs = "lr"\ncheckpoint = "net.pth"\n'


def written(tmp_path: Path, text: str) -> Path:
    """Write a configuration and return its path."""
    path = tmp_path / "run.toml"
    path.write_text(f'out = "out"\n{text}')
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{SR3}levels = [0.1, 0.9]\nevaluations = 4", "evaluations is 4, but `levels` has 2"),
        (f'{SR3}levels = [0.1, 0.9]\ngrid = "training"', "grid is 'training', but `levels` are"),
        (f"{SR3}overlap = 8", "overlap is 8, which is of tiles, and `tile` is not set"),
        (f'{SR3}strict = true\nprecision = "bfloat16"', "precision is 'bfloat16', but strict"),
        (f"{CDM}overlap = 8\n{STAGES}", "base: overlap is 8"),
        (f"{CDM}{STAGES}levels = [0.1]\nevaluations = 9", "stages.0: evaluations is 9, but"),
        (f'strict = true\n{CDM}{STAGES}precision = "bfloat16"', "precision is 'bfloat16', but"),
        (f'{REGRESSION}sampler = "heun"', "sampler is 'heun', but a regression asks its net once"),
        (f"{REGRESSION}evaluations = 4", "evaluations is 4, but a regression"),
        (f'{REGRESSION}[[then]]\ncheckpoint = "net"\nguidance = 2.0', "guidance is 2.0, but a"),
        (f"{ADM}sections = [4, 6]\nevaluations = 8", "base: evaluations is 8, but `sections` are"),
        (f'strict = true\n{ADM}precision = "bfloat16"', "precision is 'bfloat16', but strict"),
        (f'ids = "path"\n{ADM}', "ids is 'path', which is of inputs"),
        (f"{BICUBIC}size = 64\nfactor = 2", "factor is 2, but `size` says how large"),
        (f'{NPZ}names = "{{id}}_x4"', "names is '{id}_x4', which is of files"),
        (f'{NPZ}ids = "path"', "ids is 'path', which is of files"),
        (f'{NPZ}order = "id"', "order is 'id', which is that of `ids_from`"),
        (f'{FOLDER}order = "id"\nids_from = "real"', "order is 'id', which is of an .npz"),
        (f'{DIFFUSERS}image_argument = "picture"', "image_argument is 'picture', which is of"),
        (f'{DIFFUSERS}label_argument = "kind"', "label_argument is 'kind', which is of `labels`"),
        (f"{SPANDREL}overlap = 8", "overlap is 8, which is of tiles"),
    ],
)
def test_a_key_that_another_makes_useless_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert str(caught.value).endswith(" out")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"{SR3}levels = [0.1, 0.9]\nevaluations = 2",
        f"{SR3}tile = 64\noverlap = 8",
        f'{SR3}strict = true\nprecision = "float32"',
        f"{REGRESSION}strict = true",
        f"{ADM}sections = [4, 6]\nevaluations = 10",
        f"{BICUBIC}factor = 2",
    ],
)
def test_keys_that_agree_are_taken(tmp_path: Path, text: str) -> None:
    assert read_config(written(tmp_path, text))[0].out == Path("out")


PULSE = 'generator = "pulse"\ninputs = "lr"\ncheckpoint = "net"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"{SR3}evaluations = 100000000",
            "evaluations is 100000000: expected at most 10000 ",
        ),
        (f"{ADM}evaluations = 10001", "base.evaluations is 10001: expected at most 10000 passes"),
        (f"{PULSE}steps = 100000000", "steps is 100000000: expected at most 10000 steps of a"),
        (
            DIFFUSERS.replace("1", "100000000"),
            "count is 100000000: expected at most 2000000 im",
        ),
    ],
)
def test_what_would_never_end_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_more_images_than_a_run_can_list_are_refused_before_they_are_listed() -> None:
    config = ClassesConfig(generator="cdm", out=Path("out"), per_class=1_000_000)
    assert len(config.model_copy(update={"per_class": 3}).items_of(("ant", "bee"))) == 6
    with pytest.raises(SettingError, match=r"per_class is 1000000 of each of 3 classes: .* lists"):
        config.items_of(("ant", "bee", "cat"))


@pytest.mark.parametrize("levels", ["[0.9, 0.1]", "[0.5, 0.5]", "[0.0, 0.5]", "[0.5, 1.0]", "[-1]"])
@pytest.mark.parametrize("head", [SR3, f"{CDM}{STAGES}", CDM])
def test_levels_that_are_no_grid_are_refused_with_the_file(
    tmp_path: Path, head: str, levels: str
) -> None:
    path = written(tmp_path, f"{head}levels = {levels}")
    with pytest.raises(ConfigError, match=r"levels is .*: expected rising numbers between 0 and 1"):
        read_config(path)


def test_a_tilde_in_a_path_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "run.toml"
    path.write_text('generator = "cdm"\nout = "~/out"\n[base]\ncheckpoint = "~/net"\n')
    config, _ = read_config(path)
    assert config.out == tmp_path / "out"
    assert config.model_dump()["base"]["checkpoint"] == tmp_path / "net"
    assert read_config(path, out=Path("~/there"))[0].out == tmp_path / "there"
    path.write_text('generator = "bicubic"\ninputs = "lr"\nout = "~nobody-is-called-so/out"\n')
    with pytest.raises(ConfigError, match=r"out is .*: ~nobody-is-called-so is no home folder"):
        read_config(path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"# caf\xe9", "is not UTF-8 text, .*save it as UTF-8"),
        ("a = 1".encode("utf-16"), r"cannot be read \(is UTF-16, .* save it as UTF-8\)"),
    ],
)
def test_a_file_in_another_encoding_is_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=f"^{path}: {said}$"):
        read_config(path)


def test_a_file_saved_by_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(f'\ufeffout = "out"\r\n{BICUBIC}'.encode())
    assert read_config(path)[0].out == Path("out")


def test_a_cluster_is_handed_only_the_keys_that_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the others, such as the `factor` that `size` makes useless, its workers would refuse it.
    (tmp_path / "lr").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "lr" / "a.png")
    path = written(tmp_path, f"{BICUBIC}size = 16".replace('"lr"', f'"{tmp_path / "lr"}"'))

    def spread(_address: str, function: Any, calls: Any, **_more: object) -> Any:
        return (function(*call) for call in calls)

    monkeypatch.setattr(ray, "spread", spread)
    assert generate(path, out=tmp_path / "out", ray="local").items[0].width == 16
