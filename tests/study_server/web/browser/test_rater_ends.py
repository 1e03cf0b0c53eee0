"""Every page on which a rater's way ends or waits: English on a phone, or Chinese on a desk."""

from __future__ import annotations

import pytest
from browsers import PHONE, check
from sqlalchemy import update

from study_server.sessions.entering.invitations import invite
from study_server.storage.models import RaterSession

pytestmark = [pytest.mark.browser, pytest.mark.integration]

# The language with the longest words on the smallest screen, and the other on the other.
PHONE_IN_ENGLISH = pytest.mark.parametrize(("locale", "screen"), [("en-GB", PHONE)])
DESK_IN_CHINESE = pytest.mark.parametrize(("locale", "screen"), [("zh-CN", {})])
TITLES = {
    "declined": ("You chose not to take part", "您选择不参加"),
    "full": ("All places are taken", "名额已满"),
    "screened out": ("This device is not suitable for the study", "此设备不适合本研究"),
    "done": ("Thank you", "谢谢您"),
    "paused": ("The study is paused", "研究已暂停"),
    "paused under way": ("The study is paused", "研究已暂停"),
    "closed": ("This study is closed", "本研究已结束"),
    "closed under way": ("The time for this study is over", "本研究的时间已到"),
    "withdrawn": ("Your answers are deleted", "您的回答已删除"),
    "not found": ("There is nothing here", "这里没有内容"),
    "incomplete form": ("That did not get through", "提交未成功"),
    "missing id": ("The link is incomplete", "链接不完整"),
    "link not filled in": ("The link was not filled in", "链接未填写完整"),
    "used": ("This invitation was used", "此邀请已被使用"),
    "paused card": ("The study is paused", "研究已暂停"),
    "elsewhere card": ("Open elsewhere", "已在别处打开"),
    "resume card": ("Ready to go on?", "准备好继续了吗？"),
}


class Walk:
    """Looks at pages and notes what is wrong with each."""

    def __init__(self, locale):
        self.column = 1 if locale == "zh-CN" else 0
        self.seen = {}

    def look(self, page, name, title="h1"):
        """Check the page shown, and that it says what it is for."""
        check(page, self.seen, name)
        if (said := page.inner_text(title)) != TITLES[name][self.column]:
            self.seen[name].append(f"says {said!r}")

    def problems(self):
        """Return what was found, by page."""
        return {name: found for name, found in self.seen.items() if found}


def new_raters(make_rater, site, locale, screen):
    """Return a function that seats a new person before such a screen."""
    return lambda **more: make_rater(site, **{"locale": locale, **screen, **more})


@PHONE_IN_ENGLISH
def test_declined_full_screened_out_and_done(make_site, make_rater, locale, screen):
    walk = Walk(locale)
    site = make_site(raters=1, trials=1, practice=0, catch=0)
    new = new_raters(make_rater, site, locale, screen)
    unwilling = new()
    unwilling.page.goto(site.entry)
    unwilling.page.click("button[value=no]")
    walk.look(unwilling.page, "declined")
    small = new(viewport={"width": 120, "height": 150})
    small.consent()
    small.page.click("button[name=leave]:visible")
    small.page.wait_for_selector("#code")
    small.page.set_viewport_size(screen.get("viewport", {"width": 1280, "height": 800}))
    walk.look(small.page, "screened out")
    rater = new()
    rater.arrive()
    late = new()
    late.consent()
    walk.look(late.page, "full")
    rater.start()
    rater.answer()
    code = rater.finish()
    rater.page.goto(site.entry)  # the link again: the same page, the same code
    walk.look(rater.page, "done")
    assert rater.page.inner_text("#code").strip() == code
    outcomes = [session.outcome for session in site.sessions()]
    assert outcomes == ["no_consent", "screened_out", "completed", "full"]
    assert walk.problems() == {}


@DESK_IN_CHINESE
def test_paused_and_closed(make_site, make_rater, locale, screen):
    walk = Walk(locale)
    site = make_site()
    new = new_raters(make_rater, site, locale, screen)
    rater, newcomer = new(), new()
    rater.consent()
    site.set_state("paused")
    newcomer.page.goto(site.entry)
    walk.look(newcomer.page, "paused")
    rater.page.reload()
    walk.look(rater.page, "paused under way")
    site.set_state("open")
    rater.page.click("main .button")  # load again
    rater.check_device()
    site.set_state("closed")
    newcomer.page.goto(site.entry)
    walk.look(newcomer.page, "closed")
    rater.page.click("main .button")
    walk.look(rater.page, "closed under way")
    assert rater.page.inner_text("#code").strip()
    rater.page.click("footer a[href$=withdraw]")
    rater.page.click("button[name=confirm]")
    walk.look(rater.page, "withdrawn")
    assert walk.problems() == {}


@PHONE_IN_ENGLISH
def test_the_cards_of_a_trial_page_that_waits(make_site, make_rater, locale, screen):
    walk = Walk(locale)
    site = make_site(exposure_ms=100)
    new = new_raters(make_rater, site, locale, screen)
    rater, elsewhere = new(), new()
    rater.reach_main()
    rater.answer()
    site.set_state("paused")
    rater.page.reload()  # a page of its own says so: the trials are not even loaded
    walk.look(rater.page, "paused under way")
    site.set_state("open")
    rater.page.click("main .button")
    rater.page.wait_for_selector("#card-button:visible")
    walk.look(rater.page, "resume card", "#card-title")
    elsewhere.page.goto(rater.page.url)
    elsewhere.page.wait_for_selector("#card-button:visible")
    rater.start()
    rater.wait_for("choose")
    rater.page.keyboard.press("f")
    rater.page.wait_for_selector("#card:not([hidden])")
    walk.look(rater.page, "elsewhere card", "#card-title")
    rater.page.route("**/open", lambda route: (site.set_state("paused"), route.continue_()))
    rater.start()
    rater.page.wait_for_selector("#card:not([hidden])")
    walk.look(rater.page, "paused card", "#card-title")
    assert walk.problems() == {}


@DESK_IN_CHINESE
def test_links_and_forms_that_do_not_work(make_site, make_rater, locale, screen):
    walk = Walk(locale)
    site = make_site(provider='kind = "prolific"')
    rater = make_rater(site, locale=locale, **screen)
    page = rater.page
    page.goto(site.entry)
    walk.look(page, "missing id")
    page.goto(f"{site.url}/s/nothing/")
    walk.look(page, "not found")
    page.goto(f"{site.entry}?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}")
    walk.look(page, "link not filled in")
    page.goto(f"{site.entry}?PROLIFIC_PID={'5f' * 12}&SESSION_ID={'6d' * 12}")
    page.evaluate("document.querySelector('[name=csrf_token]').remove()")
    page.click("button[value=yes]")
    walk.look(page, "incomplete form")
    assert site.sessions() == []
    assert walk.problems() == {}


@PHONE_IN_ENGLISH
def test_an_invitation_that_was_used(make_site, make_rater, locale, screen):
    walk = Walk(locale)
    site = make_site(provider='kind = "invitation"')
    [link] = invite(site.database, "leaves", 1)
    new = new_raters(make_rater, site, locale, screen)
    guest, friend = new(), new()
    guest.page.goto(site.url + link)
    guest.page.click("button[value=yes]")
    friend.page.goto(site.url + link)
    walk.look(friend.page, "used")
    guest.page.goto(site.url + link)
    assert "/device" in guest.page.url
    assert walk.problems() == {}


def test_who_comes_back_after_the_lease_was_given_on_finishes_and_is_paid(make_site, make_rater):
    site = make_site(raters=1, trials=2, practice=0, catch=0)
    slow, next_one = make_rater(site), make_rater(site)
    slow.arrive()
    slow.start()
    slow.answer()
    site.wait_for_judgments(1)
    with site.database.session() as db_session:
        db_session.execute(update(RaterSession).values(lease_until=0))
    next_one.arrive()
    next_one.start()
    next_one.answer()
    next_one.answer()
    code = next_one.finish()
    slow.page.reload()
    slow.start()
    slow.answer()
    assert slow.finish() == code
    assert [session.surplus for session in site.sessions()] == [True, False]
    assert slow.problems == []
