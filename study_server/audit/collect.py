"""Running a study on a throwaway copy, over real HTTP, to get what a browser would get.

The audited study is never touched: the copy has its own database in a temporary folder, made by the
same code from the same study file and run folders, and is served by the same server.
"""

from __future__ import annotations

import random
import re
import secrets
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import numpy as np
from numpy.typing import NDArray

from generators.files import utc_now
from study_server.audit import findings
from study_server.audit.adversary import FEWEST
from study_server.audit.findings import Audit, ConditionAudit
from study_server.audit.probes import measure
from study_server.audit.transport import Delivery, Pair
from study_server.config import Provider, StudyFile, parse_study_file
from study_server.errors import StudyError
from study_server.sessions.entering.providers import SIMULATION_PARAMETER
from study_server.simulation.rater_model import RaterModel, SimulatedRater, Truth
from study_server.simulation.simulate import Visit, VisitTarget, other_answers, read_truths, serving
from study_server.storage.database import Database
from study_server.storage.identity import load_secret, simulation_pass
from study_server.storage.schema import open_database
from study_server.studies.create import create_study
from study_server.studies.images.run_folders import Roles, Runs, open_runs, read_images
from study_server.studies.states import open_drafts
from study_server.trial_kinds import REAL

_PROVIDER_TABLES = re.compile(r"^\[provider(?:\.[^\]]*)?\].*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)

Progress = Callable[[Iterable[Any], int], Iterable[Any]]
Received = tuple[Truth, tuple[Delivery, ...]]  # a trial, and the one or two images that came


class Recorder(Visit):
    """A simulated rater whose browser keeps what it was sent."""

    def __init__(self, plan: VisitTarget, index: int, seed: int) -> None:
        """Open the browser of a rater who never gives up."""
        rater = SimulatedRater(RaterModel(dropout=0), seed, index)
        super().__init__(plan, rater, index, seed)
        self.received: dict[int, tuple[Delivery, ...]] = {}  # one or two images
        self._order = random.Random(f"{seed}/{index}")

    def _fetch(self, trials: list[dict[str, Any]], fetched: set[str]) -> None:
        # One trial at a time, in either order: the clock then says as much as it ever can.
        trial = trials[0]
        panels = [panel for panel in ("left", "right") if trial[panel]]
        self._order.shuffle(panels)
        got = {panel: self._get(trial[panel], panels.index(panel)) for panel in panels}
        self.received[trial["position"]] = tuple(got[panel] for panel in sorted(panels))
        fetched.update(trial[panel] for panel in panels)

    def _get(self, url: str, arrival: int) -> Delivery:
        start = time.perf_counter()
        response = self._client.get(url)
        took = 1000 * (time.perf_counter() - start)
        response.raise_for_status()
        headers = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers.raw)
        return Delivery(url, response.status_code, headers, response.content, took, arrival)


def without_panel(file: StudyFile, text: str) -> tuple[StudyFile, str]:
    """Return a study file and its text with an open link in place of the panel."""
    copied = _PROVIDER_TABLES.sub("", text)
    copy = parse_study_file(copied, file.study.id)
    if copy != file.model_copy(update={"provider": Provider()}):
        raise StudyError(
            f"{file.study.id}: its provider could not be set aside,"
            " expected it as a [provider] table"
        )
    return copy, copied


def collect_pairs(
    file: StudyFile,
    text: str,
    count: int,
    *,
    seed: int = 0,
    pad: bool = True,
    progress: Progress = lambda items, _total: items,
) -> list[Pair]:
    """Return at least `count` main trials as a browser receives them, as far as the study has them.

    Of single images a pair is an item's photo and an output of it, as two raters received them.
    `pad=False` is for the test that the audit finds the leak then. Raises `StudyError`.
    """
    with tempfile.TemporaryDirectory(prefix="foolrate-audit-") as folder:
        database = open_database(f"sqlite:///{Path(folder) / 'audit.sqlite3'}", create=True)
        try:
            copy, copied_text = without_panel(file, text)
            create_study(database, copy, copied_text, pad=pad)
            open_drafts(database, "audit")
            return _visits(database, copy, count, seed=seed, progress=progress)
        finally:
            database.dispose()


def _visits(
    database: Database, file: StudyFile, count: int, *, seed: int, progress: Progress
) -> list[Pair]:
    secret = load_secret(database.url)
    query = urlencode({SIMULATION_PARAMETER: simulation_pass(secret, file.study.id)})
    a_pair = 2 if file.design.trial == "single" else 1  # trials that make one
    raters = -(-count * a_pair // file.design.trials)
    received: list[Received] = []
    try:
        with serving(database, None) as base:
            plan = VisitTarget(
                base, file.study.id, query, None, None, other_answers(file), file.questions
            )
            for index in progress(range(raters), raters):
                found = _visit(database, Recorder(plan, index, seed))
                if not found:
                    break  # the study has no more places
                received += found
    except httpx.HTTPError as error:
        raise StudyError(f"the audit's own server failed: {error}") from None
    if file.design.trial == "single":
        return pairs_of_single(received, seed)
    return [_pair(left, right, truth) for truth, (left, right) in received]


def _visit(database: Database, visit: Recorder) -> list[Received]:
    """Return the main trials of one rater; none where the study has no more places."""
    try:
        if not visit.arrive():
            return []
        truths = read_truths(database, visit.token)
        visit.take(truths)
    finally:
        visit.close()
    got = sorted(visit.received.items())
    return [(truths[at], images) for at, images in got if truths[at].kind == "main"]


def _pair(left: Delivery, right: Delivery, truth: Truth) -> Pair:
    contest = f"{truth.condition} against {truth.other}" if truth.other else ""
    return Pair(left, right, truth.model_side == "left", contest)


def pairs_of_single(received: Sequence[Received], seed: int) -> list[Pair]:
    """Return an item's photo beside each output of it that another rater received, sides at random.

    The adversary so knows more than any rater, who sees an item once: what differs between items
    does not hide what differs between a photo and an output.
    """
    photos: dict[str, list[Delivery]] = defaultdict(list)
    outputs: dict[str, list[Delivery]] = defaultdict(list)
    for truth, (image,) in received:
        (photos if truth.condition == REAL else outputs)[truth.item].append(image)
    both = [
        pair for item in sorted(outputs) for pair in zip(photos[item], outputs[item], strict=False)
    ]
    sides = random.Random(seed).sample([True, False] * len(both), len(both))
    return [
        Pair(output, photo, True) if left else Pair(photo, output, False)
        for (photo, output), left in zip(both, sides, strict=True)
    ]


def measure_conditions(
    file: StudyFile, runs: Runs, progress: Progress, seed: int
) -> tuple[list[ConditionAudit], list[str]]:
    """Return the pixel probes of every condition, and a warning for those with too few items."""
    everything = Roles(main=runs.items, practice=(), catch=())
    rows: dict[str, dict[str, NDArray[np.float64]]] = {}
    for item in progress(runs.items, len(runs.items)):
        for name, pixels in read_images(item, file, runs, everything).items():
            rows.setdefault(name, {})[item] = measure(pixels)
    if len(runs.items) < FEWEST:
        return [], [f"{len(runs.items)} items are too few for pixel probes, expected {FEWEST}"]
    conditions = [
        findings.audit_condition(name, rows[other], rows[f"={model}"], seed, model=shown)
        for name, model, other, shown in _probed(file)
    ]
    return conditions, []


def _probed(file: StudyFile) -> list[tuple[str, str, str, str]]:
    """Return (name, model, what it stands beside, the model in words) of what is probed."""
    if file.design.trial == "preference":
        return [(f"{a} against {b}", a, f"={b}", a) for a, b in file.pairs]
    return [(name, name, "reference", "the output") for name in file.conditions]


def audit_study(
    file: StudyFile,
    text: str,
    *,
    pairs: int = 400,
    seed: int | None = None,
    pad: bool = True,
    progress: Callable[[str], Progress] = lambda _what: lambda items, _total: items,
) -> Audit:
    """Return the audit of a study file before its launch. Raises `StudyError`."""
    seed = secrets.randbelow(2**31) if seed is None else seed
    runs = open_runs(file)
    conditions, warnings = measure_conditions(file, runs, progress("pixels"), seed)
    found = collect_pairs(file, text, pairs, seed=seed, pad=pad, progress=progress("raters"))
    if len(found) < FEWEST:
        raise StudyError(
            f"{file.study.id}: has {len(found)} trials in all, an audit needs {FEWEST} or more"
        )
    return Audit(
        study=f"{file.study.id} version {file.study.version}",
        digest=file.digest(runs.digests()),
        created_at=utc_now(),
        transport=findings.audit_transport(found, seed),
        headers=findings.header_findings(found),
        sizes_equal=findings.equal_sizes(found),
        model_left=(sum(pair.model_left for pair in found), len(found)),
        conditions=tuple(conditions),
        compares_models=file.design.trial == "preference",
        single=file.design.trial == "single",
        warnings=(*findings.small_sample(len(found)), *warnings),
    )
