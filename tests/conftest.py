"""Layers of the test suite: skipped with a reason where the machine lacks a program."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import chromium, missing_layers
from one_ray import needs_ray, ray, stop

# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A container that writes no bytecode would compile every test and module anew in every worker,
# a third of the fast layer's time.
sys.dont_write_bytecode = False

__all__ = ["ray"]  # a fixture of its own module
LAYERS = ("statistical", "postgres", "browser", "integration")
# Reasons of a skip that take nothing from its layer.
ALLOWED = ("not for this processor", "outside the test environment")


FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """What fails in tests is the process, never the power: a file is whole without `fsync`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Yield a Chromium that all tests of a worker share; each test has contexts of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS])
        yield launched
        launched.close()


def layer_of(item: pytest.Item) -> str:
    """Return the layer of a test: its most demanding marker, else "fast"."""
    return next((layer for layer in LAYERS if item.get_closest_marker(layer)), "fast")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the layers that this machine cannot run; files with long tests go first.

    A long test that comes last has a worker to itself while the others have nothing left to do.
    Those that share a Ray cluster go before all: so they stay in one worker.
    """
    missing = missing_layers()
    for item in items:
        for layer, why in missing.items():
            if item.get_closest_marker(layer):
                item.add_marker(pytest.mark.skip(reason=why))
    long = {item.path for item in items if any(map(item.get_closest_marker, (*LAYERS, "slow")))}
    items.sort(key=lambda item: (not needs_ray(item), item.path not in long))


def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Stop the Ray cluster after the last test that needs it."""
    if not needs_ray(nextitem):
        stop()


def pytest_collection_finish() -> None:
    """Leave what the imports made out of garbage collection: each walk over it takes a second."""
    _make_hypothesis_random()
    gc.collect()
    gc.freeze()


def _make_hypothesis_random() -> None:
    """Let Hypothesis make its random numbers now: later it finds no referrer of them and warns.

    What refers to them is frozen by then, and Python looks through nothing frozen. Only properties
    that are derandomised look for referrers: with CI set, all are.
    """

    @settings(derandomize=True, max_examples=1, database=None)
    @given(st.none())
    def any_property(_: None) -> None:
        pass

    any_property()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Note each test's layer in its report, so that the controller of xdist sees it too."""
    outcome = yield
    outcome.get_result().user_properties.append(("layer", layer_of(item)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many tests of each layer ran and were skipped."""
    ran, skipped = _counts(terminalreporter)
    layers = (*LAYERS, "fast")
    parts = [f"{layer} {ran[layer]} passed, {skipped[layer]} skipped" for layer in layers]
    terminalreporter.write_line("layers: " + " · ".join(parts))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a test that has to run was skipped for what should be installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    _, skipped = _counts(reporter)
    required = os.environ.get("FOOLRATE_REQUIRE_LAYERS", "").split()
    lost = [layer for layer in required if skipped[layer]]
    if lost:
        reporter.write_line(f"error: tests of these layers had to run and were skipped: {lost}")
        session.exitstatus = 1


def _counts(reporter: pytest.TerminalReporter) -> tuple[Counter[str], Counter[str]]:
    ran, skipped = (
        Counter(
            dict(report.user_properties).get("layer", "fast")
            for report in reporter.stats.get(outcome, [])
            if not any(reason in str(report.longrepr) for reason in ALLOWED)
        )
        for outcome in ("passed", "skipped")
    )
    return ran, skipped
