"""Pipelines of diffusers as generators, on tiny networks with random weights."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.support.torchvision_import import define_operators
from generators.errors import ConfigError, GeneratorError
from generators.generate.run import generate
from generators.manifest import open_run, read_manifest
from generators.methods.contract import Runtime
from generators.methods.foreign import diffusers_pipeline
from generators.methods.foreign.diffusers_pipeline import DiffusersConfig
from generators.pixels import read_image

pytestmark = pytest.mark.slow  # importing diffusers alone takes seconds


def diffusers() -> Any:
    """Return the library, or skip the test where it is not installed."""
    define_operators()
    return pytest.importorskip("diffusers")


def unet(**more: object) -> Any:
    torch.manual_seed(0)
    return diffusers().UNet2DModel(
        sample_size=8,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        **more,
    )


@pytest.fixture(scope="module")
def ddpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ddpm")
    diffusers().DDPMPipeline(unet(), diffusers().DDPMScheduler()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("consistency")
    net, scheduler = unet(num_class_embeds=3), diffusers().CMStochasticIterativeScheduler()
    diffusers().ConsistencyModelPipeline(net, scheduler).save_pretrained(folder)
    return folder


def config(tmp_path: Path, pipeline: Path, **fields: Any) -> Path:
    steps = fields.pop("arguments", {"num_inference_steps": 2})
    values = {"generator": "diffusers", "pipeline": str(pipeline), "out": str(tmp_path / "out")}
    lines = [f"{key} = {json.dumps(value)}" for key, value in (values | fields).items()]
    lines += ["[arguments]", *(f"{key} = {json.dumps(value)}" for key, value in steps.items())]
    (tmp_path / "run.toml").write_text("\n".join(lines))
    return tmp_path / "run.toml"


def pixels(folder: Path) -> dict[str, np.ndarray]:
    return {item: read_image(path).astype(int) for item, path in open_run(folder).files.items()}


def test_an_image_depends_on_its_item_and_not_on_its_batch(tmp_path: Path, ddpm: Path) -> None:
    path = config(tmp_path, ddpm, count=5)
    generate(path, Runtime(batch=5), out=tmp_path / "five")
    generate(path, Runtime(batch=2), out=tmp_path / "two")
    five, two = pixels(tmp_path / "five"), pixels(tmp_path / "two")
    assert list(five) == [f"00000{number}" for number in range(5)]
    assert max(np.abs(five[item] - two[item]).max() for item in five) <= 1
    assert np.abs(five["000000"] - five["000001"]).max() > 10


def test_the_manifest_names_weights_sampler_and_steps(tmp_path: Path, ddpm: Path) -> None:
    generate(config(tmp_path, ddpm, count=2))
    manifest = read_manifest(tmp_path / "out")
    assert manifest.sampler == "DDPMScheduler"
    assert manifest.evaluations == 2
    assert "unet/diffusion_pytorch_model.safetensors" in (manifest.checkpoint or {})
    assert manifest.items[0].seed != manifest.items[1].seed
    assert manifest.versions["diffusers"] == diffusers().__version__


def test_class_numbers_are_taken_in_turn(tmp_path: Path, conditional: Path) -> None:
    steps = {"num_inference_steps": 1}
    path = config(tmp_path, conditional, count=4, labels=[0, 2], arguments=steps)
    generate(path)
    labels = open_run(tmp_path / "out").labels()
    assert list(labels.values()) == ["0", "2", "0", "2"]


class Upscaler:
    """Stands for the upscaling pipelines, which need text encoders: doubles each image."""

    def __call__(self, picture: list[Image.Image], generator: list[object], output_type: str):
        assert len(picture) == len(generator)
        assert output_type == "np"
        doubled = [image.resize((image.width * 2, image.height * 2), 0) for image in picture]
        return SimpleNamespace(images=np.stack([np.asarray(i, float) / 255 for i in doubled]))

    def to(self, device: str) -> "Upscaler":
        return self

    def set_progress_bar_config(self, disable: bool) -> None:
        assert disable


def test_input_images_go_to_the_argument_that_is_named(
    tmp_path: Path, ddpm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lr").mkdir()
    for number, name in enumerate("abcde"):
        Image.new("RGB", (4, 4), (200, 30, number)).save(tmp_path / "lr" / f"{name}.png")
    monkeypatch.setattr(diffusers_pipeline, "_open", lambda _: Upscaler())
    fields = {"inputs": str(tmp_path / "lr"), "image_argument": "picture", "arguments": {}}
    generate(config(tmp_path, ddpm, **fields))
    found = pixels(tmp_path / "out")
    assert list(found) == list("abcde")
    assert all((found[name] == (200, 30, number)).all() for number, name in enumerate("abcde"))
    assert found["a"].shape == (8, 8, 3)


def test_prompts_give_an_image_each_and_are_in_the_manifest(
    tmp_path: Path, ddpm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stands for text-to-image pipelines, whose text encoders are large: paints a text's length."""

    class Painter(Upscaler):
        def __call__(  # type: ignore[override]
            self, prompt: list[str], generator: list[object], output_type: str
        ) -> SimpleNamespace:
            assert len(prompt) == len(generator)
            shades = np.array([len(text) / 255 for text in prompt])
            return SimpleNamespace(images=np.ones((1, 4, 4, 3)) * shades[:, None, None, None])

    monkeypatch.setattr(diffusers_pipeline, "_open", lambda _: Painter())
    (tmp_path / "prompts.csv").write_text('id,prompt\nb,"a cat, asleep"\na,猫\n', encoding="utf-8")
    fields = {"prompts": str(tmp_path / "prompts.csv"), "arguments": {}}
    manifest = generate(config(tmp_path, ddpm, **fields))
    assert {item.id: item.prompt for item in manifest.items} == {"a": "猫", "b": "a cat, asleep"}
    found = pixels(tmp_path / "out")
    assert [int(found[name][0, 0, 0]) for name in "ab"] == [1, 13]
    path = config(tmp_path, ddpm, count=2, arguments={"prompt": "a dog"})
    manifest = generate(path, out=tmp_path / "dogs")
    assert [item.prompt for item in manifest.items] == ["a dog", "a dog"]
    for more, message in (({"count": 1}, "give one"), ({"arguments": {"prompt": "x"}}, "give one")):
        with pytest.raises(ConfigError, match=message):
            generate(config(tmp_path, ddpm, **(fields | more)), out=tmp_path / "none")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give `inputs` (a run of images), `prompts` (a CSV file) or `count`"),
        ({"count": 1, "arguments": {"num_inference_step": 2}}, "'num_inference_steps'?"),
        ({"count": 1, "labels": [1]}, "its call has no label_argument 'class_labels'"),
        ({"inputs": "lr"}, "its call has no image_argument 'image'"),
        ({"count": 1, "pipelin": "x"}, "did you mean 'pipeline'?"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(
    tmp_path: Path, ddpm: Path, fields: dict[str, object], message: str
) -> None:
    if "inputs" in fields:
        (tmp_path / "lr").mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / "lr" / "a.png")
        fields = {"inputs": str(tmp_path / "lr")}
    with pytest.raises(ConfigError) as caught:
        generate(config(tmp_path, ddpm, **fields))
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_pipeline_is_named(tmp_path: Path, ddpm: Path) -> None:
    with pytest.raises(ConfigError, match=r"model_index.json: missing"):
        generate(config(tmp_path, tmp_path / "nothing", count=1))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model_index.json").write_text((ddpm / "model_index.json").read_text())
    with pytest.raises(ConfigError, match=r"broken: cannot be opened as a pipeline"):
        generate(config(tmp_path, broken, count=1))


@pytest.mark.parametrize("steps", [5000, 0, "many", True])
def test_wrong_numbers_of_steps_are_one_line(tmp_path: Path, ddpm: Path, steps: object) -> None:
    path = config(tmp_path, ddpm, count=1, arguments={"num_inference_steps": steps})
    with pytest.raises(ConfigError, match=f"num_inference_steps is {steps!r}, expected 1 to 1000"):
        generate(path, Runtime())


def served(monkeypatch: pytest.MonkeyPatch, pipeline: object) -> None:
    """Let a folder hold this pipeline."""
    monkeypatch.setattr(diffusers_pipeline, "_open", lambda _: pipeline)
    monkeypatch.setattr(diffusers_pipeline, "_digests", lambda _: {})


class OneImage:
    """Takes one image as LDMSuperResolutionPipeline does, and refuses a list with a ValueError."""

    def to(self, *_: object) -> "OneImage":
        return self

    def set_progress_bar_config(self, **_: object) -> None:
        """Show nothing."""

    def __call__(self, image: "Image.Image | None", generator: object, output_type: str):
        if not isinstance(image, Image.Image):
            raise ValueError(f"`image` has to be an image\nbut is {type(image)}")
        return SimpleNamespace(images=np.asarray(image)[None] / 255)


class Classes(OneImage):
    """Needs class labels as DiTPipeline does, and fails inside."""

    def __call__(  # type: ignore[override]
        self, class_labels: list[int], generator: object, output_type: str
    ):
        raise RuntimeError("no such class\nsecond line")


def test_a_pipeline_that_takes_one_image_gets_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 20, 30)).save(tmp_path / "in" / f"{number}.png")
    served(monkeypatch, OneImage())
    path = config(tmp_path, tmp_path / "p", inputs=str(tmp_path / "in"), arguments={})
    generate(path, Runtime(batch=3))
    made = pixels(tmp_path / "out")
    assert [made[item][0, 0, 0] for item in ("0", "1", "2")] == [0, 1, 2]


def test_missing_labels_and_errors_inside_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(monkeypatch, Classes())
    with pytest.raises(ConfigError, match="its call needs 'class_labels', set `labels`"):
        generate(config(tmp_path, tmp_path / "p", count=1, arguments={}), Runtime())
    path = config(tmp_path, tmp_path / "p", count=1, labels=[3], arguments={})
    with pytest.raises(GeneratorError, match=r"pipeline failed \(RuntimeError: no such class\)$"):
        generate(path, Runtime())


def test_a_pipeline_runs_in_the_dtype_that_is_asked_for(tmp_path: Path, ddpm: Path) -> None:
    made = {}
    for dtype in ("float32", "float16"):
        out = tmp_path / dtype
        generate(config(tmp_path, ddpm, count=2, dtype=dtype), Runtime(), out=out)
        assert read_manifest(out).dtype == dtype
        made[dtype] = pixels(out)["000000"]
    difference = np.abs(made["float32"] - made["float16"])
    assert 0 < difference.max() < 20
    settings = DiffusersConfig(
        generator="diffusers", pipeline=ddpm, count=1, out=tmp_path / "out", dtype="bfloat16"
    )
    net = diffusers_pipeline._open(settings).unet
    assert {weight.dtype for weight in net.parameters()} == {torch.bfloat16}


def test_a_pipeline_that_cannot_run_in_bfloat16_says_so_in_one_line(
    tmp_path: Path, ddpm: Path
) -> None:
    """DDPMPipeline hands its images to numpy, which has no bfloat16."""
    with pytest.raises(GeneratorError, match=r"failed \(TypeError: .*BFloat16\)$"):
        generate(config(tmp_path, ddpm, count=1, dtype="bfloat16"), Runtime())


def test_a_diffusers_that_passes_over_the_dtype_is_refused(
    tmp_path: Path, ddpm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffusers(), "__version__", "0.38.0")
    with pytest.raises(ConfigError, match=r"^diffusers is 0\.38\.0, expected 0\.40 or later$"):
        generate(config(tmp_path, ddpm, count=1), Runtime())


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("operator torchvision::nms does not exist", r"torch: pip uninstall torchvision$"),
        ("something else", r"^diffusers cannot be imported \(RuntimeError: something else\)$"),
    ],
)
def test_a_diffusers_that_cannot_be_imported_is_one_line(
    tmp_path: Path, ddpm: Path, monkeypatch: pytest.MonkeyPatch, raised: str, message: str
) -> None:
    broken = f"try:\n    raise RuntimeError({raised!r})\n"
    broken += "except RuntimeError as error:\n    raise ImportError('look up') from error\n"
    (tmp_path / "fake/diffusers").mkdir(parents=True)
    (tmp_path / "fake/diffusers/__init__.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path / "fake")
    monkeypatch.delitem(sys.modules, "diffusers")
    with pytest.raises(ConfigError, match=message):
        generate(config(tmp_path, ddpm, count=1), Runtime())


def test_weights_of_another_net_are_one_line(tmp_path: Path, ddpm: Path) -> None:
    pipeline = tmp_path / "pipeline"
    shutil.copytree(ddpm, pipeline)
    settings = json.loads((pipeline / "unet" / "config.json").read_text())
    settings["block_out_channels"] = [2 * width for width in settings["block_out_channels"]]
    (pipeline / "unet" / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match=r"pipeline: cannot be opened as a pipeline") as refused:
        generate(config(tmp_path, pipeline, count=1))
    assert "\n" not in str(refused.value)


def test_a_pipeline_with_a_text_encoder_says_that_it_needs_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    without = lambda name: None if name == "transformers" else find(name)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", without)
    pipeline = tmp_path / "pipeline"
    pipeline.mkdir()
    index = pipeline / "model_index.json"
    index.write_text(json.dumps({"text_encoder": ["transformers", "CLIPTextModel"]}))
    with pytest.raises(ConfigError, match=r"parts that need: pip install transformers$"):
        generate(config(tmp_path, pipeline, count=1), Runtime())
    index.write_text("{")
    with pytest.raises(ConfigError, match=r"model_index.json: cannot be read"):
        generate(config(tmp_path, pipeline, count=1), Runtime())
