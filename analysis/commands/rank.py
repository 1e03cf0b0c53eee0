"""The table of `analysis rank`."""

from __future__ import annotations

from analysis.commands.terminal import SIMULATED, number, percent, text_table
from analysis.numerals import counted
from analysis.rates.ranking import Ranking

TIES_WORDS = {"davidson": "an outcome of their own (Davidson)", "half": "half a win for each"}


def ranking_text(ranking: Ranking) -> str:
    """Return the ranking as a text table with what was left out and every note."""
    header = ["model", "score", f"{100 * (1 - ranking.alpha):g} % interval", "Elo", "rank"]
    rows = [
        [
            each.model,
            number(each.score, 3),
            f"{number(each.low, 3)} to {number(each.high, 3)}",
            number(each.elo, 0),
            f"{each.rank_low}-{each.rank_high}",
            *map(str, (each.wins, each.losses, each.ties)),
        ]
        for each in ranking.models
    ]
    lines = [SIMULATED] if ranking.simulated else []
    lines.append(text_table([*header, "wins", "losses", "ties"], rows))
    lines.append(
        f"{counted(ranking.comparisons, 'comparison')} by {counted(ranking.raters, 'rater')} on"
        f" {counted(ranking.items, 'item')};"
        f" {ranking.skipped} skipped, {ranking.self_comparisons} of a model with itself left out;"
        " scores are log odds, mean 0"
    )
    if ranking.ties:
        lines.append(f"ties count as {TIES_WORDS[ranking.ties_as]}")
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
