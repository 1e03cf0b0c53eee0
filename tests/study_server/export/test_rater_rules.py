"""Pay rules against the stored answers: each rule finds its rater and looks at main trials only."""

from __future__ import annotations

import pytest
from actors import Rater
from small_study import SECRET, app_on

from study_server.config import Rules
from study_server.export.panel_list import compare
from study_server.export.rater_rules import RatedTrial, broken_rules, facts_of, rater_facts
from study_server.storage.models import RaterSession
from study_server.studies.states import find_study

MAIN = 40


def answers(*, choices=None, rt=1500.0, skipped=0, failed_catch=0):
    """Return 40 main answers that favour no side, and 3 catch answers."""
    sides = choices or ["left", "right", "right", "left"] * (MAIN // 4)
    sides = [None] * skipped + sides[skipped:]
    main = [RatedTrial("main", side, None if side is None else 0, rt) for side in sides]
    catch = [RatedTrial("catch", "left", int(k < failed_catch), 100.0) for k in range(3)]
    return [RatedTrial("practice", "left", 1, 50.0), *main, *catch]


CAREFUL = {number: answers(rt=1400.0 + 20 * number) for number in range(1, 10)}
BROKEN = [
    ("max_failed_catch", 1, answers(failed_catch=2)),
    ("max_skipped_share", 0.2, answers(skipped=9)),
    ("min_main_trials", 35, answers(skipped=6)),
    ("min_median_rt_ms", 300, answers(rt=250.0)),
    ("rt_tukey_factor", 3, answers(rt=9000.0)),
    ("side_bias_alpha", 0.01, answers(choices=["left"] * 31 + ["right"] * 9)),
    ("max_same_side_run", 12, answers(choices=["left"] * 13 + ["right", "left", "right"] * 9)),
]


@pytest.mark.parametrize(("rule", "limit", "guilty"), BROKEN, ids=[each[0] for each in BROKEN])
def test_each_rule_finds_its_rater_alone(rule, limit, guilty):
    raters = {number: facts_of(given) for number, given in (CAREFUL | {10: guilty}).items()}
    found = broken_rules(raters, Rules.model_validate({rule: limit}))
    assert found == {number: ((rule,) if number == 10 else ()) for number in raters}


def test_a_rule_that_is_left_out_is_not_applied():
    everything = [given for _, _, given in BROKEN]
    facts = {number: facts_of(given) for number, given in enumerate(everything)}
    assert set(broken_rules(facts, Rules()).values()) == {()}


def test_a_rater_at_chance_breaks_nothing():
    coin = [
        RatedTrial("main", "left" if k % 2 else "right", k // 2 % 2, 900.0) for k in range(MAIN)
    ]
    strict = Rules.model_validate({rule: limit for rule, limit, _ in BROKEN})
    assert broken_rules({1: facts_of(coin)}, strict) == {1: ()}


@pytest.mark.slow
def test_practice_and_catch_trials_do_not_count_as_main_trials(app, database):
    rater = Rater(app).begin()
    rater.answer_all()
    rater.finish()
    with database.read() as connection:
        [facts] = rater_facts(connection, RaterSession.outcome == "completed").values()
    assert rater.state["progress"]["total"] == 5  # 4 main and 1 catch, after 2 for practice
    assert (facts.asked, facts.answered, facts.longest_run) == (4, 4, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "action"),
    [
        ("", "approve"),
        ("min_main_trials = 4", "approve"),
        ("min_main_trials = 5", "look"),  # 5 with the catch trial, which does not count
        ("max_same_side_run = 3", "look"),
        ("min_median_rt_ms = 701", "look"),
        ("max_same_side_run = 4\nmin_median_rt_ms = 700", "approve"),
    ],
)
def test_the_frozen_pay_rules_decide_what_reconciliation_suggests(
    sqlite, make_study, rules, action
):
    panel = '[provider]\nkind = "url"\nid_parameter = "w"\n'
    use = "[use]\nmin_main_trials = 999\n"  # what is used is no matter of pay
    make_study(sqlite, ("[practice]", f"{panel}[pay]\n{rules}\n{use}[practice]"))
    rater = Rater(app_on(sqlite), query="?w=p1").begin()
    rater.answer_all()
    rater.finish()
    with sqlite.session() as db_session:
        study = find_study(db_session, "small")
    listed = "participant id,status\np1,awaiting review\n"
    [found] = compare(sqlite, SECRET, study, listed, name="panel.csv")
    assert found.action == action
