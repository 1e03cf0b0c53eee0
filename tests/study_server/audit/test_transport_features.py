"""The transport adversary, on files made by the study's own encoder, with and without padding."""

import base64
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from study_server.audit import findings
from study_server.audit.auc import Area
from study_server.audit.findings import (
    Audit,
    audit_condition,
    audit_transport,
    equal_sizes,
    header_findings,
)
from study_server.audit.probes import measure
from study_server.audit.report import to_markdown, verdict, write
from study_server.audit.transport import Delivery, Pair, chunks
from study_server.studies.images.stimuli import encode_equal

HEADERS = (("Content-Type", "image/png"), ("Cache-Control", "no-store"))


def crops(count, side=32):
    rng = np.random.default_rng(3)
    photo = data.chelsea()
    corners = rng.integers((0, 0), (300 - side, 451 - side), (count, 2))
    return [np.ascontiguousarray(photo[y : y + side, x : x + side]) for y, x in corners]


def measured(images):
    return {item: measure(image) for item, image in images.items()}


def smooth(pixels):
    small = Image.fromarray(pixels).reduce(2)
    return np.asarray(small.resize(pixels.shape[1::-1], Image.Resampling.BICUBIC))


def deliver(body, rng, headers=HEADERS, arrival=0):
    listed = (*headers, ("Content-Length", str(len(body))))
    url = f"/i/{base64.urlsafe_b64encode(rng.bytes(24)).decode()}"
    return Delivery(url, 200, listed, body, float(rng.gamma(2, 2)), arrival)


def make_pairs(count, *, pad, output_headers=HEADERS):
    rng = np.random.default_rng(4)
    pairs = []
    for real in crops(count):
        files = encode_equal([real, smooth(real)], pad=pad)
        first = int(rng.random() < 0.5)
        both = [
            deliver(files[0], rng, HEADERS, first),
            deliver(files[1], rng, output_headers, 1 - first),
        ]
        model_left = bool(rng.random() < 0.5)
        pairs.append(Pair(both[model_left], both[not model_left], model_left))
    return pairs


def test_padded_files_leave_the_adversary_blind():
    pairs = make_pairs(240, pad=True)
    finding = audit_transport(pairs)
    assert finding.verdict == "nothing"
    assert equal_sizes(pairs)
    assert header_findings(pairs) == ()


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        (Area(0.393, 0.315, 0.477, 180), "nothing"),  # as few blind runs are by chance
        (Area(0.54, 0.46, 0.62, 180), "nothing"),
        (Area(0.607, 0.523, 0.685, 180), "mend"),
    ],
)
def test_guessing_worse_than_chance_is_no_leak(monkeypatch, area, expected):
    monkeypatch.setattr(findings, "attack", lambda *_: area)  # few pairs: one attack
    assert audit_transport(make_pairs(30, pad=True)).verdict == expected


def test_without_padding_it_nearly_always_wins():
    pairs = make_pairs(240, pad=False)
    finding = audit_transport(pairs)
    assert finding.area.value > 0.95
    assert finding.verdict == "mend"
    assert not equal_sizes(pairs)
    assert "content-length" in header_findings(pairs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "telltale",
    [
        (*HEADERS, ("ETag", "x")),
        (HEADERS[1], HEADERS[0]),
        (("content-type", "image/png"), ("Cache-Control", "no-cache")),
    ],
    ids=["one more header", "another order", "another value"],
)
def test_a_telltale_header_is_found(telltale):
    assert audit_transport(make_pairs(200, pad=True, output_headers=telltale)).area.low > 0.9


@pytest.mark.slow
def test_padding_in_a_chunk_of_its_own_would_not_do():
    def outside(pair):
        return [encode_equal([pair, smooth(pair)], pad=False)[k] for k in (0, 1)]

    rng, pairs = np.random.default_rng(1), []
    for real in crops(200):
        files = outside(real)
        longest = max(map(len, files)) + 12
        filled = [body + b"\0" * (longest - len(body)) for body in files]
        model_left = bool(rng.random() < 0.5)
        both = [deliver(body, rng) for body in filled]
        pairs.append(Pair(both[model_left], both[not model_left], model_left))
    assert equal_sizes(pairs)
    assert audit_transport(pairs).area.value > 0.95


def test_chunks_lists_what_the_encoder_writes():
    body = encode_equal(crops(1))[0]
    assert [name for name, _ in chunks(body)] == ["IHDR", "IDAT", "IEND"]
    assert chunks(body + b"tail")[-1] == ("trailing", 4)
    assert chunks(b"GIF89a") == [("file", 6)]


@pytest.mark.slow
def test_the_report_names_a_jpeg_grid_and_forgives_blur(tmp_path):
    real = {f"item{k}": crop for k, crop in enumerate(crops(40, 64))}
    framed = {}
    for item, crop in real.items():
        framed[item] = smooth(crop).copy()
        framed[item][[0, -1]] = 0
    found = audit_condition("model", measured(real), measured(framed))
    verdicts = {probe.name: probe.verdict for probe in found.probes}
    assert verdicts["border brightness"] == "mend"
    assert verdicts["sharpness"] == "know"
    pairs = make_pairs(60, pad=True)
    audit = Audit("s", "0" * 64, "t", audit_transport(pairs), (), True, (30, 60), (found,))
    assert "look at before launch" in verdict(audit)
    unprobed = verdict(replace(audit, conditions=()))  # of a study with too few items
    assert unprobed == "Nothing on the way to the browser tells; the pixels were not probed."
    for path in write(audit, tmp_path):
        assert path.read_text()
    assert "the edges of one side are darker" in to_markdown(audit)


@pytest.mark.slow
def test_identical_runs_show_nothing():
    real = {f"item{k}": crop for k, crop in enumerate(crops(60))}
    swapped = dict(zip(real, list(real.values())[1:] + list(real.values())[:1], strict=True))
    found = audit_condition("model", measured(real), measured(swapped))
    assert {probe.verdict for probe in found.probes} == {"nothing"}
    assert found.traces.verdict == "nothing"


def test_too_few_items_is_an_error():
    real = {f"item{k}": crop for k, crop in enumerate(crops(5))}
    with pytest.raises(ValueError, match="5 items in common"):
        audit_condition("model", measured(real), measured(real))
