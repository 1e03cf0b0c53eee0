"""Words for numbers, and which verdict a model gets."""

from __future__ import annotations

import dataclasses
from typing import Any

from analysis.comparisons.verdict import Verdict
from analysis.rates.fool_rates import EXACT
from analysis.report.page.html import interval_methods
from analysis.report.results.inputs.shown import shown_of
from analysis.report.results.schema import Results
from analysis.report.text.methods import methods_paragraphs
from analysis.report.text.tables import escape_tex
from analysis.report.text.verdicts import verdict_sentence
from analysis.report.text.wording import (
    interval,
    number,
    p_phrase,
    percent,
    points,
)
from study_server.study_record import StudyRecord

CLAIMS = (
    *(Verdict.INDISTINGUISHABLE, Verdict.CLOSE, Verdict.ABOVE, Verdict.BELOW, Verdict.UNDECIDED),
    Verdict.UNTESTED,
)


def test_numbers_have_true_minus_signs_and_no_negative_zero() -> None:
    assert number(-1.25, 2) == "\u22121.25"
    assert number(-0.001, 1) == "0.0"
    assert percent(0.1234) == "12.3\u202f%"
    assert points(0.05) == "+5.0"
    assert points(-0.05) == "\u22125.0"
    assert interval(0.1, 0.25) == "10.0 to 25.0"
    assert percent(None) == interval(None, 0.2) == "–"


def test_small_p_values_are_bounded_never_zero() -> None:
    assert p_phrase(0.0) == "p < 0.001"
    assert p_phrase(0.0123) == "p = 0.012"


def said(results: Results, simulated: bool = False, **changed: Any) -> str:
    """Return the sentence of the first model with some of its fields changed."""
    model = dataclasses.replace(results.models[0], **changed)
    return verdict_sentence(results.model_copy(update={"simulated": simulated}), model)


def test_every_verdict_names_rate_interval_and_estimand(results: Results) -> None:
    model = results.models[0]
    for verdict in CLAIMS:
        sentence = said(results, verdict=verdict)
        assert percent(model.rate) in sentence
        assert interval(model.low, model.high) in sentence
        assert "over new raters and new images" in sentence


def test_simulated_judgments_say_nothing_about_people(results: Results) -> None:
    for verdict in CLAIMS:
        assert "People" not in said(results, simulated=True, verdict=verdict)
    assert said(results, simulated=True, verdict=Verdict.BELOW).startswith("Simulated raters could")
    assert said(results, verdict=Verdict.BELOW).startswith("People could")


def test_a_model_without_an_interval_says_why(results: Results) -> None:
    fields: dict[str, Any] = {
        "verdict": Verdict.UNDEFINED,
        "low": None,
        "high": None,
        "flags": ("only one rater",),
    }
    assert said(results, **fields).endswith("Only one rater.")


def test_tex_special_characters_are_written_out() -> None:
    assert escape_tex("a_b & 5%") == r"a\_b \& 5\%"
    assert escape_tex("\u22123 ± 1") == r"$-$3 $\pm$ 1"
    assert escape_tex("[a] *b|c--d\ne") == r"{[}a] {*}b\textbar{}c-{}-d e"


def test_methods_name_the_models_whose_interval_was_made_another_way(results: Results) -> None:
    first, *others = results.models
    for method, words in {
        EXACT: f"For {first.label}, whose answers were all alike, the interval is Clopper",
        "refused": f"For {first.label} the data allow no interval",
    }.items():
        changed = (dataclasses.replace(first, method=method), *others)
        text = methods_paragraphs(results.model_copy(update={"models": changed}))[-1]
        assert words in text
        assert "CR2" in text
    alone = (dataclasses.replace(first, method=EXACT),)
    text = methods_paragraphs(results.model_copy(update={"models": alone}))[-1]
    assert "Satterthwaite" not in text
    assert interval_methods(results.model_copy(update={"models": (*alone, *others)})).endswith(
        f"{EXACT} ({first.label})"
    )


def test_methods_say_what_raters_saw_and_were_asked(results: Results) -> None:
    """As study.json says it; of a study without words, those that raters read."""
    crop = {"kind": "crop", "window": [64, 48], "flicker": False}
    pair = {"trial": "real-or-model", "view": crop, "design": {"exposure_ms": 3000},
            "asked": {"task2": "Which is a photo?"}}  # fmt: skip
    further = [{"id": name, "wording": {"en": f"{name}?"}, "answers": ["left", "right", "tie"]}
               for name in ("real", "sharp")]  # fmt: skip
    one = {"trial": "single", "questions": [{"id": "real", "answers": ["real", "made"]}]}
    for study, words in (
        (pair, "64x48 pixels, at the same place of all, drawn for each trial, for 3,000 ms,"
               " and picked the left or the right image."),
        (pair, "in other words (no input shown; “Which is a photo?”)"),
        (one, "Raters saw whole images. They were asked: “Is this image from a camera, or was it"
              " made by a computer?” (from a camera, made by a computer)."),
    ):  # fmt: skip
        shown = shown_of(StudyRecord.model_validate(study))
        model = dataclasses.replace(results.models[0], task="task2")
        studies = (results.studies[0].model_copy(update={"shown": shown}),)
        changed = results.model_copy(update={"studies": studies, "models": (model,)})
        assert words in methods_paragraphs(changed)[0]
    asked = shown_of(StudyRecord.model_validate(pair | {"questions": further}))
    assert asked is not None
    assert asked.questions == ("“sharp?” (left, right, no difference)",)
    assert shown_of(StudyRecord()) is None
