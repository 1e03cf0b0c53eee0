"""`run show`: a run's manifest as a table on the terminal."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from generators.foreign_text import one_line
from generators.manifest import Manifest, open_run


def rows_of(manifest: Manifest) -> list[tuple[str, str]]:
    """Return what a manifest says as (name, value) rows; what it does not say is left out."""
    sizes = Counter(f"{item.width}x{item.height}" for item in manifest.items)
    labels = {item.label for item in manifest.items if item.label is not None}
    rows = [
        ("generator", manifest.generator),
        ("images", f"{len(manifest.items)}"),
        ("sizes", ", ".join(f"{size} ({count})" for size, count in sizes.most_common(4))),
        ("labels", f"{len(labels)}" if labels else ""),
        ("shortfalls", manifest.shortfalls),
        ("digest", manifest.digest),
    ]
    rows += [(f"config {key}", _text(value)) for key, value in manifest.config.items()]
    rows += [(f"made from {role}", digest) for role, digest in manifest.inputs.items()]
    rows += [(f"checkpoint {name}", sha) for name, sha in (manifest.checkpoint or {}).items()]
    for field in ("sampler", "evaluations", "dtype", "micro_batch", "device"):
        rows.append((field.replace("_", " "), _text(getattr(manifest, field))))
    rows += [(f"version of {name}", text) for name, text in manifest.versions.items()]
    rows += [("created at", manifest.created_at), ("seconds", _text(manifest.wall_seconds))]
    return [(name, value) for name, value in rows if value]


def print_run(folder: Path) -> None:
    """Print a run to standard output. Raises `RunError`."""
    run = open_run(folder)
    table = Table(title=escape(one_line(run.name)), show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    if run.manifest is None:
        table.add_row("plain folder", "no manifest: nothing is known of how it was made")
        table.add_row("images", str(len(run.files)))
        for note in run.notes:
            table.add_row("note", escape(one_line(note)))
        table.add_row("digest", run.digest())
    else:
        for name, value in rows_of(run.manifest):
            table.add_row(escape(one_line(name)), escape(one_line(value)))
    Console().print(table)


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
