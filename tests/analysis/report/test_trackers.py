"""`report --log`: what trackers get, offline, read back by their own readers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_study import SMALL

from analysis.errors import AnalysisError
from analysis.report import trackers
from analysis.report.build import write_report
from analysis.report.page.pictures import Picture, embed
from analysis.report.results.schema import Results, read_results
from analysis.report.trackers import Logged, check_tracker, log_report, numbers
from manage import run


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
    def fails(logged: Logged) -> None:
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
    pytest.importorskip("tensorboard", reason="outside the test environment: tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    check_tracker("tensorboard")
    log_report("tensorboard", results, place / "report", gallery)
    events = EventAccumulator(str(place / "report" / "tensorboard"))
    events.Reload()
    found = {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"]}
    assert found == pytest.approx(numbers(results), rel=1e-6)
    assert len(events.Tags()["images"]) == 1
    text = events.Tensors("rates/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "SIMULATED" in text
    assert all(name in text for name in SMALL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_reads_them_back(
    results: Results, gallery: dict, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="outside the test environment: mlflow")
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
    pytest.importorskip("wandb", reason="outside the test environment: wandb")
    for name, value in {"MODE": "offline", "DIR": str(place), "SILENT": "true"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    log_report("wandb", results, place / "report", gallery)
    (folder,) = (place / "wandb").glob("offline-run-*")
    (table,) = folder.rglob("media/table/*.json")
    fields = json.loads(table.read_text())
    assert fields["columns"] == list(trackers.TABLE)
    assert [row[2] for row in fields["data"]] == [model.rate for model in results.models]
    assert len(list(folder.rglob("media/images/*.png"))) == 1
    record = next(folder.glob("*.wandb")).read_bytes()
    for name, number in numbers(results).items():
        # A protobuf item: the key, the tag and the length of the value, the value as JSON.
        found = re.search(re.escape(name.encode()) + rb"\x82\x01.([0-9.e-]+)", record, re.DOTALL)
        assert found is not None, name
        assert float(found[1]) == pytest.approx(number, rel=1e-12)


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.filterwarnings("ignore")
def test_the_command_sends_what_it_wrote(export: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="outside the test environment: tensorboard")
    page = write_report(export, tmp_path / "report", log="tensorboard")
    assert list((page.parent / "tensorboard").iterdir())
    assert numbers(read_results(page.parent / "results.json"))
