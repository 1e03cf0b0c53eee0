"""The one place where statistics become results.json: calls the analysis, keeps what it returns."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.comparisons.real_or_fake import caution
from analysis.errors import AnalysisError
from analysis.judgments.study import DeclaredAnalysis, shortfall
from analysis.judgments.table import alike_ids
from analysis.report.results.estimates import (
    agreement_of,
    diagnostics_of,
    differences_of,
    item_rates_of,
    models_of,
)
from analysis.report.results.flow import exclude, flow_of, reasons_of, sensitivity_of
from analysis.report.results.further import further_of, ratings_of
from analysis.report.results.inputs.album import Album, has_pair, run_ref
from analysis.report.results.inputs.plan import ADJUSTMENTS, REPLICATES, SEED, declared_analysis
from analysis.report.results.inputs.preregistered import preregistered
from analysis.report.results.inputs.scores import Measured
from analysis.report.results.inputs.shown import shown_of
from analysis.report.results.inputs.sources import JudgmentSource, Merged
from analysis.report.results.metrics_and_people import correlations_of, pair_scores_of
from analysis.report.results.preferences import exclude_raters, rankings_of
from analysis.report.results.schema import (
    GalleryEntry,
    ItemRate,
    Model,
    Published,
    Results,
    Study,
)
from analysis.report.results.written import reasons_of as written_reasons
from generators.files import utc_now

GALLERY = {"most": 4, "least": 4, "divisive": 2}  # pictures in each list of each model
FEWEST = 3  # judgments before an image may enter the gallery
DECLARED = (
    *("study_id", "study_digest", "tasks", "estimand", "alpha", "equivalence_margin"),
    *("correction", "family", "exclusions", "conditions", "reference", "real_condition"),
)
JUDGED = (
    *("rater_id", "item_id", "condition", "task", "kind", "fooled", "excluded"),
    *("position", "model_side", "choice"),
)
COMPARED = ("model_a", "model_b", "question", "answer", "rating")
PACKAGES = ("numpy", "scipy", "pandas", "matplotlib")


def assemble(
    merged: Merged,
    album: Album,
    measured: Measured,
    published: Sequence[Published],
    real: str | None = None,
    *,
    preregistration: Path | None = None,
    reasons: bool = True,
) -> Results:
    """Return every number of the report; ``real`` names the real photos of single images.

    ``preregistration`` is what the report is checked against; without it, the one in the export.
    Without ``reasons`` raters' own words are left out.

    Raises `AnalysisError` where studies disagree.
    """
    declared = declared_analysis(merged.sources, real)
    if merged.sources[0].comparisons is not None:
        made = _assemble_preferences(merged, album, measured, declared, preregistration)
        return made if reasons else made.model_copy(update={"written": ()})
    registered = preregistered(preregistration, merged, declared)
    merged, found = exclude(merged, declared)
    models = models_of(merged, declared)
    rates = item_rates_of(merged, declared)
    agreement = agreement_of(merged.table, declared)
    judged = merged.table[merged.table["condition"] != declared.real]
    ratings, rating_shares = ratings_of(merged, declared, found)
    return Results(
        study_rules=found.rules,
        models=models,
        differences=differences_of(merged.table, declared),
        flow=flow_of(found),
        reasons=reasons_of(found),
        sensitivity=sensitivity_of(merged.table, models, declared),
        agreement=tuple(agreement[model.key] for model in models),
        diagnostics=diagnostics_of(merged.table, declared),
        item_rates=rates,
        written=written_reasons(merged) if reasons else (),
        further=further_of(merged, declared, found),
        ratings=ratings,
        rating_shares=rating_shares,
        gallery=_gallery(merged, album, models, rates),
        gallery_note=_gallery_note(album),
        metrics=measured.table,
        correlations=correlations_of(judged, measured, declared),
        pair_scores=pair_scores_of(judged, measured),
        published=_comparable(published, declared),
        preregistration=registered,
        cautions=_cautions(merged, album, declared),
        notes=(*album.notes, *album.lacking),
        **_origin(merged, album),
        **_settings(declared),
        **_counts(merged),
    )


def _comparable(
    published: Sequence[Published], declared: DeclaredAnalysis
) -> tuple[Published, ...]:
    """Return the papers' numbers that may stand in this report.

    Fool rates are of two images a trial: beside the error rates of single images they mislead.
    """
    single = declared.real is not None
    return tuple(row for row in published if not (single and row.quantity.startswith("fool rate")))


def _assemble_preferences(
    merged: Merged,
    album: Album,
    measured: Measured,
    declared: DeclaredAnalysis,
    preregistration: Path | None,
) -> Results:
    """Return every number of a preference study's report."""
    if declared.real is not None:
        raise AnalysisError(
            f"--real is for fool rates, and {merged.sources[0].name} has comparisons"
        )
    registered = preregistered(preregistration, merged, declared)
    merged, comparisons, found = exclude_raters(merged, declared)
    rankings = rankings_of(comparisons, merged, declared)
    kinds = comparisons.loc[comparisons["question"] == rankings[0].key, "kind"].value_counts()
    return Results(
        study_rules=found.rules,
        models=(),
        rankings=rankings,
        written=written_reasons(merged),
        flow=flow_of(found),
        reasons=reasons_of(found),
        metrics=measured.table,
        correlations=correlations_of(merged.table, measured, declared),
        pair_scores=pair_scores_of(merged.table, measured),
        cautions=_cautions(merged, album, declared),
        preregistration=registered,
        notes=(*album.notes, *album.lacking),
        rows=len(comparisons),
        main_trials=rankings[0].comparisons,
        practice_trials=int(kinds.get("practice", 0)),
        catch_trials=int(kinds.get("catch", 0)),
        skipped=rankings[0].skipped,
        raters=rankings[0].raters,
        items=rankings[0].items,
        **_origin(merged, album),
        **_settings(declared),
    )


def _origin(merged: Merged, album: Album) -> dict[str, Any]:
    """Return where the numbers come from: studies, digests, software, time."""
    return {
        "created_at": utc_now(),
        "title": " and ".join(source.title for source in merged.sources),
        "simulated": any(source.simulated for source in merged.sources),
        "config_digest": _digest([_declared(source) for source in merged.sources]),
        "data_digest": _digest([_judged(source) for source in merged.sources]),
        "studies": tuple(_study(merged, index, album) for index in range(len(merged.sources))),
        "versions": _versions(),
    }


def _settings(declared: DeclaredAnalysis) -> dict[str, Any]:
    """Return how the numbers are computed."""
    return {
        "estimand": declared.estimand,
        "alpha": declared.alpha,
        "margin": declared.margin,
        "adjustment": ADJUSTMENTS[declared.correction],
        "real_condition": declared.real,
        "seed": SEED,
        "replicates": REPLICATES,
    }


def _counts(merged: Merged) -> dict[str, Any]:
    """Return how many rows, trials, raters and images there are after the exclusions."""
    kinds = merged.table["kind"].value_counts()
    main = merged.table[(merged.table["kind"] == "main") & ~merged.table["excluded"]]
    answered = main[main["fooled"].notna()]
    return {
        "rows": len(merged.table),
        "main_trials": len(answered),
        "practice_trials": int(kinds.get("practice", 0)),
        "catch_trials": int(kinds.get("catch", 0)),
        "skipped": len(main) - len(answered),
        "raters": answered["rater_id"].nunique(),
        "items": answered["item_id"].nunique(),
    }


def _cautions(merged: Merged, album: Album, declared: DeclaredAnalysis) -> tuple[str, ...]:
    said = [] if declared.real else [caution(merged.table)]
    said += [
        shortfall(len(each.table), each.study)
        for each in merged.sources
        if each.comparisons is None  # whose rows are answers, of which a trial may have several
    ]
    said += [*alike_ids(merged.table), *album.shortfalls]
    return tuple(f"{each[:1].upper()}{each[1:]}." for each in said if each)


def _versions() -> dict[str, str]:
    """Return what computed the numbers: Python and the packages, each with its version."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def _declared(source: JudgmentSource) -> dict[str, object]:
    """Return what the study file fixed, without the times at which it was made and exported."""
    return source.study.model_dump(mode="json", include=set(DECLARED), exclude_unset=True)


def _judged(source: JudgmentSource) -> str:
    """Return the digest of who judged what and how, whatever the order of rows and the times."""
    lines = _lines(source.table if source.comparisons is None else source.comparisons)
    lines += [] if source.further is None else _lines(source.further)
    lines += [] if source.ratings is None else _lines(source.ratings.table)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _lines(table: pd.DataFrame) -> list[str]:
    names = [name for name in (*JUDGED, *COMPARED) if name in table]
    text = table[names].to_csv(index=False, header=False, lineterminator="\n")
    return [",".join(names), *sorted(text.splitlines())]


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _study(merged: Merged, index: int, album: Album) -> Study:
    source = merged.sources[index]
    names = sorted(name for name, origin in merged.origins.items() if origin.source == index)
    runs = tuple(
        run_ref(
            name,
            source.run_of(merged.origins[name].condition),
            album.runs.get(name),
        )
        for name in names
    )
    known = source.study.reference is not None or index in album.references
    return Study(
        name=source.name,
        title=source.title,
        version=_text(source.study.version),
        study_digest=source.study.study_digest,
        exported_at=source.study.exported_at,
        file=source.file.name,
        sha256=source.sha256,
        rows=len(source.table),
        simulated=source.simulated,
        runs=runs,
        reference=run_ref("reference", source.reference, album.references.get(index))
        if known
        else None,
        shown=shown_of(source.study),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _gallery(
    merged: Merged, album: Album, models: Sequence[Model], rates: Sequence[ItemRate]
) -> tuple[GalleryEntry, ...]:
    """Return the most fooling, least fooling and most divisive images, no image in two lists."""
    chosen: list[GalleryEntry] = []
    for model in models:
        mine = [
            rate
            for rate in rates
            if rate.key == model.key
            and rate.judgments >= FEWEST
            and has_pair(merged, album, model.condition, rate.item_id)
        ]
        lists = {
            "most": sorted(mine, key=lambda rate: (-rate.shrunk, rate.item_id)),
            "least": sorted(mine, key=lambda rate: (rate.shrunk, rate.item_id)),
            "divisive": sorted(mine, key=lambda rate: (abs(rate.shrunk - 0.5), rate.item_id)),
        }
        taken: set[str] = set()
        for name, ranked in lists.items():
            free = [rate for rate in ranked if rate.item_id not in taken][: GALLERY[name]]
            taken |= {rate.item_id for rate in free}
            chosen += [_entry(name, rate) for rate in free]
    return tuple(chosen)


def _entry(name: str, rate: ItemRate) -> GalleryEntry:
    fields = rate.model_dump(include={"key", "item_id", "judgments", "fooled", "shrunk"})
    return GalleryEntry(list=name, **fields)


def _gallery_note(album: Album) -> str:
    if album.runs and album.references:
        return ""
    options = ", ".join(album.unnamed.values()) or "--run CONDITION=FOLDER, --reference FOLDER"
    said = [*album.notes, f"give their folders by {options}"]
    return f"No pictures: {'; '.join(said)}."
