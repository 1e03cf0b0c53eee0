"""The table of `analysis rank`: one ranking for each question of the file."""

from __future__ import annotations

from pathlib import Path

from analysis.columns import RANKED
from analysis.commands.tables.terminal import SIMULATED, column_table, percent
from analysis.judgments.duels import as_judgments, duels_of, questions, read_comparisons
from analysis.judgments.study import read_study
from analysis.numerals import counted
from analysis.rankings.ranking import Ranking, rank
from analysis.raters.exclusions import Exclusions, exclusions

TIES_WORDS = {"davidson": "an outcome of their own (Davidson)", "half": "half a win for each"}


def rankings(file: Path, *, alpha: float, seed: int, ties: str) -> tuple[dict[str, Ranking], str]:
    """Return question -> ranking of the raters whom the declared rules keep, and what to tell.

    A file that names no question has one, called "".
    """
    table = read_comparisons(file)
    found = exclusions(as_judgments(table, file.name), read_study(file).exclusions)
    kept = table[~table["rater_id"].isin(list(found.reasons))]
    made = {
        question: rank(duels_of(kept, file.name, question), alpha, seed, ties)
        for question in questions(table)
    }
    return made, _told(found, table["rater_id"].nunique())


def _told(found: Exclusions, raters: int) -> str:
    if not found.reasons:
        return ""
    return (
        f"note: the rules that study.json declares leave out {len(found.reasons)} of {raters}"
        f" raters ({', '.join(found.rules)})"
    )


def rankings_text(made: dict[str, Ranking]) -> str:
    """Return every ranking as text, under its question where there are several."""
    if len(made) == 1:
        return ranking_text(next(iter(made.values())))
    return "\n\n".join(f"question: {name}\n{ranking_text(each)}" for name, each in made.items())


def ranking_text(ranking: Ranking) -> str:
    """Return the ranking as a text table with what was left out and every note."""
    rows = [([each.model], each) for each in ranking.models]
    lines = [SIMULATED] if ranking.simulated else []
    lines.append(column_table(["model"], RANKED, rows, alpha=ranking.alpha))
    lines.append(
        f"{counted(ranking.comparisons, 'comparison')} by {counted(ranking.raters, 'rater')} on"
        f" {counted(ranking.items, 'item')};"
        f" {ranking.skipped} skipped, {ranking.self_comparisons} of a model with itself left out;"
        " scores are log odds, mean 0"
    )
    if ranking.ties:
        bad = f"; {ranking.both_bad} of them are “both are bad”" if ranking.both_bad else ""
        lines.append(f"ties count as {TIES_WORDS[ranking.ties_as]}{bad}")
    lines.append(_first_text(ranking))
    return "\n".join([*lines, *(f"note: {note}" for note in ranking.notes)])


def _first_text(ranking: Ranking) -> str:
    """Return how often model_a was chosen: position bias, if a is what was shown first."""
    said = f"model_a was chosen in {percent(ranking.first_share)} % of the decided comparisons"
    if ranking.first_low is not None:
        said += f" (95 % interval {percent(ranking.first_low)} to {percent(ranking.first_high)} %)"
    if ranking.first_share in (0.0, 1.0):
        return f"{said}: the columns hold winners and losers, not positions"
    return f"{said}: if a is the side shown first, 50 % means no position bias"
