"""Clients that send or read slowly, or say nothing, cost nobody else anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from attackers import CHECKOUT, Browser, Installation, new_address

from benchmarks.support.slow_clients import KINDS, slow_clients
from study_server.web.process.worker import RECEIVE_S, STALLED_S
from study_server.web.serve import free_port

FEW, MANY = 8, 200  # as many as there are threads; and many more
# Of a reply. A site that waits for its slow clients answers nobody until it lets them go.
AT_MOST_S = 0.7 * min(RECEIVE_S, STALLED_S)


def check_served(base: str, slug: str) -> None:
    """Assert that newcomers get a page, a script and a health check, each of them at once."""
    for _ in range(4):
        # A connection and an address of its own: pages are limited by address.
        transport = httpx.HTTPTransport(local_address=new_address())
        with httpx.Client(base_url=base, timeout=AT_MOST_S, transport=transport) as browser:
            for path in (f"/s/{slug}/", "/healthz", "/static/rater/trial.js"):
                assert browser.get(path).status_code == 200


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("kind", list(KINDS))
def test_slow_clients_hold_up_nobody(sqlite_site: Installation, kind: str, count: int) -> None:
    slug, address = sqlite_site.study(), urlsplit(sqlite_site.base)
    assert address.hostname
    assert address.port
    with slow_clients(address.hostname, address.port, kind, count) as clients:
        assert len(clients) == count
        check_served(sqlite_site.base, slug)


def test_all_kinds_at_once_while_a_rater_answers(sqlite_site: Installation) -> None:
    """A rater takes a whole study while 20 clients of each kind are slow."""
    address = urlsplit(sqlite_site.base)
    slug, everything = sqlite_site.study(), list(KINDS)
    slow = _everything(address.hostname or "", address.port or 0, everything)
    with Browser(sqlite_site) as rater, slow:
        rater.http.timeout = AT_MOST_S
        rater.begin(f"/s/{slug}/")
        rater.answer_all()


@contextmanager
def _everything(host: str, port: int, kinds: list[str]) -> Iterator[None]:
    if not kinds:
        yield
        return
    with slow_clients(host, port, kinds[0], 20), _everything(host, port, kinds[1:]):
        yield


# ── behind the recipes of docs/operations.md ─────────────────────────────────────────────────────


def recipe(opening: str) -> str:
    """Return the indented block of docs/operations.md that begins with this line."""
    text = (CHECKOUT / "docs" / "operations.md").read_text()
    found = re.search(rf"(?m)^    {re.escape(opening)}\n(?:(?:    .*)?\n)+", text)
    assert found, opening
    return "\n".join(line[4:] for line in found[0].splitlines())


@contextmanager
def proxy(kind: str, upstream: str, folder: Path) -> Iterator[int]:
    """Run a proxy by its recipe, without TLS and on another port; yield the port."""
    program = shutil.which(kind)
    if program is None:
        pytest.skip(f"{kind} is not installed")
    process, port = _started(kind, program, upstream, folder)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _started(
    kind: str, program: str, upstream: str, folder: Path
) -> tuple[subprocess.Popen[bytes], int]:
    # Between our asking for a free port and the proxy's taking it, another test may have taken it.
    for _ in range(3):
        port = free_port()
        command = _command(kind, program, port, upstream, folder)
        log = folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
        if _wait_for(f"http://127.0.0.1:{port}/healthz", process):
            return process, port
        assert "in use" in log.read_text(), log.read_text()
    raise AssertionError(f"{kind} found no free port")


def _command(kind: str, program: str, port: int, upstream: str, folder: Path) -> list[str]:
    """Write the recipe of docs/operations.md for this port and return the proxy's command."""
    file = folder / kind
    if kind == "caddy":
        text = recipe("study.example.org {").replace(
            "study.example.org", f"http://127.0.0.1:{port}"
        )
        options = "{\n admin off\n auto_https off\n}\n"
        file.write_text(options + text.replace("127.0.0.1:8000", upstream))
        return [program, "run", "--config", str(file), "--adapter", "caddyfile"]
    text = re.sub(r"listen 443.*", f"listen 127.0.0.1:{port};", recipe("server {"))
    text = re.sub(r" *(ssl_certificate|error_log).*\n", "", text)
    file.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ {_nginx_folders(folder)}\n"
        f"{text.replace('127.0.0.1:8000', upstream)} }}\n"
    )
    return [program, "-c", str(file), "-p", str(folder), "-e", f"{folder}/error.log"]


def _nginx_folders(folder: Path) -> str:
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{name}_temp_path {folder}/{name};" for name in names)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Return whether the address answers; false as soon as the process has ended."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if process.poll() is not None:
            return False
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return True
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


@pytest.fixture(scope="module", params=["caddy", "nginx"])
def proxied(
    request: pytest.FixtureRequest,
    sqlite_site: Installation,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[int]:
    """Yield the port of each proxy before the site."""
    folder = tmp_path_factory.mktemp(request.param)
    with proxy(request.param, urlsplit(sqlite_site.base).netloc, folder) as port:
        yield port


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "upload"])
def test_slow_clients_of_a_proxy_hold_up_nobody(
    sqlite_site: Installation, proxied: int, kind: str
) -> None:
    slug = sqlite_site.study()
    with slow_clients("127.0.0.1", proxied, kind, MANY):
        check_served(f"http://127.0.0.1:{proxied}", slug)
        check_served(sqlite_site.base, slug)


@pytest.mark.parametrize("header", ["SCRIPT_NAME", "PATH_INFO", "Script-Name"])
def test_a_proxys_rules_hold(proxied: int, header: str) -> None:
    base = f"http://127.0.0.1:{proxied}"
    assert httpx.get(f"{base}/metrics").status_code == 403
    assert httpx.get(f"{base}/x/metrics", headers={header: "/x"}).status_code == 404
    assert httpx.get(f"{base}/x/admin/login", headers={header: "/x"}).status_code == 404
