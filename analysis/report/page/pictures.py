"""The images of a report: run folders opened, pictures chosen by the results, embedded as data."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from PIL import Image

from analysis.errors import AnalysisError
from analysis.report.results.schema import RunRef
from analysis.report.results.sources import Merged, Source
from generators.errors import GeneratorError
from generators.files import file_sha256
from generators.manifest import MANIFEST, Run, open_run
from generators.pixels import read_image

PLATE = 256  # CSS pixels that the longer side of a gallery picture may take
THUMB = 128


@dataclass(frozen=True)
class Album:
    """The opened runs: condition of the merged table -> run, source index -> reference run."""

    runs: dict[str, Run] = field(default_factory=dict)
    references: dict[int, Run] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """One embedded picture with its size on the page, in CSS pixels."""

    src: str
    width: int
    height: int


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
    for name, origin in sorted(merged.origins.items()):
        source = merged.sources[origin.source]
        fields = source.run_fields("conditions", origin.condition)
        run = _open(source, fields, given.get(name), f"condition {name}", missing)
        if run is not None:
            runs[name] = run
    for index, source in enumerate(merged.sources):
        fields = source.run_fields("reference")
        run = _open(source, fields, reference, "the reference", missing)
        if run is not None:
            references[index] = run
    return Album(runs, references, tuple(missing))


def _open(
    source: Source, fields: Mapping[str, object], given: Path | None, what: str, missing: list[str]
) -> Run | None:
    declared = fields.get("run_digest")
    if given is not None:
        run = _opened(given)
        if declared is not None and run.digest() != declared:
            raise AnalysisError(
                f"{given}: its images have digest {run.digest()[:12]}…, {what} of {source.name} "
                f"was judged with {str(declared)[:12]}…"
            )
        return run
    named = fields.get("run")
    if not isinstance(named, str):
        missing.append(f"no folder is known for {what}")
        return None
    for folder in (Path(named), source.file.parent / named):
        if folder.is_dir():
            run = _opened(folder)
            if declared is None or run.digest() == declared:
                return run
            missing.append(f"{named}, {what}, has changed since it was judged")
            return None
    missing.append(f"{named}, {what}, is not there")
    return None


def _opened(folder: Path) -> Run:
    try:
        return open_run(folder)
    except GeneratorError as error:
        raise AnalysisError(str(error)) from None


def run_ref(condition: str, fields: Mapping[str, object], run: Run | None) -> RunRef:
    """Return a run's line in the chain of digests."""
    folder = fields.get("run")
    named = {
        "condition": condition,
        "folder": str(folder) if folder else (run.name if run else None),
        "digest": str(fields["run_digest"]) if fields.get("run_digest") else None,
        "generator": str(fields["generator"]) if fields.get("generator") else None,
    }
    if run is None:
        return RunRef(**named)  # type: ignore[arg-type]
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


def page_size(width: int, height: int, limit: int) -> tuple[int, int, int]:
    """Return (width, height, n) on the page: n > 1 enlarges n-fold, n < -1 reduces -n-fold.

    The scale is always a whole number, so no picture is blurred by a fraction.
    """
    longer = max(width, height)
    if longer <= limit:
        scale = max(1, limit // longer)
        return width * scale, height * scale, scale
    divisor = -(-longer // limit)
    return max(1, width // divisor), max(1, height // divisor), -divisor


@lru_cache(maxsize=4096)
def embed(path: Path, limit: int) -> Picture:
    """Return a picture as a data URI: lossless up to 64 pixels a side, WebP quality 92 above.

    A picture larger than the limit is reduced by area averaging with a whole divisor.
    """
    pixels = Image.fromarray(read_image(path))
    width, height, scale = page_size(*pixels.size, limit)
    if scale < -1:
        pixels = pixels.crop((0, 0, width * -scale, height * -scale)).reduce(-scale)
    buffer = io.BytesIO()
    small = max(pixels.size) <= 64
    pixels.save(buffer, format="WEBP", lossless=small, quality=92 if not small else 80, method=3)
    data = base64.b64encode(buffer.getvalue()).decode()
    return Picture(f"data:image/webp;base64,{data}", width, height)


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
        declared = merged.sources[origin.source].run_fields("conditions", origin.condition)
        run = album.runs.get(name)
        digest = declared.get("run_digest") or (run.digest() if run else None)
        found[name] = str(digest) if digest else None
    return found
