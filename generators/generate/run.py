"""The driver of `generate CONFIG.toml`: one generator, one item list, one run folder.

How to plug a generator in is written in `generators.methods.contract`; the names are in
`generators.methods.registry`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from generators.config import GenerateConfig
from generators.errors import ImageError, SettingError, naming
from generators.generate.batch import batches, here, library_versions, made_with
from generators.generate.plan import plan, read_config
from generators.generate.ray import on_ray
from generators.images.item_names import IdRule
from generators.images.listing import few
from generators.manifest import Item, Manifest, Run, open_run, refuse_unusable
from generators.methods.contract import Generator, Kind, Runtime, Task
from generators.progress import progress, say
from generators.prompts import digest_of
from generators.reductions import DEFAULT
from generators.runs.place import refuse_place
from generators.runs.removal import remove_run
from generators.runs.writer import RunWriter, check_epoch

_UNSAID = (
    ("ids", "stem"),
    ("order", None),
    ("names", None),
    ("reduction", DEFAULT),
    ("size", None),
    ("prompts", None),
)


def generate(
    path: Path,
    runtime: Runtime | None = None,
    *,
    inputs: Path | None = None,
    out: Path | None = None,
    ids: IdRule | None = None,
    ray: str | None = None,
) -> Manifest:
    """Make the run that a TOML file describes and return its manifest.

    Finished images of an earlier, interrupted call are kept; a finished run is returned as it is.
    `inputs`, `out` and `ids` replace the file's; `ray` is the address of a Ray cluster. Raises
    `ConfigError`, `RunError`, `ImageError`.
    """
    config, kind = read_config(path, inputs=inputs, out=out, ids=ids)
    with naming(path):
        return make_run(config, kind, runtime or Runtime(), ray)


def make_run(
    config: GenerateConfig,
    kind: Kind,
    runtime: Runtime,
    ray: str | None = None,
    *,
    start_over: bool = False,
) -> Manifest:
    """Make the run of a checked configuration in `config.out` and return its manifest.

    `start_over` removes the run that the folder holds, once everything is ready to make it anew.
    """
    refuse_place(config.out, (value for key, value in config if _is_source(key, value)))
    check_epoch()
    run = _inputs(config)
    tasks = plan(config, kind, run)
    if run is not None:
        say(run.notes + refuse_unusable(run, [task.id for task in tasks]))
    generator = kind.load(config, runtime)
    _refuse_sizes(generator, run, tasks)
    identity = identity_of(config, generator, run.digest() if run else None, runtime)
    prompts = {task.id: task.prompt for task in tasks if task.prompt is not None}
    if prompts:
        identity["inputs"] |= {"prompts": digest_of(prompts)}
    writer = RunWriter(config.out, identity, {task.id: task.label for task in tasks})
    if start_over:
        remove_run(config.out, writer.files.values())
    with writer:
        if writer.finished:
            return writer.finished
        todo = list(batches(generator, tasks, writer, runtime))
        if ray:
            made = on_ray(ray, config, todo, writer, runtime, expected=made_with(generator))
        else:
            made = here(generator, todo, writer, runtime)
        _record_all(made, writer, len(tasks), len(tasks) - sum(map(len, todo)))
        return writer.finish(**_facts(generator))


def _inputs(config: GenerateConfig) -> Run | None:
    if config.inputs is None:
        return None
    if not config.inputs.is_dir():
        raise SettingError(
            f"inputs {config.inputs}: no such folder, expected a run or a folder of images"
        )
    return open_run(config.inputs, config.ids)


def _refuse_sizes(generator: Generator, run: Run | None, tasks: Sequence[Task]) -> None:
    """Raise `ImageError` for inputs of sizes that the generator cannot take, before any is made."""
    if run is None or generator.refuses is None:
        return
    sizes = run.sizes(task.id for task in tasks)
    problems = [
        f"{run.files[item]}: {reason}"
        for item, size in sizes.items()
        if (reason := generator.refuses(*size))
    ]
    if problems:
        raise ImageError(few(problems, between="; "))


def _is_source(key: str, value: object) -> bool:
    return key != "out" and isinstance(value, Path)


def _record_all(made: Iterable[list[Item]], writer: RunWriter, total: int, done: int) -> None:
    with progress(writer.folder.name, total, done) as advance:
        for items in made:
            writer.record(items)
            advance(len(items))


def identity_of(
    config: GenerateConfig, generator: Generator, inputs: str | None, runtime: Runtime
) -> dict[str, Any]:
    """Return what decides a run's images, as its manifest has it; `inputs` is their digest."""
    fields = config.model_dump(mode="json", exclude={"out", "generator"})
    # Keys that came later are left out where they say nothing: runs made before stay the same.
    fields = {k: v for k, v in fields.items() if (k, v) not in _UNSAID}
    # A path is where something lay on one machine; what it was is said by the digests.
    named = {key: value.name for key, value in config if isinstance(value, Path) and key in fields}
    return {
        "generator": config.generator,
        "config": fields | named,
        "inputs": ({"inputs": inputs} if inputs else {}) | generator.facts.inputs,
        "checkpoint": generator.facts.checkpoint,
        "micro_batch": generator.micro_batch,
        "dtype": generator.facts.dtype,
        "device": runtime.device if "torch" in generator.facts.libraries else "cpu",
    } | ({"arithmetic": generator.facts.arithmetic} if generator.facts.arithmetic else {})


def _facts(generator: Generator) -> dict[str, Any]:
    facts = generator.facts
    return {
        "sampler": facts.sampler,
        "evaluations": facts.evaluations,
        "versions": library_versions(generator),
    }
