"""The documentation holds together: links lead somewhere, decisions are numbered through."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# A page of ours as code, comments, help texts and study files name it.
NAMED = re.compile(r"(?<![\w/.])(?:docs/[\w/-]+\.md|decisions/\d{4}[\w-]*(?:\.md)?)")
TEXTS = {".py", ".md", ".toml", ".html", ".js", ".c", ".cpp", ".h", ".R"}


def tracked() -> list[Path]:
    """Return the repository's own files."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name]


PAGES = [path for path in tracked() if path.suffix == ".md" and path.exists()]


def prose(page: Path) -> str:
    """Return a page without its code, in which brackets are not links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "`code`", text)


def headings(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{page.relative_to(ROOT)}: no {target}"
        if anchor and there.suffix == ".md":
            assert anchor in headings(there), f"{page.relative_to(ROOT)}: no heading {target}"


def test_every_page_that_is_named_anywhere_exists() -> None:
    decisions = {page.stem for page in (ROOT / "docs" / "decisions").glob("0*.md")}
    numbers = {name[:4] for name in decisions}
    for path in tracked():
        if path.suffix not in TEXTS or not path.exists() or path == Path(__file__).resolve():
            continue
        for name in NAMED.findall(path.read_text(errors="replace")):
            where = f"{path.relative_to(ROOT)}: no {name}"
            stem = name.rpartition("decisions/")[2].removesuffix(".md")
            assert (ROOT / name).exists() or stem in decisions | numbers, where


def test_every_module_that_a_page_names_exists() -> None:
    known = [f"/{path.relative_to(ROOT)}" for path in tracked()]
    for page in PAGES:
        for name in re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|c|cpp|R))`", page.read_text()):
            there = any(path.endswith(f"/{name}") for path in known)
            assert there, f"{page.relative_to(ROOT)}: no {name}"


def test_no_text_refers_to_a_numbered_section() -> None:
    # The pages' sections have names, not numbers.
    for path in tracked():
        if path.suffix in TEXTS and path.exists() and path != Path(__file__).resolve():
            found = re.search(r"\.md §", path.read_text(errors="replace"))
            assert found is None, f"{path.relative_to(ROOT)} refers to a section by number"


def test_decisions_are_numbered_through_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(folder.glob("0*.md"))
    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    index = (folder / "README.md").read_text()
    for page in pages:
        title = re.findall(r"^# (.*)$", page.read_text(), re.MULTILINE)
        assert len(title) == 1, f"{page.name} holds one decision"
        assert f"| {page.name[:4]} | [{title[0]}]({page.name}) |" in index, page.name


def test_the_changelogs_latest_release_is_the_version_of_the_project() -> None:
    releases = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert releases[0] == "Unreleased"
    assert releases[1].split(" - ")[0] == project["version"]


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name not in ("CHANGELOG.md", "commands.md")],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_a_page_has_one_sentence_on_a_line(page: Path) -> None:
    blank = lambda found: "\n" * found.group(0).count("\n")  # noqa: E731
    text = re.sub(r"^```.*?^```", blank, page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("    ", "|", "#", ">")):
            continue
        where = f"{page.relative_to(ROOT)}:{number}"
        said = re.sub(r"`[^`]*`|^[* ]*\*\*.*?\*\*", "", line)
        assert not re.search(r"[a-z)%]\. [A-Z][a-z]+ ", said), f"{where}: two sentences"
        assert len(line) <= 132 or "](" in line, f"{where}: {len(line)} columns"


def test_a_release_of_the_changelog_has_each_heading_once() -> None:
    """A merge that puts an older block under a release shows here: new lines go to Unreleased."""
    known = ["Added", "Changed", "Fixed", "Security", "Formats", "Statistics"]
    text = (ROOT / "CHANGELOG.md").read_text()
    for release in text.split("\n## ")[2:]:
        title = release.splitlines()[0]
        found = [name for name in re.findall(r"^### (.*)$", release, re.MULTILINE) if name in known]
        assert found == [name for name in known if name in found], f"{title}: {found}"
        wide = [line for line in release.splitlines() if len(line) > 132 and "](" not in line]
        assert not wide, f"{title}: {wide[0][:60]}… is {len(wide[0])} columns wide"
