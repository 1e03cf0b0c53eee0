"""The frame of the attack suite itself: what is served, and that attackers are told apart."""

from __future__ import annotations

from attackers import Browser, Installation


def test_a_study_is_served_as_the_command_serves_it(site: Installation) -> None:
    slug = site.study()
    with Browser(site) as rater:
        rater.begin(f"/s/{slug}/")
        rater.answer_all()
        assert rater.session().outcome == "completed"
        assert rater.log_in().status_code == 303
    assert "Traceback" not in site.log.read_text()
