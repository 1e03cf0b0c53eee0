"""Where a report's judgments come from: study export folders or bare CSV files, read and merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.errors import AnalysisError, TableError
from analysis.judgments.duels import further_answers, read_comparisons, win_table
from analysis.judgments.ratings import Ratings, further_ratings
from analysis.judgments.study import read_study
from analysis.judgments.table import read_judgments
from generators.files import file_sha256
from study_server.comparisons import TABLE as COMPARISONS
from study_server.judgments import DETECTIONS
from study_server.study_record import RunRecord, StudyRecord

JUDGMENTS = "judgments.csv"


@dataclass(frozen=True)
class JudgmentSource:
    """One study export or bare CSV: its judgments and what its study file says."""

    name: str
    file: Path
    sha256: str
    table: pd.DataFrame
    study: StudyRecord
    comparisons: pd.DataFrame | None = None  # of a preference study, whose table holds win shares
    further: pd.DataFrame | None = None  # what else was asked of a photo and an output
    ratings: Ratings | None = None  # of single images

    @property
    def title(self) -> str:
        """Return the study's title, or the file's name."""
        return self.study.title or self.study.study_id or self.name

    @property
    def simulated(self) -> bool:
        """Return whether any judgment was simulated: one is enough to mark everything."""
        return self.study.simulated or bool(self.table["simulated"].any())

    def run_of(self, condition: str) -> RunRecord:
        """Return what study.json says of a condition's run."""
        return self.study.conditions.get(condition) or RunRecord()

    @property
    def reference(self) -> RunRecord:
        """Return what study.json says of the real photos."""
        return self.study.reference or RunRecord()


@dataclass(frozen=True)
class Origin:
    """Which condition of which source a condition of the merged table is."""

    source: int
    condition: str


@dataclass(frozen=True)
class Merged:
    """All sources as one table, and the way back from its names."""

    sources: tuple[JudgmentSource, ...]
    table: pd.DataFrame
    origins: dict[str, Origin]  # condition of the merged table -> origin
    items: dict[str, str]  # item id of the merged table -> id in its source


def read_source(path: Path) -> JudgmentSource:
    """Return a study export folder, or a bare CSV with the study.json beside it if there is one.

    A file called comparisons.csv, or a folder that has it in place of judgments.csv, is that of a
    preference study.

    Raises `AnalysisError` for a folder without judgments.csv and for a study.json that is not one.
    """
    file = _file_of(path)
    study = read_study(file)
    name = study.study_id or (path.resolve().name if path.is_dir() else path.stem)
    digest = file_sha256(file)
    if file.name != COMPARISONS:
        further = further_answers(file, study)
        rated = further_ratings(file, study)
        table = read_judgments(file)
        return JudgmentSource(name, file, digest, table, study, further=further, ratings=rated)
    duels = read_comparisons(file)
    return JudgmentSource(name, file, digest, win_table(duels, file.name), study, duels)


def _file_of(path: Path) -> Path:
    """Return the table of a folder or the file itself. Raises `TableError` where there is none."""
    if not path.exists():
        raise TableError(
            f"{path}: no such file or folder, expected a study export or a judgments CSV"
        )
    if not path.is_dir():
        return path
    for name in (JUDGMENTS, COMPARISONS, DETECTIONS):
        if (path / name).is_file():
            return path / name
    raise TableError(f"{path}: holds no {JUDGMENTS}, expected a study's export folder")


def merge(sources: Sequence[JudgmentSource]) -> Merged:
    """Return the sources as one table.

    Raters of two studies are different raters, even under one id. Images are the same images only
    where both studies name the same reference digest. A condition that two studies share gets the
    study's name behind it.
    """
    if len({source.sha256 for source in sources}) < len(sources):
        raise AnalysisError(f"{sources[-1].file}: the same judgments were given twice")
    if len(sources) > 1 and any(source.comparisons is not None for source in sources):
        raise AnalysisError("comparisons of models are reported one study at a time")
    if len(sources) == 1:
        return _unmerged(sources[0])
    seen = Counter(str(name) for source in sources for name in source.table["condition"].unique())
    origins: dict[str, Origin] = {}
    items: dict[str, str] = {}
    parts = []
    for index, source in enumerate(sources):
        new = {
            str(name): f"{name} ({source.name})" if seen[str(name)] > 1 else str(name)
            for name in source.table["condition"].unique()
        }
        prefix = _item_prefix(sources, source)
        origins |= {new[name]: Origin(index, name) for name in new}
        items |= {f"{prefix}{name}": str(name) for name in source.table["item_id"].unique()}
        parts.append(_renamed(source.table, f"{source.name}/", prefix, new))
    table = pd.concat(parts, ignore_index=True)
    return Merged(tuple(sources), canonical(table), origins, items)


def _unmerged(source: JudgmentSource) -> Merged:
    """Return a single source under its own names."""
    names = {str(name): Origin(0, str(name)) for name in source.table["condition"].unique()}
    items = {str(name): str(name) for name in source.table["item_id"].unique()}
    return Merged((source,), canonical(source.table), names, items)


def canonical(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table in one order of rows and categories, whatever the file's own order."""
    out = table.copy(deep=False)
    for column in ("rater_id", "item_id", "condition", "task", "kind"):
        out[column] = pd.Categorical(out[column].astype(str))
    order = [name for name in ("rater_id", "condition", "task", "position") if name in out]
    return out.sort_values(order, kind="stable", ignore_index=True)


def _item_prefix(sources: Sequence[JudgmentSource], source: JudgmentSource) -> str:
    digest, first = source.reference.run_digest, sources[0].reference.run_digest
    return "" if digest is not None and digest == first else f"{source.name}/"


def _renamed(
    table: pd.DataFrame, raters: str, items: str, conditions: dict[str, str]
) -> pd.DataFrame:
    columns = {
        "rater_id": raters + table["rater_id"].astype(str),
        "item_id": items + table["item_id"].astype(str),
        "condition": table["condition"].astype(str).map(conditions),
        "task": table["task"].astype(str),
        "kind": table["kind"].astype(str),
    }
    return table.assign(**columns)
