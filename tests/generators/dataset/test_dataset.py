"""`dataset import`: the paper's preparation, and everything people's folders get wrong."""

import io
import json
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from skimage.transform import downscale_local_mean

from generators.dataset.import_photos import Preparation, import_photos, prepare
from generators.errors import ConfigError, ImageError, RunError
from generators.manifest import JOURNAL, MANIFEST, open_run, verify_run
from generators.pixels import read_image
from generators.resize import downsample

SMALL = Preparation(size=16, factor=4)


@pytest.fixture(autouse=True)
def _fixed_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def photos(folder: Path, *names: str, size: tuple[int, int] = (20, 24)) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(*size, seed=number).save(path)
    return folder


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def png(width: int = 20, height: int = 20, seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    noise(width, height, seed).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_folder_becomes_two_runs_that_pair(tmp_path: Path) -> None:
    photos(tmp_path / "in", "b.png", "a.jpg", "c.webp", "d.JPEG")
    (tmp_path / "in" / "notes.txt").write_text("not an image")
    done = import_photos(
        tmp_path / "in", tmp_path / "real", inputs_out=tmp_path / "lr", preparation=SMALL
    )
    real, small = open_run(tmp_path / "real"), open_run(tmp_path / "lr")
    assert list(real.files) == list(small.files) == ["a", "b", "c", "d"]
    assert verify_run(tmp_path / "real") == verify_run(tmp_path / "lr") == []
    assert done.inputs is not None
    assert done.inputs.inputs == {"inputs": real.digest()}
    assert read_image(real.files["a"]).shape == (16, 16, 3)
    assert read_image(small.files["a"]).shape == (4, 4, 3)


@pytest.mark.slow
@settings(max_examples=30)
@given(arrays(np.uint8, (24, 24, 3)), st.sampled_from([2, 3, 4, 6]))
def test_area_resize_is_the_mean_of_each_block(pixels: np.ndarray, factor: int) -> None:
    # scikit-image's local mean is the definition of area averaging at whole factors.
    expected = downscale_local_mean(pixels.astype(float), (factor, factor, 1))
    found = prepare(pixels, 24 // factor)
    assert np.abs(found - expected).max() <= 0.5 + 1e-4


@pytest.mark.slow
@settings(max_examples=40)
@given(arrays(np.uint8, (13, 13, 3)), st.integers(1, 13))
def test_area_resize_at_any_ratio_weights_by_overlap(pixels: np.ndarray, size: int) -> None:
    # Dividing every pixel into size x size equal ones turns any ratio into whole blocks.
    fine = pixels.repeat(size, axis=0).repeat(size, axis=1).astype(float)
    expected = fine.reshape(size, 13, size, 13, 3).mean(axis=(1, 3))
    assert np.abs(prepare(pixels, size) - expected).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(("width", "height"), [(30, 20), (20, 30), (21, 20), (20, 20)])
def test_the_crop_is_the_largest_central_square(width: int, height: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = (height - 20) // 2, (width - 20) // 2
    pixels[top : top + 20, left : left + 20] = 200
    assert (prepare(pixels, 20) == 200).all()
    assert prepare(pixels, 10).shape == (10, 10, 3)


def cubic(x: np.ndarray) -> np.ndarray:
    """Keys, 1981, equation 15, a = -1/2."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def keys_downsample(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Antialiased cubic reduction straight from its definition, in float64, not rounded."""

    def weights(length: int) -> np.ndarray:
        centre = (np.arange(length // factor) + 0.5) * factor
        raw = cubic((np.arange(length)[None] + 0.5 - centre[:, None]) / factor)
        return raw / raw.sum(1, keepdims=True)

    rows, columns = (weights(length) for length in pixels.shape[:2])
    return np.einsum("iy,yxc,jx->ijc", rows, pixels.astype(float), columns)


@settings(max_examples=25)
@given(arrays(np.uint8, (16, 24, 3)), st.sampled_from([2, 4, 8]))
def test_inputs_are_keys_cubic_rounded_once(pixels: np.ndarray, factor: int) -> None:
    expected = keys_downsample(pixels, factor).clip(0, 255)
    assert np.abs(downsample(pixels, factor) - expected).max() <= 0.5 + 1e-3


def test_images_too_small_are_dropped_and_listed(tmp_path: Path) -> None:
    photos(tmp_path / "in", "a.png", "b.png")
    noise(15, 40).save(tmp_path / "in" / "narrow.png")
    done = import_photos(tmp_path / "in", tmp_path / "real", preparation=SMALL)
    assert done.small == ["narrow.png"]
    assert done.run.config["dropped"] == {"small": ["narrow.png"], "bad": []}
    assert list(open_run(tmp_path / "real").files) == ["a", "b"]


def test_nothing_large_enough_is_an_error(tmp_path: Path) -> None:
    photos(tmp_path / "in", "a.png")
    with pytest.raises(RunError, match="none of 1 images is 256 pixels or more"):
        import_photos(tmp_path / "in", tmp_path / "real")
    assert not (tmp_path / "real").exists()


def spoil(folder: Path) -> None:
    """Add one file of each kind that cannot be used."""
    good = (folder / "a.png").read_bytes()
    (folder / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "text.png").write_text("hello")
    (folder / "empty.jpg").write_bytes(b"")
    noise(20, 20).convert("RGBA").save(folder / "alpha.png")
    Image.new("I;16", (20, 20)).save(folder / "deep.png")
    noise(20, 20).convert("CMYK").save(folder / "print.jpg")
    frames = [noise(20, 20, seed) for seed in range(2)]
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:])


BAD = ["cut.png", "text.png", "empty.jpg", "alpha.png", "deep.png", "print.jpg", "moving.webp"]


def test_unusable_files_are_refused_with_the_list(tmp_path: Path) -> None:
    spoil(photos(tmp_path / "in", "a.png"))
    with pytest.raises(ImageError, match="7 files cannot be used") as caught:
        import_photos(tmp_path / "in", tmp_path / "real", preparation=SMALL)
    assert "alpha.png: has an alpha channel, expected 8-bit RGB" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "real").exists()


def test_skip_bad_leaves_them_out_and_lists_them(tmp_path: Path) -> None:
    spoil(photos(tmp_path / "in", "a.png"))
    how = Preparation(size=16, skip_bad=True)
    done = import_photos(tmp_path / "in", tmp_path / "real", preparation=how)
    assert [item.id for item in done.run.items] == ["a"]
    assert sorted(line.split(":")[0] for line in done.bad) == sorted(BAD)


def test_an_exif_orientation_is_applied(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    upright = np.zeros((32, 32, 3), np.uint8)
    upright[:16] = 250  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    turned = Image.fromarray(np.rot90(upright).copy())
    turned.save(tmp_path / "in" / "a.jpg", exif=exif, quality=95)
    import_photos(tmp_path / "in", tmp_path / "real", preparation=SMALL)
    pixels = read_image(tmp_path / "real" / "a.png").astype(int)
    assert pixels[:7].min() > 200
    assert pixels[9:].max() < 50


def test_class_folders_become_labels(tmp_path: Path) -> None:
    photos(tmp_path / "in", "cat/1.png", "dog/2.png", "3.png")
    import_photos(tmp_path / "in", tmp_path / "real", preparation=SMALL)
    assert open_run(tmp_path / "real").labels() == {"1": "cat", "2": "dog"}


def test_a_class_of_another_name_is_not_the_same_run(tmp_path: Path) -> None:
    photos(tmp_path / "in", "cat/1.png", "dog/2.png")
    import_photos(tmp_path / "in", tmp_path / "real", preparation=SMALL)
    (tmp_path / "in" / "cat").rename(tmp_path / "in" / "horse")
    words = "holds a run of other classes, finished .item '1' is cat, now horse."
    with pytest.raises(RunError, match=words):
        import_photos(tmp_path / "in", tmp_path / "real", preparation=SMALL)
    assert open_run(tmp_path / "real").labels() == {"1": "cat", "2": "dog"}


def test_one_folder_of_all_files_is_no_label(tmp_path: Path) -> None:
    source = zipped(tmp_path / "a.zip", {"set/x.png": png(), "set/y.png": png(seed=1)})
    import_photos(source, tmp_path / "real", preparation=SMALL)
    assert open_run(tmp_path / "real").labels() == {}


def test_a_zip_and_its_folder_give_the_same_images(tmp_path: Path) -> None:
    folder = photos(tmp_path / "in", "cat/1.png", "dog/2.png")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", folder))
    first = import_photos(folder, tmp_path / "one", preparation=SMALL)
    second = import_photos(archive, tmp_path / "two", preparation=SMALL)
    assert first.run.items == second.run.items


def test_within_takes_one_folder(tmp_path: Path) -> None:
    members = {f"{split}/cat/{split}.png": png() for split in ("train", "val")}
    source = zipped(tmp_path / "a.zip", members | {"val/dog/d.png": png(seed=1)})
    how = Preparation(size=16, within="val")
    import_photos(source, tmp_path / "real", preparation=how)
    assert open_run(tmp_path / "real").labels() == {"val": "cat", "d": "dog"}
    with pytest.raises(RunError, match=r"folder 'test'.*: holds no images"):
        import_photos(source, tmp_path / "x", preparation=Preparation(size=16, within="test"))


def test_only_takes_the_ids_that_fit_a_pattern_and_says_so(tmp_path: Path) -> None:
    photos(tmp_path / "in", "a_1.png", "a_2.png", "b_1.png", "c_1.png")
    how = Preparation(size=16, only=("a_*", "c_?"))
    run = import_photos(tmp_path / "in", tmp_path / "real", preparation=how).run
    assert [item.id for item in run.items] == ["a_1", "a_2", "c_1"]
    assert run.config["only"] == ["a_*", "c_?"]


def test_a_pattern_that_nothing_fits_is_refused(tmp_path: Path) -> None:
    photos(tmp_path / "in", "a_1.png")
    with pytest.raises(RunError, match=r"none of 1 ids fits the pattern 'b_\*'"):
        import_photos(
            tmp_path / "in", tmp_path / "real", preparation=Preparation(16, only=("b_*",))
        )
    assert not (tmp_path / "real").exists()


def test_per_class_takes_the_first_of_each_class(tmp_path: Path) -> None:
    photos(tmp_path / "in", "cat/3.png", "cat/1.png", "cat/2.png", "dog/9.png")
    how = Preparation(size=16, per_class=2)
    run = import_photos(tmp_path / "in", tmp_path / "real", preparation=how).run
    assert [(item.label, item.id) for item in run.items] == [
        ("cat", "1"),
        ("cat", "2"),
        ("dog", "9"),
    ]
    assert run.config["per_class"] == 2


def test_per_class_needs_classes(tmp_path: Path) -> None:
    photos(tmp_path / "in", "1.png", "2.png")
    with pytest.raises(RunError, match=r"1\.png is in no class folder"):
        import_photos(tmp_path / "in", tmp_path / "real", preparation=Preparation(16, per_class=1))


def test_files_that_share_an_id_are_refused_and_path_ids_tell_them_apart(tmp_path: Path) -> None:
    photos(tmp_path / "in", "cat/1.png", "dog/1.png")
    with pytest.raises(RunError, match=r"cat/1.png and dog/1.png share .* '1'; --ids path"):
        import_photos(tmp_path / "in", tmp_path / "real", preparation=SMALL)
    how = Preparation(size=16, ids="path")
    import_photos(tmp_path / "in", tmp_path / "real", preparation=how)
    assert open_run(tmp_path / "real").labels() == {"cat-1": "cat", "dog-1": "dog"}


def test_names_that_windows_keeps_for_devices_get_other_ids(tmp_path: Path) -> None:
    source = photos(tmp_path / "in", "CON.png", "nul.jpg", "com1.v2.png", "console.png")
    done = import_photos(source, tmp_path / "real", preparation=SMALL)
    assert list(open_run(tmp_path / "real").files) == ["CON_", "com1_.v2", "console", "nul_"]
    assert any("3 names hold what no file name may" in note for note in done.notes)
    assert list(open_run(source).files) == list(open_run(tmp_path / "real").files)


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    source = photos(tmp_path / "in", "a.png")
    (source / "b.png").symlink_to("gone.png")
    with pytest.raises(ImageError, match=r"b\.png: .* \(a link to nothing, gone\.png\)"):
        import_photos(source, tmp_path / "real", preparation=SMALL)


@pytest.mark.parametrize(
    ("template", "bare"), [("x{id}.png", "x{id}"), ("{id}.PNG", "{id}"), ("{id}_x4.jpg", "{id}_x4")]
)
def test_a_template_with_an_ending_says_what_was_expected(
    tmp_path: Path, template: str, bare: str
) -> None:
    source = photos(tmp_path / "in", "xa.png", "xb.png")
    with pytest.raises(RunError, match=re.escape(f"without their ending, expected {bare!r}")):
        import_photos(source, tmp_path / "real", preparation=replace(SMALL, names=template))


def test_ids_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    source = zipped(tmp_path / "a.zip", {"A.png": png(), "a.png": png()})
    with pytest.raises(RunError, match="share the item id 'a'"):
        import_photos(source, tmp_path / "real", preparation=SMALL)


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/evil.png", "x/../../evil.png", "..\\evil.png"]
)
def test_a_zip_that_points_outside_is_refused(tmp_path: Path, name: str) -> None:
    source = zipped(tmp_path / "a.zip", {name: png()})
    with pytest.raises(RunError, match="points outside the archive"):
        import_photos(source, tmp_path / "deep" / "real", preparation=SMALL)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip"]


def test_resource_forks_and_hidden_files_are_no_images(tmp_path: Path) -> None:
    members = {"a.png": png(), "__MACOSX/._a.png": b"fork", ".thumb.png": b"x"}
    import_photos(zipped(tmp_path / "a.zip", members), tmp_path / "real", preparation=SMALL)
    assert list(open_run(tmp_path / "real").files) == ["a"]


def test_a_damaged_zip_member_is_named(tmp_path: Path) -> None:
    source = zipped(tmp_path / "a.zip", {"a.png": png(), "b.png": png(seed=1)})
    data = bytearray(source.read_bytes())
    data[200] ^= 0xFF  # inside the first member's data
    source.write_bytes(data)
    with pytest.raises(ImageError, match=r"1 file cannot be used.*a.png: .*zip member is damaged"):
        import_photos(source, tmp_path / "real", preparation=SMALL)


def test_sources_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "none").mkdir()
    for name, message in {
        "missing": "no such folder or zip",
        "file": "neither a folder nor a zip",
        "none": "holds no images",
    }.items():
        with pytest.raises(RunError, match=message):
            import_photos(tmp_path / name, tmp_path / "real", preparation=SMALL)


def test_a_size_the_factor_does_not_divide_is_refused_first(tmp_path: Path) -> None:
    photos(tmp_path / "in", "a.png")
    how = Preparation(size=18, factor=4)
    with pytest.raises(ConfigError, match="size 18: not a multiple of the factor 4"):
        import_photos(tmp_path / "in", tmp_path / "r", inputs_out=tmp_path / "l", preparation=how)
    assert not (tmp_path / "r").exists()


def test_importing_twice_changes_nothing_and_other_photos_are_refused(tmp_path: Path) -> None:
    source = photos(tmp_path / "in", "a.png", "b.png")
    first = import_photos(source, tmp_path / "real", preparation=SMALL)
    assert import_photos(source, tmp_path / "real", preparation=SMALL).run == first.run
    noise(20, 24, seed=9).save(source / "b.png")
    with pytest.raises(RunError, match=r"another finished run .* or name another folder$"):
        import_photos(source, tmp_path / "real", preparation=SMALL)


@pytest.mark.parametrize("there", ["finished", "begun", "finished, and the photos too", "link"])
def test_inputs_that_cannot_be_written_are_refused_before_the_photos(
    tmp_path: Path, there: str
) -> None:
    source, real, lr = photos(tmp_path / "in", "a.png"), tmp_path / "real", tmp_path / "lr"
    import_photos(source, real, inputs_out=lr, preparation=SMALL)
    if there == "begun":
        header = {"identity": {"generator": "downsample", "config": {"factor": 4}}, "items": 1}
        (lr / JOURNAL).write_text(json.dumps(header) + "\n")
        (lr / MANIFEST).unlink()
    if there == "link":
        shutil.rmtree(lr)
        lr.symlink_to(tmp_path / "gone")
    if "photos" not in there:
        shutil.rmtree(real)
    factor = 8 if there != "finished" else 4
    source = photos(tmp_path / "other", "b.png") if there == "finished" else source
    how = Preparation(size=16, factor=factor)
    with pytest.raises(RunError, match=f"^{lr}: ") as caught:
        import_photos(source, real, inputs_out=lr, preparation=how)
    assert "--start-over" not in str(caught.value)
    assert real.exists() == ("photos" in there)


def test_photos_that_were_removed_are_imported_beside_their_inputs(tmp_path: Path) -> None:
    source, real, lr = photos(tmp_path / "in", "a.png"), tmp_path / "real", tmp_path / "lr"
    first = import_photos(source, real, inputs_out=lr, preparation=SMALL)
    shutil.rmtree(real)
    assert import_photos(source, real, inputs_out=lr, preparation=SMALL) == first


def test_a_grey_photo_has_three_equal_channels(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    noise(16, 16).convert("L").save(tmp_path / "in" / "a.png")
    import_photos(tmp_path / "in", tmp_path / "real", preparation=SMALL)
    pixels = read_image(tmp_path / "real" / "a.png")
    assert (pixels == pixels[..., :1]).all()


def test_more_than_ten_thousand_items_go_into_sub_folders() -> None:
    from generators.runs.writer import file_names

    ids = [f"{number:05d}" for number in range(10_001)]
    names = file_names(reversed(ids))
    assert names["00999"] == "0000/00999.png"
    assert names["01000"] == "0001/01000.png"
    assert names["10000"] == "0010/10000.png"
    assert file_names(ids[:10_000])["09999"] == "09999.png"


@pytest.mark.parametrize(
    "item", ["", ".hidden", "a/b", "a\\b", "a\nb", "x" * 201, "a:b", 'a"b', "nul", "Com1.v2"]
)
def test_ids_that_cannot_be_file_names_are_refused(item: str) -> None:
    from generators.runs.writer import file_names

    with pytest.raises(RunError, match=r"cannot be a file name|keeps this name for a device"):
        file_names([item])
