"""A written report in an experiment tracker: rates with intervals, tables, gallery, the files.

Where a run goes, and whether over a network, is said by each tracker's own environment variables
(``WANDB_MODE=offline``, ``MLFLOW_TRACKING_URI=file:mlruns``). Nothing is imported, and nothing
sent, unless it is asked for.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from analysis.errors import AnalysisError
from analysis.report.page.pictures import Picture
from analysis.report.results.schema import Results
from analysis.report.text.metric_view import measured_names, settings_of

PROJECT = "foolrate"
TABLE = ("condition", "task", "rate", "low", "high", "trials", "raters", "items", "verdict")
METRICS = ("condition", "metric", "value", "low", "high", "images", "settings")
FURTHER = ("condition", "question", "words", "share", "low", "high", "picked", "photo", "neither",
           "trials", "raters")  # fmt: skip
MEANS = ("condition", "question", "words", "steps", "mean", "low", "high", "trials", "raters")
SHARES = ("condition", "question", "words", "answer", "share", "low", "high", "trials", "raters")
RANKING = ("model", "score", "low", "high", "rank_low", "rank_high", "wins", "losses", "ties")
PACKAGES = {
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "tensorboard": ("tensorboard", "torch"),
}

# (model key, item) -> output, photo; of a preference study (a | b, item) -> both outputs
Gallery = Mapping[tuple[str, str], tuple[Picture, Picture]]
Rows = list[list[Any]]
Tables = dict[str, tuple[tuple[str, ...], Rows]]  # name -> columns, rows


@dataclass(frozen=True)
class Logged:
    """What a tracker gets of a report."""

    title: str
    folder: Path
    settings: dict[str, Any]
    numbers: dict[str, float]
    tables: Tables
    pictures: dict[str, Image.Image]  # caption -> two pictures side by side


def check_tracker(name: str) -> None:
    """Raise `AnalysisError` unless the tracker's package is installed."""
    missing = [each for each in PACKAGES[name] if importlib.util.find_spec(each) is None]
    if missing:
        package = "mlflow-skinny" if missing[0] == "mlflow" else missing[0]
        raise AnalysisError(f"--log {name} needs the package: pip install {package}")


def log_report(name: str, results: Results, folder: Path, gallery: Gallery) -> str:
    """Send a written report to a tracker and return where it is.

    Raises `AnalysisError` where the tracker fails.
    """
    logged = Logged(
        results.title,
        folder,
        _settings(results),
        numbers(results),
        _tables(results),
        _pictures(results, gallery),
    )
    try:
        return TRACKERS[name](logged)
    except Exception as error:  # a foreign program's failure, whatever it is
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise AnalysisError(f"{folder}: written; {name} did not take it ({first})") from None


def numbers(results: Results) -> dict[str, float]:
    """Return name -> value: every rate, share and preference with its interval, every score."""
    every: list[tuple[str, float | None]] = []
    for ranking in results.rankings:
        for ranked in ranking.models:
            name = "/".join(map(_name, filter(None, ("preference", ranking.key, ranked.model))))
            values = {"score": ranked.score, "low": ranked.low, "high": ranked.high}
            values["win_share"] = ranked.win_share.value
            every += [(f"{name}/{what}", value) for what, value in values.items()]
    for model in results.models:
        name = f"fool_rate/{_name(model.key)}"
        values = {"rate": model.rate, "low": model.low, "high": model.high}
        every += [(f"{name}/{what}", value) for what, value in values.items()]
    for picked in results.further:
        name = f"further/{_name(picked.question)}/{_name(picked.condition)}"
        values = {"share": picked.share, "low": picked.low, "high": picked.high}
        every += [(f"{name}/{what}", value) for what, value in values.items()]
    for rated in results.ratings:
        name = f"rating/{_name(rated.question)}/{_name(rated.condition)}"
        values = {"mean": rated.mean, "low": rated.low, "high": rated.high}
        every += [(f"{name}/{what}", value) for what, value in values.items()]
    for said in results.rating_shares:
        name = "/".join(map(_name, ("rating", said.question, said.answer, said.condition)))
        values = {"share": said.share, "low": said.low, "high": said.high}
        every += [(f"{name}/{what}", value) for what, value in values.items()]
    for score in results.metrics.values:
        every.append((f"metric/{_name(score.name)}/{_name(score.key)}", score.value))
    found: dict[str, float] = {}
    for name, value in every:
        if name in found:
            raise AnalysisError(f"two conditions would be {name!r} in a tracker: rename one")
        if value is not None:
            found[name] = value
    return found


def _name(text: str) -> str:
    """Return a name with the signs that every tracker takes."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)


def _tables(results: Results) -> Tables:
    found: Tables = {
        "_".join(filter(None, ("ranking", _name(ranking.key)))): (
            RANKING,
            _rows(ranking.models, RANKING),
        )
        for ranking in results.rankings
    }
    found = found or {"rates": (TABLE, _rows(results.models, TABLE))}
    settings = {name: settings_of(results, name) for name in measured_names(results)}
    scores: Rows = [
        [score.key, score.name, score.value, score.low, score.high, score.n, settings[score.name]]
        for score in results.metrics.values
    ]
    further = _rows(results.further, FURTHER)
    added: Tables = {
        "further": (FURTHER, further),
        "ratings": (MEANS, _rows(results.ratings, MEANS)),
        "rating_shares": (SHARES, _rows(results.rating_shares, SHARES)),
        "metrics": (METRICS, scores),
    }
    return found | {name: table for name, table in added.items() if table[1]}


def _rows(models: Sequence[object], columns: Sequence[str]) -> Rows:
    return [[_cell(getattr(model, column)) for column in columns] for model in models]


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, float | int) else str(value)


def _settings(results: Results) -> dict[str, Any]:
    names = ("estimand", "alpha", "margin", "adjustment", "simulated", "seed", "data_digest")
    metrics = {
        f"metric/{_name(name)}": settings_of(results, name) for name in measured_names(results)
    }
    return {name: getattr(results, name) for name in names} | metrics


def _pictures(results: Results, gallery: Gallery) -> dict[str, Image.Image]:
    stamp = "SIMULATED: " if results.simulated else ""
    words = "left, right" if results.rankings else "output, real photo"
    return {
        f"{number:03}: {stamp}{key}, {item}: {words}": _side_by_side(*pair)
        for number, ((key, item), pair) in enumerate(gallery.items())
    }


def _side_by_side(output: Picture, real: Picture) -> Image.Image:
    pair = [_decoded(picture) for picture in (output, real)]
    sheet = Image.new("RGB", (sum(one.width for one in pair), max(one.height for one in pair)))
    sheet.paste(pair[0], (0, 0))
    sheet.paste(pair[1], (pair[0].width, 0))
    return sheet


def _decoded(picture: Picture) -> Image.Image:
    data = base64.b64decode(picture.src.partition(",")[2])
    return Image.open(io.BytesIO(data)).convert("RGB")


def _wandb(logged: Logged) -> str:
    import wandb

    with wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=logged.title,
        config=logged.settings,
        tags=["SIMULATED"] if logged.settings["simulated"] else [],
    ) as run:
        shown = [wandb.Image(picture, caption=words) for words, picture in logged.pictures.items()]
        tables = {
            name: wandb.Table(columns=list(columns), data=list(rows))
            for name, (columns, rows) in logged.tables.items()
        }
        run.log({**logged.numbers, **tables, **({"gallery": shown} if shown else {})})
        artifact = wandb.Artifact("report", type="report")
        artifact.add_dir(str(logged.folder))
        run.log_artifact(artifact)
    return str(run.dir if run.offline else run.url)


def _mlflow(logged: Logged) -> str:
    import mlflow

    if mlflow.active_run() is None:
        mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
    with mlflow.start_run(run_name=logged.title, nested=True) as run:
        mlflow.set_tag("simulated", str(logged.settings["simulated"]))
        mlflow.log_params(logged.settings)
        mlflow.log_metrics(logged.numbers)
        for name, (columns, rows) in logged.tables.items():
            by_column = {column: [row[at] for row in rows] for at, column in enumerate(columns)}
            mlflow.log_dict(by_column, f"{name}.json")
        for words, picture in logged.pictures.items():
            mlflow.log_image(picture, f"gallery/{_name(words)}.png")
        mlflow.log_artifacts(str(logged.folder), "report")
    return f"run {run.info.run_id}, experiment {run.info.experiment_id}"


def _tensorboard(logged: Logged) -> str:
    from torch.utils.tensorboard import SummaryWriter

    place = logged.folder / "tensorboard"
    for earlier in place.glob("events.out.tfevents.*"):  # of the report that this one replaces
        earlier.unlink()
    writer: Any = SummaryWriter(str(place))
    for name, value in logged.numbers.items():
        writer.add_scalar(name, value, 0)
    stamp = "SIMULATED judgments\n\n" if logged.settings["simulated"] else ""
    for name, (columns, rows) in logged.tables.items():
        every = [columns, ["---"] * len(columns), *rows]
        lines = [" | ".join(str(cell).replace("|", "\\|") for cell in row) for row in every]
        writer.add_text(name, stamp + "\n".join(f"| {line} |" for line in lines), 0)
    for words, picture in logged.pictures.items():
        writer.add_image(_name(words), np.asarray(picture), 0, dataformats="HWC")
    writer.close()
    return str(place)


TRACKERS: dict[str, Callable[[Logged], str]] = {
    "wandb": _wandb,
    "mlflow": _mlflow,
    "tensorboard": _tensorboard,
}
