"""What describes a release to machines: Croissant 1.0, Psych-DS 0.4, and the data card's header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from study_server.publication.licences import DATA, IMAGES
from study_server.publication.released_tables import (
    Table,
    how_it_was_made,
    in_a_sentence,
)
from study_server.study_record import StudyRecord
from study_server.trial_kinds import view_in_words

CARD = Path(__file__).with_name("data_card.template")

# https://docs.mlcommons.org/croissant/docs/croissant-spec.html, the context of version 1.0.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {"string": "sc:Text", "integer": "sc:Integer", "number": "sc:Float",
          "boolean": "sc:Boolean"}  # fmt: skip


@dataclass(frozen=True)
class Released:
    """One table of a release: what it is, its CSV with its digest, how many rows it has."""

    table: Table
    csv: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Facts:
    """What is said of a release in more than one place."""

    study: StudyRecord
    tables: tuple[Released, ...]  # the one of the trials first
    licence: str
    images: Mapping[str, str]  # set of images -> its licence
    released_at: str
    raters: int
    url: str = ""  # where the data set will be found

    @property
    def description(self) -> str:
        """Return the data set in a sentence or two."""
        marked = " SIMULATED: these are not people's judgments." if self.study.simulated else ""
        first, *others = self.tables
        more = "".join(f" {each.rows} {each.table.rows} in a second table." for each in others)
        return in_a_sentence(self.study, first.rows, self.raters) + more + marked


def croissant(facts: Facts) -> str:
    """Return croissant.json: the files with their digests, the columns with their types."""
    name = str(facts.study.study_id)
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": facts.description,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": DATA[facts.licence],
        "url": facts.url,
        "version": f"{facts.study.version}.0.0",
        "datePublished": facts.released_at[:10],
        "citeAs": f"{facts.study.title} ({facts.released_at[:4]}), data set {name}",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": f"{each.table.stem}-csv",
                "name": f"{each.table.stem}-csv",
                "contentUrl": each.csv,
                "encodingFormat": "text/csv",
                "sha256": each.sha256,
            }
            for each in facts.tables
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": each.table.stem,
                "name": each.table.stem,
                "description": "One answered trial, or question of a trial, in each row.",
                "field": [_field(each.table, column) for column in each.table.columns],
            }
            for each in facts.tables
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _field(table: Table, column: str) -> dict[str, Any]:
    kind, unit, meaning = table.columns[column]
    return {
        "@type": "cr:Field",
        "@id": f"{table.stem}/{column}",
        "name": column,
        "description": f"{meaning} ({unit})" if unit else meaning,
        "dataType": _TYPES[kind],
        "source": {"fileObject": {"@id": f"{table.stem}-csv"}, "extract": {"column": column}},
    }


def psych_ds(facts: Facts) -> str:
    """Return dataset_description.json, a schema.org Dataset with every variable measured."""
    content = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": facts.study.title,
        "description": facts.description,
        "version": str(facts.study.version),
        "identifier": facts.study.study_digest,
        "license": DATA[facts.licence],
        "datePublished": facts.released_at[:10],
        "variableMeasured": [
            {"@type": "PropertyValue", "name": name, "description": meaning, "unitText": unit}
            for name, (_, unit, meaning) in _columns(facts).items()
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _columns(facts: Facts) -> dict[str, tuple[str, str, str]]:
    """Return the columns of all tables; those that share a name mean the same."""
    return {name: about for each in reversed(facts.tables)
            for name, about in each.table.columns.items()}  # fmt: skip


def _column_lines(table: Table) -> str:
    """Return the rows of a table of columns in Markdown."""
    return "\n".join(
        f"| `{name}` | {kind} | {meaning}{f' ({unit})' if unit else ''} |"
        for name, (kind, unit, meaning) in table.columns.items()
    )


def _further_columns(facts: Facts) -> str:
    """Return the data card's section on the second table, "" where there is none."""
    return "".join(
        f"\n\n## Columns of the table `{each.table.stem}`\n\n"
        f'It holds {each.table.rows}: `load_dataset("this/folder", "{each.table.stem}")`.\n\n'
        f"| column | type | what it holds |\n|---|---|---|\n{_column_lines(each.table)}"
        for each in facts.tables[1:]
    )


def _configs(facts: Facts) -> str:
    """Return what `datasets` reads of the tables after the first."""
    return "".join(
        f"\n- config_name: {each.table.stem}\n  data_files: {each.table.parquet}"
        for each in facts.tables[1:]
    )


def data_card(facts: Facts) -> str:
    """Return README.md: the header that `datasets` reads, then the card for people."""
    study, table = facts.study, facts.tables[0].table
    images = "\n".join(
        f"* `images/{name}/`: {licence} ({IMAGES[licence]})"
        for name, licence in facts.images.items()
    )
    runs = "\n".join(
        f"* `{name}`: {run.generator or 'unknown'}, images sha256 `{run.run_digest}`"
        for name, run in study.conditions.items()
    )
    rules = ", ".join(f"{name} {limit:g}" for name, limit in study.exclusions.items() if limit)
    values = {
        "licence_id": facts.licence.lower(),
        "quoted_title": json.dumps(study.title, ensure_ascii=False),
        "parquet": table.parquet,
        "configs": _configs(facts),
        "table": table.stem,
        "tag": table.tag,
        "made": how_it_was_made(study),
        "title": study.title,
        "description": facts.description,
        "study_id": study.study_id,
        "version": study.version,
        "digest": study.study_digest,
        "released": facts.released_at[:10],
        "licence": facts.licence,
        "licence_url": DATA[facts.licence],
        "exposure": study.design.get("exposure_ms"),
        "seen": view_in_words(
            study.view.get("kind", "whole"),
            study.view.get("window"),
            flicker=bool(study.view.get("flicker")),
        ),
        "began": study.sessions_started,
        "withdrew": len(study.withdrawn),
        "runs": runs,
        "estimand": study.estimand,
        "alpha": study.alpha,
        "margin": study.equivalence_margin,
        "correction": study.correction,
        "rules": rules or "none",
        "columns": _column_lines(table) + _further_columns(facts),
        "images": images or "None are in this release; the digests above identify them.",
    }
    return Template(CARD.read_text(encoding="utf-8")).substitute(values)
