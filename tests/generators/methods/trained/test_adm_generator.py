"""ADM as a generator: the same bytes by item, guidance that steers, parts that must fit."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from generators.errors import ConfigError
from generators.generate.plan import read_config
from generators.generate.run import generate
from generators.manifest import open_run
from generators.methods.contract import Runtime
from generators.nets.adm import ADM, CLASSIFIER, AdmModel, ClassifierModel, NoisyClassifier
from generators.nets.checkpoint import write_model
from generators.nets.unet import UNet, UNetConfig
from generators.sampling.adm import AdmStage, Guide, LoadedAdm, _visited, load_adm, load_guide
from generators.training.methods.registry import read_training

SHAPE: dict[str, Any] = {"channels": 8, "multipliers": (1, 2), "resblocks": 1, "attention": (1,)}
SHAPE |= {"head_channels": 4, "gamma_scale": 1.0, "in_channels": 3}
CLASSES = ("cat", "dog", "owl")


def save(path, model, net, kind):
    """Write a net whose every weight matters."""
    torch.manual_seed(4)
    noisy = {k: v + 0.1 * torch.randn_like(v) for k, v in net.state_dict().items()}
    write_model(path, noisy, model, {"name": path.stem}, kind.header)
    return path


def adm(folder, name="base", size=8, factor=1, classes=CLASSES):
    """Write a small ADM and return its path."""
    net = SHAPE | {"out_channels": 6, "classes": len(classes)}
    net |= {"in_channels": 6 if factor > 1 else 3}
    model = AdmModel(size=size, steps=40, net=UNetConfig(**net), classes=classes, factor=factor)
    return save(folder / f"{name}.safetensors", model, UNet(model.net), ADM)


def classifier(folder, name="guide", classes=CLASSES, **more):
    """Write a small noisy classifier and return its path."""
    settings = {"size": 8, "steps": 40} | more
    model = ClassifierModel(net=UNetConfig(**SHAPE), classes=classes, **settings)
    return save(folder / f"{name}.safetensors", model, NoisyClassifier(model), CLASSIFIER)


def config(folder, name, top="", base="", **parts):
    """Write a run's TOML; `parts` are further tables."""
    path = folder / f"{name}.toml"
    lines = ['generator = "adm"', f'out = "{folder / name}"', "per_class = 2", top]
    lines += ["[base]", f'checkpoint = "{folder / "base.safetensors"}"', base or "evaluations = 5"]
    for part, text in parts.items():
        lines += [f"[{part}]", text]
    path.write_text("\n".join(lines))
    return path


def digests(folder):
    """Return a run's file digests by item."""
    files = open_run(folder).files
    return {item: hashlib.sha256(path.read_bytes()).hexdigest() for item, path in files.items()}


def whole_config(folder, name, top=""):
    guide = f'checkpoint = "{folder / "guide.safetensors"}"\nscale = 2.0'
    upper = f'checkpoint = "{folder / "upper.safetensors"}"\nsampler = "ddim"\nevaluations = 4'
    return config(folder, name, top, guide=guide, upsampler=upper)


@pytest.fixture
def parts(tmp_path):
    """A base, a classifier and an upsampler."""
    return adm(tmp_path), classifier(tmp_path), adm(tmp_path, "upper", size=16, factor=2)


class Fault(Exception):
    """Stands for a kill in the middle of a run."""


@pytest.mark.slow
def test_the_same_bytes_for_any_batch_and_after_an_interruption(tmp_path, parts, monkeypatch):
    for name, batch in (("one", 1), ("five", 5)):
        generate(whole_config(tmp_path, name, "strict = true"), Runtime(batch=batch))
    one = digests(tmp_path / "one")
    assert sorted(one) == sorted(f"{c}-0000{k}" for c, k in itertools.product(CLASSES, (0, 1)))
    assert len(set(one.values())) == 6
    assert one == digests(tmp_path / "five")
    draw, left = LoadedAdm.draw, iter(range(5))  # two images, base and upsampler, and one base

    def failing(self, *args, **more):
        if next(left, None) is None:
            raise Fault
        return draw(self, *args, **more)

    path = whole_config(tmp_path, "killed", "strict = true")
    with monkeypatch.context() as patch:
        patch.setattr(LoadedAdm, "draw", failing)
        with pytest.raises(Fault):
            generate(path, Runtime(batch=1))
    assert (tmp_path / "killed").is_dir()
    assert not (tmp_path / "killed" / "manifest.json").exists()
    generate(path, Runtime(batch=3))
    assert one == digests(tmp_path / "killed")


@pytest.mark.slow
def test_a_class_does_not_depend_on_the_others_and_the_seed_counts(tmp_path, parts):
    generate(whole_config(tmp_path, "all", "strict = true"), Runtime())
    generate(whole_config(tmp_path, "owls", 'strict = true\nclasses = ["owl"]'), Runtime())
    generate(whole_config(tmp_path, "seed", "strict = true\nseed = 1"), Runtime())
    every, owls, seed = (digests(tmp_path / name) for name in ("all", "owls", "seed"))
    assert owls == {item: every[item] for item in ("owl-00000", "owl-00001")}
    assert not set(every.values()) & set(seed.values())


@pytest.mark.slow
def test_the_manifest_names_every_part(tmp_path, parts):
    made = generate(whole_config(tmp_path, "run"), Runtime())
    assert sorted(made.checkpoint) == [f"{n}.safetensors" for n in ("base", "guide", "upper")]
    assert (made.sampler, made.evaluations, made.dtype) == ("ancestral", 9, "bfloat16")


@pytest.mark.slow
def test_files_of_one_name_are_told_apart(tmp_path, parts):
    for part in ("guide", "upper"):
        (tmp_path / part).mkdir()
        (tmp_path / f"{part}.safetensors").rename(tmp_path / part / "base.safetensors")
    path = whole_config(tmp_path, "run")
    for part in ("guide", "upper"):
        path.write_text(path.read_text().replace(f"{part}.safe", f"{part}/base.safe"))
    assert len(generate(path, Runtime()).checkpoint) == 3


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
@pytest.mark.slow
def test_guidance_raises_the_classifiers_belief_in_the_class(tmp_path, parts, sampler):
    stage = AdmStage(checkpoint=parts[0], sampler=sampler, evaluations=20, precision="float32")
    base = load_adm(stage, "cpu", strict=False)
    guide = load_guide(Guide(checkpoint=parts[1], scale=100.0), base)
    label, seeds = torch.tensor([2] * 12), range(12)

    def belief(images):
        with torch.no_grad():
            return float(guide.net(images, torch.zeros(12)).log_softmax(1)[:, 2].mean())

    plain = belief(base.draw(seeds, name="a", label=label))
    assert belief(base.draw(seeds, name="a", label=label, guide=guide)) > plain + 0.05


def test_a_net_without_classes_makes_as_many_images_as_asked(tmp_path):
    adm(tmp_path, classes=())
    generate(config(tmp_path, "run"), Runtime())
    assert sorted(digests(tmp_path / "run")) == ["image-00000", "image-00001"]
    with pytest.raises(ConfigError, match="classes are given, the net has none"):
        generate(config(tmp_path, "other", 'classes = ["cat"]'), Runtime())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("evaluations = 41", "41 of 40 steps: expected a count from 1 to 40"),
        ('sampler = "ddim"\nevaluations = 30', "no whole stride visits 30 of 40 steps"),
        ("sections = [30, 5]", "30 of 20 steps"),
        ("evaluation = 3", "did you mean 'evaluations'"),
        (f'sha256 = "{"0" * 64}"', "the configuration expects 0000"),
        ('published = "64"', "not the published layout asked for"),
    ],
)
def test_a_wrong_base_is_one_line(tmp_path, parts, base, message):
    classes = 'classes = ["0"]' if "published" in base else ""
    with pytest.raises(ConfigError, match=message) as refused:
        generate(config(tmp_path, "run", classes, base), Runtime())
    assert "\n" not in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("cat", "dog")}, "its classes are 2, those of the net .* are 3"),
        ({"steps": 50}, "its steps are 50, those of the net that it is to guide are 40"),
        ({"schedule": "linear"}, "its schedule are linear"),
        ({"size": 16}, "its size are 16"),
    ],
)
def test_a_classifier_of_another_process_is_refused(tmp_path, parts, change, message):
    classifier(tmp_path, **change)
    with pytest.raises(ConfigError, match=message):
        generate(whole_config(tmp_path, "run"), Runtime())


@pytest.mark.slow
def test_stages_that_do_not_fit_are_refused(tmp_path, parts):
    base, _, upper = parts
    text = f'checkpoint = "{base}"'
    few = "\nevaluations = 2"
    with pytest.raises(ConfigError, match="is no upsampler, the base gives 8"):
        generate(config(tmp_path, "a", upsampler=text + few), Runtime())
    adm(tmp_path, "upper", size=16, factor=4)
    with pytest.raises(ConfigError, match="takes 4 pixels, the base gives 8"):
        generate(config(tmp_path, "b", upsampler=f'checkpoint = "{upper}"' + few), Runtime())
    adm(tmp_path, "upper", size=16, factor=2, classes=("ant", "cat", "dog"))
    with pytest.raises(ConfigError, match=r"upper\.safetensors: class .* is not one of its 3"):
        generate(config(tmp_path, "e", upsampler=f'checkpoint = "{upper}"' + few), Runtime())
    assert not (tmp_path / "e").exists()
    with pytest.raises(ConfigError, match="'foolrate-noisy-classifier-1'"):
        generate(config(tmp_path, "c", guide=text), Runtime())
    upper.rename(base)
    with pytest.raises(ConfigError, match="an upsampler, expected a base"):
        generate(config(tmp_path, "d"), Runtime())


@pytest.mark.parametrize("name", ["adm-64", "adm-64-guided"])
def test_shipped_runs_name_what_the_shipped_trainings_write_or_publish(name):
    found, _ = read_config(Path("runs") / f"{name}.toml")
    run: Any = found
    files = {run.base.checkpoint: "train-adm"}
    if run.guide is not None:
        files[run.guide.checkpoint] = "train-adm-classifier"
    for checkpoint, training in files.items():
        trained, _ = read_training(Path("runs") / f"{training}.toml")
        published = Path("generators/weights") / f"{trained.name}.safetensors"
        assert checkpoint in (trained.out / "model.safetensors", published)
    assert _visited(run.base, 1000) == list(range(0, 1000, 40))


@pytest.mark.parametrize(
    ("top", "said"),
    [
        ('classes = ["cat", "owl", "cat"]', "classes is .*'cat' is there twice, expected each"),
        ('inputs = "lr"', "inputs is 'lr': .*makes images of classes, expected no inputs"),
    ],
)
def test_settings_that_mean_nothing_are_one_line(tmp_path, parts, top, said):
    with pytest.raises(ConfigError, match=said):
        generate(config(tmp_path, "run", top), Runtime())


def test_an_infinite_setting_is_refused(tmp_path, parts):
    guide = f'checkpoint = "{tmp_path / "guide.safetensors"}"\nscale = inf'
    with pytest.raises(ConfigError, match=r"guide\.scale is inf: .*finite"):
        generate(config(tmp_path, "run", guide=guide), Runtime())
