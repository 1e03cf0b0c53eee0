"""What raters wrote of why they chose: a sample for each model, beside the images."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from analysis.errors import TableError
from analysis.report.results.inputs.sources import JudgmentSource, Merged
from analysis.report.results.values import ModelReasons, Written
from generators.foreign_text import as_meant

REASONS = "reasons.csv"
SHOWN = 6  # of each model: so many where its image was picked, and so many where it was not
NEEDED = (
    *("rater_id", "trial_id", "kind", "item_id", "condition", "against", "model_side", "answer"),
    "reason",
)
PHOTO = "reference"  # in the column `against`: a real photo


def reasons_of(merged: Merged) -> tuple[ModelReasons, ...]:
    """Return for each model how many reasons there are, and some of them.

    Only of main trials, and of raters whose judgments count. Which are shown depends on the trials'
    ids alone. A comparison of two models is told of either. Raises `TableError`.
    """
    kept = merged.table.loc[~merged.table["excluded"], "rater_id"]
    raters = set(kept.astype(str))
    items: dict[str, list[str]] = {}  # a study's own id -> ids in the merged table
    for name, own in merged.items.items():
        items.setdefault(own, []).append(name)
    of_model: dict[str, list[tuple[str, Written]]] = {}
    for index, source in enumerate(merged.sources):
        names = {o.condition: name for name, o in merged.origins.items() if o.source == index}
        for row in _rows(source.file.parent / REASONS):
            if row["kind"] == "main" and _rater(merged, source, row) in raters:
                item = _item(items.get(row["item_id"], []), source, row)
                for each in _tellings(names, item, row):
                    of_model.setdefault(each.condition, []).append((row["trial_id"], each))
    return tuple(_of_model(name, found) for name, found in sorted(of_model.items()))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.is_file():
        return
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            table = csv.DictReader(lines)
            missing = [name for name in NEEDED if name not in (table.fieldnames or ())]
            if missing:
                raise TableError(f"{path}: has no column {missing[0]!r}, expected a study's export")
            for row in table:
                yield {name: as_meant(row[name] or "") for name in NEEDED}
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path}: is not a CSV file in UTF-8 ({error})") from None


def _rater(merged: Merged, source: JudgmentSource, row: dict[str, str]) -> str:
    several = len(merged.sources) > 1
    return f"{source.name}/{row['rater_id']}" if several else row["rater_id"]


def _item(items: Sequence[str], source: JudgmentSource, row: dict[str, str]) -> str:
    of_source = f"{source.name}/{row['item_id']}"
    return of_source if of_source in items else next(iter(items), row["item_id"])


def _tellings(names: Mapping[str, str], item: str, row: dict[str, str]) -> Iterator[Written]:
    """Yield a reason as it is told of each model that it is about; `names` are the report's."""
    choice = row["answer"].split(" ")[0].rpartition("=")[2]
    other_side = "right" if row["model_side"] == "left" else "left"
    for mine, against, side in (
        (row["condition"], row["against"], row["model_side"]),
        (row["against"], row["condition"], other_side),
    ):
        name = names.get(mine)
        if name is None:  # the real photo
            continue
        yield Written(
            condition=name,
            against=None if against == PHOTO else names.get(against, against),
            item_id=item,
            side=side,
            picked=_picked(choice, side),
            answer=row["answer"],
            words=row["reason"],
        )


def _picked(choice: str, side: str) -> bool | None:
    """Return whether the image was picked, or called real where it was the only one."""
    if choice in ("real", "made"):
        return choice == "real"
    return choice == side if choice in ("left", "right") else None


def _of_model(name: str, found: list[tuple[str, Written]]) -> ModelReasons:
    drawn = sorted(found, key=lambda each: hashlib.sha256(each[0].encode()).hexdigest())
    lists = {
        kind: [written for _, written in drawn if written.picked is kind]
        for kind in (True, False, None)
    }
    return ModelReasons(
        condition=name,
        picked=len(lists[True]),
        other=len(lists[False]),
        neither=len(lists[None]),
        shown=(*lists[True][:SHOWN], *lists[False][:SHOWN]),
    )
