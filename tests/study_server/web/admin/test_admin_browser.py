"""The admin site in a real Chromium: keyboard only, live updates, axe, dark and light, phone."""

import pytest
from actors import Rater
from researchers import PASSWORD
from served import in_threads
from sqlalchemy import select

from study_server.storage.models import Study
from study_server.web.admin.accounts import set_password

pytestmark = pytest.mark.browser
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def expect(what):
    """Return playwright's assertion; it is imported where a browser is run only."""
    from playwright.sync_api import expect as expect_of

    return expect_of(what)


@pytest.fixture
def address(sqlite_app, sqlite):
    """Yield the address of a served study with one finished rater, and its application."""
    set_password(sqlite, "admin", PASSWORD)
    app = sqlite_app
    rater = Rater(app).begin()
    rater.answer_all()
    rater.finish()
    with in_threads(app) as served:
        yield served, app


def open_dashboard(browser, base, **options):
    """Return a page on the dashboard, reached by keyboard alone, and what its console said."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_default_timeout(60_000)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{base}/admin/")
    expect(page.locator("input[type=password]")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/studies/1/")
    return page, said


def violations(page):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    return [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in found.response["violations"]
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_page_is_clean_for_axe_and_fits(browser, address, scheme, width):
    base, _ = address
    size = {"width": width, "height": 844}
    page, said = open_dashboard(browser, base, color_scheme=scheme, viewport=size)
    for path in ("", "close", "reconcile", "raters/1/withdraw"):
        page.goto(f"{base}/admin/studies/1/{path}")
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.goto(f"{base}/admin/log")
    assert violations(page) == []
    page.context.clear_cookies()
    page.goto(f"{base}/admin/login")
    assert violations(page) == []
    assert said == []
    page.context.close()


def test_the_dashboard_updates_itself_and_can_be_held(browser, address):
    base, app = address
    page, said = open_dashboard(browser, base)
    finished = page.locator(".tiles div", has_text="Raters finished")
    expect(finished).to_contain_text("1 of 6")
    rater = Rater(app).begin()
    rater.answer_all()
    rater.finish()
    expect(finished).to_contain_text("2 of 6", timeout=60_000)
    hold = page.get_by_role("button", name="Hold updates")
    hold.click()
    expect(hold).to_have_attribute("aria-pressed", "true")
    Rater(app).arrive(agree="no")
    page.wait_for_timeout(6_000)
    arrived = page.locator("#funnel tr", has_text="Arrived").locator("td.n")
    expect(arrived).to_have_text("2")
    hold.click()
    expect(arrived).to_have_text("3", timeout=60_000)
    assert said == []
    page.context.close()


def test_focus_survives_an_update(browser, address):
    base, app = address
    page, _ = open_dashboard(browser, base)
    page.locator("#withdraw-1").focus()
    Rater(app).arrive(agree="no")
    expect(page.locator("#raters tbody tr")).to_have_count(2, timeout=60_000)
    assert page.evaluate("document.activeElement.id") == "withdraw-1"
    page.context.close()


def test_pause_and_resume_by_keyboard(browser, address):
    base, app = address
    page, _ = open_dashboard(browser, base)
    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("paused")
    database = app.extensions["foolrate"].database
    with database.session() as db_session:
        assert db_session.scalar(select(Study.state)) == "paused"
    page.get_by_role("button", name="Resume").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("open")
    page.context.close()


def test_a_logged_out_dashboard_says_so(browser, address):
    base, _ = address
    page, _ = open_dashboard(browser, base)
    page.context.clear_cookies()
    expect(page.locator("#updated")).to_contain_text("logged out", timeout=60_000)
    page.context.close()
