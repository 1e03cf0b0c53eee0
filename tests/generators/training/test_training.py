"""Training: resume to the bit, a clean stop, several processes, refusals."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from generators.dataset.import_photos import Preparation, import_photos
from generators.diffusion.noise import Draws
from generators.errors import ConfigError, WriteError
from generators.files import alone_in
from generators.nets.checkpoint import read_config, read_model
from generators.nets.operators import arithmetic
from generators.nets.tensors import to_pixels, to_unit
from generators.nets.unet import UNet
from generators.resize import KERNEL
from generators.training import loop as training
from generators.training import progress, state
from generators.training.config import computed_by
from generators.training.data import DataConfig, Images, draw_batch, list_images, open_images
from generators.training.loop import train
from generators.training.methods.registry import read_training
from generators.training.methods.unets.warm_start import begin
from generators.training.publish import publish

ROOT = Path(__file__).parents[3]

TOML = """
name = "{name}"
out = "{out}"
steps = {steps}
batch = 4
rate = 1e-3
warmup = 2
precision = "{precision}"
checkpoint_every = {every}
sample_every = 100
[model]
task = "{task}"
size = 16
factor = 4
residual = 4.0
[model.net]
channels = 8
multipliers = [1, 2]
resblocks = 1
patch = 2
[data]
folder = "{data}"
size = 16
factor = 4
patch = 8
validation = ["v*"]
"""


@pytest.fixture
def images(tmp_path):
    """Twelve small images of 4x4 blocks, two of them held back; the blocks can be learned."""
    folder = tmp_path / "data"
    folder.mkdir()
    draws = np.random.default_rng(0)
    for number in range(12):
        pixels = draws.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
        Image.fromarray(pixels).save(folder / f"{'v' if number > 9 else 't'}{number}.png")
    return folder


def config(
    tmp_path, name, steps=6, *, every=100, task="sr", precision="float32", change=""
) -> Path:
    """Write a small training's TOML and return its path."""
    path = tmp_path / f"{name}.toml"
    text = TOML.format(
        name=name,
        out=tmp_path / name,
        steps=steps,
        every=every,
        task=task,
        precision=precision,
        data=tmp_path / "data",
    )
    path.write_text(change + text)
    return path


def losses(folder: Path) -> list[float]:
    """Return the losses that a training logged."""
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [entry["loss"] for line in lines if "loss" in (entry := json.loads(line))]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resuming_is_bit_exact(tmp_path, images, precision):
    train(config(tmp_path, "whole", 6, precision=precision))
    train(config(tmp_path, "parts", 3, precision=precision))
    train(config(tmp_path, "parts", 6, precision=precision))
    for name in ("model.safetensors", "state.safetensors"):
        whole, parts = ((tmp_path / run / name).read_bytes() for run in ("whole", "parts"))
        if name == "model.safetensors":
            whole = whole.replace(b"whole", b"parts")
        assert whole == parts


@pytest.mark.slow
def test_training_learns(tmp_path, images):
    path = config(tmp_path, "r", 1, task="regression")
    train(path)
    first = losses(tmp_path / "r")[-1]
    train(config(tmp_path, "r", 60, task="regression"))
    assert losses(tmp_path / "r")[-1] < 0.85 * first


@pytest.mark.slow
def test_the_checkpoint_says_what_it_is(tmp_path, images):
    saved = train(config(tmp_path, "run", 2))
    model, facts = read_config(saved)
    assert (model.task, model.size, facts["steps"], facts["images"]) == ("sr", 16, 2, 8)
    net, _, digest = read_model(saved)
    assert len(digest) == 64
    assert not net.training
    with Image.open(tmp_path / "run" / "samples" / "000002.png") as samples:
        assert samples.size == (32, 48)  # two held-back images; bicubic, output, real
        rows = np.asarray(samples)
    for name, row in (("000002", 1), ("real", 2)):  # the same images, one by one, for LPIPS
        files = sorted((tmp_path / "run" / "validation" / name).glob("*.png"))
        singles = np.concatenate([np.asarray(Image.open(file)) for file in files], axis=1)
        assert (singles == rows[16 * row : 16 * (row + 1)]).all()


def test_another_configuration_does_not_resume(tmp_path, images):
    train(config(tmp_path, "run", 2))
    changed = config(tmp_path, "run", 4, precision="bfloat16")
    with pytest.raises(ConfigError, match=r"run\.toml: does not match the training saved"):
        train(changed)


@pytest.mark.slow
def test_resuming_is_bit_exact_with_dropout(tmp_path, images):
    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        path = config(tmp_path, name, steps)
        path.write_text(path.read_text().replace("patch = 2\n", "patch = 2\ndropout = 0.3\n", 1))
        train(path)
    whole, parts = ((tmp_path / n / "state.safetensors").read_bytes() for n in ("whole", "parts"))
    assert whole == parts


OTHER = {"arithmetic": "foolrate-cpu-kernels 0", "device": "cuda", "dtype": "float16"}


@pytest.mark.slow
@pytest.mark.parametrize("key", ["arithmetic", "device"])
def test_a_training_is_not_continued_by_another_arithmetic_or_device(
    tmp_path, images, monkeypatch, key
):
    real = training.computed_by
    with monkeypatch.context() as elsewhere:
        changed = {key: OTHER[key]}
        elsewhere.setattr(training, "computed_by", lambda *a: real(*a) | changed)
        train(config(tmp_path, "again", 2))
    before = (tmp_path / "again" / "state.safetensors").read_bytes()
    with pytest.raises(ConfigError) as caught:
        train(config(tmp_path, "again", 4))
    assert f"was trained with {key} '{OTHER[key]}', this machine would go on" in str(caught.value)
    assert "--start-over" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "again" / "state.safetensors").read_bytes() == before
    anew = train(config(tmp_path, "again", 4), start_over=True)
    alone = train(config(tmp_path, "alone", 4))
    assert anew.read_bytes() == alone.read_bytes().replace(b"alone", b"again")


@pytest.mark.slow
def test_a_training_of_before_the_reduction_kernel_changed_is_begun_anew(
    tmp_path, images, monkeypatch
):
    """Its first steps saw low-resolution sides that no later step would see."""
    with monkeypatch.context() as before:
        before.setattr(training, "computed_by", lambda *_: {})  # as states were written then
        train(config(tmp_path, "again", 2))
    with pytest.raises(ConfigError) as caught:
        train(config(tmp_path, "again", 4))
    assert "was trained with reduction 'bicubic-antialiased (Pillow" in str(caught.value)
    assert f"would go on with {KERNEL!r}" in str(caught.value)
    assert "\n" not in str(caught.value)
    anew = train(config(tmp_path, "again", 4), start_over=True)
    assert anew.read_bytes() == train(config(tmp_path, "alone", 4)).read_bytes().replace(
        b"alone", b"again"
    )


def test_a_training_that_reduces_nothing_goes_on_from_before(tmp_path, images):
    settings, _ = read_training(config(tmp_path, "run", 2))
    single = settings.data.model_copy(update={"factor": 1})
    alike = settings.model_copy(update={"data": single})
    cpu = torch.device("cpu")
    assert "reduction" not in computed_by(alike, cpu)
    by_bicubic = single.model_copy(update={"resize": "bicubic"})
    assert computed_by(settings.model_copy(update={"data": by_bicubic}), cpu)["reduction"] == KERNEL
    path = tmp_path / "state"
    state._refuse_mixing(path, state.EARLIER, computed_by(alike, cpu))
    with pytest.raises(ConfigError, match="was trained with reduction"):
        state._refuse_mixing(path, state.EARLIER, computed_by(settings, cpu))


@pytest.mark.slow
def test_the_checkpoint_and_its_card_say_where_and_by_what_it_was_trained(tmp_path, images):
    path = config(tmp_path, "run", 2, precision="bfloat16")
    _, facts = read_config(train(path))
    made = facts["computed_by"]
    by = arithmetic(torch.device("cpu"), torch.bfloat16)
    assert (made["arithmetic"], made["device"], made["dtype"]) == (by, "cpu", "bfloat16")
    assert platform.machine() in made["hardware"]
    card = publish(path, tmp_path / "published").with_suffix(".md").read_text()
    assert f"| on | {made['hardware']}; bfloat16 by {by} |" in card
    assert "shared CPU cores" not in card
    assert "| trained | 2 steps, " in card
    assert "stopped" not in card


@pytest.mark.slow
def test_the_card_of_a_training_that_was_cut_short_says_so(tmp_path, images):
    train(config(tmp_path, "run", 2))
    longer = config(tmp_path, "run", 4)  # was stopped after the second of four steps
    card = publish(longer, tmp_path / "published").with_suffix(".md").read_text()
    assert " (stopped there; the configuration has 4 steps) |" in card


def test_a_broken_state_is_one_line(tmp_path, images):
    path = config(tmp_path, "run", 2)
    train(path)
    state = tmp_path / "run" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(ConfigError, match="not a whole training state"):
        train(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stepz = 3\n", "did you mean 'steps'"),
        ('weighting = "v"\n', "is for prediction 'x0'"),
    ],
)
def test_a_wrong_configuration_is_one_line(tmp_path, images, change, message):
    with pytest.raises(ConfigError, match=message):
        train(config(tmp_path, "run", change=change))


def test_samples_are_not_written_among_the_training_images(tmp_path, images):
    path = config(tmp_path, "run")
    path.write_text(path.read_text().replace(str(tmp_path / "run"), str(images / "run")))
    with pytest.raises(ConfigError, match=r"data/run lies inside data\.folder"):
        train(path)


@pytest.mark.parametrize("moved", [False, True])
def test_other_images_under_the_same_names_are_refused(tmp_path, images, moved):
    train(config(tmp_path, "run", 1))
    if moved:  # the same files in another place are the same images
        images.rename(tmp_path / "elsewhere")
        path = config(tmp_path, "run", 2)
        path.write_text(path.read_text().replace(str(images), str(tmp_path / "elsewhere")))
        train(path)
        return
    one = images / "t3.png"
    pixels = 255 - np.asarray(Image.open(one))
    Image.fromarray(pixels).save(one)
    with pytest.raises(ConfigError, match=r"state\.safetensors: was trained with images' bytes"):
        train(config(tmp_path, "run", 2))


def test_missing_images(tmp_path):
    with pytest.raises(ConfigError, match=r"run\.toml: data\.folder .*no such folder of training"):
        train(config(tmp_path, "run"))


def test_validation_must_hold_some_back_and_not_all(tmp_path, images):
    path = config(tmp_path, "none", 1)
    for pattern, message in (("w*", "'w\\*' holds back none of 12"), ("*", "of 12, 12 are held")):
        path.write_text(path.read_text().replace('"v*"', f'"{pattern}"'))
        with pytest.raises(ConfigError, match=message):
            train(path)
        path.write_text(path.read_text().replace(f'"{pattern}"', '"v*"'))


def test_a_device_that_is_not_here_is_one_line(tmp_path, images):
    with pytest.raises(ConfigError, match="device 'meta:7x'"):
        train(config(tmp_path, "none", 1), device="meta:7x")


def test_images_below_the_size_are_dropped_and_larger_ones_shrunk_by_area(tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    Image.new("RGB", (15, 40)).save(folder / "small.png")
    board = (np.indices((32, 48)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).convert("RGB").save(folder / "large.png")
    data = DataConfig(folder=folder, size=16, factor=4)
    listed = list_images(data)
    images, held = open_images(data, listed)
    assert (len(images), len(held), listed.small) == (1, 0, 1)
    high, low = images[0]
    # The mean of two 0 and two 255 pixels.
    assert set(high.unique().tolist()) <= {127, 128}
    assert low.shape == (3, 4, 4)


@pytest.mark.parametrize("shape", [(40, 40), (37, 53)])
def test_a_net_is_trained_on_the_very_inputs_that_import_makes(tmp_path, shape):
    random = np.random.default_rng(2)
    (tmp_path / "photos").mkdir()
    pixels = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photos" / "a.png")
    how = Preparation(size=16, factor=4)
    runs = [tmp_path / "hr", tmp_path / "lr"]
    import_photos(tmp_path / "photos", runs[0], inputs_out=runs[1], preparation=how)
    data = DataConfig(folder=tmp_path / "photos", size=16, factor=4)
    loaded, _ = open_images(data, list_images(data))
    for run, tensor in zip(runs, loaded[0], strict=True):
        expected = np.asarray(Image.open(run / "a.png"))
        assert np.array_equal(tensor.permute(1, 2, 0).numpy(), expected)


def test_crops_of_both_sizes_show_the_same_place(images):
    data = DataConfig(folder=images, size=16, factor=4, patch=8, flip=True)
    loaded, _ = open_images(data, list_images(data))

    class Aligned(Images):
        """With the low side a plain 4x4 block of each image, a misplaced crop or flip shows."""

        def __getitem__(self, number):
            high, _ = super().__getitem__(number)
            return high, high[:, ::4, ::4]

    aligned = Aligned(data, loaded.files)
    batch = draw_batch(aligned, data, Draws(0, 0, range(32)))
    straight = (batch.high[:, :, ::4, ::4] == batch.low).flatten(1).all(1)
    flipped = (batch.high.flip(-1)[:, :, ::4, ::4] == batch.low.flip(-1)).flatten(1).all(1)
    assert (straight | flipped).all()
    assert straight.any()
    assert flipped.any()


def test_pixels_survive_the_unit_range():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_pixels(to_unit(every)), every)


CODE = """
import pathlib, sys, time
import generators.training.loop as training
step = training._Run._train_step
def slowly(run, batches):
    time.sleep(0.05)
    return step(run, batches)
training._Run._train_step = slowly
training.train(pathlib.Path(sys.argv[1]))
"""


def stop_after_a_checkpoint(path: Path, saved: Path, number: int) -> None:
    """Train in a process of its own, slowly, and stop it once it has written a checkpoint."""
    before = saved.read_bytes() if saved.exists() else b""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(path)],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},  # equal to the bit
        stderr=subprocess.DEVNULL,
    )
    while not saved.exists() or saved.read_bytes() == before:
        assert process.poll() is None, "the training ended before it was stopped"
        time.sleep(0.02)
    time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(60) != 0


@pytest.mark.integration
def test_a_stop_saves_and_a_kill_loses_no_finished_checkpoint(tmp_path, images):
    train(config(tmp_path, "whole", 60))
    saved = tmp_path / "parts" / "state.safetensors"
    for number in (signal.SIGINT, signal.SIGKILL):
        stop_after_a_checkpoint(config(tmp_path, "parts", 60, every=5), saved, number)
        if number == signal.SIGINT:
            assert not list((tmp_path / "parts").glob(".*part"))
    train(config(tmp_path, "parts", 60, every=5))
    whole, parts = ((tmp_path / n / "state.safetensors").read_bytes() for n in ("whole", "parts"))
    assert whole == parts


@pytest.mark.slow
@pytest.mark.parametrize("start_over", [False, True])
def test_two_trainings_do_not_share_a_folder(tmp_path, images, start_over):
    path = config(tmp_path, "one", 2)
    with alone_in(tmp_path / "one"):
        for _ in range(2):  # who is refused lets nobody in
            with pytest.raises(WriteError, match="another pro"):
                train(path, start_over=start_over)
    assert not (tmp_path / "one").exists()
    assert train(path).exists()


SPEAKING = """
import sys, pathlib
import generators.training.loop as training
import generators.training.progress as progress
progress.EVERY = 0.0  # every step into the log
training.train(pathlib.Path(sys.argv[1]))
"""


@pytest.mark.integration
def test_two_processes_of_torchrun_follow_the_loss_of_one(tmp_path, images, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    train(config(tmp_path, "by-1", 20))
    script = tmp_path / "train.py"
    script.write_text(SPEAKING)
    # Over the loopback interface: a machine's own name may resolve to anything, or slowly.
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    settings |= {"GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--local-addr", "127.0.0.1", "--nproc-per-node", "2", str(script)]
    command += [str(config(tmp_path, "by-2", 20))]
    run = subprocess.run(command, env=settings, timeout=200, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    one, two = (np.array(losses(tmp_path / f"by-{count}")) for count in (1, 2))
    assert len(one) == len(two) == 20
    # float32, summed in another order, and Adam carries the difference on; the curve itself goes up
    # and down with the batches' noise levels by a thousand times that.
    assert abs(one[0] - two[0]) < 1e-5
    assert one.std() > 0.05
    assert np.abs(one - two).max() < 1e-3 * one.std()
    paths = (tmp_path / f"by-{count}" / "model.safetensors" for count in (1, 2))
    first, second = (read_model(path)[0].state_dict() for path in paths)
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 2e-3


def test_a_batch_that_the_processes_cannot_share_is_refused(tmp_path, images, monkeypatch):
    three = contextlib.nullcontext(training.Workers(0, 3))
    monkeypatch.setattr(training, "workers", lambda _device: three)
    with pytest.raises(ConfigError, match="batch 4 is no multiple of 3"):
        train(config(tmp_path, "none", 1))


@pytest.mark.slow
def test_validation_counts_lpips_where_it_is_given(tmp_path, images, capsys):
    def far(pairs):
        assert all(made.dtype == np.uint8 == real.dtype for made, real in pairs)
        return [float(np.abs(made.astype(int) - real).mean()) for made, real in pairs]

    train(config(tmp_path, "with", 2), lpips=lambda _size: far)
    assert capsys.readouterr().err.count("lpips") == 2  # the net's and the bicubic upsample's
    last = json.loads((tmp_path / "with" / "log.jsonl").read_text().splitlines()[-1])
    assert 0 < last["bicubic_lpips"] < 255
    train(config(tmp_path, "without", 2), lpips=lambda size: f"no network for {size} pixels")
    assert "validation without LPIPS: no network for 16 pixels\n" in capsys.readouterr().err
    assert "lpips" not in (tmp_path / "without" / "log.jsonl").read_text()


@pytest.mark.slow
def test_starting_from_weights_begins_as_the_same_function(tmp_path, images):
    start, _, _ = read_model(train(config(tmp_path, "first", 3)))
    wider = start.config.model_copy(update={"classes": 2, "level_embedding": True})
    net = UNet(wider).eval()
    ema = {name: value.clone() for name, value in net.state_dict().items()}
    saved = tmp_path / "first" / "model.safetensors"
    origin = begin(net, ema, tmp_path / "second.toml", saved)
    x = torch.randn(2, 6, 16, 16, generator=torch.Generator().manual_seed(1))
    gamma, label = torch.tensor([0.3, 0.9]), torch.tensor([0, 2])
    with torch.inference_mode():
        expected = start(x, gamma)
        assert expected.abs().max() > 0.01
        for level in (0.2, 0.99):
            torch.testing.assert_close(net(x, gamma, label, torch.full((2,), level)), expected)
    assert all(torch.equal(ema[name], value) for name, value in net.state_dict().items())
    assert origin["start_from"]["name"] == "first"
    assert origin["start_from"]["images"] == 12


@pytest.mark.slow
def test_a_training_that_started_from_weights_resumes_to_the_bit_and_says_so(tmp_path, images):
    saved = train(config(tmp_path, "first", 3))
    change = f'start_from = "{saved}"\n'
    whole = train(config(tmp_path, "whole", 4, change=change)).read_bytes()
    train(config(tmp_path, "parts", 2, change=change))
    parts = train(config(tmp_path, "parts", 4, change=change))
    assert whole.replace(b"whole", b"parts") == parts.read_bytes()
    assert whole != train(config(tmp_path, "alone", 4)).read_bytes().replace(b"alone", b"whole")
    _, facts = read_config(parts)
    assert facts["start_from"]["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest()
    with pytest.raises(ConfigError, match="does not match the training saved"):
        train(config(tmp_path, "parts", 6))


@pytest.mark.slow
def test_starting_from_another_net_or_none_is_one_line(tmp_path, images):
    saved = train(config(tmp_path, "first", 1))
    other = config(tmp_path, "other", change=f'start_from = "{saved}"\n')
    other.write_text(other.read_text().replace("channels = 8", "channels = 16"))
    with pytest.raises(ConfigError, match=r"first.* is another net: \d+ tensors differ"):
        train(other)
    missing = config(tmp_path, "missing", change=f'start_from = "{tmp_path / "no.safetensors"}"\n')
    with pytest.raises(ConfigError, match=r"no\.safetensors: no such file, expected a checkpoint"):
        train(missing)
    assert not (tmp_path / "other").exists()
    assert not (tmp_path / "missing").exists()
