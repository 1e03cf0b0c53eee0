"""`report --log`: what trackers get, offline, read back by their own readers."""

from __future__ import annotations

import importlib
import json
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_study import SMALL

from analysis.errors import AnalysisError
from analysis.report import trackers
from analysis.report.page.pictures import Picture, embed
from analysis.report.results.schema import MetricTable, MetricValue, Results, read_results
from analysis.report.results.values import PickedShare
from analysis.report.trackers import Logged, check_tracker, log_report, numbers
from manage import run


def needs(tracker: str) -> None:
    """Skip, with what to install, where a tracker's package is missing; make test installs all."""
    pytest.importorskip(tracker, reason=f'no {tracker} here: pip install -e ".[{tracker}]"')


@pytest.fixture
def gallery(export: Path, results: Results) -> dict[tuple[str, str], tuple[Picture, Picture]]:
    runs = export.parent / "runs"
    key = results.models[0].key
    pair = [
        embed(runs / name / "photo-01.png", 64) for name in (results.models[0].condition, "real")
    ]
    return {(key, "photo-01"): (pair[0], pair[1])}


def test_every_rate_is_a_number_with_its_interval(results: Results) -> None:
    found = numbers(results)
    for model in results.models:
        name = f"fool_rate/{model.key}"
        assert (found[f"{name}/rate"], found[f"{name}/low"], found[f"{name}/high"]) == (
            model.rate,
            model.low,
            model.high,
        )


def test_scores_go_with_what_they_were_computed_by(results: Results) -> None:
    fields: dict[str, Any] = {
        "key": "sr3",
        "name": "fid",
        "direction": "lower",
        "settings": {"k": 3},
    }
    value = MetricValue(value=2.5, n=10, precision="bf16", resize="clean", **fields)
    other = value.model_copy(update={"key": "bicubic", "n": 12})
    changed = results.model_copy(update={"metrics": MetricTable(values=(value, other))})
    words = "10 images of sr3, 12 images of bicubic, resize clean, bf16, k 3"
    assert trackers._settings(changed)["metric/fid"] == words
    columns, rows = trackers._tables(changed)["metrics"]
    assert dict(zip(columns, rows[0], strict=True))["settings"] == words
    assert "metrics" not in trackers._tables(results.model_copy(update={"metrics": MetricTable()}))


def test_shares_of_further_questions_go_too(results: Results) -> None:
    words = {"question": "sharper", "words": "Which one is sharper?", "condition": "sr 3"}
    counts = {"picked": 7, "photo": 2, "neither": 1, "both_bad": 0, "trials": 10, "skipped": 0}
    counts |= {"raters": 5, "items": 10}
    share = {"share": 0.75, "low": 0.5, "high": 0.9}
    picked = PickedShare.model_validate(words | counts | share)
    changed = results.model_copy(update={"further": (picked,)})
    found = numbers(changed)
    assert {end: found[f"further/sharper/sr_3/{end}"] for end in share} == share
    columns, rows = trackers._tables(changed)["further"]
    assert len(rows) == 1
    row = dict(zip(columns, rows[0], strict=True))
    assert row | words | share | {"picked": 7, "photo": 2, "neither": 1, "trials": 10} == row
    assert "further" not in trackers._tables(results)


def test_two_conditions_with_one_name_are_refused(results: Results) -> None:
    first, second = results.models[:2]
    twins = (replace(first, key="a b"), replace(second, key="a_b"))
    changed = results.model_copy(update={"models": twins})
    with pytest.raises(AnalysisError, match="two conditions would be 'fool_rate/a_b/rate'"):
        numbers(changed)


def test_a_tracker_that_is_not_installed_is_named_before_the_work(
    export: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda _name: None)
    for name, package in (("wandb", "wandb"), ("mlflow", "mlflow-skinny")):
        assert run(["report", str(export), "-o", str(tmp_path / "out"), "--log", name]) == 1
        said = f"--log {name} needs the package: pip install {package}"
        assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_tracker_that_fails_is_one_line_after_the_report(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(logged: Logged) -> str:
        assert logged.title == results.title
        raise RuntimeError("no API key configured\nmore")

    monkeypatch.setitem(trackers.TRACKERS, "wandb", fails)
    with pytest.raises(AnalysisError, match=r"written; wandb did not take it \(no API key conf"):
        log_report("wandb", results, tmp_path, {})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("the page")
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_tensorboard_reads_them_back(results: Results, gallery: dict, place: Path) -> None:
    needs("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    check_tracker("tensorboard")
    first = replace(results.models[0], task="one | two")
    results = results.model_copy(update={"models": (first, *results.models[1:])})
    for _ in range(2):  # the second report replaces the first
        said = log_report("tensorboard", results, place / "report", gallery)
    assert said == str(place / "report" / "tensorboard")
    assert len(list(Path(said).iterdir())) == 1
    events = EventAccumulator(str(place / "report" / "tensorboard"))
    events.Reload()
    found = {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"]}
    assert found == pytest.approx(numbers(results), rel=1e-6)
    assert len(events.Tags()["images"]) == 1
    text = events.Tensors("rates/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "SIMULATED" in text
    assert all(name in text for name in SMALL)
    assert "one \\| two" in text  # and is one cell


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_reads_them_back(
    results: Results, gallery: dict, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{place / 'mlruns'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    log_report("mlflow", results, place / "report", gallery)
    client = MlflowClient(f"file:{place / 'mlruns'}")
    experiment = client.get_experiment_by_name("foolrate")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.data.metrics == pytest.approx(numbers(results))
    assert found.data.tags["simulated"] == "True"
    assert found.info.run_name == results.title
    folder = Path(found.info.artifact_uri.removeprefix("file:").replace("//", "/"))
    assert (folder / "report" / "report.html").read_text() == "the page"
    rates = json.loads((folder / "rates.json").read_text())
    assert rates["rate"] == [model.rate for model in results.models]
    assert len(list((folder / "gallery").glob("*.png"))) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_wandb_keeps_them_offline(
    results: Results, gallery: dict, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("wandb")
    for name, value in {"MODE": "offline", "DIR": str(place), "SILENT": "true"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    log_report("wandb", results, place / "report", gallery)
    (folder,) = (place / "wandb").glob("offline-run-*")
    (table,) = folder.rglob("media/table/*.json")
    fields = json.loads(table.read_text())
    assert fields["columns"] == list(trackers.TABLE)
    assert [row[2] for row in fields["data"]] == [model.rate for model in results.models]
    assert len(list(folder.rglob("media/images/*.png"))) == 1
    (record,) = folder.glob("*.wandb")
    assert logged_by_wandb(record) == pytest.approx(numbers(results), rel=1e-12)


def logged_by_wandb(path: Path) -> dict[str, float]:
    """Return the numbers in a file of wandb's, whose own process ends it a little later."""
    kind: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")

    found: dict[str, float] = {}
    deadline = time.monotonic() + 60
    every: list[Any] = []
    while not any(record.HasField("exit") for record in every):
        assert time.monotonic() < deadline
        time.sleep(0.1)
        every = [kind.Record.FromString(data) for data in records(path.read_bytes())]
    for record in every:
        for item in record.history.item:
            name, value = "/".join(item.nested_key) or item.key, json.loads(item.value_json)
            if isinstance(value, float) and not name.startswith("_"):
                found[name] = value
    return found


def records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a LevelDB log with wandb's 7 bytes before it.

    Blocks of 32 KiB hold pieces, each after 4 bytes of checksum, 2 of length and 1 of kind: whole,
    first, middle or last (github.com/google/leveldb, doc/log_format.md).
    """
    at, record = 7, b""
    while at < len(data):
        if 2**15 - at % 2**15 < 7:  # no piece begins where its head would not fit
            at += 2**15 - at % 2**15
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield record
            record = b""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("drawn")
def test_the_command_sends_what_it_wrote(
    export: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    needs("tensorboard")
    monkeypatch.chdir(tmp_path)
    assert run(["report", str(export), "-o", "report", "--log", "tensorboard"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("tensorboard has it: ")
    assert said.endswith("wrote report/report.html\n")
    (left,) = tmp_path.glob("report/tensorboard/events.out.tfevents.*")
    assert left.stat().st_size > 0
    assert (tmp_path / "report/report.html").read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_preference_study_sends_its_rankings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'mlruns'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    duels = tmp_path / "comparisons.csv"
    lines = [f"r{r},i{i},sr3,bicubic,{'ab'[(r + i) % 3 == 0]}" for r in range(9) for i in range(6)]
    duels.write_text("\n".join(["rater_id,item_id,model_a,model_b,choice", *lines]) + "\n")
    assert run(["report", str(duels), "-o", "report", "--log", "mlflow"]) == 0
    (sent,) = tmp_path.glob("mlruns/*/*/artifacts/report/report.html")
    assert sent.read_bytes() == (tmp_path / "report/report.html").read_bytes()
    (ranking,) = read_results(tmp_path / "report/results.json").rankings
    for model in ranking.models:
        for name, value in (("score", model.score), ("win_share", model.win_share.value)):
            (path,) = tmp_path.glob(f"mlruns/*/*/metrics/preference/{model.model}/{name}")
            assert float(path.read_text().split()[1]) == pytest.approx(value)
    (table,) = tmp_path.glob("mlruns/*/*/artifacts/ranking.json")
    assert json.loads(table.read_text())["wins"] == [each.wins for each in ranking.models]
