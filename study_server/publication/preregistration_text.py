"""The preregistration as text, in the order in which registries ask; from the study file only."""

from __future__ import annotations

from collections.abc import Iterator

from study_server.config import Rules, StudyFile
from study_server.preregistration import Preregistration
from study_server.publication.preregistered_trials import (
    HYPOTHESES,
    compared,
    measured,
    shown,
    units,
)
from study_server.trial_kinds import view_in_words

ESTIMANDS = {
    "population": "over new raters and new images",
    "fixed-images": "over new raters, for these images",
    "rater-average": "over new raters and new images, each rater counting alike",
}
CORRECTIONS = {
    "holm": "Holm's method",
    "bh": "Benjamini and Hochberg's method",
    "none": "no correction",
}
RULES = {
    "max_failed_catch": "more than {:g} of the catch trials failed (a skip counts as failed)",
    "max_skipped_share": "more than {:.0%} of the main trials skipped",
    "min_median_rt_ms": "a median response time below {:g} ms",
    "rt_tukey_factor": "a median response time above the raters' upper quartile plus {:g}"
    " interquartile ranges",
    "side_bias_alpha": "a preference for one side, by a binomial test at level {:g}"
    " (Benjamini-Hochberg over raters)",
    "max_same_side_run": "more than {:g} answers in a row on one side",
    "min_main_trials": "fewer than {:g} main trials answered",
}


def rule_lines(rules: Rules) -> list[str]:
    """Return a study file's rules in words, in the file's order."""
    limits = rules.model_dump(exclude_none=True)
    return [RULES.get(name, name).format(limit) for name, limit in limits.items()]


def preregistration_text(registered: Preregistration, file: StudyFile, sample: str | None) -> str:
    """Return preregistration.md. `sample` says why this sample size is enough, None if unknown."""
    sections = {
        "Hypotheses": _hypotheses(registered, file),
        "Design": _design(file),
        "Sample size": _sample(file, sample),
        "Who is left out": _exclusions(file),
        "Measures": measured(file),
        "Analysis": _analysis(file),
    }
    lines = [f"# Preregistration: {file.study.name}", ""]
    lines += [
        f"Study `{file.study.id}`, version {file.study.version}, written {registered.written_at}"
        f" by foolrate from the study file.",
        f"Digest of the study file's content: `{registered.content_sha256}`.",
        "`preregistration.json` has the same content for programs;"
        " `report --preregistration` compares a report with it.",
    ]
    for title, body in sections.items():
        lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def _hypotheses(registered: Preregistration, file: StudyFile) -> Iterator[str]:
    yield from (f"{n}. {text}" for n, text in enumerate(registered.hypotheses, start=1))
    if not registered.hypotheses:
        yield HYPOTHESES[file.design.trial]


def _design(file: StudyFile) -> Iterator[str]:
    design = file.design
    yield from shown(file)
    images = file.images
    seen = view_in_words(images.view, images.window, flicker=images.flicker)
    yield f"What raters see: {seen}."
    yield (
        f"A rater takes {file.practice.trials} practice trials with feedback,"
        f" {design.trials} main trials and {file.catch.trials} catch trials."
        " Items are shown equally often; sides are balanced for every rater and item."
    )
    yield (
        "Blocks, order and sides come from a random seed and the digest of file and images"
        if design.seed is None
        else f"Blocks, order and sides come from the seed {design.seed} and the digest of file and"
        " images"
    ) + "; raters are assigned to blocks in the order in which they arrive."


def _sample(file: StudyFile, sample: str | None) -> Iterator[str]:
    yield f"{file.design.raters} raters {units(file)}, {file.design.trials} main trials each."
    yield "Recruitment ends when every block of trials is done, or when the study is closed."
    if sample is None:
        yield "**To be filled in: why this is enough** (the image folders were not there yet)."
    else:
        yield "Why this is enough, by the planner's formulas:"
        yield from ("", *(f"    {line}" for line in sample.splitlines()))


def _exclusions(file: StudyFile) -> Iterator[str]:
    yield "Left out of the balanced analysis by the design: raters who did not finish, and raters"
    yield "whose block another rater had taken over. Being at chance is never a reason."
    if file.check.questions:
        asked = len(file.check.questions)
        yield f"Before the trials, raters who give fewer than {file.check.needed} right answers to"
        yield f"{asked} questions about the instructions, in two attempts, are let go."
    rules = rule_lines(file.use)
    yield "A rater is left out for:" if rules else "No other rule leaves a rater out."
    yield from (f"* {rule}" for rule in rules)
    yield "Results are shown with and without these exclusions."


def _analysis(file: StudyFile) -> Iterator[str]:
    chosen = file.analysis
    yield from compared(file, ESTIMANDS[chosen.estimand], CORRECTIONS[chosen.correction])
    yield "While data come in, we look only at the confidence sequence of the dashboard."
