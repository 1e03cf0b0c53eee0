"""SR3, regression and CDM as generators: reproducible by item, strict about their inputs."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import manage
from generators.config import load_config
from generators.diffusion.noise import batch_noise, keyed_noise, noise_key
from generators.errors import ConfigError, GeneratorError, ImageError
from generators.generate.run import generate
from generators.manifest import open_run
from generators.methods.contract import Runtime
from generators.methods.trained.cdm import CdmConfig, load
from generators.nets.checkpoint import read_model, write_model
from generators.nets.model import ModelConfig
from generators.nets.unet import UNet, UNetConfig
from generators.pixels import read_image
from generators.sampling.overlap import tiled
from generators.sampling.schedule_search import search, spectrum_distance

NANO = {"channels": 8, "multipliers": (1, 2), "resblocks": 1, "patch": 2}


def nano(folder: Path, name: str, **model) -> Path:
    """Write a small checkpoint whose every weight matters, and return its path."""
    net = {**NANO, **model.pop("net", {})}
    config = ModelConfig(net=UNetConfig(**net), **model)
    torch.manual_seed(5)
    weights = UNet(config.net).state_dict()
    noisy = {key: value + 0.1 * torch.randn_like(value) for key, value in weights.items()}
    path = folder / f"{name}.safetensors"
    write_model(path, noisy, config, {"name": name})
    return path


@pytest.fixture
def photos(tmp_path):
    """Nine small random images."""
    folder = tmp_path / "lr"
    folder.mkdir()
    draws = np.random.default_rng(0)
    for number in range(9):
        pixels = draws.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number}.png")
    return folder


def sr_config(tmp_path, checkpoint, name="run", **keys) -> Path:
    """Write a TOML for an SR3 run and return its path."""
    keys = {"generator": '"sr3"', "evaluations": 4, **keys}
    lines = [f'out = "{tmp_path / name}"', f'checkpoint = "{checkpoint}"']
    lines.append(f'inputs = "{tmp_path / "lr"}"')
    lines += [f"{key} = {value}" for key, value in keys.items() if value is not None]
    path = tmp_path / f"{name}.toml"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def checkpoint(tmp_path):
    """An SR checkpoint 8 -> 16."""
    return nano(tmp_path, "sr", task="sr", size=16, factor=2, residual=2.0)


def pixels_of(folder: Path) -> dict[str, np.ndarray]:
    """Return a run's images by item."""
    return {item: read_image(path).astype(int) for item, path in open_run(folder).files.items()}


def bytes_of(folder: Path) -> dict[str, str]:
    """Return a run's file digests by item."""
    files = open_run(folder).files
    return {item: hashlib.sha256(path.read_bytes()).hexdigest() for item, path in files.items()}


@pytest.mark.parametrize(
    "sampler",
    ["dpmpp_2m_sde", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sr3", "dpmpp_2m"))],
)
def test_strict_is_bit_equal_for_any_batch(tmp_path, photos, checkpoint, sampler):
    for name, batch in (("one", 1), ("eight", 8)):
        keys = {"strict": "true", "sampler": f'"{sampler}"'}
        path = sr_config(tmp_path, checkpoint, name, **keys)
        manifest = generate(path, Runtime(batch=batch))
        assert manifest.dtype == "float32"
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "eight")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.slow
def test_fast_differs_by_one_level_at_most(tmp_path, photos, precision):
    # Wide enough for the compiled convolutions.
    wide = nano(tmp_path, "wide", task="sr", size=16, factor=2, residual=2.0, net={"channels": 32})
    for name, batch in (("one", 1), ("eight", 8)):
        path = sr_config(tmp_path, wide, name, precision=f'"{precision}"')
        assert generate(path, Runtime(batch=batch)).dtype == precision
    one, eight = pixels_of(tmp_path / "one"), pixels_of(tmp_path / "eight")
    assert one.keys() == eight.keys()
    assert max(int(np.abs(one[item] - eight[item]).max()) for item in one) <= 1


@pytest.mark.slow
def test_guidance_does_not_enlarge_what_batches_round_apart(tmp_path):
    # Guided by 4 and 3, an item alone was 23 levels from the same one in a batch of three.
    shipped = Path("runs/cdm-16-64-quick.toml").read_text()
    few = re.sub(
        "^per_class.*$", 'per_class = 1\nclasses = ["n01443537", "n02509815"]', shipped, flags=re.M
    )
    for name, batch in (("one", 1), ("two", 2)):
        path = tmp_path / f"{name}.toml"
        path.write_text(re.sub("^out.*$", f'out = "{tmp_path / name}"', few, flags=re.M))
        assert generate(path, Runtime(batch=batch)).dtype == "bfloat16"
    one, two = pixels_of(tmp_path / "one"), pixels_of(tmp_path / "two")
    assert len(one) == 2
    assert max(int(np.abs(one[item] - two[item]).max()) for item in one) <= 1


@pytest.mark.slow
def test_a_second_run_gives_the_same_files_and_another_seed_others(tmp_path, photos, checkpoint):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(sr_config(tmp_path, checkpoint, name, seed=seed), Runtime())
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert not set(bytes_of(tmp_path / "a").values()) & set(bytes_of(tmp_path / "c").values())


@pytest.mark.slow
def test_an_item_does_not_depend_on_the_others(tmp_path, photos, checkpoint):
    generate(sr_config(tmp_path, checkpoint, "all", strict="true"), Runtime())
    generate(sr_config(tmp_path, checkpoint, "few", strict="true", limit=2), Runtime())
    every, few = bytes_of(tmp_path / "all"), bytes_of(tmp_path / "few")
    assert len(few) == 2
    assert few == {item: every[item] for item in few}


def test_the_manifest_says_how_it_was_made(tmp_path, photos, checkpoint):
    manifest = generate(sr_config(tmp_path, checkpoint), Runtime())
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert manifest.checkpoint == {"sr.safetensors": digest}
    assert (manifest.sampler, manifest.evaluations) == ("dpmpp_2m", 4)
    assert manifest.dtype == "bfloat16"
    assert "torch" in manifest.versions


def test_regression_uses_no_noise(tmp_path, photos):
    path = nano(tmp_path, "reg", task="regression", size=16, factor=2, residual=2.0)
    for name, seed in (("a", 1), ("b", 2)):
        keys = {"generator": '"regression"', "evaluations": None, "seed": seed}
        config = sr_config(tmp_path, path, name, **keys)
        assert generate(config, Runtime()).evaluations == 1
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


@pytest.mark.slow
def test_stages_follow_each_other(tmp_path, photos, checkpoint):
    config = sr_config(tmp_path, checkpoint)
    config.write_text(config.read_text() + f'\n[[then]]\ncheckpoint = "{checkpoint}"\n')
    manifest = generate(config, Runtime())
    assert manifest.items[0].width == 32
    assert manifest.evaluations == 24


def test_a_tampered_checkpoint_is_refused(tmp_path, photos, checkpoint):
    good = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)
    with pytest.raises(ConfigError, match=f"expects {good}"):
        generate(sr_config(tmp_path, checkpoint, sha256=f'"{good}"'), Runtime())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"not a checkpoint", "not a whole safetensors file"),
    ],
)
def test_a_missing_or_broken_checkpoint_is_refused(tmp_path, photos, content, message):
    path = tmp_path / "x.safetensors"
    if content:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        generate(sr_config(tmp_path, path), Runtime())


def test_weights_that_do_not_fit_their_configuration(tmp_path):
    path = nano(tmp_path, "sr", task="sr", size=16, factor=2)
    net, config, _ = read_model(path)
    wrong = config.model_copy(update={"net": config.net.model_copy(update={"resblocks": 2})})
    write_model(path, net.state_dict(), wrong, {})
    with pytest.raises(ConfigError, match="do not fit"):
        read_model(path)


def test_a_checkpoint_for_another_task_is_refused(tmp_path, photos, checkpoint):
    keys = {"generator": '"regression"', "evaluations": None}
    with pytest.raises(ConfigError, match="needs regression"):
        generate(sr_config(tmp_path, checkpoint, **keys), Runtime())


def test_an_input_of_the_wrong_size_is_refused(tmp_path, photos, checkpoint):
    Image.new("RGB", (9, 7)).save(photos / "odd.png")
    with pytest.raises(ImageError, match=r"odd.png: is 9x7, this net needs .* multiples of 2"):
        generate(sr_config(tmp_path, checkpoint), Runtime())
    assert not (tmp_path / "out").exists()


def test_weights_that_are_no_numbers_give_no_images(tmp_path, photos, checkpoint):
    net, model, _ = read_model(checkpoint)
    state = net.state_dict()
    next(iter(state.values())).view(-1)[0] = float("nan")
    write_model(tmp_path / "broken.safetensors", state, model, {})
    with pytest.raises(GeneratorError, match=r"layers\.0\.weight holds values that are not finite"):
        generate(sr_config(tmp_path, tmp_path / "broken.safetensors"), Runtime())
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_wrong_device_is_one_line(tmp_path, photos, checkpoint):
    with pytest.raises(ConfigError, match="device 'warp'"):
        generate(sr_config(tmp_path, checkpoint), Runtime(device="warp"))


CLASSES = ("ant", "bee")


def cdm_config(tmp_path, upper="", head="", **nets) -> Path:
    """Write a CDM cascade's checkpoints and TOML."""
    base = nano(
        tmp_path,
        "base",
        task="image",
        size=8,
        classes=CLASSES,
        net={"in_channels": 3, "classes": 2, "patch": 1},
    )
    nano(
        tmp_path,
        "up",
        task="sr",
        size=16,
        factor=2,
        classes=CLASSES,
        net={"classes": 2, "level_embedding": nets.get("level", True)},
    )
    lines = ['generator = "cdm"', f'out = "{tmp_path / "cdm"}"', "per_class = 3", head]
    lines += ["[base]", f'checkpoint = "{base}"', "evaluations = 4", "[[stages]]"]
    lines += [f'checkpoint = "{tmp_path / "up.safetensors"}"', "evaluations = 4", upper]
    path = tmp_path / "cdm.toml"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["truncated", "non_truncated"])
def test_a_cascade_makes_every_class(tmp_path, kind):
    config = cdm_config(tmp_path, f'augmentation = "{kind}"\nlevel = 0.3')
    manifest = generate(config, Runtime())
    assert [item.label for item in manifest.items] == ["ant"] * 3 + ["bee"] * 3
    assert manifest.items[0].width == 16
    assert manifest.evaluations == 8


@pytest.mark.slow
def test_the_two_augmentations_and_their_levels_differ(tmp_path):
    made = set()
    for kind, level in (("truncated", 0.3), ("non_truncated", 0.3), ("truncated", 0.6)):
        config = cdm_config(tmp_path, f'augmentation = "{kind}"\nlevel = {level}')
        text = config.read_text().replace('cdm"\nper', f'{kind}{level}"\nper')
        config.write_text(text)
        generate(config, Runtime())
        made.add(bytes_of(tmp_path / f"{kind}{level}")["ant-00000"])
    assert len(made) == 3


def test_a_class_that_the_net_does_not_know(tmp_path):
    config = cdm_config(tmp_path, 'augmentation = "truncated"', 'classes = ["wasp"]')
    with pytest.raises(ConfigError, match=r"class 'wasp' is not one of its 2 classes"):
        generate(config, Runtime())


def test_a_stage_of_other_classes_is_refused_before_the_base_samples(tmp_path):
    config = cdm_config(tmp_path, 'augmentation = "truncated"')
    net = {"classes": 2, "level_embedding": True}
    nano(tmp_path, "up", task="sr", size=16, factor=2, classes=("ant", "cat"), net=net)
    with pytest.raises(ConfigError, match=r"up\.safetensors: class 'bee' is not one of its 2"):
        load(load_config(config, CdmConfig), Runtime())


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"tile": 33}, "tile 33 with overlap 32: expected a multiple of 4"),
        ({"tile": 32}, "tile 32 with overlap 32: .* larger than the overlap"),
        ({"guidance": 2.0}, "guidance is 2, .*sr.safetensors needs to be a net of classes"),
        # Visited twice, a level divided by zero.
        ({"grid": '"training"', "evaluations": 2001}, "evaluations is 2001 .* with 2000 levels"),
    ],
)
def test_a_setting_that_the_net_cannot_have_names_the_file(
    tmp_path, photos, checkpoint, keys, said
):
    path = sr_config(tmp_path, checkpoint, **keys)
    with pytest.raises(ConfigError, match=said) as caught:
        generate(path, Runtime())
    assert str(caught.value).startswith(f"{path}: ")
    assert not (tmp_path / "run").exists()


def test_more_images_than_a_run_holds_name_the_file(tmp_path):
    path = cdm_config(tmp_path, 'augmentation = "truncated"')
    path.write_text(path.read_text().replace("per_class = 3", "per_class = 100000000"))
    assert manage.run(["generate", str(path)]) == 1
    with pytest.raises(ConfigError, match=rf"{path}: per_class is 100000000 of each of 2 classes"):
        generate(path, Runtime())


def test_augmentation_must_fit_the_net(tmp_path):
    with pytest.raises(ConfigError, match="trained without levels"):
        generate(cdm_config(tmp_path, 'augmentation = "truncated"', level=False), Runtime())


def test_noise_is_keyed_by_item_model_stage_and_step():
    keys = [noise_key(1, "m", "s"), noise_key(2, "m", "s"), noise_key(1, "n", "s")]
    keys += [noise_key(1, "m", "t"), noise_key(1, "m", "s", draw=1)]
    assert len(set(keys)) == 5
    assert not torch.equal(keyed_noise(keys[0], 0, (4,)), keyed_noise(keys[0], 1, (4,)))
    batch = batch_noise(keys, 3, (2, 2))
    assert torch.equal(batch[2], keyed_noise(keys[2], 3, (2, 2)))


def test_tiles_of_a_local_function_leave_no_seam():
    y = torch.randn(1, 3, 70, 90)

    def run(part, about):
        return torch.tanh(part) + about.up

    from generators.nets.model import Condition

    up = torch.randn(1, 3, 70, 90)
    out = tiled(run, y, Condition(up), tile=32, overlap=8)
    torch.testing.assert_close(out, torch.tanh(y) + up, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_a_large_image_is_made_of_tiles(tmp_path, checkpoint):
    folder = tmp_path / "lr"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(
        folder / "big.png"
    )
    generate(sr_config(tmp_path, checkpoint, "tiles", tile=32, overlap=16), Runtime())
    assert pixels_of(tmp_path / "tiles")["big"].shape == (80, 96, 3)


@pytest.mark.integration
def test_a_run_killed_at_a_random_moment_goes_on_to_the_same_files(tmp_path, photos, checkpoint):
    generate(sr_config(tmp_path, checkpoint, "whole", strict="true"), Runtime(batch=1))
    config = sr_config(tmp_path, checkpoint, "parts", strict="true")
    command = [sys.executable, "manage.py", "generate", str(config), "--batch", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list((tmp_path / "parts").glob("p*.png")) and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait(60)
    generate(config, Runtime(batch=8))
    assert bytes_of(tmp_path / "parts") == bytes_of(tmp_path / "whole")


@pytest.fixture
def search_config(tmp_path, checkpoint):
    """Return a configuration that searches two grids of three levels on two images."""
    real = tmp_path / "real"
    real.mkdir()
    draws = np.random.default_rng(2)
    for number in range(2):
        pixels = draws.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(real / f"r{number}.png")
    config = tmp_path / "search.toml"
    config.write_text(
        f'images = "{real}"\nout = "{tmp_path / "grid.toml"}"\ncount = 2\n'
        "gamma_first = [0.01]\ngamma_last = [0.9, 0.99]\npower = [1.0]\n"
        f'[stage]\ncheckpoint = "{checkpoint}"\nevaluations = 3\n'
    )
    return config


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("count = 2", "count = 3"), r"search.toml: .*real: holds 2 images, expected count = 3"),
        (("power = [1.0]", "power = [-1.0]"), r"power.0 is -1.0: .*greater than 0"),
        (("[0.9, 0.99]", "[1.5]"), r"gamma_last.0 is 1.5: .*less than 1"),
        (("count = 2", "count = true"), r"count is True: expected a number"),
        (("count = 2", 'count = "2"'), r"count is '2': expected a number"),
        (
            ("evaluations = 3", "levels = [0.1]"),
            r"stage: levels is \(0\.1,\), but the search is for",
        ),
    ],
)
def test_a_search_that_cannot_be_is_one_line(search_config, change, words):
    search_config.write_text(search_config.read_text().replace(*change))
    with pytest.raises(ConfigError, match=words):
        search(search_config)


@pytest.mark.slow
def test_schedule_search_writes_a_grid_that_generate_takes(
    tmp_path, photos, checkpoint, search_config
):
    best = search(search_config)
    assert len(best) == 3
    levels = (tmp_path / "grid.toml").read_text()
    path = sr_config(tmp_path, checkpoint, "searched")
    path.write_text(path.read_text().replace("evaluations = 4", levels))
    assert generate(path, Runtime()).evaluations == 3


@pytest.mark.slow
@pytest.mark.parametrize("worse", [0, 1])
def test_schedule_search_goes_by_the_lpips_it_is_given(search_config, worse):
    """The one grid or the other, as the given distances say."""
    search_config.write_text('metric = "lpips"\n' + search_config.read_text())
    calls: list[bool] = []

    def lpips(pairs):
        assert len(pairs) == 2
        assert pairs[0][0].shape == (16, 16, 3)
        calls.append(len(calls) == worse)
        return [float(calls[-1])] * 2

    chosen = search(search_config, lpips=lambda _size: lpips)
    assert chosen[-1] == pytest.approx([0.99, 0.9][worse])
    with pytest.raises(ConfigError, match="metric 'lpips': no weights here"):
        search(search_config, lpips=lambda _size: "no weights here")


def test_spectrum_distance_sees_blur_and_noise():
    draws = torch.Generator().manual_seed(0)
    real = torch.randn(2, 3, 32, 32, generator=draws)
    blurred = torch.nn.functional.avg_pool2d(real, 3, 1, 1)
    noisy = real + 0.5 * torch.randn(real.shape, generator=draws)
    assert spectrum_distance(real, real) == 0
    assert spectrum_distance(blurred, real) > 0.3
    assert spectrum_distance(noisy, real) > 0.05


@pytest.mark.slow
def test_strict_is_bit_equal_for_any_number_of_threads(tmp_path, photos):
    # Wide enough that torch splits its sums among the threads.
    wide = nano(tmp_path, "wide", task="sr", size=16, factor=2, residual=2.0, net={"channels": 64})
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        try:
            path = sr_config(tmp_path, wide, f"by-{threads}", strict="true", limit=2)
            generate(path, Runtime())
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
    one, two, three = (bytes_of(tmp_path / f"by-{threads}") for threads in (1, 2, 3))
    assert one == two == three
