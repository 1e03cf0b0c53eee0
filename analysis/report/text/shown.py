"""What raters saw and were asked, for the methods."""

from __future__ import annotations

from analysis.report.results.schema import Results, Shown
from analysis.report.text.wording import count

BESIDE = {
    "reference": "with the real photo between them",
    "input": "with the low-resolution input between them",
}


def shown_sentences(results: Results) -> str:
    """Return what raters saw, for how long, and what they could answer; "" where nothing says it.

    Studies that showed and asked the same are named once.
    """
    found: list[Shown] = []
    for study in results.studies:
        if study.shown is not None and study.shown not in found:
            found.append(study.shown)
    return "".join(f" {_sentences(each)}" for each in found)


def _sentences(shown: Shown) -> str:
    seen = [shown.view]
    if shown.beside in BESIDE:
        seen.append(BESIDE[shown.beside])
    if shown.prompt:
        seen.append("under a text prompt")
    if shown.exposure_ms is not None:
        until = f"for {count(shown.exposure_ms)} ms" if shown.exposure_ms else "until they answered"
        seen.append(until)
    said = f"Raters saw {', '.join(seen)}"
    if shown.trial == "real-or-model":
        return f"{said}, and picked the left or the right image."
    return f"{said}. They were asked: {'; '.join(shown.questions)}."


def further_with_answers(results: Results) -> list[str]:
    """Return what else was asked of a photo and an output, each once, with its answers."""
    found = [study.shown for study in results.studies if study.shown is not None]
    asked = [each for shown in found if shown.trial == "real-or-model" for each in shown.questions]
    return list(dict.fromkeys(asked))
