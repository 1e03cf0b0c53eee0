"""study.json: what an export says of its study. A format module, written here and read by analysis.

The export writes every field; a reader needs none of them, so that a hand-written file may declare
only what it wants to. Fields that this version does not know are kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    ValidationError,
)

from study_server.config import Correction, Estimand
from study_server.errors import StudyError

STUDY = "study.json"
FORMAT_VERSION = 1

# Between 0 and 1/2, both excluded: an alpha, or a margin of equivalence, as a share.
Level = Annotated[float, Field(gt=0, lt=0.5, strict=True)]

# A file in the export's own folder: a foreign study.json leads nowhere else.
FileName = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]


class Record(BaseModel):
    """A frozen value that keeps what a newer version adds."""

    model_config = ConfigDict(frozen=True, extra="allow")


class RunRecord(Record):
    """The run behind a condition, the reference or the inputs: folder and digest of its images."""

    run: str | None = None
    run_digest: str | None = None
    generator: str | None = None


class StudyRecord(Record):
    """Everything in study.json; None, or empty, where the file says nothing."""

    format_version: Literal[1] = 1
    study_id: str | None = None
    title: str | None = None
    version: int | str | None = None
    versions: list[dict[str, Any]] = []
    study_digest: str | None = None
    state: str | None = None
    created_at: str | None = None
    exported_at: str | None = None
    simulated: bool = False
    simulation: dict[str, Any] | None = None
    trial: str | None = None  # real-or-model, preference or single; None: not said
    tasks: list[str] = []
    asked: dict[str, str] = {}  # task -> the study's own words, in place of the paper's
    questions: list[dict[str, Any]] = []  # id, wording, answers or options; [] for a real photo's
    design: dict[str, Any] = {}
    view: dict[str, Any] = {}  # kind (whole, crop or zoom), window, flicker, beside, prompt
    quota: int | None = None
    estimand: Estimand | None = None
    alpha: Level | None = None
    equivalence_margin: Level | None = None
    correction: Correction | None = None
    family: list[str] = []
    exclusions: dict[str, StrictInt | StrictFloat | None] = {}  # rule -> limit
    real_condition: str | None = None  # of single images; None: each trial showed two
    pay_rules: dict[str, Any] = {}
    conditions: dict[str, RunRecord] = {}
    reference: RunRecord | None = None
    inputs: RunRecord | None = None
    software: dict[str, Any] = {}
    judgments: int | None = None
    sessions_started: int | None = None
    withdrawn: list[int] = []
    chain: dict[str, dict[str, Any]] = {}  # rater -> judgments, and the head of their hash chain
    files: dict[FileName, str] = {}  # file of the export -> sha256


def read_study_record(path: Path) -> StudyRecord:
    """Return a study.json. Raises `StudyError`, in one line, for a file that is not one."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path}: no such file, expected a study export's {STUDY}") from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise StudyError(f"{path}: not JSON ({error}), expected a study export's {STUDY}") from None
    if not isinstance(fields, dict):
        raise StudyError(f"{path}: holds a {type(fields).__name__}, expected an object")
    try:
        return StudyRecord.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        expected = first["msg"].removeprefix("Input should be ")
        raise StudyError(f"{path}: {where} is {first['input']!r}, expected {expected}") from None


def study_json(record: StudyRecord) -> str:
    """Return a record as the text of study.json: the fields that were set, sorted."""
    fields = record.model_dump(mode="json", exclude_unset=True)
    return json.dumps(fields, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
