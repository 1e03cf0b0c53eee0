"""Values of results.json: numbers with an interval, and the rankings of a preference study."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A frozen value whose misspelt fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Frozen):
    """A rate or difference with its interval."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class RankedModel(Frozen):
    """One model of a ranking: score in log odds, None where only a bound exists."""

    model: str
    score: float | None
    low: float | None
    high: float | None
    elo: float | None
    rank_low: int  # the ranks that simultaneous contrasts leave open
    rank_high: int
    wins: int
    losses: int
    ties: int
    win_share: Interval  # of all its comparisons, a tie counted half


class Contest(Frozen):
    """How often one model was picked over another."""

    a: str
    b: str
    wins: int  # of a
    losses: int
    ties: int

    @property
    def share(self) -> float:
        """Return a's share, a tie counted half."""
        return (self.wins + self.ties / 2) / (self.wins + self.losses + self.ties)


class DividedItem(Frozen):
    """One image of one pair of models."""

    item_id: str
    a: str
    b: str
    comparisons: int
    points: float  # of a: a win counts 1, a tie a half
    shrunk: float  # a's share, drawn to the pair's
    list: str  # divides: most evenly split | against: the other model leads than in the pair


class RankingResult(Frozen):
    """The answers to one question of a preference study, models best first."""

    key: str  # the question's id, "" where the file names none
    question: str  # its words, "" for the page's own
    models: tuple[RankedModel, ...]
    contests: tuple[Contest, ...]
    comparisons: int
    raters: int
    items: int
    ties: int
    both_bad: int  # of the ties
    skipped: int
    self_comparisons: int
    log_nu: float | None  # Davidson's
    critical: float | None
    first: Interval  # share of decided comparisons that the left image won
    divided: tuple[DividedItem, ...] = ()
    notes: tuple[str, ...] = ()


class PickedShare(Frozen):
    """How often a model's output was picked over the photo, by a further question of the trial."""

    question: str  # its id
    words: str  # as the study file words it
    condition: str
    share: float | None  # an answer for neither counts one half
    low: float | None
    high: float | None
    picked: int
    photo: int
    neither: int
    both_bad: int  # of neither
    trials: int
    skipped: int
    raters: int
    items: int
    flags: tuple[str, ...] = ()


class MeanRating(Frozen):
    """The mean score of a condition's single images, by a question with an ordinal scale."""

    question: str  # its id
    words: str  # as the study file words it
    condition: str
    steps: int
    mean: float | None  # from 1 to `steps`
    low: float | None
    high: float | None
    above_real: Interval  # the difference to the real photos, which have none
    labels: tuple[str, ...]
    counts: tuple[int, ...]  # of each step
    trials: int
    skipped: int
    raters: int
    items: int
    flags: tuple[str, ...] = ()


class RatingShare(Frozen):
    """How often an answer was given to a condition's single images, by a nominal question."""

    question: str
    words: str
    condition: str
    answer: str  # its value in the study file
    said: str  # its words
    share: float | None
    low: float | None
    high: float | None
    above_real: Interval
    chosen: int
    trials: int
    skipped: int
    raters: int
    items: int
    flags: tuple[str, ...] = ()


class Written(Frozen):
    """Why a rater chose, in their words."""

    condition: str
    against: str | None  # the other model; None: the real photo; empty: one image was shown
    item_id: str
    side: str  # left | right: where the condition's image was
    picked: bool | None  # the condition's image (one image: called real); None: neither
    answer: str
    words: str


class ModelReasons(Frozen):
    """How many reasons there are of trials with a model, and some of them."""

    condition: str
    picked: int
    other: int
    neither: int
    shown: tuple[Written, ...] = ()
