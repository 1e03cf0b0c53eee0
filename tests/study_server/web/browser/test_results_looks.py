"""The public results page in a browser: accessible, in both directions, at two widths."""

import pytest
from actors import Rater as Client
from browsers import PHONE, check
from small_study import app_on

from analysis.inference.confidence_sequence import confidence_sequence

pytestmark = [pytest.mark.browser, pytest.mark.integration]

RESULTS = """
[results]
public = "live"
batch = 5
names = { blurred = "A model with rather a long name" }
[[question]]
id = "sharper"
wording = { en = "Which one is sharper?", zh = "哪一张更清晰？", ar = "أيهما أوضح؟" }
answers = ["left", "right", "tie"]
"""


@pytest.fixture
def site(make_site):
    """Return a study whose page is on, with a batch of raters who have finished."""
    return make_site(
        trials=2, practice=0, catch=0, raters=6, provider=RESULTS, languages='["en", "zh", "ar"]',
        live_interval=confidence_sequence,
    )  # fmt: skip


@pytest.mark.parametrize(("locale", "screen"), [("en-GB", {}), ("ar-EG", PHONE)])
def test_the_results_are_accessible(site, new_context, locale, screen):
    page = new_context(locale=locale, **screen).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    seen: dict[str, list[str]] = {}
    page.goto(f"{site.url}/results/leaves/")
    assert page.get_attribute("html", "dir") == ("rtl" if locale == "ar-EG" else "ltr")
    check(page, seen, "results-none-yet")
    app = app_on(site.database)
    for _ in range(5):
        rater = Client(app, "leaves").begin()
        rater.answer_all(answers={"real": {"choice": "left"}, "sharper": {"choice": "tie"}})
        rater.finish()
    site.forget_results()
    page.reload()
    assert page.locator("tbody svg .interval").count() == 2  # which is real, and which is sharper
    check(page, seen, "results")
    assert {name: problems for name, problems in seen.items() if problems} == {}
    assert said == []
