"""The audit as a report to read and as JSON to keep."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from generators.files import write_atomically
from study_server.audit.findings import Audit, ConditionAudit, Finding

FORMAT_VERSION = 1
MARKS = {"nothing": "ok", "mend": "MEND", "know": "know"}


def to_json(audit: Audit) -> str:
    """Return every number of the audit at full precision."""
    fields = {"format_version": FORMAT_VERSION, "sound": audit.sound, **asdict(audit)}
    return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"


def to_markdown(audit: Audit) -> str:
    """Return the audit as a report for people."""
    parts = [_head(audit), _transport(audit)]
    parts += [_condition(condition) for condition in audit.conditions]
    parts.append(_reading())
    return "\n\n".join(parts) + "\n"


def write(audit: Audit, folder: Path) -> list[Path]:
    """Write audit.md and audit.json into a folder, and return their paths."""
    paths = [folder / "audit.md", folder / "audit.json"]
    write_atomically(paths[0], to_markdown(audit).encode())
    write_atomically(paths[1], to_json(audit).encode())
    return paths


def verdict(audit: Audit) -> str:
    """Return the audit's conclusion as one sentence."""
    marks = sum(p.verdict == "mend" for c in audit.conditions for p in c.probes)
    if not audit.sound:
        which = "model" if audit.compares_models else "image is the model's"
        where = " is on which side" if audit.compares_models else ""
        return f"Do not launch: something other than the picture tells which {which}{where}."
    if marks:
        noun = "pixel probe shows a mark" if marks == 1 else "pixel probes show marks"
        return f"Nothing on the way to the browser tells; {marks} {noun} to look at before launch."
    if not audit.conditions:
        return "Nothing on the way to the browser tells; the pixels were not probed."
    return "Nothing on the way to the browser tells, and no pixel probe shows a mark."


def _head(audit: Audit) -> str:
    lines = [
        f"# Audit of {audit.study}",
        f"{audit.created_at} · study digest `{audit.digest[:16]}`",
        f"**{verdict(audit)}**",
    ]
    lines += [f"> {warning}" for warning in audit.warnings]
    return "\n\n".join(lines)


def _transport(audit: Audit) -> str:
    left, pairs = audit.model_left
    headers = ", ".join(audit.headers) or "none"
    two = audit.compares_models
    classes = "a pair's two models" if two else "real and output"
    equal = "equal in every pair" if audit.sizes_equal else "NOT equal"
    of_what = ", each an item's photo and an output of it," if audit.single else ""
    sides = (
        f"\n| {'first model of the pair' if two else 'output'} on the left | {left} of {pairs} |"
    )
    return f"""## On the way to the browser

An adversary got what a browser gets for {pairs} pairs{of_what} — URLs, headers, sizes, chunk lists,
order and timing, not the pictures — learnt from some of them and was tested on the others.

| looked at | found |
|---|---|
| area under its ROC curve, 95 % interval | {audit.transport.area}: {audit.transport.words} |
| headers whose values differ between {classes} | {headers} |
| bytes of both files | {equal} |{"" if audit.single else sides}"""


def _condition(condition: ConditionAudit) -> str:
    n = condition.probes[0].area.n
    rows = [_row(finding) for finding in (condition.traces, condition.everything)]
    rows += [_row(finding) for finding in condition.probes]
    table = "\n".join(["| probe | AUC, interval | | in words |", "|---|---|---|---|", *rows])
    return f"## Pixels: {condition.condition} ({n} pairs)\n\n{table}"


def _row(finding: Finding) -> str:
    return f"| {finding.name} | {finding.area} | {MARKS[finding.verdict]} | {finding.words} |"


def _reading() -> str:
    return """## How to read this

- The area is the chance that the number tells the output from the real photo when both are seen: .5
  is not at all, 1 (or 0) always. A probe's area is the share of pairs in which the output's value
  is the higher one, with a Wilson interval corrected for the number of probes; a classifier's is
  tested on pairs it had not seen, with Newcombe's interval (method 5).
- **MEND** is a mark of the pipeline, not of the picture: raters could learn it, and the study would
  then measure the mark. Treat real photos and outputs alike (same crop, same resampling, same
  compression), make the runs again and audit again.
- A difference that nobody could see, such as a tenth of a grey level, is no mark however regular
it is.
- **know** is a difference that belongs to the picture, such as sharpness. Raters are meant to see
it.
- A script that decodes the files has the pixels, and with them every statistic of the pixels. No
  delivery can hide that; it can only see to it that nothing else tells."""
