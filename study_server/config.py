"""The study file: a TOML file read into frozen values. A format module (no flask, no sqlalchemy).

Run folders are paths relative to the directory that the command is run in. docs/study-file.md
explains every key; a test keeps it complete.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from generators.files import read_settings
from study_server.asking import Ask, Check, Reason, texts
from study_server.errors import StudyFileError
from study_server.judgments import RATING_COLUMNS
from study_server.panel_terms import Recruit, is_web_address
from study_server.public_results import PublicResults
from study_server.refusals import first_problem
from study_server.trial_kinds import (
    Beside,
    Kind,
    Language,
    Pairs,
    Question,
    RealSide,
    View,
    Window,
    check_trials,
    check_view,
    pairs_of,
    questions_of,
)
from study_server.words import Section, Words, filled_in, in_language, lacking, with_files

Task = Literal["task1", "task2"]
Side = Annotated[int, Field(ge=8, le=8192)]  # of an image on the screen, in pixels
# Since the first release: keys whose defaults are no part of a file's digest.
ADDED_KEYS = (
    ("images", "ids"),
    ("images", "beside"),
    ("images", "prompts"),
    ("images", "view"),
    ("images", "window"),
    ("images", "flicker"),
    ("design", "trial"),
    ("design", "pairs"),
    ("design", "baseline"),
    ("design", "showings"),
    ("design", "made_share"),
    ("design", "real_side"),
    ("lease", "first_minutes"),
    ("provider", "id_pattern"),
    ("provider", "signed_links"),
)
ADDED_SECTIONS = ("recruit", "check", "ask", "reason", "results")


class About(Section):
    """What the study is, and what raters are told before they agree."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    title: Words
    version: int = Field(default=1, ge=1)
    tasks: tuple[Task, ...] = Field(default=("task2",), min_length=1)
    languages: tuple[Language, ...] = Field(default=("en", "zh"), min_length=1)
    contact: str = Field(min_length=1, max_length=300)
    consent: Words | None = None  # paragraphs parted by empty lines; None: the built-in text
    minutes: int = Field(default=15, ge=1, le=240)
    pay: Words | None = None  # as raters read it
    question: dict[Task, Words] = Field(default_factory=dict)  # in place of the paper's questions

    @field_validator("title")
    @classmethod
    def _title_is_short(cls, title: Words) -> Words:
        for text in [title] if isinstance(title, str) else title.values():
            if not 1 <= len(text) <= 200:
                raise ValueError(f"{text[:40]!r} has {len(text)} characters, expected 1 to 200")
        return title

    @property
    def name(self) -> str:
        """Return the title in the study's first language, for researchers and panels."""
        return in_language(self.title, self.languages[0])

    def asks(self, task: str, language: str | None = None) -> str | None:
        """Return the question of a task, None where it is the paper's."""
        words = next((text for name, text in self.question.items() if name == task), None)
        return None if words is None else in_language(words, language or self.languages[0])

    def texts(self) -> Iterator[tuple[str, Words | None]]:
        """Yield (where, text) of every text that raters read."""
        yield from (("study.title", self.title), ("study.consent", self.consent))
        yield "study.pay", self.pay
        yield from ((f"study.question.{task}", words) for task, words in self.question.items())


class Images(Section):
    """Where the real images are, and the low-resolution inputs that Task-1 shows."""

    reference: str | None = None  # None: a preference study that shows none
    inputs: str | None = None
    beside: Beside = "nothing"  # what stands beside two models' outputs
    prompts: str | None = None  # a CSV file, a folder with prompts.csv, or a run that says them
    ids: Literal["stem", "path"] = "stem"  # of plain folders: the file's stem, or its whole path
    show_at: tuple[Side, Side] | None = None  # width, height: resample both sides with one kernel
    inputs_kernel: Literal["nearest", "bicubic", "lanczos"] = "nearest"
    view: View = "whole"
    window: Window | None = None  # of crop: width, height of what is shown
    flicker: bool = False  # of zoom: raters may let the images change places


class Design(Section):
    """How many raters see how many trials, and what a trial is."""

    trial: Kind = "real-or-model"
    kind: Literal["between-raters", "within-raters"] = "between-raters"
    pairs: Pairs = "all"  # of preference: models that are held against each other
    baseline: str | None = None  # of preference: the one model that all others are held against
    showings: int = Field(default=1, ge=1)  # of preference and single: of an item in a session
    made_share: float = Field(default=0.5, ge=0.05, le=0.95)  # of single: the share that is made
    real_side: RealSide = "drawn"  # of single: where the answer "real" stands, drawn by session
    raters: int = Field(ge=1, le=100_000)  # a condition and task (between), or a task (within)
    trials: int = Field(ge=1, le=2_000)  # main trials of a rater, catch trials not counted
    exposure_ms: int = Field(default=3000, ge=0, le=60_000)  # 0: until answered
    answer_while_shown: bool = False
    break_every: int = Field(default=25, ge=0)  # 0: no breaks
    seed: int | None = None  # None: random, kept in the database

    @model_validator(mode="before")
    @classmethod
    def _compared_within_raters(cls, given: object) -> object:
        """Let a rater see all pairs, or images of all models, where the file does not say."""
        if isinstance(given, dict) and given.get("trial") in ("preference", "single"):
            return {"kind": "within-raters", **given}
        return given


class Practice(Section):
    """Trials with feedback before the study; their items are in no other trial."""

    trials: int = Field(default=4, ge=0, le=50)
    items: tuple[str, ...] = ()  # empty: drawn by the seed


class Catch(Section):
    """Trials that anybody who looks gets right; their items are in no other trial."""

    trials: int = Field(default=2, ge=0, le=50)
    items: tuple[str, ...] = ()  # empty: drawn by the seed
    mosaic: int = Field(default=16, ge=4, le=128)  # side of the mosaic's squares, in pixels
    run: str | None = None  # a run of bad images in place of the mosaic


class Lease(Section):
    """How long a block of trials waits for a rater who is silent."""

    minutes: float = Field(default=15, gt=0, le=24 * 60)
    first_minutes: float = Field(default=5, gt=0, le=24 * 60)  # until the first answer
    heartbeat_s: int = Field(default=20, ge=1, le=600)


class Provider(Section):
    """Where raters come from, and what goes back."""

    kind: Literal["prolific", "connect", "sona", "url", "open", "invitation"] = "open"
    id_parameter: str | None = None  # the URL parameter that names the rater
    submission_parameter: str | None = None  # the one that names the panel's session
    id_pattern: str | None = None  # regular expression of a whole id; Prolific's: 24 hex digits
    signed_links: bool = False  # only links of `study links` are let in
    return_url: str | None = None  # where the debrief leads, with {code} and {id}
    codes: dict[str, str] = Field(default_factory=dict)  # outcome -> code; the others are random
    keep_ids_for_payment: bool = False  # store the panel's ids encrypted

    @field_validator("id_pattern")
    @classmethod
    def _can_be_matched(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
        return pattern

    @field_validator("return_url")
    @classmethod
    def _leads_to_a_site(cls, url: str | None, info: ValidationInfo) -> str | None:
        stored = (info.context or {}).get("stored", False)  # a study under way goes on as it is
        if url is not None and not stored and not is_web_address(url):
            raise ValueError(
                f"{url!r} is no address that raters can be sent to, expected https://…"
                " (http:// only for this machine)"
            )
        return url

    @field_validator("codes")
    @classmethod
    def _one_code_an_outcome(cls, codes: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        seen: dict[str, str] = {}
        for outcome, code in codes.items():
            alike = seen.setdefault(code.strip().upper(), outcome)
            if alike != outcome and not (info.context or {}).get("stored", False):
                raise ValueError(f"{alike} and {outcome} have the same code {code!r}")
        return codes

    @model_validator(mode="after")
    def _ids_are_kept_where_they_go_back(self, info: ValidationInfo) -> Provider:
        needs = "kind = 'sona'" if self.kind == "sona" else "{id} in return_url"
        goes_back = self.kind == "sona" or "{id}" in (self.return_url or "")
        stored = (info.context or {}).get("stored", False)
        if goes_back and not self.keep_ids_for_payment and not stored:
            raise ValueError(f"{needs} needs keep_ids_for_payment = true (kept encrypted)")
        return self

    @model_validator(mode="after")
    def _parameters_are_named(self) -> Provider:
        if self.kind == "url" and not self.id_parameter:
            raise ValueError(
                "kind = 'url' needs id_parameter, the URL parameter that names the rater"
            )
        if self.signed_links and self.kind in ("open", "invitation"):
            raise ValueError(
                f"signed_links signs the panel's ids, and kind = {self.kind!r} has none,"
                " expected kind = 'url' or 'prolific'"
            )
        return self


class Rules(Section):
    """Limits a rater has to keep. A rule that is left out is not applied."""

    max_failed_catch: int | None = Field(default=None, ge=0)  # a skipped catch trial has failed
    max_skipped_share: float | None = Field(default=None, ge=0, le=1)
    min_median_rt_ms: float | None = Field(default=None, ge=0)
    rt_tukey_factor: float | None = Field(default=None, gt=0)
    side_bias_alpha: float | None = Field(default=None, gt=0, lt=1)
    max_same_side_run: int | None = Field(default=None, ge=2)
    min_main_trials: int | None = Field(default=None, ge=1)


Estimand = Literal["population", "fixed-images", "rater-average"]
Correction = Literal["holm", "bh", "none"]


class Analysis(Section):
    """What will be tested, fixed before any data."""

    estimand: Estimand = "population"
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    equivalence_margin: float = Field(default=0.05, gt=0, lt=0.5)
    correction: Correction = "holm"
    family: tuple[str, ...] = ()  # conditions tested together; empty: all of them


class StudyFile(Section):
    """A whole study file."""

    study: About
    images: Images
    conditions: dict[str, str] = Field(min_length=1)  # name -> run folder
    design: Design
    practice: Practice = Practice()
    catch: Catch = Catch()
    lease: Lease = Lease()
    provider: Provider = Provider()
    recruit: Recruit = Recruit()
    check: Check = Check()
    ask: Ask = Ask()
    reason: Reason = Reason()
    pay: Rules = Rules()
    use: Rules = Rules()
    analysis: Analysis = Analysis()
    results: PublicResults = PublicResults()
    question: tuple[Question, ...] = ()  # [[question]]; empty: the built-in one

    @property
    def questions(self) -> tuple[Question, ...]:
        """Return what each trial asks; () where only a photo is to be told from an output."""
        if not self.question:
            return questions_of(self.design.trial, (), {})
        about, task = self.study, self.study.tasks[0]
        words = {each: about.asks(task, each) for each in about.languages}
        own = {language: text for language, text in words.items() if text is not None}
        return questions_of(self.design.trial, self.question, own)

    @property
    def further(self) -> tuple[Question, ...]:
        """Return what is asked of a photo and an output after which is real."""
        return self.question if self.design.trial == "real-or-model" else ()

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return the pairs of models of a preference study."""
        return pairs_of(list(self.conditions), self.design.pairs, self.design.baseline)

    @field_validator("conditions")
    @classmethod
    def _names_can_be_columns(cls, conditions: dict[str, str]) -> dict[str, str]:
        for name in conditions:
            if name == "catch":
                raise ValueError("'catch' is the name of the catch trials, choose another")
            if not re.fullmatch(r"[\w][\w .+-]{0,99}", name):
                raise ValueError(
                    f"{name!r} is no name for a condition, expected letters and digits"
                )
        return conditions

    @model_validator(mode="after")
    def _parts_fit(self) -> StudyFile:
        check_trials(self, RATING_COLUMNS)
        check_view(self.images)
        if "task1" in self.study.tasks and not self.images.inputs:
            raise ValueError("task1 shows the low-resolution input: images.inputs is missing")
        strangers = [name for name in self.analysis.family if name not in self.conditions]
        if strangers:
            raise ValueError(f"analysis.family names {strangers[0]!r}, which is no condition")
        if len(set(self.study.tasks)) < len(self.study.tasks):
            raise ValueError("study.tasks names a task twice")
        self.results.check(self.conditions, self.study.languages)
        return self

    @model_validator(mode="after")
    def _every_language_is_there(self) -> StudyFile:
        written = (*self.study.texts(), *texts(self.ask, self.check, self.reason))
        for where, words in (*written, *self.results.texts()):
            language = lacking(words, self.study.languages)
            if language is not None:
                raise ValueError(f"{where} has no text in {language!r}, which the study offers")
        return self

    def canonical(self) -> str:
        """Return the file's content as JSON that does not depend on order, comments or layout.

        Keys that came later are left out where they are not set, so that a file of before keeps
        its digest, and with it its blocks.
        """
        content = self.model_dump(mode="json")
        for section in ADDED_SECTIONS:
            if content[section] == type(getattr(self, section))().model_dump(mode="json"):
                del content[section]
        for section, key in ADDED_KEYS:
            if content[section][key] == type(getattr(self, section)).model_fields[key].default:
                del content[section][key]
        if not self.question:
            del content["question"]
        return json.dumps(content, sort_keys=True, ensure_ascii=False)

    def digest(self, run_digests: dict[str, str]) -> str:
        """Return the sha256 of the content and its runs: one changed pixel changes it."""
        runs = json.dumps(run_digests, sort_keys=True)
        return hashlib.sha256(f"{self.canonical()}\n{runs}".encode()).hexdigest()


def read_study_file(path: Path) -> tuple[StudyFile, str]:
    """Return a study file's content, and its text with that of the files that it takes texts from.

    Raises `StudyFileError` with one line.
    """
    try:
        text = read_settings(path)
    except FileNotFoundError:
        raise StudyFileError(f"{path}: no such file, expected a study file (TOML)") from None
    except OSError as error:
        raise StudyFileError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise StudyFileError(f"{path}: is not UTF-8 text, expected a study file (TOML)") from None
    text = with_files(text, _fields(text, str(path)), str(path))
    return parse_study_file(text, str(path)), text


def parse_study_file(text: str, name: str, *, stored: bool = False) -> StudyFile:
    """Return the content of a study file's text. Raises `StudyFileError` naming key and value.

    A `stored` text is that of a study which was made already: rules that came later about what it
    may say are not applied to it.
    """
    fields = filled_in(_fields(text, name), name, stored=stored)
    try:
        return StudyFile.model_validate(fields, context={"stored": stored})
    except ValidationError as error:
        raise StudyFileError(f"{name}: {first_problem(error, StudyFile)}") from None


def _fields(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StudyFileError(f"{name}: not TOML ({error})") from None
