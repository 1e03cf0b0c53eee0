"""Any diffusers pipeline saved on disk as a generator (optional: ``pip install diffusers``).

The pipeline's folder, its `model_index.json` and the arguments of its call are data here, so that
what a new pipeline needs is said in the TOML:

    generator = "diffusers"
    pipeline = "checkpoints/ddpm-cat-256"
    count = 1000
    out = "runs/ddpm-cat"
    [arguments]
    num_inference_steps = 100

A text-to-image pipeline takes ``prompts = "prompts.csv"`` in place of `count`.

One torch generator per image, seeded by the item, so that an image does not depend on the others
of its batch. Only safetensors weights are loaded, nothing is downloaded and no code of the folder
is run.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field, field_validator, model_validator

from generators.config import GenerateConfig, closest, refuse_unused, too_many
from generators.errors import ConfigError, GeneratorError, SettingError
from generators.files import file_sha256
from generators.methods.contract import Facts, Generator, Runtime, Task
from generators.nets.device import usable
from generators.nets.operators import TORCH
from generators.prompts import complete, read_prompts
from generators.resize import Pixels, to_8bit

DEFAULT_BATCH = 4
OLDEST = (0, 40)  # earlier versions pass over `dtype`


class DiffusersConfig(GenerateConfig):
    """Settings of a run of a diffusers pipeline. Give `inputs`, `prompts` or `count`."""

    generator: Literal["diffusers"]
    pipeline: Path
    count: int | None = Field(default=None, ge=1)  # images to make, when there are no inputs
    prompts: Path | None = None  # a CSV file of the columns id and prompt: an image for each
    labels: tuple[int, ...] = ()  # class numbers, taken in turn
    arguments: dict[str, Any] = Field(default_factory=dict)  # of the pipeline's call
    image_argument: str = "image"  # the call's argument for the input images
    label_argument: str = "class_labels"  # and for the class numbers
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"

    @field_validator("count")
    @classmethod
    def _can_be_held(cls, count: int | None) -> int | None:
        if reason := too_many(count or 0):
            raise ValueError(reason)
        return count

    @model_validator(mode="after")
    def _one_source(self) -> DiffusersConfig:
        if (self.inputs, self.prompts) == (None, None) and self.count is None:
            raise ValueError("give `inputs` (a run of images), `prompts` (a CSV file) or `count`")
        if self.count is not None and any(each is not None for each in (self.inputs, self.prompts)):
            raise ValueError("`count` is for images without `inputs` or `prompts`: give one")
        if self.prompts is not None and "prompt" in self.arguments:
            raise ValueError("`prompts` names a file and arguments.prompt one text: give one")
        if self.inputs is None:
            refuse_unused(self, ["image_argument", "ids"], "which is of inputs, and there are none")
        if not self.labels:
            refuse_unused(self, ["label_argument"], "which is of `labels`, and there are none")
        return self


def items(config: DiffusersConfig) -> list[tuple[str, str | None]]:
    """Return (item id, class label) of the images to make without inputs."""
    labels = config.labels
    if config.prompts is not None:
        names = sorted(read_prompts(config.prompts))
    else:
        names = [f"{number:06d}" for number in range(config.count or 0)]
    return [
        (name, str(labels[number % len(labels)]) if labels else None)
        for number, name in enumerate(names)
    ]


def prompts(config: DiffusersConfig, items: Sequence[str]) -> dict[str, str]:
    """Return the prompt of each image, {} where the configuration states none."""
    if config.prompts is not None:
        return complete(read_prompts(config.prompts), items, str(config.prompts))
    one = config.arguments.get("prompt")
    return dict.fromkeys(items, one) if isinstance(one, str) else {}


def load(config: DiffusersConfig, runtime: Runtime) -> Generator:
    """Return the pipeline as a generator. Raises `ConfigError` where the TOML does not fit it."""
    pipeline = _open(config).to(usable(runtime.device))
    pipeline.set_progress_bar_config(disable=True)
    signature = inspect.signature(pipeline.__call__).parameters
    parameters, single = set(signature), _takes_one_image(config, signature)
    scheduler = getattr(pipeline, "scheduler", None)
    _check_arguments(config, parameters)
    _check_required(config, signature)
    _check_steps(config, scheduler)

    def images(tasks: Sequence[Task]) -> list[Pixels]:
        parts = [[task] for task in tasks] if single else [tasks]
        return [image for part in parts for image in made(part)]

    def made(tasks: Sequence[Task]) -> list[Pixels]:
        call = _call(config, tasks, parameters)
        if single:
            call[config.image_argument] = call[config.image_argument][0]
        try:
            with torch.inference_mode():
                result = pipeline(**call).images
        except Exception as error:  # whatever a pipeline of others raises
            raise GeneratorError(
                f"{config.pipeline}: the pipeline failed ({_first_line(error)})"
            ) from error
        return _to_pixels(result)

    facts = Facts(
        checkpoint=_digests(config.pipeline),
        sampler=type(scheduler).__name__ if scheduler else None,
        evaluations=config.arguments.get("num_inference_steps"),
        dtype=config.dtype,
        arithmetic=TORCH,
        libraries=("torch", "diffusers"),
    )
    return Generator(images=images, facts=facts, micro_batch=runtime.batch or DEFAULT_BATCH)


def _open(config: DiffusersConfig) -> Any:
    index = config.pipeline / "model_index.json"
    if not index.is_file():
        raise ConfigError(f"{index}: missing, expected the folder of a saved diffusers pipeline")
    pipelines = _pipelines()
    if "transformers" in _libraries(index) and importlib.util.find_spec("transformers") is None:
        raise ConfigError(f"{config.pipeline}: has parts that need: pip install transformers")
    try:
        return pipelines.DiffusionPipeline.from_pretrained(
            config.pipeline,
            local_files_only=True,
            use_safetensors=True,
            dtype=getattr(torch, config.dtype),
        )
    except Exception as error:  # whatever diffusers and the parts of others raise
        first = _first_line(error)
        raise ConfigError(f"{config.pipeline}: cannot be opened as a pipeline ({first})") from error


def _pipelines() -> Any:
    """Return the module `diffusers`. Raises `ConfigError` where it is missing or cannot start."""
    if importlib.util.find_spec("diffusers") is None:
        raise ConfigError("generator 'diffusers' needs: pip install diffusers")
    try:
        import diffusers

        diffusers.DiffusionPipeline  # noqa: B018  imported when it is first asked for
    except Exception as error:  # whatever a package in the environment raises when it is imported
        cause = _first_line(_origin(error))
        broken = "; the installed torchvision is for another torch: pip uninstall torchvision"
        how = broken if "torchvision" in cause else ""
        raise ConfigError(f"diffusers cannot be imported ({cause}){how}") from None
    found = tuple(int(part) for part in diffusers.__version__.split(".")[:2])
    if found < OLDEST:
        raise ConfigError(f"diffusers is {diffusers.__version__}, expected 0.40 or later")
    return diffusers


def _libraries(index: Path) -> set[str]:
    """Return the names of the libraries that a pipeline's parts come from. Raises `ConfigError`."""
    try:
        parts = json.loads(index.read_text(encoding="utf-8"))
        return {part[0] for part in parts.values() if isinstance(part, list) and part[0]}
    except (OSError, ValueError, AttributeError, IndexError, TypeError, RecursionError) as error:
        raise ConfigError(f"{index}: cannot be read ({_first_line(error)})") from None


def _origin(error: BaseException) -> BaseException:
    """Return the error that the others were raised from."""
    before = error.__cause__ or error.__context__
    return error if before is None else _origin(before)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"


def _check_arguments(config: DiffusersConfig, parameters: set[str]) -> None:
    ours = {"generator", "output_type", "batch_size", "return_dict"}
    wanted = dict.fromkeys(config.arguments, "arguments")
    if config.inputs is not None:
        wanted[config.image_argument] = "image_argument"
    if config.labels:
        wanted[config.label_argument] = "label_argument"
    if config.prompts is not None:
        wanted["prompt"] = "prompts"
    for name, key in wanted.items():
        if name not in parameters - ours:
            hint = closest(name, sorted(parameters - ours))
            raise ConfigError(f"{config.pipeline}: its call has no {key} {name!r}, {hint}")


def _takes_one_image(config: DiffusersConfig, signature: Mapping[str, Any]) -> bool:
    """Return whether the call is declared to take an image and no list of them."""
    if config.inputs is None or config.image_argument not in signature:
        return False
    declared = str(signature[config.image_argument].annotation)
    return "Image" in declared and "list" not in declared.lower()


def _check_required(config: DiffusersConfig, signature: Mapping[str, Any]) -> None:
    """Raise `ConfigError` for an argument that the call needs and the TOML does not give."""
    given = {*config.arguments, "generator", "output_type", "batch_size"}
    given |= {config.image_argument} if config.inputs is not None else set()
    given |= {config.label_argument} if config.labels else set()
    given |= {"prompt"} if config.prompts is not None else set()
    for name, parameter in signature.items():
        variable = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not variable and name not in given:
            how = "labels" if name == config.label_argument else f"arguments.{name}"
            raise ConfigError(f"{config.pipeline}: its call needs {name!r}, set `{how}`")


def _check_steps(config: DiffusersConfig, scheduler: Any) -> None:
    """Raise `ConfigError` unless the steps are a number that the scheduler was trained for."""
    steps = config.arguments.get("num_inference_steps")
    if steps is None:
        return
    most = getattr(getattr(scheduler, "config", None), "num_train_timesteps", None)
    whole = isinstance(steps, int) and not isinstance(steps, bool) and steps >= 1
    if not whole or (isinstance(most, int) and steps > most):
        expected = f"1 to {most}" if isinstance(most, int) else "a whole number of 1 or more"
        raise ConfigError(
            f"{config.pipeline}: num_inference_steps is {steps!r}, expected {expected}"
        )


def _call(config: DiffusersConfig, tasks: Sequence[Task], parameters: set[str]) -> dict[str, Any]:
    call = dict(config.arguments)
    call["generator"] = [torch.Generator("cpu").manual_seed(task.seed) for task in tasks]
    call["output_type"] = "np"
    if config.inputs is not None:
        call[config.image_argument] = [Image.fromarray(task.input()) for task in tasks]
    if config.labels:
        call[config.label_argument] = [_class_number(task) for task in tasks]
    if config.inputs is None and "batch_size" in parameters:
        call["batch_size"] = len(tasks)
    if config.prompts is not None:
        call["prompt"] = [task.prompt for task in tasks]
    elif isinstance(call.get("prompt"), str):
        call["prompt"] = [call["prompt"]] * len(tasks)
    return call


def _class_number(task: Task) -> int:
    try:
        return int(task.label or 0)
    except ValueError:  # inputs bring the classes of their own folders
        raise SettingError(
            f"item {task.id!r}: its class is {task.label!r}, expected a number, as `labels` are"
        ) from None


def _to_pixels(made: Any) -> list[Pixels]:
    values = np.asarray(made, np.float64)
    if values.ndim != 4 or values.shape[3] not in (1, 3) or not np.isfinite(values).all():
        raise GeneratorError(f"the pipeline made {values.shape}, expected finite (N, H, W, 3)")
    colour = np.broadcast_to(values, (*values.shape[:3], 3))
    return list(to_8bit(colour * 255))


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".safetensors", ".json"))
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
