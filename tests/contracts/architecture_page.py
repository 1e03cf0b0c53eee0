"""Writes the drawn part of docs/architecture.md from the code's imports: run this file."""

from __future__ import annotations

import ast
import sys
import textwrap
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn from the code: begin -->\n", "<!-- drawn from the code: end -->\n"
PACKAGES = ("analysis", "metrics", "study_server", "generators")


def drawn() -> str:
    """Return the drawn part: one diagram a package, and a table of its rooms."""
    sys.path.insert(0, str(ROOT))
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    return "\n".join(_package(graph, package) for package in PACKAGES)


def with_drawing(text: str) -> str:
    """Return the page's text with the part between the two marks drawn anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + "\n" + drawn() + "\n" + END + tail


def _package(graph: grimp.ImportGraph, package: str) -> str:
    rooms = _rooms(package)
    arrows = _arrows(graph, package, rooms)
    few = _without_shortcuts(arrows)
    lines = [f"### {package}", "", "```mermaid", "flowchart TD"]
    lines += [f"  {a} --> {b}" for a, b in sorted(few)]
    lines += ["```", ""]
    lines += ["| room | what it knows | modules | imports from |", "|---|---|---|---|"]
    for room in rooms:
        below = ", ".join(f"`{b}`" for a, b in sorted(arrows) if a == room) or "only the doors"
        lines.append(
            f"| `{room}/` | {_knows(package, room)} | {_modules(package, room)} | {below} |"
        )
    doors = textwrap.wrap(f"Doors and ground of `{package}`: {_doors(package)}.", 126)
    return "\n".join([*lines, "", *doors, ""])


def _rooms(package: str) -> list[str]:
    """Return the package's rooms from the roof down, as the import contract orders them."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = config["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c.get("containers") == [package])
    names = [name.strip(" ()") for layer in layers for name in layer.replace("|", ":").split(":")]
    return [name for name in names if (ROOT / package / name).is_dir()]


def _arrows(graph: grimp.ImportGraph, package: str, rooms: list[str]) -> set[tuple[str, str]]:
    """Return the pairs (importing room, imported room)."""
    found = set()
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            one, two = module.split("."), other.split(".")
            if one[0] == two[0] == package and len(one) > 2 and len(two) > 2 and one[1] != two[1]:
                found.add((one[1], two[1]))
    return {(a, b) for a, b in found if a in rooms and b in rooms}


def _without_shortcuts(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the arrows that no longer way implies."""

    def below(room: str) -> set[str]:
        found: set[str] = set()
        waiting = [room]
        while waiting:
            fresh = {b for a, b in arrows if a == waiting[-1]} - found
            waiting.pop()
            found |= fresh
            waiting += fresh
        return found

    return {
        (a, b) for a, b in arrows if not any(x == a and c != b and b in below(c) for x, c in arrows)
    }


def _knows(package: str, room: str) -> str:
    text = ast.get_docstring(ast.parse((ROOT / package / room / "__init__.py").read_text())) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _modules(package: str, room: str) -> int:
    files = (ROOT / package / room).rglob("*.py")
    return sum(path.name != "__init__.py" and "versions" not in path.parts for path in files)


def _doors(package: str) -> str:
    files = sorted((ROOT / package).glob("*.py"))
    return ", ".join(f"`{path.name}`" for path in files if path.name != "__init__.py")


if __name__ == "__main__":
    PAGE.write_text(with_drawing(PAGE.read_text()))
    sys.stdout.write(f"wrote {PAGE.relative_to(ROOT)}\n")
