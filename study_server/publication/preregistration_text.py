"""The preregistration as text, in the order in which registries ask; from the study file only."""

from __future__ import annotations

from collections.abc import Iterator

from study_server.config import Rules, StudyFile
from study_server.preregistration import Preregistration
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
QUESTIONS = {
    "task1": "“Which of the two images is a better high quality version of the low resolution image"
    " in the middle?” (Saharia et al., SR3, Task-1)",
    "task2": "“Which image would you guess is from a camera?” (Saharia et al., SR3, Task-2)",
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
        "Hypotheses": _hypotheses(registered),
        "Design": _design(file),
        "Sample size": _sample(file, sample),
        "Who is left out": _exclusions(file),
        "Measures": _measures(file),
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


def _hypotheses(registered: Preregistration) -> Iterator[str]:
    yield from (f"{n}. {text}" for n, text in enumerate(registered.hypotheses, start=1))
    if not registered.hypotheses:
        yield (
            "No directed hypothesis: we estimate each condition's fool rate, test whether it"
            " differs from 50 %, and compare the conditions in pairs."
        )


def _design(file: StudyFile) -> Iterator[str]:
    design = file.design
    kind = (
        "Each rater judges one condition"
        if design.kind == "between-raters"
        else "Each rater judges all conditions, each image under one of them"
    )
    shown = f"for {design.exposure_ms} ms" if design.exposure_ms else "until answered"
    yield (
        f"{kind}. Conditions: {', '.join(file.conditions)}."
        f" Tasks: {', '.join(file.study.tasks)}. Each trial shows its images {shown}."
    )
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
    per = "for each condition and task" if file.design.kind == "between-raters" else "for each task"
    yield f"{file.design.raters} raters {per}, {file.design.trials} main trials each."
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


def _measures(file: StudyFile) -> Iterator[str]:
    yield (
        "The fool rate of a condition: the share of answered main trials in which its output was"
        " picked over the real photo. Skipped trials count neither way."
    )
    for task in file.study.tasks:
        asked = file.study.asks(task)
        yield f"Question of {task}: {QUESTIONS[task] if asked is None else asked}"
    if file.further:
        yield (
            "Asked after it in each trial, and analysed each by itself: the share of answered main"
            " trials in which a condition's output was picked over the photo, an answer for neither"
            " counting one half."
        )
    for question in file.further:
        words = question.words(file.study.languages[0])
        yield f"Question {question.id}: “{words}” ({', '.join(question.answers)})."


def _analysis(file: StudyFile) -> Iterator[str]:
    chosen = file.analysis
    family = ", ".join(chosen.family or file.conditions)
    yield (
        f"Estimand: {ESTIMANDS[chosen.estimand]} (`{chosen.estimand}`)."
        f" Intervals cover {1 - chosen.alpha:.0%}; tests are at level {chosen.alpha:g}."
    )
    yield f"Tested together, with {CORRECTIONS[chosen.correction]}: {family}."
    yield (
        "A condition is called indistinguishable only if two one-sided tests place its fool rate"
        f" within ±{100 * chosen.equivalence_margin:g} points of 50 %."
    )
    yield "While data come in, we look only at the confidence sequence of the dashboard."
