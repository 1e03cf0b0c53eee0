"""The methods paragraph, numbers filled in, ready to paste into a paper."""

from __future__ import annotations

from analysis.report.schema import Results
from analysis.report.wording import ESTIMANDS, level, plural

TASKS = {
    "task1": "Task-1 of Saharia et al. (the low-resolution input shown between the two images; "
    "“Which of the two images is a better high quality version of the low resolution image in the middle?”)",
    "task2": "Task-2 of Saharia et al. (no input shown; “Which image would you guess is from a camera?”)",
}


def methods_paragraphs(results: Results) -> list[str]:
    """Return the paragraphs; simulated data are named as such in the first words."""
    return [_design(results), _analysis(results)]


def methods_markdown(results: Results) -> bytes:
    """Return methods.md."""
    head = "# Methods\n\n"
    if results.simulated:
        head += "> **SIMULATED**: these numbers come from simulated raters, not from people.\n\n"
    return (head + "\n\n".join(methods_paragraphs(results)) + "\n").encode()


def _design(results: Results) -> str:
    opening = "Simulated raters took" if results.simulated else "We ran"
    tasks = [TASKS.get(task, task) for task in sorted({m.task for m in results.models if m.task})]
    said = f" as {' and '.join(tasks)}" if tasks else ""
    shown = plural(results.items, "image")
    return (
        f"{opening} a two-alternative forced-choice study in which each trial shows a real photo beside "
        f"a model’s output of the same item{said}. {plural(results.raters, 'rater')} gave "
        f"{plural(results.main_trials, 'judgment')} on {shown} and "
        f"{plural(len({m.condition for m in results.models}), 'model')}; "
        f"{plural(results.skipped, 'trial')} "
        f"{'was' if results.skipped == 1 else 'were'} skipped and count neither way. The fool rate is the share of trials in "
        "which the model’s output was picked over the real photo; 50 % is indistinguishable."
    )


def _analysis(results: Results) -> str:
    margin = f"±{100 * results.margin:g} points"
    return (
        f"We report fool rates {ESTIMANDS[results.estimand]} (estimand: {results.estimand}) with "
        f"{level(results.alpha)} intervals that treat raters and images as crossed random samples: "
        "cluster-robust variances of the CR2 type for raters and for images, combined into an effective "
        "sample size, and Wilson’s interval on it with Satterthwaite’s degrees of freedom. A model is called "
        f"indistinguishable only if two one-sided tests place its rate within {margin} of 50 %. "
        f"Analysis: foolrate, seed {results.seed}, judgments sha256 "
        f"{', '.join(study.sha256[:12] for study in results.studies)}."
    )
