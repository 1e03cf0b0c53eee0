"""The words of a preference study: tables of scores and of who beat whom, and the methods."""

from __future__ import annotations

from analysis.columns import RANKED
from analysis.report.results.schema import Results
from analysis.report.results.values import RankingResult
from analysis.report.text.word_tables import Head, WordCell, WordTable, column_words
from analysis.report.text.wording import count, interval, level, percent, plural


def heading(ranking: RankingResult) -> str:
    """Return a ranking's question as a heading: its words, else its id."""
    return ranking.question or ranking.key or "Which is preferred?"


def ranking_tables(results: Results) -> dict[str, WordTable]:
    """Return name -> table of scores, and of wins, for each question."""
    found = {}
    for place, ranking in enumerate(results.rankings, start=1):
        suffix = f"-{place}" if len(results.rankings) > 1 else ""
        for table in (_scores(results, ranking, suffix), _wins(ranking, suffix)):
            found[table.name] = table
    return found


def _scores(results: Results, ranking: RankingResult, suffix: str) -> WordTable:
    rows = ((model.model, (), model) for model in ranking.models)
    caption = f"{heading(ranking)} · scores in log odds (Bradley-Terry, mean 0)"
    return column_words(
        results, f"ranking{suffix}", caption, names=["Model"], columns=RANKED, rows=rows
    )


def _wins(ranking: RankingResult, suffix: str) -> WordTable:
    names = [model.model for model in ranking.models]
    shares = {}
    for each in ranking.contests:
        shares[each.a, each.b] = (each.share, each.wins, each.ties)
        shares[each.b, each.a] = (1 - each.share, each.losses, each.ties)
    rows = tuple((name, tuple(_win_cell(shares.get((name, other))) for other in names))
                 for name in names)  # fmt: skip
    caption = f"{heading(ranking)} · share of comparisons that the row won against the column"
    columns = tuple(Head(f"over {name}") for name in names)
    return WordTable(f"wins{suffix}", caption, "Model", columns, rows)


def _win_cell(found: tuple[float, int, int] | None) -> WordCell:
    return WordCell("–") if found is None else WordCell(percent(found[0]), found[0])


def ranking_sentences(results: Results, ranking: RankingResult) -> list[str]:
    """Return what a reader of one ranking has to be told."""
    best = [model.model for model in ranking.models if model.rank_low == 1]
    who = "simulated raters" if results.simulated else "raters"
    if len(best) == 1:
        lead = f"{best[0]} ranks first: {who} prefer it to every other model."
    else:
        lead = f"The first rank is open between {', '.join(best[:-1])} and {best[-1]}."
    first = ranking.first
    said = [lead, f"{plural(ranking.comparisons, 'comparison')} by "
            f"{plural(ranking.raters, 'rater')} on {plural(ranking.items, 'image')}; "
            f"{count(ranking.skipped)} skipped."]  # fmt: skip
    if ranking.ties:
        bad = f", of which {count(ranking.both_bad)} are “both are bad”" if ranking.both_bad else ""
        said.append(f"{plural(ranking.ties, 'tie')}{bad}.")
    if first.low is not None:
        said.append(
            f"The left image won {percent(first.value)} of the decided comparisons "
            f"({interval(first.low, first.high)}); 50 % means no bias to a side."
        )
    return [*said, *(f"{note[:1].upper()}{note[1:]}." for note in ranking.notes)]


def preference_design(results: Results, opening: str) -> str:
    """Return the first paragraph of the methods of a preference study."""
    asked = "; ".join(f"“{heading(each)}”" for each in results.rankings)
    models = plural(len(results.rankings[0].models), "model")
    told = any(study.shown is not None for study in results.studies)  # with the answers
    tied = any(each.ties for each in results.rankings) and not told
    ties = " Raters could also say that there is no difference, or that both are bad." * tied
    return (
        f"{opening} a preference study in which each trial shows two models’ outputs of one item"
        f"{'' if told else f' and asks: {asked}'}.{ties} {plural(results.raters, 'rater')} gave "
        f"{plural(results.main_trials, 'comparison')} on {plural(results.items, 'image')} of "
        f"{models}; pairs, items and sides were balanced, and skipped trials "
        f"({count(results.skipped)}) count neither way."
    )


def preference_analysis(results: Results) -> str:
    """Return the paragraph on the analysis of a preference study."""
    digests = ", ".join(study.sha256[:12] for study in results.studies)
    tied = any(each.log_nu is not None for each in results.rankings)
    model = "Bradley and Terry’s model" + (" with Davidson’s ties" * tied)
    return (
        f"Scores are those of {model}, in log odds with mean 0, fitted by maximum likelihood for "
        f"each question; {level(results.alpha)} intervals use sandwich variances clustered on "
        "raters and on images at once. A model’s range of ranks holds those that simultaneous "
        "contrasts between all pairs leave open. A win share is the share of its comparisons "
        "that a model won, where a tie counts as half, with a two-way interval over raters and "
        f"images. Analysis: foolrate, seed {results.seed}, comparisons sha256 {digests}."
    )
