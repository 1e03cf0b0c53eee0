"""Who gets in: another rater's session, panel ids, places (findings H1, M4, M5, L1, L3)."""

from __future__ import annotations

from actors import DEVICE
from attackers import Browser, Installation

URL_PANEL = 'kind = "url"\nid_parameter = "pid"'
SUBMISSIONS = URL_PANEL + '\nsubmission_parameter = "sub"'
PROLIFIC = 'kind = "prolific"'
PID, SUBMISSION = "5f0d1c2b3a4e5f60718293a4", "60d5f1a2b3c4d5e6f7a8b9c0"
PROLIFIC_LINK = "/s/{}/?PROLIFIC_PID={}&STUDY_ID=s&SESSION_ID={}"


# ── H1: a panel id is no key ─────────────────────────────────────────────────────────────────────


def test_a_panel_id_opens_nobodys_session(site: Installation) -> None:
    slug = site.study(URL_PANEL)
    link, other = (f"/s/{slug}/?pid=participant-{number}" for number in (1001, 1))
    with Browser(site) as victim, Browser(site) as attacker:
        victim.begin(link)
        assert victim.answer().status_code == 200
        before = victim.session()
        for reply in (attacker.get(link), attacker.force(link, form_of=other)):
            assert (reply.status_code, reply.headers.get("location")) == (403, None)
            assert victim.token not in reply.text
        after = victim.session()
        assert (after.page_token, after.position) == (before.page_token, before.position)
        assert victim.answer().status_code == 200
    assert len(site.rows(slug)) == 1


def test_the_own_browser_goes_on(site: Installation) -> None:
    link = f"/s/{site.study(URL_PANEL)}/?pid=participant-1002"
    with Browser(site) as rater:
        rater.begin(link)
        reply = rater.get(link)
        assert (reply.status_code, reply.headers["location"]) == (303, f"/r/{rater.token}/")


def test_another_browser_goes_on_with_the_panels_submission(site: Installation) -> None:
    link = PROLIFIC_LINK.format(site.study(PROLIFIC), PID, SUBMISSION)
    with Browser(site) as desktop, Browser(site) as phone, Browser(site) as attacker:
        desktop.begin(link)
        assert phone.get(link).headers["location"] == f"/r/{desktop.token}/"
        assert phone.get(link).headers["location"] == f"/r/{desktop.token}/"
        for other in ("7" * 24, "", "{{%SESSION_ID%}}"):
            guess = link.replace(SUBMISSION, other)
            assert attacker.get(guess).status_code in (400, 403), other
            assert desktop.token not in attacker.get(guess).text


def test_a_submission_of_nobody_is_no_proof(site: Installation) -> None:
    """A session that began without a submission id is not opened by an empty one."""
    link = f"/s/{site.study(SUBMISSIONS)}/?pid=participant-1003"
    with Browser(site) as victim, Browser(site) as attacker:
        victim.begin(link)
        for more in ("", "&sub=", "&sub=None", "&sub=x"):
            assert attacker.get(link + more).status_code in (400, 403), more


def test_ids_cannot_be_tried_without_limit(site: Installation) -> None:
    slug = site.study(URL_PANEL)
    with Browser(site) as attacker:
        statuses = [attacker.get(f"/s/{slug}/?pid={number}").status_code for number in range(125)]
    assert statuses.count(200) <= 120
    assert statuses[-1] == 429
    with Browser(site) as rater:
        assert rater.get(f"/s/{slug}/?pid=7").status_code == 200  # elsewhere nobody is kept out


# ── M5: links whose placeholders were not filled in ──────────────────────────────────────────────

UNFILLED = (
    "{{%PROLIFIC_PID%}}",
    "{{PROLIFIC_PID}}",
    "${workerId}",
    "%PROLIFIC_PID%",
    "[%MID%]",
    "[PID]",
    "<pid>",
    "*|PID|*",
    "$pid$",
    "undefined",
    "null",
    "pid",
    "PROLIFIC_PID",
)


def test_a_link_that_was_not_filled_in_is_refused_with_a_page_that_says_so(
    site: Installation,
) -> None:
    panels = {"PROLIFIC_PID": site.study(PROLIFIC), "pid": site.study(URL_PANEL)}
    for parameter, slug in panels.items():
        with Browser(site) as browser:
            for value in UNFILLED:
                reply = browser.http.get(f"/s/{slug}/", params={parameter: value})
                assert reply.status_code == 400, (parameter, value)
                assert "csrf_token" not in reply.text, (parameter, value)
        assert site.rows(slug) == []


def test_prolific_ids_have_24_hexadecimal_digits(site: Installation) -> None:
    slug = site.study(PROLIFIC)
    with Browser(site) as browser:
        for value in ("5f1", PID[:-1], PID + "0", PID[:-1] + "g", PID + "%0aX", "attacker-7"):
            reply = browser.get(f"/s/{slug}/?PROLIFIC_PID={value}&SESSION_ID={SUBMISSION}")
            assert (reply.status_code, "csrf_token" in reply.text) == (400, False), value
        assert browser.get(f"/s/{slug}/?PROLIFIC_PID={PID}").status_code == 200


# ── M4: places ───────────────────────────────────────────────────────────────────────────────────


def test_one_address_cannot_take_all_places(site: Installation) -> None:
    slug = site.study(URL_PANEL, raters="60")
    with Browser(site) as attacker:
        form = f"/s/{slug}/?pid=mine"
        replies = [attacker.force(f"/s/{slug}/?pid=made-up-{n}", form) for n in range(60)]
    taken = [row for row in site.rows(slug) if row.block_id is not None]
    assert len(taken) <= 30
    assert replies[-1].status_code == 429
    assert int(replies[-1].headers["Retry-After"]) > 0
    with Browser(site) as rater:
        rater.begin(f"/s/{slug}/?pid=a-true-rater")
        assert rater.answer().status_code == 200


def test_a_place_is_not_held_without_a_first_answer(site: Installation) -> None:
    """Heartbeats and reloads hold no place; answers do."""
    slug = site.study(URL_PANEL)
    with Browser(site) as idler, Browser(site) as rater:
        idler.begin(f"/s/{slug}/?pid=idler")
        rater.begin(f"/s/{slug}/?pid=rater")
        assert rater.answer().status_code == 200
        first = idler.session().lease_until
        assert first <= idler.session().created_at + 5 * 60_000
        assert idler.post("heartbeat", {"page": idler.page}).status_code == 200
        idler.open()
        assert idler.session().lease_until == first
        assert rater.session().lease_until > rater.session().created_at + 14 * 60_000


def test_who_was_told_full_gets_in_when_a_place_is_free(site: Installation) -> None:
    slug = site.study(URL_PANEL, raters="1")
    with Browser(site) as first, Browser(site) as late, Browser(site) as later:
        first.begin(f"/s/{slug}/?pid=first")
        link = f"/s/{slug}/?pid=late"
        late.arrive(link)
        assert late.stage() == "end"
        assert late.session().outcome == "full"
        assert late.get(link).headers["location"] == f"/r/{late.token}/"  # still full
        first.form(f"/r/{first.token}/withdraw", confirm="yes")
        token = late.token
        late.begin(link)
        assert late.token == token
        late.answer_all()
        assert late.session().outcome == "completed"
        later.arrive(f"/s/{slug}/?pid=later")
        assert later.session().outcome == "full"
    assert [row.outcome for row in site.rows(slug)] == ["completed", "full"]


# ── L1: what a rater who withdrew can see ────────────────────────────────────────────────────────


def test_addresses_are_never_given_out_twice(site: Installation) -> None:
    link = f"/s/{site.study(URL_PANEL)}/?pid=comes-back"
    with Browser(site) as rater:
        seen = []
        for _ in range(3):
            rater.begin(link)
            session = rater.session()
            trial = rater.state["trials"][0]
            seen.append((session.id, trial["trial"], trial["left"], trial["right"]))
            rater.form(f"/r/{rater.token}/withdraw", confirm="yes")
    for values in zip(*seen, strict=True):
        assert len(set(values)) == 3, values


# ── L3: the trial API wants the steps before ─────────────────────────────────────────────────────


def test_trials_begin_after_device_check_and_instructions(site: Installation) -> None:
    slug = site.study(URL_PANEL)
    with Browser(site) as rater:
        rater.arrive(f"/s/{slug}/?pid=in-a-hurry")
        for _ in ("device", "instructions"):
            reply = rater.post("open", {})
            assert (reply.status_code, reply.json()["error"]) == (409, "conflict")
            beat = rater.post("heartbeat", {"page": rater.session().page_token})
            assert beat.status_code == 409
            if rater.stage() == "device":
                rater.form(f"/r/{rater.token}/device", **DEVICE)
        rater.form(f"/r/{rater.token}/instructions")
        rater.open()
        assert rater.answer().status_code == 200
