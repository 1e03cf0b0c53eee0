"""The page in a real browser: accessible, sortable, clickable, and no wider than a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from analysis.report.build import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(export: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report as a file address."""
    return write_report(export, tmp_path_factory.mktemp("browsed")).as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The report at 1280 pixels; any error on the page fails the test."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    errors: list[str] = []
    requests: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(address)
    yield tab
    tab.close()
    assert errors == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "dark")]
)  # colours do not depend on the width
def test_axe_finds_no_violations(browser: Browser, address: str, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = Axe().run(page)
    page.close()
    assert found.violations_count == 0, found.generate_report()


def test_nothing_is_wider_than_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_column_sorts_both_ways(page: Page) -> None:
    head = page.locator("#table-rates th", has_text="Fool rate")
    first = page.locator("#table-rates tbody th").first
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    top = first.inner_text()
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert first.inner_text() != top


def test_a_dot_tells_its_image_and_opens_it(page: Page) -> None:
    dot = page.locator("#fig-items svg.wide .mark").first
    dot.hover()
    assert "picked in" in page.locator("#tip").inner_text()
    dot.click()
    viewer = page.locator("#viewer")
    assert viewer.is_visible()
    assert viewer.locator("img").count() == 3  # the real photo and two outputs
    assert viewer.locator("img").first.evaluate("(image) => image.naturalWidth") > 0
    page.keyboard.press("Escape")
    assert not viewer.is_visible()


def test_an_item_opens_from_the_keyboard(page: Page) -> None:
    page.locator("summary", has_text="All images").click()
    page.locator("#table-items button.link").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#viewer").is_visible()
