"""What the studies of a report declared before their data, as one declared analysis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.errors import AnalysisError
from analysis.judgments.study import FIELDS, DeclaredAnalysis
from analysis.report.results.inputs.sources import JudgmentSource
from study_server.study_record import STUDY

SEED = 0
REPLICATES = 2000
ADJUSTMENTS = {"holm": "Holm", "bh": "Benjamini-Hochberg", "none": "no adjustment"}


def declared_analysis(
    sources: Sequence[JudgmentSource], real: str | None = None
) -> DeclaredAnalysis:
    """Return the analysis that all studies declare; ``real`` stands over what they declare.

    Raises `AnalysisError` where they differ, or where single images come from several studies.
    """
    values = vars(DeclaredAnalysis()) | {
        option: value
        for option, name in FIELDS.items()
        if option != "family" and (value := agreed(sources, name)) is not None
    }
    values["real"] = real or values["real"]
    if values["real"] is not None and len(sources) > 1:
        raise AnalysisError("single images (--real) are reported one study at a time")
    if len(sources) == 1:
        values["family"] = _family(sources[0])
    return DeclaredAnalysis(**values)


def agreed(sources: Sequence[JudgmentSource], name: str) -> Any:
    """Return what every study.json says of a field, None if none says anything.

    Raises `AnalysisError` where two studies declared different values: no report may choose.
    """
    said = {
        source.title: getattr(source.study, name)
        for source in sources
        if name in source.study.model_fields_set
    }
    values = list(said.values())
    if any(value != values[0] for value in values):
        words = ", ".join(f"{value!r} in {title}" for title, value in said.items())
        raise AnalysisError(f"{name} differs between the studies ({words}): report them apart")
    return values[0] if values else None


def _family(source: JudgmentSource) -> tuple[str, ...]:
    """Return the declared family, without conditions that nobody has judged yet.

    Raises `AnalysisError` for a name that is no condition, and where nobody judged any of them:
    without a family, all would be tested.
    """
    declared = source.study.family
    present = {str(name) for name in source.table["condition"].unique()}
    strangers = [name for name in declared if name not in {*present, *source.study.conditions}]
    judged = tuple(name for name in declared if name in present)
    if strangers or (declared and not judged):
        wrong = repr(strangers[0]) if strangers else f"{', '.join(declared)}, which nobody judged"
        raise AnalysisError(
            f"{source.file.parent / STUDY}: family has {wrong}, expected conditions that were"
            f" judged: {', '.join(sorted(present))}"
        )
    return judged
