"""The audit of a whole study over real HTTP: blind with the defences, not without them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from served import in_threads
from skimage import data

from study_server.audit import collect
from study_server.audit.collect import collect_pairs, without_panel
from study_server.audit.findings import audit_transport, equal_sizes, header_findings
from study_server.audit.transport import chunks
from study_server.cli import study
from study_server.config import parse_study_file
from study_server.errors import StudyError
from study_server.storage.database import Database
from study_server.storage.identity import load_secret
from study_server.web.app import create_app
from study_server.web.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.slow]
FEW = 80  # pairs that are enough to see what is not hidden
TRIES = 3  # one collection in forty looks like a leak by chance; not three in a row

STUDY = """
[study]
id = "leaks"
title = "Leaks"
contact = "the laboratory"
[images]
reference = "{folder}/real"
[conditions]
smooth = "{folder}/smooth"
[design]
raters = 12
trials = 20
exposure_ms = 0
[practice]
trials = 0
[catch]
trials = 0
[provider]
kind = "prolific"
[provider.codes]
completed = "ABCD1234"
[use]
max_failed_catch = 0
"""


@contextmanager
def in_this_process(database: Database, _url: str | None) -> Iterator[str]:
    """Yield the address of a site without processes of its own, which take longer than the visits.

    For files that differ in size: whoever serves them.
    """
    secret = load_secret(database.url)
    app = create_app(Settings(str(database.url), secret, limits=False), database=database)
    with in_threads(app) as address:
        yield address


def see_leaks(file, text):
    """Return what the adversary finds where the files are not padded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect, "serving", in_this_process)
        pairs = collect_pairs(file, text, FEW, seed=1, pad=False)
    found = audit_transport(pairs, seed=1)
    assert found.area.value > 0.95, str(found.area)
    return found


def refuse_leaks(file, text, pairs):
    """Check that the adversary learns nothing from pairs that were collected with seed 1."""
    found = [audit_transport(pairs, seed=1)]
    while found[-1].verdict != "nothing" and len(found) < TRIES:
        seed = len(found) + 1
        found.append(audit_transport(collect_pairs(file, text, len(pairs), seed=seed), seed=seed))
    assert found[-1].verdict == "nothing", [str(finding.area) for finding in found]
    assert equal_sizes(pairs)
    assert header_findings(pairs) == ()


@pytest.fixture(scope="module")
def study_text(tmp_path_factory):
    """Return a study of 40 photo crops and their blurred copies."""
    folder = tmp_path_factory.mktemp("leaks")
    rng, photo = np.random.default_rng(3), data.chelsea()
    for kind in ("real", "smooth"):
        (folder / kind).mkdir()
    for k, (y, x) in enumerate(rng.integers((0, 0), (260, 411), (40, 2))):
        crop = Image.fromarray(np.ascontiguousarray(photo[y : y + 40, x : x + 40]))
        crop.save(folder / "real" / f"i{k}.png")
        crop.reduce(2).resize((40, 40), Image.Resampling.BICUBIC).save(
            folder / "smooth" / f"i{k}.png"
        )
    return STUDY.format(folder=folder)


def test_the_adversary_is_blind_on_240_pairs(study_text):
    file = parse_study_file(study_text, "leaks")
    pairs = collect_pairs(file, study_text, 240, seed=1)
    assert len(pairs) == 240
    refuse_leaks(file, study_text, pairs)
    both = [side for pair in pairs for side in (pair.left, pair.right)]
    assert {len(side.url) for side in both} == {len(both[0].url)}
    assert {tuple(name for name, _ in side.headers) for side in both} == {
        tuple(name for name, _ in both[0].headers)
    }
    assert {tuple(n for n, _ in chunks(side.body)) for side in both} == {("IHDR", "IDAT", "IEND")}
    assert sum(pair.model_left for pair in pairs) == 120  # sides are exactly balanced


def test_with_padding_switched_off_it_wins(study_text):
    file = parse_study_file(study_text, "leaks")
    see_leaks(file, study_text)


def test_the_command_writes_a_report_and_passes(study_text, tmp_path):
    path = tmp_path / "leaks.toml"
    path.write_text(study_text)
    for seed in range(2, 2 + TRIES):
        arguments = ["audit", str(path), "--pairs", "40", "--seed", str(seed)]
        result = CliRunner().invoke(study, [*arguments, "-o", str(tmp_path / "out")])
        if result.exit_code == 0:
            break
    assert result.exit_code == 0, result.output
    report = (tmp_path / "out" / "audit.md").read_text()
    assert "# Audit of leaks version 1" in report
    assert "40 pairs: a small leak would not show" in report


def test_the_adversary_cannot_tell_which_model_is_on_which_side(study_text, tmp_path):
    """Three models, one of which compresses far better than the next: 120 trials of windows."""
    file, text = preferences(study_text, tmp_path)
    pairs = collect_pairs(file, text, 120, seed=1)
    assert len(pairs) == 120
    assert {pair.contest for pair in pairs} == {
        "exact against smooth", "exact against coarse", "smooth against coarse",
    }  # fmt: skip
    refuse_leaks(file, text, pairs)
    assert sum(pair.model_left for pair in pairs) == 60
    found = see_leaks(file, text)
    assert "which model is on which side" in found.words


def test_the_adversary_cannot_tell_a_single_photo_from_an_output(study_text):
    """Of the same item, as two raters received it, which is more than any rater has."""
    text = study_text.replace("[design]", '[design]\ntrial = "single"')
    text = text.replace("raters = 12", "raters = 24")
    file = parse_study_file(text, "leaks")
    pairs = collect_pairs(file, text, 120, seed=1)
    assert len(pairs) == 120
    assert {pair.left.arrival for pair in pairs} == {0}
    refuse_leaks(file, text, pairs)
    see_leaks(file, text)


def preferences(study_text, folder):
    """Return a study of preferences between the photos and two blurred copies of them."""
    real = study_text.split('reference = "')[1].split('"')[0]
    (folder / "coarse").mkdir()
    for path in Path(real).glob("*.png"):
        small = Image.open(path).reduce(4)
        small.resize((40, 40), Image.Resampling.BICUBIC).save(folder / "coarse" / path.name)
    crop = 'view = "crop"\nwindow = [32, 24]'
    text = study_text.replace("[conditions]", f'{crop}\n[conditions]\nexact = "{real}"')
    text = text.replace("[design]", f'coarse = "{folder}/coarse"\n[design]\ntrial = "preference"')
    return parse_study_file(text, "leaks"), text


def test_a_panel_written_inline_is_explained(study_text):
    inline = study_text.split("[provider]")[0]
    text = 'provider = {kind = "prolific"}\n' + inline
    with pytest.raises(StudyError, match="expected it as a"):
        without_panel(parse_study_file(text, "leaks"), text)


def test_the_adversary_is_blind_where_raters_zoom(large_text):
    """All that a page asks for is two whole files, and their reductions tell nothing."""
    text = large_text.replace("[conditions]", 'view = "zoom"\n[conditions]')
    file = parse_study_file(text, "leaks")
    pairs = collect_pairs(file, text, 100, seed=1)
    assert len(pairs) == 100
    refuse_leaks(file, text, pairs)
    see_leaks(file, text)


@pytest.fixture(scope="module")
def large_text(study_text, tmp_path_factory):
    """Return the study with images that are large enough to be reduced, and 200 trials."""
    folder = tmp_path_factory.mktemp("large")
    small = study_text.split('reference = "')[1].split('/real"')[0]
    for path in Path(small).glob("*/*.png"):
        (folder / path.parent.name).mkdir(exist_ok=True)
        large = Image.open(path).resize((176, 120), Image.Resampling.BICUBIC)
        noise = np.random.default_rng(len(path.name)).integers(0, 3, (120, 176, 3))
        rough = np.asarray(large) // 4 * 4 + (noise if path.parent.name == "real" else 0)
        Image.fromarray(rough.astype(np.uint8)).save(folder / path.parent.name / path.name)
    return study_text.replace(small, str(folder))
