"""Raters take the study in a real browser, and nothing they do loses or doubles an answer."""

from __future__ import annotations

import pytest
from browsers import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.integration]

TRIALS = 6  # 1 practice, 4 main, 1 catch


def focus(page, selector):
    """Move the focus with the Tab key until an element that matches has it."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement?.matches(s)", selector):
            return
    raise AssertionError(f"Tab never reaches {selector}")


def test_a_whole_session_with_the_keyboard_alone(make_site, make_rater):
    site = make_site()
    rater = make_rater(site)
    page = rater.page
    page.goto(site.entry)
    for selector in ("button[value=yes]", "button[name=go]:enabled", "main .button"):
        page.wait_for_selector(selector)
        focus(page, selector)
        page.keyboard.press("Enter")
    page.wait_for_url("**/run")
    page.wait_for_selector("#card-button:focus")
    page.keyboard.press("Space")
    rater.answer("j")
    page.wait_for_selector("#next:focus")
    page.keyboard.press("Enter")
    page.wait_for_selector("#card-button:focus")
    page.keyboard.press("Enter")
    for key in ("f", "J", "ArrowLeft", "ArrowRight"):
        rater.answer(key)
    rater.wait_for("choose")
    focus(page, "#right")
    page.keyboard.press("Enter")
    page.wait_for_url("**/comment")
    focus(page, "textarea")
    page.keyboard.type("Nice leaves.")
    focus(page, "main .button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/end")

    stored = site.judgments()
    chosen = [judgment.choice for judgment in stored]
    assert chosen == ["right", "left", "right", "left", "right", "right"]
    assert {judgment.input for judgment in stored} == {"keyboard"}
    [session] = site.sessions()
    assert (session.outcome, session.comment) == ("completed", "Nice leaves.")
    assert rater.problems == []


def test_a_whole_session_by_touch_on_a_phone(make_site, make_rater):
    site = make_site()
    rater = make_rater(site, **PHONE)
    page = rater.page
    page.goto(site.entry)
    for selector in (
        "button[value=yes]",
        "button[name=go]:enabled",
        "main .button",
        "#card-button",
    ):
        page.wait_for_selector(selector)
        page.tap(selector)
    for trial in range(TRIALS):
        rater.wait_for("choose")
        page.tap("#left" if trial % 2 else "#right")
        if trial == 0:
            page.tap("#next")
            page.tap("#card-button")
    page.wait_for_url("**/comment")
    page.tap("main .button")
    page.wait_for_selector("#code")

    stored = site.judgments()
    assert [judgment.choice for judgment in stored] == ["right", "left"] * 3
    assert {judgment.input for judgment in stored} == {"touch"}
    assert {judgment.pixel_ratio for judgment in stored} == {3}
    assert rater.problems == []


def test_mouse_and_copying_the_code(make_site, make_rater):
    site = make_site()
    rater = make_rater(site, permissions=["clipboard-read", "clipboard-write"])
    rater.walk_in()
    rater.practise()
    rater.start()
    for _ in range(TRIALS - 1):
        rater.wait_for("choose")
        rater.page.click("#left canvas")
    code = rater.finish()
    rater.page.wait_for_load_state("load")  # only then does the script hear the button
    rater.page.click("#copy")
    rater.page.wait_for_selector("#copied:not(:empty)")
    assert rater.page.evaluate("navigator.clipboard.readText()") == code
    assert [judgment.input for judgment in site.judgments()[1:]] == ["mouse"] * (TRIALS - 1)


def canvas_pixels(page):
    """Return what the two panels show, as text."""
    return page.evaluate(
        "['left', 'right'].map(id => document.querySelector(`#${id} canvas`).toDataURL())"
    )


def test_reload_in_a_trial_shows_the_same_images_on_the_same_sides(make_site, make_rater):
    site = make_site(exposure_ms=2500)
    rater = make_rater(site)
    rater.reach_main()
    rater.answer()
    rater.wait_for("shown")
    before = canvas_pixels(rater.page)
    rater.page.reload()
    rater.start()
    rater.wait_for("shown")
    assert canvas_pixels(rater.page) == before
    rater.answer()
    rater.wait_for("fixation")
    assert len(site.wait_for_judgments(3)) == 3


def test_the_back_button_leads_to_the_trial_at_hand(make_site, make_rater):
    site = make_site(exposure_ms=700)
    rater = make_rater(site)
    rater.walk_in()
    rater.practise()
    rater.start()
    rater.answer()
    rater.wait_for("shown")
    rater.page.go_back()
    rater.page.wait_for_url("**/run")
    rater.start()
    for _ in range(TRIALS - 2):
        rater.answer()
    rater.finish()
    assert [judgment.position for judgment in site.judgments()] == list(range(TRIALS))
    rater.page.go_back()
    rater.page.wait_for_selector("#code")


def test_a_double_click_answers_one_trial(make_site, make_rater):
    site = make_site()
    rater = make_rater(site)
    rater.page.goto(site.entry)
    rater.page.dblclick("button[value=yes]")
    rater.check_device()
    rater.read_instructions()
    rater.practise()
    rater.start()
    rater.wait_for("choose")
    rater.page.dblclick("#right canvas")
    rater.wait_for("choose")
    site.wait_for_judgments(2)
    rater.page.wait_for_timeout(300)
    assert [judgment.position for judgment in site.judgments()] == [0, 1]
    assert len(site.sessions()) == 1


def test_keys_before_the_images_have_gone_and_held_keys_do_not_count(make_site, make_rater):
    site = make_site(exposure_ms=2500)
    rater = make_rater(site)
    rater.reach_main()
    rater.wait_for("fixation")
    rater.page.keyboard.press("f")
    rater.wait_for("shown")
    rater.page.keyboard.press("f")
    rater.page.keyboard.down("f")
    rater.wait_for("choose")
    rater.page.keyboard.down("f")  # the second time without `up` is a repeat
    rater.page.wait_for_timeout(200)
    assert len(site.judgments()) == 1
    rater.page.keyboard.up("f")
    rater.answer("j")
    judgment = site.wait_for_judgments(2)[1]
    assert judgment.choice == "right"
    assert judgment.rt_ms > 2500
    assert not judgment.answered_during_exposure


def test_answers_count_while_the_images_are_shown_where_the_study_says_so(make_site, make_rater):
    site = make_site(exposure_ms=5000, early=True)
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    rater.wait_for("shown")
    rater.page.wait_for_selector("#left[aria-disabled=false]")
    rater.page.keyboard.press("j")
    rater.page.click("#next")
    [judgment] = site.judgments()
    assert judgment.answered_during_exposure
    assert judgment.rt_ms <= judgment.exposure_ms < 5000


def test_without_a_limit_the_images_stay_until_the_answer(make_site, make_rater):
    site = make_site(exposure_ms=0)
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    rater.wait_for("shown")
    rater.page.wait_for_timeout(600)
    rater.page.keyboard.press("f")
    rater.page.click("#next")
    [judgment] = site.judgments()
    assert 500 < judgment.rt_ms <= judgment.exposure_ms


def test_seconds_offline_lose_nothing(make_site, make_rater):
    site = make_site()
    rater = make_rater(site)
    rater.reach_main()
    rater.wait_for("choose")
    rater.context.set_offline(True)
    for _ in range(2):
        rater.answer()
    rater.page.wait_for_selector("#banner:visible")
    assert len(site.judgments()) == 1
    rater.page.wait_for_timeout(3_000)
    rater.context.set_offline(False)
    for _ in range(TRIALS - 3):
        rater.answer()
    rater.finish()
    assert [judgment.position for judgment in site.judgments()] == list(range(TRIALS))


def test_an_answer_that_was_never_acknowledged_arrives_after_a_reload(make_site, make_rater):
    site = make_site()
    rater = make_rater(site)
    rater.reach_main()
    rater.wait_for("choose")
    rater.page.route("**/answer", lambda route: route.abort())
    rater.page.keyboard.press("f")
    rater.page.wait_for_selector("#banner:visible")
    assert len(site.judgments()) == 1
    rater.page.unroute_all()
    rater.page.reload()
    rater.start()
    for _ in range(TRIALS - 2):
        rater.answer()
    rater.finish()
    assert [judgment.position for judgment in site.judgments()] == list(range(TRIALS))


def test_a_second_tab_takes_over_and_can_be_taken_back(make_site, make_rater):
    site = make_site()
    rater = make_rater(site)
    rater.reach_main()
    rater.wait_for("choose")
    first, second = rater.page, rater.open_tab()
    second.goto(first.url)
    second.wait_for_selector("#card-button:visible")
    first.wait_for_selector("#card:not([hidden])")
    assert first.inner_text("#card-title") == "Open elsewhere"
    first.keyboard.press("f")  # a card is no trial
    rater.page = second
    rater.start()
    rater.answer()
    first.bring_to_front()
    first.click("#card-button")
    first.wait_for_load_state()
    second.wait_for_selector("#card:not([hidden])")
    rater.page = first
    rater.start()
    for _ in range(TRIALS - 2):
        rater.answer()
    rater.finish()
    assert [judgment.position for judgment in site.judgments()] == list(range(TRIALS))


def test_another_device_takes_over_and_the_stale_answer_is_not_stored(make_site, make_rater):
    site = make_site(exposure_ms=700)
    here, there = make_rater(site), make_rater(site)
    here.reach_main()
    here.wait_for("choose")
    there.page.goto(here.page.url)
    there.start()
    there.wait_for("shown")
    here.page.keyboard.press("f")
    here.page.wait_for_selector("#card:not([hidden])")
    assert here.page.inner_text("#card-title") == "Open elsewhere"
    assert len(site.judgments()) == 1


def test_a_paused_study_waits_and_goes_on(make_site, make_rater):
    site = make_site()
    rater = make_rater(site)
    rater.reach_main()
    rater.wait_for("choose")
    site.set_state("paused")
    rater.page.keyboard.press("f")
    rater.page.wait_for_selector("#banner:visible")
    assert "paused" in rater.page.inner_text("#banner")
    site.set_state("open")
    rater.page.evaluate("dispatchEvent(new Event('online'))")  # rather than wait for Retry-After
    rater.page.wait_for_selector("#banner", state="hidden")
    site.wait_for_judgments(2)
    rater.wait_for("choose")
    rater.page.wait_for_timeout(500)  # the next trial is up before it is answered
    rater.answer()
    assert len(site.wait_for_judgments(3)) == 3


def test_images_that_do_not_arrive_can_be_asked_for_again(make_site, make_rater):
    site = make_site()
    rater = make_rater(site)
    rater.context.route("**/i/*", lambda route: route.abort())
    rater.arrive()
    rater.start()
    rater.page.wait_for_selector("#card-title:text('did not arrive')")
    rater.context.unroute_all()
    rater.start()
    rater.answer()
    rater.page.wait_for_selector("#next:visible")


def test_breaks_come_when_they_are_due_and_progress_shows_no_score(make_site, make_rater):
    site = make_site(break_every=2, exposure_ms=500)
    rater = make_rater(site)
    rater.reach_main()
    titles = []
    for done in range(1, TRIALS):
        rater.answer()
        if done in (2, 4):
            rater.page.wait_for_selector("#card-button:visible")
            titles.append(rater.page.inner_text("#card-title"))
            rater.start()
        elif done < TRIALS - 1:
            rater.wait_for("shown")
            assert rater.page.inner_text("#progress-text") == f"{done + 1} of {TRIALS - 1}"
    assert titles == ["Time for a short break"] * 2
    rater.finish()


def test_who_does_not_consent_leaves_no_judgment(make_site, make_rater):
    site = make_site()
    rater = make_rater(site)
    rater.page.goto(site.entry)
    rater.page.click("button[value=no]")
    assert "not to take part" in rater.page.inner_text("h1")
    assert site.judgments() == []


def test_withdrawal_deletes_everything(make_site, make_rater):
    site = make_site(exposure_ms=500)
    rater = make_rater(site)
    rater.reach_main()
    rater.answer()
    rater.wait_for("shown")
    run = rater.page.url
    rater.page.goto(run.replace("/run", "/withdraw"))
    rater.page.click("button[name=confirm]")
    assert "deleted" in rater.page.inner_text("h1")
    assert site.judgments() == []
    rater.page.goto(run)
    assert "deleted" in rater.page.inner_text("h1")
