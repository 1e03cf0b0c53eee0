"""foolrate in Python: judgments as a DataFrame in; rates, comparisons, rankings, reports out.

    import foolrate as fr

    fr.rates(table)          # fool rates with two-way intervals
    fr.compare(table)        # pairs of conditions, and each one against 50 %
    fr.rank(duels)           # a ranking from direct comparisons
    fr.power(target=0.05)    # designs that reach a half-width
    fr.score(outputs, real)  # automatic metrics of images
    fr.correlate(table, {…}) # how well metrics follow people
    fr.report(table, "out")  # the whole report

Each result has a ``frame`` (a DataFrame at full precision), shows itself in a notebook, and gives
``latex()``; those with intervals have ``plot(ax)``. What is in ``__all__`` stays: a change of it
is in the changelog. Runs from the checkout (docs/python.md).
"""

from analysis.errors import AnalysisError
from foolrate.document import report
from foolrate.images import Correlations, Scores, correlate, score
from foolrate.other_programs import own_scores
from foolrate.people import (
    Comparisons,
    Plans,
    RankedModels,
    Rates,
    compare,
    judgments,
    power,
    rank,
    rates,
)
from metrics.errors import MetricError

__all__ = [
    "AnalysisError",
    "Comparisons",
    "Correlations",
    "MetricError",
    "Plans",
    "RankedModels",
    "Rates",
    "Scores",
    "compare",
    "correlate",
    "judgments",
    "own_scores",
    "power",
    "rank",
    "rates",
    "report",
    "score",
]
