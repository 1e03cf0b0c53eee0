"""The questionnaire and the comprehension check in a browser: accessible, at two widths."""

import pytest
from browsers import PHONE, check

pytestmark = [pytest.mark.browser, pytest.mark.integration]

ASKS = """
[ask]
blocks = ["vision", "screen"]
[[ask.before]]
id = "free"
kind = "text"
text = { en = "What is your trade?", zh = "职业？" }
required = false
[check]
questions = [{ text = { en = "What do you pick?", zh = "选什么？" }, right = "photo", options = [
  { value = "photo", text = { en = "The photo", zh = "照片" } },
  { value = "fake", text = { en = "The fake", zh = "假的" } } ] }]
"""


@pytest.mark.parametrize(("locale", "screen"), [("zh-CN", {}), ("ar-EG", PHONE)])
def test_what_is_asked_besides_the_trials_is_accessible(make_site, make_rater, locale, screen):
    arabic = locale == "ar-EG"
    asks = ASKS.replace("zh = ", "ar = ") if arabic else ASKS
    site = make_site(trials=1, catch=0, provider=asks, languages='["en", "ar"]' if arabic else "")
    rater = make_rater(site, locale=locale, **screen)
    page = rater.page
    seen: dict[str, list[str]] = {}
    page.goto(rater.site.entry)
    assert page.get_attribute("html", "dir") == ("rtl" if arabic else "ltr")
    check(page, seen, "consent")
    page.click("button[value=yes]")
    check(page, seen, "questionnaire")
    page.fill("input[inputmode=decimal]", "5")
    page.click("form .button")
    page.wait_for_selector(".wrong")
    assert page.locator(".wrong").count() == 5  # four choices are missing, 5 cm is out of range
    check(page, seen, "questionnaire-wrong")
    page.fill("input[inputmode=decimal]", "60")
    for name in ("vision_correction", "vision_colour", "screen_kind", "screen_light"):
        page.locator(f"input[name=q-{name}]").first.check()
    page.click("form .button")
    rater.check_device()
    check(page, seen, "instructions")
    panes = [each.bounding_box()["x"] for each in page.locator(".example .pane").all()]
    assert len(set(panes)) == 1 or panes == sorted(panes)  # left is left in every script
    page.click("form .button")
    page.wait_for_url("**/check")
    check(page, seen, "check")
    page.check("input[value=fake]")
    page.click("form .button")
    page.wait_for_selector("[role=alert]")
    check(page, seen, "check-again")
    page.check("input[value=fake]")
    page.click("form .button")
    page.wait_for_selector("#code")
    check(page, seen, "check-failed")
    assert {name: problems for name, problems in seen.items() if problems} == {}
    assert [text for text in rater.problems if "400" not in text] == []
