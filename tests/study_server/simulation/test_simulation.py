"""Simulated raters: a known truth, taken over real HTTP, the same for the same seed."""

from __future__ import annotations

import csv
import json
import math
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest
from preference_study import preference_text
from scipy import integrate, stats
from small_study import MakeStudy

from study_server.config import parse_study_file
from study_server.errors import AddressError, StudyError
from study_server.export.export import export_study
from study_server.simulation.rater_model import RaterModel, SimulatedRater, Truth, intercept
from study_server.simulation.simulate import simulate
from study_server.simulation.truth import refuse_strangers
from study_server.storage.database import Database
from study_server.storage.identity import load_secret
from study_server.trial_kinds import Question, questions_of
from study_server.web.serve import parse_address, require_free

ASKS = """
[ask]
blocks = ["vision", "screen"]
after = [{ id = "why", kind = "text", text = "Why?" }]
[check]
questions = [{ text = "?", right = "b", options = [
  { value = "a", text = "A" }, { value = "b", text = "B" } ] }]
"""


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.9])
def test_the_intercept_gives_the_marginal_rate(rate: float) -> None:
    # Against scipy's adaptive quadrature of the same expectation.
    spread = 1.2
    middle = intercept(rate, spread)
    value, _ = integrate.quad(
        lambda x: stats.norm.pdf(x, scale=spread) / (1 + math.exp(-middle - x)), -12, 12
    )
    assert value == pytest.approx(rate, abs=5e-4)


@pytest.mark.slow
def test_raters_call_single_images_real_as_often_as_the_model_says() -> None:
    model = RaterModel(
        photos_called_real=0.8, d_prime={"sharp": 0.5}, default_d_prime=1.5,
        rater_sd=0.5, item_sd=0.5, skip=0.0,
    )  # fmt: skip
    # Φ(z(.8) - d'), by scipy.stats.norm
    expected = {"real": 0.8, "sharp": 0.6337, "soft": 0.2551}
    found: dict[str, list[bool]] = {name: [] for name in expected}
    for index in range(400):
        rater = SimulatedRater(model, 3, index)
        for item in range(8):
            for name, said in found.items():
                truth = Truth(f"i{index}-{item}", name, "main", "left")
                said.append(rater.answer(truth, questions_of("single", (), {}))["choice"] == "real")
    for name, said in found.items():
        assert fmean(said) == pytest.approx(expected[name], abs=0.03), name


def test_raters_show_the_rate_they_were_given() -> None:
    model = RaterModel(rates={"m": 0.3}, rater_sd=0.5, item_sd=0.5, skip=0.0)
    fooled = []
    for index in range(400):
        rater = SimulatedRater(model, 3, index)
        for item in range(25):
            side = "left" if item % 2 else "right"
            truth = Truth(f"i{index}-{item}", "m", "main", side)
            fooled.append(rater.answer(truth)["choice"] == side)
    assert fmean(fooled) == pytest.approx(0.3, abs=0.03)


def test_a_rater_is_the_same_whenever_it_is_made() -> None:
    truth = Truth("i", "m", "main", "left")
    first, second = (SimulatedRater(RaterModel(), 1, 4) for _ in range(2))
    assert [first.answer(truth) for _ in range(9)] == [second.answer(truth) for _ in range(9)]


@pytest.mark.integration
def test_a_simulation_over_http_is_marked_and_repeats_itself(
    tmp_path: Path, make_study: MakeStudy, another: Callable[[Path], Database]
) -> None:
    tables = []
    for name in ("first", "second"):
        database = another(tmp_path / f"{name}.sqlite3")
        make_study(database, ("[practice]", f"{ASKS}[practice]"))
        secret = load_secret(database.url)
        model = RaterModel(dropout=0.4)
        tally = simulate(database, secret, "small", model=model, raters=6, seed=2, at_once=3)
        assert tally.completed == 6
        assert tally.dropped > 0
        export_study(database, "small", tmp_path / name)
        with (tmp_path / name / "judgments.csv").open(newline="") as stream:
            tables.append([row | {"answered_at": ""} for row in csv.DictReader(stream)])
    assert tables[0] == tables[1]
    assert {row["simulated"] for row in tables[0]} == {"1"}
    counted = [row for row in tables[0] if row["excluded"] == "0" and row["kind"] == "main"]
    assert len(counted) == 24
    found = json.loads((tmp_path / "first" / "study.json").read_text())
    assert found["simulated"] is True
    assert found["simulation"]["seed"] == 2


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=f"127.0.0.1:{port} is in use") as refusal:
            require_free("127.0.0.1", port)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [("8000", ("127.0.0.1", 8000)), ("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:80", ("::1", 80))],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "x", "host:", "1:99999", "host:x"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(AddressError, match="expected PORT or HOST:PORT"):
        parse_address(text)


@pytest.mark.statistical
def test_raters_who_compare_have_the_stated_scores() -> None:
    """Over new raters and items a wins with e^(g/2) / (e^(g/2) + e^(-g/2) + v), g the gap 0.8."""
    model = RaterModel(scores={"a": 0.5, "b": -0.3}, tie=0.4, bad=0.25, skip=0, lapse=0.1)
    question = Question(id="q", answers=("left", "right", "tie", "bad"))
    said: Counter[str] = Counter()
    for index in range(1500):
        rater = SimulatedRater(model, 5, index)
        for item in range(6):
            side = "left" if (index + item) % 2 else "right"
            truth = Truth(f"i{index}-{item}", "a", "main", side, "b")
            choice = rater.answer(truth, [question])["choice"]
            said["a" if choice == side else choice if choice in ("tie", "bad") else "b"] += 1
    up, down = math.exp(0.4), math.exp(-0.4)
    total, n = up + down + 0.4, sum(said.values())
    wanted = {"a": up, "b": down, "tie": 0.4 * 0.75, "bad": 0.4 * 0.25}
    for answer, weight in wanted.items():  # 9,000 answers of 1,500 raters: deviations of 0.9 points
        assert said[answer] / n == pytest.approx(weight / total, abs=0.027), answer


def test_the_raters_model_names_models_of_the_study() -> None:
    text = preference_text(Path("nowhere"))
    file = parse_study_file(text, "study.toml")
    with pytest.raises(StudyError, match="scores the model 'gan', small has blurred, exact, noisy"):
        refuse_strangers(RaterModel(scores={"gan": 1.0}), file)
    with pytest.raises(StudyError, match="scores the question 'x', small has preference"):
        refuse_strangers(RaterModel(questions={"x": {"noisy": 1.0}}), file)
