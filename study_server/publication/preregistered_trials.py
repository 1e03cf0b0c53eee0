"""What a preregistration says of each kind of trial: what is shown, measured and compared."""

from __future__ import annotations

from collections.abc import Iterator

from study_server.config import StudyFile
from study_server.questions import rated
from study_server.trial_kinds import (
    ANSWERS,
    REAL,
    built_in_words,
    of_each,
    prompted,
    question_in_words,
)

QUESTIONS = {
    "task1": "“Which of the two images is a better high quality version of the low resolution image"
    " in the middle?” (Saharia et al., SR3, Task-1)",
    "task2": "“Which image would you guess is from a camera?” (Saharia et al., SR3, Task-2)",
}
BESIDE = {
    "nothing": "Nothing is shown beside them",
    "prompt": "No other image is shown beside them",
    "reference": "The real photo is shown between them",
    "input": "The low-resolution input is shown between them",
}
HYPOTHESES = {
    "real-or-model": "No directed hypothesis: we estimate each condition's fool rate, test whether"
    " it differs from 50 %, and compare the conditions in pairs.",
    "preference": "No directed hypothesis: we estimate each model's score and win share, and the"
    " ranks that the comparisons of all models leave open.",
    "single": "No directed hypothesis: we estimate each model's errors, d′ and criterion, and test"
    " whether its images are called real as often as real photos are.",
}


def units(file: StudyFile) -> str:
    """Return what each rater is one of: "for each condition and task", "for each pair", …"""
    within = file.design.kind == "within-raters"
    return {
        "real-or-model": "for each task" if within else "for each condition and task",
        "preference": "in all" if within else "for each pair of models",
        "single": "in all" if within else "for each model",
    }[file.design.trial]


def shown(file: StudyFile) -> Iterator[str]:
    """Yield who judges what, and what a trial shows."""
    design = file.design
    lasts = f"for {design.exposure_ms} ms" if design.exposure_ms else "until answered"
    within = design.kind == "within-raters"
    if design.trial == "preference":
        yield from _pair_shown(file, lasts, within)
        return
    if design.trial == "single":
        yield from _one_shown(file, lasts, within)
        return
    kind = (
        "Each rater judges all conditions, each image under one of them"
        if within
        else "Each rater judges one condition"
    )
    yield (
        f"{kind}. Conditions: {', '.join(file.conditions)}."
        f" Tasks: {', '.join(file.study.tasks)}. Each trial shows its images {lasts}."
    )


def _pair_shown(file: StudyFile, lasts: str, within: bool) -> Iterator[str]:
    design = file.design
    pairs = "; ".join(f"{a} against {b}" for a, b in file.pairs)
    judges = "all pairs of models" if within else "one pair of models"
    yield f"Models: {', '.join(file.conditions)}. Pairs: {pairs}. Each rater judges {judges}."
    prompt = " A text prompt stands over them." if prompted(file.images) else ""
    times = "once" if design.showings == 1 else f"{design.showings} times, of other pairs,"
    yield (
        f"Each trial shows two models' outputs of one item, {lasts}."
        f" {BESIDE[file.images.beside]}.{prompt} An item comes up {times} for a rater;"
        " pairs are shown equally often."
    )


def _one_shown(file: StudyFile, lasts: str, within: bool) -> Iterator[str]:
    design = file.design
    models = len(file.conditions) if within else 1
    photos, each = of_each(design.made_share, models)
    times = design.trials // (photos + models * each)
    judges = "all models" if within else "one model"
    yield f"Models: {', '.join(file.conditions)}. Each rater judges images of {judges}."
    yield (
        f"Each trial shows one image, {lasts}: a real photo or a model's output."
        f" Of a rater's main trials {times * photos} are real and {times * each} are made by"
        f" {'each model' if models > 1 else 'the model'} (a share made of {design.made_share:g})."
    )
    drawn = design.real_side == "drawn"
    side = "on one side for each rater, drawn" if drawn else f"on the {design.real_side}"
    yield f"The answer “{ANSWERS[REAL]}” stands {side}."


def asked(file: StudyFile) -> Iterator[str]:
    """Yield the questions of a preference or single study, with the answers that they take."""
    for question in file.questions:
        told = question.model_dump(mode="json")
        words = built_in_words(
            file.design.trial, file.images.beside, prompted=prompted(file.images)
        )
        told["wording"] = told["wording"] or {"en": words}
        yield f"Question `{question.id}`: {question_in_words(told, file.study.languages[0])}."


def measured(file: StudyFile) -> Iterator[str]:
    """Yield the estimands of the study's trials, and its questions."""
    if file.design.trial == "preference":
        yield (
            "The score of a model, for each question: Bradley and Terry's, with Davidson's ties if"
            " there are any, in log odds with mean 0. The win share of a model: the share of its"
            " answered comparisons that it won. “No difference” and “both are bad” are ties, and"
            " count one half in a win share. Skipped trials count neither way."
        )
        yield from asked(file)
    elif file.design.trial == "single":
        yield (
            "The error on fakes of a model: the share of its images that were called real. The"
            " error on reals: the share of real photos that were called made. The human error: the"
            " mean of both, 50 % where raters cannot tell. d′ = z(called real, of photos) −"
            " z(called real, of the model's images); the criterion c is minus half of these z's"
            " sum. Skipped trials count neither way."
        )
        yield from _ratings(file)
        yield from asked(file)
    else:
        yield from _fool_rate(file)


def _ratings(file: StudyFile) -> Iterator[str]:
    """Yield the estimands of questions with a scale; nothing where none is asked."""
    if rated(file.questions):
        yield (
            "Asked after it in each trial, and analysed each by itself, for each model and for the"
            " real photos: of an ordinal scale the mean score, counted from 1, and its difference"
            " to that of the photos; of a nominal scale the share of each answer. Intervals are"
            " clustered on raters and on images at once, and not adjusted for the number of"
            " questions."
        )


def _fool_rate(file: StudyFile) -> Iterator[str]:
    yield (
        "The fool rate of a condition: the share of answered main trials in which its output was"
        " picked over the real photo. Skipped trials count neither way."
    )
    for task in file.study.tasks:
        own = file.study.asks(task)
        yield f"Question of {task}: {QUESTIONS[task] if own is None else own}"
    if file.further:
        yield (
            "Asked after it in each trial, and analysed each by itself: the share of answered main"
            " trials in which a condition's output was picked over the photo, an answer for neither"
            " counting one half."
        )
    for question in file.further:
        words = question.words(file.study.languages[0])
        yield f"Question {question.id}: “{words}” ({', '.join(question.answers)})."


def compared(file: StudyFile, estimand: str, correction: str) -> Iterator[str]:
    """Yield how the conditions are compared; both in words are those of the study file."""
    chosen = file.analysis
    family = ", ".join(chosen.family or file.conditions)
    level = f"Intervals cover {1 - chosen.alpha:.0%}; tests are at level {chosen.alpha:g}."
    if file.design.trial == "preference":
        yield f"Estimand: over new raters and new images. {level}"
        yield (
            "Scores are fitted by maximum likelihood, for each question by itself; their variances"
            " are clustered on raters and on images at once. The range of a model's ranks holds"
            " those that simultaneous contrasts between all pairs of models leave open."
        )
        return
    yield f"Estimand: {estimand} (`{chosen.estimand}`). {level}"
    yield f"Tested together, with {correction}: {family}."
    if file.design.trial == "single":
        yield (
            "Tested is the share of a model's images that were called real, less that of the real"
            " photos. A model is called indistinguishable from the photos only if two one-sided"
            f" tests place this difference within ±{100 * chosen.equivalence_margin:g} points."
        )
        return
    yield (
        "A condition is called indistinguishable only if two one-sided tests place its fool rate"
        f" within ±{100 * chosen.equivalence_margin:g} points of 50 %."
    )
