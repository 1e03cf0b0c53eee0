"""Where a report's judgments come from: study export folders or bare CSV files, read and merged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import AnalysisError, TableError
from analysis.judgments.table import read_judgments
from generators.files import file_sha256

JUDGMENTS = "judgments.csv"
STUDY = "study.json"


@dataclass(frozen=True)
class Source:
    """One study export or bare CSV: its judgments and what its study file says."""

    name: str
    file: Path
    sha256: str
    table: pd.DataFrame
    study: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Return the study's title, or the file's name."""
        return str(self.study.get("title") or self.study.get("study_id") or self.name)

    @property
    def simulated(self) -> bool:
        """Return whether any judgment was simulated: one is enough to mark everything."""
        return bool(self.study.get("simulated")) or bool(self.table["simulated"].any())

    def run_fields(self, role: str, condition: str = "") -> dict[str, Any]:
        """Return what study.json says of a condition's run, or of the reference."""
        found = self.study.get(role) or {}
        found = found.get(condition) or {} if role == "conditions" else found
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Origin:
    """Which condition of which source a condition of the merged table is."""

    source: int
    condition: str


@dataclass(frozen=True)
class Merged:
    """All sources as one table, and the way back from its names."""

    sources: tuple[Source, ...]
    table: pd.DataFrame
    origins: dict[str, Origin]  # condition of the merged table -> origin
    items: dict[str, str]  # item id of the merged table -> id in its source


def read_source(path: Path) -> Source:
    """Return a study export folder, or a bare CSV with the study.json beside it if there is one.

    Raises `AnalysisError` for a folder without judgments.csv and for a study.json that is not one.
    """
    if not path.exists():
        raise TableError(
            f"{path}: no such file or folder, expected a study export or a judgments CSV"
        )
    file = path / JUDGMENTS if path.is_dir() else path
    if not file.is_file():
        raise TableError(f"{path}: holds no {JUDGMENTS}, expected a study's export folder")
    beside = file.parent / STUDY if file.name == JUDGMENTS else None
    study = _read_study(beside) if beside is not None and beside.is_file() else {}
    name = str(study.get("study_id") or (path.resolve().name if path.is_dir() else path.stem))
    return Source(name, file, file_sha256(file), read_judgments(file), study)


def _read_study(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise AnalysisError(
            f"{path}: not JSON ({error}), expected a study export's {STUDY}"
        ) from None
    if not isinstance(found, dict):
        raise AnalysisError(f"{path}: holds a {type(found).__name__}, expected an object")
    for key in ("conditions", "reference"):
        if not isinstance(found.get(key) or {}, dict):
            raise AnalysisError(f"{path}: {key} is {found[key]!r}, expected an object")
    return found


def merge(sources: Sequence[Source]) -> Merged:
    """Return the sources as one table.

    Raters of two studies are different raters, even under one id. Images are the same images only
    where both studies name the same reference digest. A condition that two studies share gets the
    study's name behind it.
    """
    if len({source.sha256 for source in sources}) < len(sources):
        raise AnalysisError(f"{sources[-1].file}: the same judgments were given twice")
    if len(sources) == 1:
        only = sources[0]
        names = {str(name): Origin(0, str(name)) for name in only.table["condition"].unique()}
        items = {str(name): str(name) for name in only.table["item_id"].unique()}
        return Merged((only,), canonical(only.table), names, items)
    seen = Counter(str(name) for source in sources for name in source.table["condition"].unique())
    origins: dict[str, Origin] = {}
    items = {}
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


def canonical(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table in one order of rows and categories, whatever the file's own order."""
    out = table.copy(deep=False)
    for column in ("rater_id", "item_id", "condition", "task", "kind"):
        out[column] = pd.Categorical(out[column].astype(str))
    order = [name for name in ("rater_id", "condition", "task", "position") if name in out]
    return out.sort_values(order, kind="stable", ignore_index=True)


def _item_prefix(sources: Sequence[Source], source: Source) -> str:
    digest = source.run_fields("reference").get("run_digest")
    first = sources[0].run_fields("reference").get("run_digest")
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


def agreed(sources: Sequence[Source], field_name: str, default: Any) -> Any:
    """Return what every study file says of a field, or the default if none says anything.

    Raises `AnalysisError` where two studies declared different values: no report may choose.
    """
    said = {
        source.title: source.study[field_name] for source in sources if field_name in source.study
    }
    values = list(said.values())
    if any(value != values[0] for value in values):
        words = ", ".join(f"{value!r} in {title}" for title, value in said.items())
        raise AnalysisError(
            f"{field_name} differs between the studies ({words}): report them apart"
        )
    return values[0] if values else default
