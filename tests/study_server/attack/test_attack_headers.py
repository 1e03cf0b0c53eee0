"""What a client says of paths, hops and schemes in its headers is not believed, nor logged."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from attackers import Installation

RATERS_LINK = "/r/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/run"


def raw(site: Installation, request: bytes) -> bytes:
    """Return the whole answer to bytes that no HTTP library would send."""
    address = urlsplit(site.base)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        while more := connection.recv(65_536):
            answer += more
    return answer


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "script_name", "REMOTE_ADDR"])
def test_a_path_is_the_request_lines(sqlite_site: Installation, name: str) -> None:
    """A proxy that forbids /admin/ sees /x/admin/, and so must the site."""
    request = f"GET /x/admin/login HTTP/1.1\r\nHost: h\r\n{name}: /x\r\nConnection: close\r\n\r\n"
    assert raw(sqlite_site, request.encode()).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "Script-Name", "X-Forwarded-Prefix"])
def test_no_prefix_gets_into_a_page(sqlite_site: Installation, name: str) -> None:
    """Not even into the page of the one who sends it."""
    request = (
        f"GET /admin/login HTTP/1.1\r\nHost: h\r\n{name}: //evil.example\r\n"
        "Connection: close\r\n\r\n"
    )
    page = raw(sqlite_site, request.encode())
    assert page.startswith(b"HTTP/1.1 200 ")
    assert b"evil.example" not in page


@pytest.mark.parametrize(
    "lines",
    [
        "SCRIPT_NAME: /nothing",  # a mismatch was a 500 with the path in the log
        "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: gzip",
        "Not a header",
        "Expect: 200-ok",
    ],
)
def test_the_log_never_has_the_path_or_the_address(sqlite_site: Installation, lines: str) -> None:
    """Whatever is wrong with a request: each line of the log is JSON, and tells of no person."""
    answer = raw(
        sqlite_site,
        f"GET {RATERS_LINK} HTTP/1.1\r\nHost: h\r\n{lines}\r\nConnection: close\r\n\r\n".encode(),
    )
    assert int(answer.split(b" ", 2)[1]) in (400, 404, 417, 501)
    log = sqlite_site.log.read_text()
    assert RATERS_LINK.split("/")[2] not in log
    assert "ip=" not in log
    for line in log.splitlines():
        if line.startswith("{"):
            json.loads(line)


def test_forged_hops_are_not_the_remote_address(sqlite_site: Installation) -> None:
    """/metrics is for the loopback: one proxy is believed, and it says who asked."""
    forged = {"X-Forwarded-For": "127.0.0.1, 203.0.113.7"}
    assert httpx.get(f"{sqlite_site.base}/metrics", headers=forged).status_code == 403
