"""The runs of a report: the folders with the images that raters saw, opened and told apart.

A study.json may come from anybody, so that a folder which only it names is read for the page only
where the digest in it fits the images there: nobody who does not have the images can name it. All
other folders have to be given (`--run`, `--reference`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analysis.errors import AnalysisError
from analysis.report.results.inputs.sources import JudgmentSource, Merged
from analysis.report.results.schema import RunRef
from generators.errors import GeneratorError, SharedIdError
from generators.files import file_sha256
from generators.manifest import MANIFEST, Run, open_run
from study_server.study_record import RunRecord


@dataclass(frozen=True)
class Album:
    """The opened runs: condition of the merged table -> run, source index -> reference run."""

    runs: dict[str, Run] = field(default_factory=dict)
    references: dict[int, Run] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # of folders that are named and could not be used
    unnamed: dict[str, str] = field(default_factory=dict)  # what raters judged -> option to name it

    @property
    def lacking(self) -> tuple[str, ...]:
        """What a reader of the pictures should know of those that are not there."""
        if not self.runs and not self.references and not self.notes:
            return ()
        return tuple(
            f"no folder is known for {what}; {option} names it"
            for what, option in self.unnamed.items()
        )

    @property
    def shortfalls(self) -> list[str]:
        """Of each condition: how many images fall short of what their generator sought."""
        made = {name: run.manifest for name, run in self.runs.items() if run.manifest}
        return [
            f"condition {name}: {one.shortfalls}" for name, one in made.items() if one.shortfalls
        ]


def open_album(merged: Merged, given: Mapping[str, Path], reference: Path | None) -> Album:
    """Return the runs of a report. A folder that was given must exist and be the one judged.

    A folder that only the study file names may have moved: then it is left out with a plain line.
    """
    unknown = [name for name in given if name not in merged.origins]
    if unknown:
        present = ", ".join(sorted(merged.origins)) or "none"
        raise AnalysisError(
            f"--run {unknown[0]}: no such condition in the judgments, they have {present}"
        )
    runs: dict[str, Run] = {}
    references: dict[int, Run] = {}
    missing: list[str] = []
    unnamed: dict[str, str] = {}
    judged = merged.table.loc[merged.table["kind"] == "main", "condition"].unique()
    for name, origin in sorted(merged.origins.items()):
        source = merged.sources[origin.source]
        run_record = source.run_of(origin.condition)
        wanted = _Wanted(source, run_record, f"condition {name}", f"--run {name}=FOLDER")
        run = _found(wanted, given.get(name), missing)
        if run is None and not run_record.run and name in judged:
            unnamed[wanted.what] = wanted.option
        if run is not None:
            runs[name] = run
    for index, source in enumerate(merged.sources):
        run_record = source.reference
        wanted = _Wanted(source, run_record, "the reference", "--reference FOLDER")
        run = _found(wanted, reference, missing)
        if run is None and not run_record.run and source.comparisons is None:
            unnamed[wanted.what] = wanted.option
        if run is not None:
            references[index] = run
    for name, origin in merged.origins.items():
        if name in runs and origin.source in references:
            # As when the study was made: items have the reference's ids.
            runs[name] = runs[name].with_ids_of(references[origin.source])
    return Album(runs, references, tuple(missing), unnamed)


@dataclass(frozen=True)
class _Wanted:
    """A run that the report wants: what study.json says of it, and how it can be given."""

    source: JudgmentSource
    record: RunRecord
    what: str
    option: str

    @property
    def digest(self) -> str | None:
        return self.record.run_digest


def _found(wanted: _Wanted, given: Path | None, missing: list[str]) -> Run | None:
    """Return the run that was given, or else the named one; what is missing is told."""
    if given is not None:
        return _given(wanted, given)
    run, why = _named(wanted)
    if why:
        missing.append(why)
    return run


def _given(wanted: _Wanted, folder: Path) -> Run:
    run = _opened(folder)
    if wanted.digest is not None and run.digest() != wanted.digest:
        raise AnalysisError(
            f"{folder}: its images have digest {run.digest()[:12]}…, {wanted.what} of "
            f"{wanted.source.name} was judged with {wanted.digest[:12]}…"
        )
    return run


def _named(wanted: _Wanted) -> tuple[Run | None, str]:
    """Return the run in the folder that study.json names, or None and why it is left out."""
    named, what = wanted.record.run, wanted.what
    if not named:
        return None, ""
    if not wanted.digest:
        return None, (
            f"study.json names {named} for {what} without a digest of its images, so it was not "
            f"opened; {wanted.option} shows it"
        )
    for folder in (Path(named), wanted.source.file.parent / named):
        if folder.is_dir():
            try:
                run = _opened(folder)
            except AnalysisError as error:
                return None, f"{named}, {what}, cannot be read ({error})"
            if run.digest() == wanted.digest:
                return run, ""
            return None, f"{named}, {what}, has changed since it was judged"
    return None, f"{named}, {what}, is not there"


def _opened(folder: Path) -> Run:
    try:
        try:
            return open_run(folder)
        except SharedIdError:
            return open_run(folder, "path")  # as a study file with ids = "path" reads it
    except GeneratorError as error:
        raise AnalysisError(str(error)) from None


def run_ref(condition: str, record: RunRecord, run: Run | None) -> RunRef:
    """Return a run's line in the chain of digests."""
    named = {
        "condition": condition,
        "folder": record.run or (run.name if run else None),
        "digest": record.run_digest or None,
        "generator": record.generator or None,
    }
    if run is None:
        return RunRef.model_validate(named)
    found: dict[str, object] = {"digest": named["digest"] or run.digest(), "found": True}
    if run.manifest is not None:
        seeds = sorted({item.seed for item in run.manifest.items if item.seed is not None})
        found |= {
            "generator": named["generator"] or run.manifest.generator,
            "manifest_sha256": file_sha256(run.folder / MANIFEST),
            "checkpoint": run.manifest.checkpoint or {},
            "sampler": run.manifest.sampler,
            "evaluations": run.manifest.evaluations,
            "seeds": _span(seeds),
        }
    return RunRef.model_validate({**named, **found})


def _span(seeds: list[int]) -> str | None:
    if not seeds:
        return None
    # Sorted and distinct, so their span tells; an item's seed can be any 63-bit number.
    if seeds[-1] - seeds[0] == len(seeds) - 1 and len(seeds) > 1:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds[:6])) + (
        f" and {len(seeds) - 6} more" if len(seeds) > 6 else ""
    )


def has_pair(merged: Merged, album: Album, condition: str, item: str) -> bool:
    """Return whether both the output and the reference of an image can be shown."""
    return output_path(merged, album, condition, item) is not None and (
        reference_path(merged, album, condition, item) is not None
    )


def output_path(merged: Merged, album: Album, condition: str, item: str) -> Path | None:
    """Return the file of a condition's output for an item, if its run was opened."""
    run = album.runs.get(condition)
    return run.files.get(merged.items[item]) if run else None


def reference_path(merged: Merged, album: Album, condition: str, item: str) -> Path | None:
    """Return the file of the real photo shown beside a condition's output."""
    run = album.references.get(merged.origins[condition].source)
    return run.files.get(merged.items[item]) if run else None


def image_digests(merged: Merged, album: Album) -> dict[str, str | None]:
    """Return condition -> digest of the images judged: the study file's, else the opened run's."""
    found: dict[str, str | None] = {}
    for name, origin in sorted(merged.origins.items()):
        declared = merged.sources[origin.source].run_of(origin.condition).run_digest
        run = album.runs.get(name)
        found[name] = declared or (run.digest() if run else None)
    return found
