"""`metrics compute` on folders of images: pairing, caching, refusals, and what is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage import data

from metrics.cli import metrics
from metrics.compute.compute import compute
from metrics.compute.request import Outcome, Request
from metrics.errors import InputError, MetricError
from metrics.scores import read_per_image, read_scores, refuse_incomparable
from metrics.weights.registry import WeightRegistry

PAIRED = ("psnr", "ssim", "consistency")
FEATURES = ("effnet_fd", "effnet_kid", "effnet_class_score", "effnet_coverage")


def write(folder: Path, name: str, pixels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)


def write_runs(folder: Path) -> None:
    photo = data.astronaut()
    for index in range(12):
        real = photo[index * 20 : index * 20 + 64, 150:214]
        low = np.asarray(Image.fromarray(real).resize((16, 16), Image.Resampling.BICUBIC))
        fake = np.asarray(Image.fromarray(low).resize((64, 64), Image.Resampling.BICUBIC))
        for role, pixels in (("real", real), ("lr", low), ("fake", fake)):
            write(folder / role, f"photo{index:02d}.png", pixels)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return a folder with `real`, `fake` and `lr`: 12 photo crops, blurred and small ones."""
    write_runs(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache with the network's rows of the photos of `runs`."""
    folder = tmp_path_factory.mktemp("rows")
    write_runs(folder)
    scored(folder, "effnet_fd")
    return folder / "cache"


@pytest.fixture
def known(runs: Path, rows: Path) -> Path:
    """Return `runs` with the network's rows in its cache."""
    shutil.copytree(rows, runs / "cache")
    return runs


def scored(folder: Path, *names: str, run: str = "fake", **changes: object) -> Outcome:
    fields: dict[str, object] = {
        "run": folder / run,
        "cache": folder / "cache",
        "reference": folder / "real",
        "lr": folder / "lr",
        "metrics": names,
    }
    return compute(Request(**(fields | changes)))  # type: ignore[arg-type]


def values(outcome: Outcome) -> dict[str, float]:
    return {score.name: score.value for score in outcome.scores.scores}


@pytest.mark.slow
def test_plain_folders_pair_by_stem_and_not_by_order(runs: Path) -> None:
    before = scored(runs, *PAIRED)
    for path in (runs / "real").iterdir():  # the same stems, other suffixes
        Image.open(path).save(path.with_suffix(".webp"), lossless=True)
        path.unlink()
    after = scored(runs, *PAIRED)
    assert values(after) == values(before)
    assert after.columns == before.columns
    assert len(before.columns["psnr"]) == 12


def test_default_needs_no_network_and_leaves_out_with_a_note(runs: Path) -> None:
    outcome = scored(runs, "default", lr=None)
    assert list(values(outcome)) == ["psnr", "ssim"]
    assert outcome.notes == ("left out consistency: the low-resolution inputs are needed (--lr)",)
    with pytest.raises(InputError, match="consistency: the low-resolution inputs are needed"):
        scored(runs, "consistency", lr=None)


@pytest.mark.slow
def test_each_row_is_computed_once_and_then_reused(runs: Path) -> None:
    first = scored(runs, *PAIRED, *FEATURES)
    assert first.computed == {"psnr": 12, "ssim": 12, "consistency": 12, "effnet_lite0": 24}
    again = scored(runs, *PAIRED, *FEATURES)
    assert again.computed == {}
    assert values(again) == values(first)


@pytest.mark.slow
def test_renamed_and_moved_files_keep_their_rows(known: Path) -> None:
    first = scored(known, *FEATURES)
    (known / "elsewhere").mkdir()
    for index, path in enumerate(sorted((known / "fake").iterdir())):
        shutil.copy(path, known / "elsewhere" / f"renamed{99 - index}.png")
    again = scored(known, *FEATURES, run="elsewhere")
    assert again.computed == {}
    assert values(again) == pytest.approx(values(first), rel=1e-12)


@pytest.mark.slow
def test_appended_and_changed_files_cost_their_own_rows(known: Path) -> None:
    scored(known, *PAIRED, *FEATURES)
    changed = np.array(Image.open(known / "fake" / "photo03.png"))
    changed[0, 0, 0] ^= 1
    write(known / "fake", "photo03.png", changed)
    expected = {"psnr": 1, "ssim": 1, "consistency": 1, "effnet_lite0": 1}
    assert scored(known, *PAIRED, *FEATURES).computed == expected
    for role, side, grey in (("real", 64, 1), ("fake", 64, 2), ("lr", 16, 3)):
        write(known / role, "new.png", np.full((side, side, 3), grey, np.uint8))
    expected = {"psnr": 1, "ssim": 1, "consistency": 1, "effnet_lite0": 2}
    assert scored(known, *PAIRED, *FEATURES).computed == expected


@pytest.mark.slow
def test_a_score_carries_what_decides_its_comparability(known: Path) -> None:
    score = scored(known, *FEATURES).scores.score("effnet_fd")
    assert score.extractor == "effnet_lite0"
    assert score.weights_digest is not None
    assert score.weights_digest.startswith("57934424")
    assert score.resize is not None
    assert "224" in score.resize
    assert score.precision == "fp32"
    assert score.noise_floor is not None
    assert any("singular" in warning for warning in score.warnings)


@pytest.mark.slow
def test_warnings_in_words_name_lossy_files_sizes_and_copies(known: Path) -> None:
    Image.open(known / "fake" / "photo00.png").save(known / "fake" / "lossy.jpg")
    shutil.copy(known / "fake" / "photo01.png", known / "fake" / "copy.png")
    write(known / "fake", "large.png", np.zeros((80, 70, 3), np.uint8))
    text = " ".join(scored(known, *FEATURES).scores.score("effnet_fd").warnings)
    assert "1 of 15 images of the run are lossy files" in text
    assert "mixes 2 sizes, from 64x64 to 70x80" in text
    assert "1 images of the run are copies of others" in text


@pytest.mark.slow
def test_k_is_a_setting_and_two_ks_do_not_meet(known: Path) -> None:
    names = ("effnet_precision", "effnet_recall", "effnet_density", "effnet_coverage")
    three, five = (scored(known, *names, k=k).scores for k in (3, 5))
    assert {score.settings["k"] for score in three.scores} == {3}
    assert three.score("effnet_coverage").noise_floor < five.score("effnet_coverage").noise_floor
    with pytest.raises(MetricError, match="setting k is 3 and 5"):
        refuse_incomparable([three, five])
    with pytest.raises(InputError, match="needs at least 13 images for k = 12, found 12"):
        scored(known, "effnet_recall", k=12)
    with pytest.raises(InputError, match="k is 0, expected 1 or more"):
        scored(known, "effnet_recall", k=0)


@pytest.mark.slow
def test_an_exported_reference_gives_the_same_distance(known: Path) -> None:
    invoke = CliRunner().invoke
    common = ["--cache", str(known / "cache")]
    out = str(known / "real.npz")
    arguments = ["statistics", str(known / "real"), out, "--extractor", "effnet_lite0", *common]
    assert invoke(metrics, arguments).exit_code == 0
    direct = scored(known, "effnet_fd").scores.score("effnet_fd")
    shipped = scored(known, "effnet_fd", reference=known / "real.npz").scores.score("effnet_fd")
    assert shipped.value == pytest.approx(direct.value, rel=1e-6)
    assert shipped.reference_digest == direct.reference_digest
    with pytest.raises(InputError, match="effnet_kid: needs the reference's images"):
        scored(known, "effnet_kid", reference=known / "real.npz")


def foreign(runs: Path, width: int = 1280) -> Path:
    """Write statistics as pytorch-fid does, of the features that the first pass leaves."""
    arguments = ["statistics", str(runs / "real"), str(runs / "real.npz"), "--cache"]
    ran = CliRunner().invoke(
        metrics, [*arguments, str(runs / "cache"), "--extractor", "effnet_lite0"]
    )
    assert ran.exit_code == 0
    path = runs / "foreign.npz"
    with np.load(runs / "real.npz") as ours:
        np.savez(path, mu=ours["mu"][:width], sigma=ours["sigma"][:width, :width])
    return path


@pytest.mark.slow
def test_foreign_statistics_are_a_labelled_setting(known: Path) -> None:
    label = "Ours, as if others had made them"
    own = scored(known, "effnet_fd").scores
    others = scored(known, "effnet_fd", reference=foreign(known), foreign=label).scores
    score = others.score("effnet_fd")
    assert score.value == pytest.approx(own.score("effnet_fd").value, rel=1e-6)
    assert score.settings["statistics"] == f"foreign: {label}"
    assert score.noise_floor is None
    assert any("neither network, weights" in warning for warning in score.warnings)
    assert others.reference is not None
    assert others.reference.name == label
    with pytest.raises(MetricError, match="cannot stand in one table"):
        refuse_incomparable([own, others])


@pytest.mark.slow
def test_foreign_statistics_that_cannot_be_meant_are_refused(known: Path) -> None:
    path = foreign(known)
    with pytest.raises(InputError, match="--foreign-statistics WORDS takes this one"):
        scored(known, "effnet_fd", reference=path)
    registry = WeightRegistry({}, unpublished={"inception": path})
    with pytest.raises(InputError, match="fid: the reference's statistics are of effnet_lite0"):
        scored(known, "fid", reference=path, foreign="x", registry=registry)
    with pytest.raises(InputError, match=r"real\.npz: says itself what it is of"):
        scored(known, "effnet_fd", reference=known / "real.npz", foreign="x")
    with pytest.raises(InputError, match=r"real: is no \.npz file"):
        scored(known, "effnet_fd", foreign="x")
    with pytest.raises(InputError, match="mu has 64 features, expected 2048"):
        scored(known, "effnet_fd", reference=foreign(known, 64), foreign="x")
    np.savez(path, mu=np.zeros(1280), sigma=np.triu(np.ones((1280, 1280))))
    with pytest.raises(InputError, match="sigma is not symmetric"):
        scored(known, "effnet_fd", reference=path, foreign="x")
    for label in ("", " ", "a\nb"):
        with pytest.raises(InputError, match=r"label of foreign statistics is .* line of words"):
            scored(known, "effnet_fd", reference=path, foreign=label)
    with pytest.raises(InputError, match=r"--reference is nothing: is no \.npz file"):
        scored(known, "effnet_class_score", reference=None, foreign="x")
    with np.load(known / "real.npz") as ours:
        few = {"mu": ours["mu"][:64], "sigma": ours["sigma"][:64, :64]}
        np.savez(path, **(dict(ours) | few))
    with pytest.raises(InputError, match="have 64 features, expected 1280 of effnet_lite0"):
        scored(known, "effnet_fd", reference=path)


@pytest.mark.slow
def test_labels_give_top_1_and_top_5(tmp_path: Path) -> None:
    # Chelsea is a tabby, close to ImageNet's Egyptian cat; the cup holds an espresso.
    write(tmp_path / "run" / "Egyptian cat", "chelsea.png", data.chelsea())
    write(tmp_path / "run" / "967", "coffee.png", data.coffee())
    write(tmp_path / "run" / "goldfish", "astronaut.png", data.astronaut())
    request = Request(tmp_path / "run", tmp_path / "cache", metrics=("top1", "top5"))
    assert values(compute(request)) == {"top1": pytest.approx(2 / 3), "top5": pytest.approx(2 / 3)}
    write(tmp_path / "run", "loose.png", data.astronaut())
    partly = compute(request).scores.scores[0]
    assert (partly.n, partly.warnings) == (3, ("not counted: 1 image has no class label",))
    (tmp_path / "run" / "loose.png").unlink()
    (tmp_path / "run" / "967").rename(tmp_path / "run" / "n99")
    with pytest.raises(InputError, match="no ImageNet classes: n99"):
        compute(request)
    (tmp_path / "names.tsv").write_text("n99\tespresso, strong coffee\n")
    named = Request(
        tmp_path / "run", tmp_path / "cache", metrics=("top1",), classes=tmp_path / "names.tsv"
    )
    assert values(compute(named)) == {"top1": pytest.approx(2 / 3)}


def png16(path: Path) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint16)).save(path)


def alpha(path: Path) -> None:
    Image.new("RGBA", (64, 64)).save(path)


def cmyk(path: Path) -> None:
    Image.new("CMYK", (64, 64)).save(path.with_suffix(".jpg"))


def truncated(path: Path) -> None:
    whole = path.with_name("photo00.png").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def flipped_byte(path: Path) -> None:
    whole = bytearray(path.with_name("photo00.png").read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def animated(path: Path) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def text(path: Path) -> None:
    path.write_text("no image")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (png16, "16 bits"),
        (alpha, "alpha channel"),
        (cmyk, "CMYK"),
        (truncated, "cut off after"),
        (flipped_byte, "checksum"),
        (animated, "frames"),
        (text, "not an image"),
    ],
)
def test_bad_files_are_listed_and_nothing_is_cached(
    runs: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(runs / "fake" / "bad.png")
    with pytest.raises(InputError) as refused:
        scored(runs, "effnet_fd")
    message = str(refused.value)
    assert "1 unusable file:" in message
    assert "bad." in message
    assert words in message
    assert "\n" not in message
    assert not (runs / "cache").exists()


@pytest.mark.slow
def test_pairs_that_do_not_match_are_listed(known: Path) -> None:
    (known / "real" / "photo04.png").unlink()
    write(known / "real", "stranger.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(InputError) as refused:
        scored(known, "psnr")
    assert "1 item has no reference" in str(refused.value)
    assert "photo04" in str(refused.value)
    assert "stranger" in str(refused.value)
    assert "effnet_fd" in values(scored(known, "effnet_fd"))  # nothing pairs in a distribution


def test_sizes_that_do_not_match_are_listed(runs: Path) -> None:
    write(runs / "fake", "photo05.png", np.zeros((63, 64, 3), np.uint8))
    with pytest.raises(
        InputError, match="1 image is not as large as the reference: photo05 is 64x63"
    ):
        scored(runs, "psnr")
    with pytest.raises(InputError, match="photo05 is 64x63 against 16x16"):
        scored(runs, "consistency")
    with pytest.raises(InputError, match=r"not twice or another whole .* is 64x64 against 64x64"):
        scored(runs, "consistency", lr=runs / "real")
    with pytest.raises(InputError, match="ms_ssim: needs at least 176 pixels"):
        scored(runs, "ms_ssim", reference=runs / "fake")


def test_too_few_images_are_refused(runs: Path) -> None:
    for path in sorted((runs / "fake").iterdir())[1:]:
        path.unlink()
    with pytest.raises(InputError, match="effnet_fd: needs at least 2 images, found 1"):
        scored(runs, "effnet_fd")
    (runs / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        scored(runs, "psnr", run="empty")
    with pytest.raises(InputError, match="no such folder"):
        scored(runs, "psnr", run="nowhere")


def test_an_unknown_metric_names_the_closest(runs: Path) -> None:
    with pytest.raises(MetricError, match="no metric 'sim', did you mean ssim"):
        scored(runs, "sim")


def test_the_command_writes_both_files_beside_the_run(runs: Path) -> None:
    arguments = ["compute", str(runs / "fake"), "--reference", str(runs / "real")]
    result = CliRunner().invoke(metrics, [*arguments, "--cache", str(runs / "cache")])
    assert result.exit_code == 0, result.output
    file = read_scores(runs / "fake.scores")
    assert file.run.name == "fake"
    assert file.reference is not None
    assert read_per_image(runs / "fake.scores").keys() == {"psnr", "ssim"}
    assert "PSNR" in result.output
    out = runs / "other.json"
    CliRunner().invoke(metrics, [*arguments, "--cache", str(runs / "c"), "--json", str(out)])
    assert {score["name"] for score in json.loads(out.read_text())["scores"]} == {"psnr", "ssim"}


def test_the_list_shows_every_metric() -> None:
    output = CliRunner().invoke(metrics, ["list"]).output
    for name in ("psnr", "fid", "effnet_coverage", "lpips_vgg", "top5"):
        assert name in output
