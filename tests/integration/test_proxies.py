"""The reverse proxies of the documentation, as it gives them, before a site that is served."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import httpx
import pytest

from benchmarks.install.environments import Environment
from benchmarks.install.jobs import create, served
from benchmarks.install.proxies import PROXIES


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Return this environment, with an empty home."""
    program = tmp_path / "environment/bin/python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return Environment(program.parents[1])


@pytest.mark.integration
def test_raters_come_over_tls_through_each_documented_proxy(
    environment: Environment, tmp_path: Path
) -> None:
    for name in PROXIES:
        if shutil.which(name, path=environment.variables["PATH"]) is None:
            pytest.skip(f"needs the program {name}: apt-get install {name}")
    create(environment, tmp_path, 1, [])
    with served(environment, [], "--https", "--proxies", "1") as port:
        for name, proxy in PROXIES.items():
            (tmp_path / name).mkdir()
            with (
                proxy(environment, tmp_path / name, port) as there,
                httpx.Client(base_url=there.url, verify=there.trust, trust_env=False) as browser,
            ):
                walk(browser, name)
                with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    httpx.get(there.url, trust_env=False)  # who does not know our authority


def walk(browser: httpx.Client, name: str) -> None:
    """Go from the link to the device check, and look at what must not be seen from outside."""
    page = browser.get("/s/my/")
    assert page.status_code == 200, name
    assert "max-age" in page.headers["Strict-Transport-Security"]
    assert "content-encoding" not in page.headers  # it would undo the equal sizes
    assert all("; Secure" in cookie for cookie in page.headers.get_list("set-cookie"))
    (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', page.text)
    origin = {"Origin": str(browser.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    agreed = browser.post("/s/my/", data={"agree": "no", "csrf_token": token}, headers=origin)
    assert agreed.status_code == 303, name
    assert browser.get(agreed.headers["location"], follow_redirects=True).status_code == 200
    assert browser.get("/metrics").status_code == 403
    for path in ("/s%2fmy/", "//metrics", "/metrics/", "/%6detrics"):
        assert "foolrate_requests" not in browser.get(path, follow_redirects=True).text, path
