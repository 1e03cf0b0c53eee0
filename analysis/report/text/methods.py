"""The methods paragraph, numbers filled in, ready to paste into a paper."""

from __future__ import annotations

from analysis.rates.fool_rates import EXACT, PER_RATER, TWO_WAY
from analysis.report.results.schema import Results
from analysis.report.text.rankings import preference_analysis, preference_design
from analysis.report.text.shown import further_with_answers, shown_sentences
from analysis.report.text.terms import terms_of
from analysis.report.text.wording import ESTIMANDS, count, level, plural

TASKS = {
    "task1": ("Task-1 of Saharia et al.", "the low-resolution input shown between the two images",
              "Which of the two images is a better high quality version of the low resolution "
              "image in the middle?"),
    "task2": ("Task-2 of Saharia et al.", "no input shown",
              "Which image would you guess is from a camera?"),
}  # fmt: skip
INTERVALS = {
    "population": "treat raters and images as crossed random samples: cluster-robust variances of "
    "the CR2 type for raters and for images, combined, and the inversion of a t test with "
    "Satterthwaite’s degrees of freedom (with independent trials, Wilson’s interval)",
    "fixed-images": "treat raters as a random sample and the images as fixed: a cluster-robust "
    "variance of the CR2 type over raters, and the inversion of a t test with Satterthwaite’s "
    "degrees of freedom",
    "rater-average": "treat raters and images as crossed random samples and let each rater count "
    "alike: cluster-robust variances of the CR2 type for raters and for images, combined, and the "
    "inversion of a t test with Satterthwaite’s degrees of freedom",
}
DIFFERENCES = {
    "population": "two-way cluster-robust over raters and images",
    "fixed-images": "cluster-robust over raters",
    "rater-average": "two-way cluster-robust over raters and images, each rater counting alike",
}
OTHER_WAYS = {
    EXACT: "For {who}, whose answers were all alike, the interval is Clopper and Pearson’s exact "
    "one, with each rater as one trial",
    "refused": "For {who} the data allow no interval",
    "none": "For {who} no trial was answered",
}
ADJUSTED = {
    "Holm": "p-values are adjusted by Holm’s method within the family of each task",
    "Benjamini-Hochberg": "p-values are adjusted by Benjamini and Hochberg’s method within the "
    "family of each task",
    "no adjustment": "p-values are not adjusted",
}


def methods_paragraphs(results: Results) -> list[str]:
    """Return the paragraphs; simulated data are named as such in the first words."""
    parts = [
        _design(results),
        _further(results),
        _ratings(results),
        _raters(results),
        _analysis(results),
    ]
    parts.append(_preregistered(results))
    return [part for part in parts if part]


def methods_markdown(results: Results) -> bytes:
    """Return methods.md."""
    head = "# Methods\n\n"
    if results.simulated:
        head += "> **SIMULATED**: these numbers come from simulated raters, not from people.\n\n"
    return (head + "\n\n".join(methods_paragraphs(results)) + "\n").encode()


def _design(results: Results) -> str:
    opening = "Simulated raters took" if results.simulated else "We ran"
    if results.rankings:
        return preference_design(results, opening) + shown_sentences(results)
    tasks = [_task(task, results) for task in sorted({m.task for m in results.models if m.task})]
    said = f" as {' and '.join(tasks)}" if tasks else ""
    models = len({model.condition for model in results.models})
    if results.real_condition is not None:
        return _one_image_design(results, opening) + shown_sentences(results)
    return (
        f"{opening} a two-alternative forced-choice study in which each trial shows a real photo "
        f"beside a model’s output of the same item{said}. {plural(results.raters, 'rater')} gave "
        f"{plural(results.main_trials, 'judgment')} on {plural(results.items, 'image')} and "
        f"{plural(models, 'model')}; skipped trials ({count(results.skipped)}) count neither way. "
        "The fool rate is the share of trials in which the model’s output was picked over the real "
        "photo; 50 % is indistinguishable." + shown_sentences(results)
    )


def _further(results: Results) -> str:
    if not results.further:
        return ""
    words = dict.fromkeys(f"“{each.words}”" for each in results.further)
    asked = "; ".join(further_with_answers(results) or words)
    neither = any(each.neither for each in results.further)
    return (
        f"After it, each trial asked about the same two images: {asked}. For each question we "
        "report the share of answered trials in which the model’s output was picked over the photo"
        f"{', an answer for neither counting one half' if neither else ''}, with intervals made as "
        "those of the fool rates and not adjusted for the number of questions. These shares are "
        "preferences and say nothing of whether raters can tell the two apart."
    )


def _ratings(results: Results) -> str:
    if not results.ratings and not results.rating_shares:
        return ""
    said = ["Once an image was called real or made, the trial asked for ratings of it."]
    if results.ratings:
        said.append(
            "For each question with an ordered scale we report the mean score, counted from 1, of "
            "each model’s images and of the real photos, and the models’ difference to the photos."
        )
    if results.rating_shares:
        said.append(
            "For each question without an order we report the share of answers, and the models’ "
            "difference to the photos in percentage points."
        )
    said.append(
        "Their intervals treat raters and images as samples and are not adjusted for the number of "
        "questions. Ratings say nothing of whether raters can tell an image from a photo."
    )
    return " ".join(said)


def _task(task: str, results: Results) -> str:
    """Return a task in words, with the question that raters read."""
    if task not in TASKS:
        return task
    name, shown, words = TASKS[task]
    own = {study.shown.asked[task] for study in results.studies
           if study.shown is not None and task in study.shown.asked}  # fmt: skip
    asked = "; ".join(f"“{each}”" for each in sorted(own)) or f"“{words}”"
    return f"{name}{', in other words' if own else ''} ({shown}; {asked})"


def _one_image_design(results: Results, opening: str) -> str:
    models = len({model.condition for model in results.judged})
    return (
        f"{opening} a real-or-fake study in which each trial shows one image, and the rater says "
        f"whether it is real. {plural(results.raters, 'rater')} gave "
        f"{plural(results.main_trials, 'judgment')} on {plural(results.items, 'image')} of "
        f"{plural(models, 'model')} and of real photos ({results.real_condition}); skipped trials "
        f"({count(results.skipped)}) count neither way. The error on fakes is the share of a "
        "model’s images that were called real, the error on reals the share of real photos that "
        "were called fake, the human error the mean of both. d′ = z(called real, of real photos) "
        "− z(called real, of the model’s images), and the criterion c is minus the mean of these "
        "two z."
    )


def _raters(results: Results) -> str:
    if not results.study_rules:
        return "No rule for leaving raters out was declared, and none was applied."
    left_out = sum(step.removed_raters for step in results.flow)
    rules = "; ".join(step.step[:1].lower() + step.step[1:] for step in results.flow[1:])
    return (
        "Rules for leaving raters out were fixed before the data and applied mechanically "
        f"({rules}); they removed {plural(left_out, 'rater')}. Being at chance was never a reason."
    )


def _preregistered(results: Results) -> str:
    registered = results.preregistration
    if registered is None:
        return ""
    opening = (
        f"Design, sample size, exclusions and analysis were preregistered on "
        f"{registered.written_at[:10]} (sha256 {registered.sha256[:12]})"
    )
    if not registered.departures:
        return f"{opening}; this report does not depart from it."
    said = "; ".join(f"{d.what} ({d.registered}, here {d.found})" for d in registered.departures)
    return f"{opening}. This report departs from it in: {said}."


def _analysis(results: Results) -> str:
    if results.rankings:
        return preference_analysis(results)
    digests = ", ".join(study.sha256[:12] for study in results.studies)
    terms = terms_of(results)
    held = "50 %" if results.real_condition is None else "that of the real photos"
    return (
        f"We report {terms.rates} {ESTIMANDS[results.estimand]} (estimand: {results.estimand}) "
        f"with {level(results.alpha)} intervals{_intervals(results)}. Differences "
        f"between models are {DIFFERENCES[results.estimand]}; {ADJUSTED[results.adjustment]}"
        f". A model’s rate is called different from {held} only where the adjusted p is below "
        f"{results.alpha:g}, and indistinguishable from it only if two one-sided tests place it "
        f"within ±{100 * results.margin:g} points. Analysis: foolrate, seed {results.seed}, "
        f"judgments sha256 {digests}."
    )


def _intervals(results: Results) -> str:
    """Return how the intervals were made, and for which models another way was needed."""
    usual = any(model.method in (TWO_WAY, PER_RATER) for model in results.models)
    said = f" that {INTERVALS[results.estimand]}" if usual else ""
    for method, words in OTHER_WAYS.items():
        labels = [model.label for model in results.models if model.method == method]
        if labels:
            said += f". {words.format(who=', '.join(labels))}"
    return said
