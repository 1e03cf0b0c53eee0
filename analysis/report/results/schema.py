"""results.json: every number of a report at full precision. All else is made only from it.

Rates, differences and margins are proportions in 0..1 (never percent); `None` means "not defined
here", and the model's `flags` say why. Rendering never computes a statistic: it formats these
fields.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from analysis.comparisons.verdict import Verdict
from analysis.errors import AnalysisError
from analysis.rates.fool_rates import FoolRate
from analysis.report.results.values import (
    Frozen,
    Interval,
    MeanRating,
    ModelReasons,
    PickedShare,
    RankingResult,
    RatingShare,
)

SCHEMA_VERSION = 2
VERDICTS_1 = {"inconclusive": "undecided"}  # words of version 1


class RunRef(Frozen):
    """A run as the provenance chain names it, down to checkpoint and seed."""

    condition: str
    folder: str | None = None
    digest: str | None = None  # of the images, from the manifest or the study file
    generator: str | None = None
    manifest_sha256: str | None = None
    checkpoint: dict[str, str] = Field(default_factory=dict)  # file name -> sha256
    seeds: str | None = None  # as words: "7" or "0 to 99"
    sampler: str | None = None
    evaluations: int | None = None
    found: bool = False  # its folder was read for this report


class Shown(Frozen):
    """What a study's trials showed and asked, in words, as its study.json says."""

    trial: str  # real-or-model, preference or single
    view: str
    beside: str | None = None  # what stood between two models' outputs: reference or input
    prompt: bool = False
    exposure_ms: int | None = None  # 0: until answered
    asked: dict[str, str] = Field(default_factory=dict)  # task -> words in place of the paper's
    questions: tuple[str, ...] = ()  # with their answers; of a photo and an output what else


class Study(Frozen):
    """One source of judgments."""

    name: str
    title: str
    version: str | None = None
    study_digest: str | None = None
    exported_at: str | None = None
    file: str
    sha256: str  # of judgments.csv
    rows: int
    simulated: bool
    runs: tuple[RunRef, ...] = ()
    reference: RunRef | None = None
    shown: Shown | None = None  # None: the file does not say


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Model(FoolRate):
    """One condition in one task: its `FoolRate`, what stands beside it and what is claimed of it.

    In a study of single images the rate is the share called real, the verdict is about the
    real photos, and the fields from ``error_on_reals`` on are filled in.
    """

    key: str  # unique in the report, used by every other section
    label: str
    study: str
    pooled: Interval = Interval()  # all trials taken as independent: too short
    bootstrap: Interval = Interval()  # pigeonhole
    rater_mean: Interval = Interval()  # mean of the raters' rates, as papers publish it
    d_prime: Interval = Interval()
    p_chance: float | None = None  # two-sided, against one half or against the real photos
    p_adjusted: float | None = None
    p_equivalence: float | None = None  # two one-sided tests against the margin
    verdict: Verdict  # by the adjusted p and the equivalence test
    error_on_reals: Interval = Interval()
    human_error: Interval = Interval()  # mean of the errors on fakes and on reals
    criterion: Interval = Interval()
    above_real: Interval = Interval()  # the share called real, minus that of the real photos

    @property
    def is_reference(self) -> bool:
        """Return whether this is the real photos of a study of single images."""
        return self.verdict is Verdict.REFERENCE


class Difference(Frozen):
    """Model a minus model b."""

    a: str
    b: str
    task: str | None = None
    difference: float | None
    low: float | None
    high: float | None
    se: float | None = None
    df: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    shared_raters: int | None = None
    shared_items: int | None = None


class FlowStep(Frozen):
    """One line of the flow chart from exported rows to analysed trials."""

    step: str
    raters: int
    trials: int
    removed_raters: int = 0
    removed_trials: int = 0


class Departure(Frozen):
    """One thing that is not as preregistered."""

    what: str
    registered: str
    found: str


class Preregistered(Frozen):
    """A preregistration, and everything in which the report departs from it."""

    file: str
    sha256: str
    written_at: str
    hypotheses: tuple[str, ...] = ()
    departures: tuple[Departure, ...] = ()


class Sensitivity(Frozen):
    """One model's rate with the study's exclusions and without them."""

    key: str
    with_exclusions: Interval
    without_exclusions: Interval


class ItemRate(Frozen):
    """One image of one model."""

    key: str  # of the model
    item_id: str
    judgments: int
    fooled: int
    rate: float
    shrunk: float  # towards the model's rate, so a thinly judged image tops no list
    low: float | None = None
    high: float | None = None


class Agreement(Frozen):
    """How far raters agree on one model's images, and whether they favoured a side."""

    key: str
    alpha: float | None = None  # Krippendorff, nominal
    split_half: float | None = None  # reliability of the per-image rates, Spearman-Brown
    left: Interval = Interval()  # share of answers that were "left"


class GalleryEntry(Frozen):
    """One picture pair of the gallery."""

    key: str
    list: str  # most | least | divisive
    item_id: str
    judgments: int
    fooled: int
    shrunk: float


class MetricValue(Frozen):
    """One measured score with everything that makes it comparable or not."""

    key: str  # condition of the report, or the run's name
    name: str
    value: float | None
    direction: str
    unit: str | None = None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    noise_floor: float | None = None
    extractor: str | None = None
    weights_digest: str | None = None
    resize: str | None = None
    precision: str | None = None
    run_digest: str | None = None
    reference_digest: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    source: str = ""
    warnings: tuple[str, ...] = ()


class MetricTable(Frozen):
    """The comparable scores, and each metric that is refused with its reason."""

    values: tuple[MetricValue, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()  # metric name, reason


class Correlation(Frozen):
    """One metric against the human fool rate: Spearman's ρ, +1 = the metric ranks as people do."""

    metric: str
    level: str  # model | image
    key: str | None = None  # the model, at image level
    task: str | None = None
    n: int
    value: float | None
    low: float | None = None
    high: float | None = None
    kendall: float | None = None
    p: float | None = None  # permutation
    exact: bool | None = None  # every permutation was tried
    reliability: float | None = None
    disattenuated: float | None = None


class PairScore(Frozen):
    """How often a metric prefers the output that fooled more, and the most any metric could."""

    metric: str
    task: str | None = None
    pairs: int
    score: float | None
    ceiling: float | None


class Bin(Frozen):
    """One model's fool rate within one bin of a diagnostic."""

    key: str
    name: str
    trials: int
    rate: float | None
    low: float | None = None
    high: float | None = None


class Diagnostic(Frozen):
    """A check on order, time or side."""

    name: str
    title: str
    unit: str
    bins: tuple[Bin, ...]
    note: str = ""


class Published(Frozen):
    """A number printed in a paper, with how we know it."""

    table: str
    system: str
    quantity: str
    value: float
    spread: float | None = None
    source: str
    verified: str  # V: read in the paper or the authors' figures; S: secondary notes only


class Results(Frozen):
    """Everything a report says."""

    schema_version: int = SCHEMA_VERSION
    created_at: str
    title: str
    simulated: bool
    estimand: str
    alpha: float
    margin: float
    adjustment: str
    real_condition: str | None = None  # of single images, real or fake; None: each trial showed two
    seed: int
    replicates: int
    study_rules: dict[str, Any] = Field(default_factory=dict)
    config_digest: str
    data_digest: str
    studies: tuple[Study, ...]
    rows: int
    main_trials: int
    practice_trials: int
    catch_trials: int
    skipped: int
    raters: int
    items: int
    models: tuple[Model, ...]
    differences: tuple[Difference, ...] = ()
    flow: tuple[FlowStep, ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()  # exclusion reason, raters
    sensitivity: tuple[Sensitivity, ...] = ()
    item_rates: tuple[ItemRate, ...] = ()
    agreement: tuple[Agreement, ...] = ()
    written: tuple[ModelReasons, ...] = ()  # personal data: raters' own words
    gallery: tuple[GalleryEntry, ...] = ()
    gallery_note: str = ""
    metrics: MetricTable = MetricTable()
    correlations: tuple[Correlation, ...] = ()
    pair_scores: tuple[PairScore, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    published: tuple[Published, ...] = ()
    further: tuple[PickedShare, ...] = ()  # what else was asked of a photo and an output
    ratings: tuple[MeanRating, ...] = ()  # how single images were rated
    rating_shares: tuple[RatingShare, ...] = ()
    rankings: tuple[RankingResult, ...] = ()  # of a preference study, which has no models
    versions: dict[str, str] = Field(default_factory=dict)
    preregistration: Preregistered | None = None  # None: none was given
    cautions: tuple[str, ...] = ()  # why the numbers may not mean what they seem to
    notes: tuple[str, ...] = ()  # what was missing

    @property
    def rates(self) -> dict[str, float | None]:
        """Return condition -> its rate, or its win share by the first question."""
        if self.rankings:
            return {each.model: each.win_share.value for each in self.rankings[0].models}
        return {model.condition: model.rate for model in self.models}

    @property
    def judged(self) -> tuple[Model, ...]:
        """Return the models without the real photos of a study of single images."""
        return tuple(model for model in self.models if not model.is_reference)

    def reference_rate(self, task: str) -> float | None:
        """Return what a model's rate is held against: one half, or the real photos' own rate."""
        if self.real_condition is None:
            return 0.5
        return next((m.rate for m in self.models if m.is_reference and m.task == task), None)

    def model(self, key: str) -> Model:
        """Return the model with this key. Raises `KeyError`."""
        for model in self.models:
            if model.key == key:
                return model
        raise KeyError(key)


def to_json(results: Results) -> bytes:
    """Return results.json as bytes; NaN and infinity are refused, never written."""
    fields = results.model_dump(mode="json")
    text = json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def read_results(path: Path) -> Results:
    """Return a report's numbers. Raises `AnalysisError` for a file of another kind."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        found = fields.get("schema_version") if isinstance(fields, dict) else None
        if found not in (1, SCHEMA_VERSION):
            raise AnalysisError(f"{path}: schema_version is {found!r}, expected {SCHEMA_VERSION}")
        return Results.model_validate(_of_version_1(fields) if found == 1 else fields)
    except FileNotFoundError:
        raise AnalysisError(f"{path}: no such file, expected a results.json") from None
    except OSError as error:
        raise AnalysisError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, RecursionError) as error:  # not UTF-8, JSON or of this schema
        first = str(error).splitlines()[0]
        raise AnalysisError(f"{path}: not a results.json ({first})") from None


def _of_version_1(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a version 1 file as this version has them.

    Version 1 had its own copy of a fool rate, with `notes` for the flags and null for no task.
    """
    models = [
        {
            **{name: value for name, value in model.items() if name != "notes"},
            "task": model["task"] or "",
            "flags": [note.removesuffix(".") for note in model["notes"]],
            "verdict": VERDICTS_1.get(model["verdict"], model["verdict"]),
            "alpha": fields["alpha"],
            "simulated": fields["simulated"],
        }
        for model in fields["models"]
    ]
    return {**fields, "models": models, "schema_version": SCHEMA_VERSION}
