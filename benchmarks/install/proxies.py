"""Reverse proxies with TLS on this machine, by the files that the documentation gives.

Certificates come from an authority of our own: Caddy's, or one that openssl makes.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.install.environments import ROOT, Environment
from benchmarks.install.jobs import wait_for
from study_server.web.serve import free_port


@dataclass(frozen=True)
class Proxy:
    """A proxy that serves: its address, and the context that trusts its authority only."""

    url: str
    trust: ssl.SSLContext


@contextmanager
def caddy(environment: Environment, folder: Path, site: int) -> Iterator[Proxy]:
    """Yield Caddy with host/Caddyfile in front of a site; only where it keeps things is added."""
    url = f"https://localhost:{free_port()}"
    own = ("admin off", "auto_https disable_redirects", "skip_install_trust",
           f"storage file_system {folder}")  # fmt: skip
    options = "".join(f"\t{each}\n" for each in own)
    text = (ROOT / "host/Caddyfile").read_text().replace("{\n", f"{{\n{options}", 1)
    (folder / "Caddyfile").write_text(text)
    environment.given |= {"SITE_HOST": url, "SITE_UPSTREAM": f"127.0.0.1:{site}"}
    command = ("caddy", "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile")
    authority = folder / "pki/authorities/local/root.crt"
    with environment.process(*command) as running:
        wait_for(f"{url}/readyz", lambda: running.poll() is None, verify=False)
        yield Proxy(url, ssl.create_default_context(cafile=str(authority)))


@contextmanager
def nginx(environment: Environment, folder: Path, site: int) -> Iterator[Proxy]:
    """Yield nginx with the server of docs/operations.md in front of a site."""
    port = free_port()
    key, certificate = folder / "study.key", folder / "study.pem"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    environment.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 1, *names,
                    "-keyout", key, "-out", certificate)  # fmt: skip
    (folder / "nginx.conf").write_text(_nginx_file(folder, site, port))
    command = ("nginx", "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;")
    with environment.process(*command) as running:
        wait_for(f"https://localhost:{port}/readyz", lambda: running.poll() is None, verify=False)
        trust = ssl.create_default_context(cafile=str(certificate))
        yield Proxy(f"https://localhost:{port}", trust)


PROXIES = {"caddy": caddy, "nginx": nginx}


def _nginx_file(folder: Path, site: int, port: int) -> str:
    """Return the documented server with this machine's ports and files around it."""
    page = (ROOT / "docs/operations.md").read_text()
    found = re.search(r"^    server \{\n(?:    .*\n)+?    \}\n", page, re.MULTILINE)
    if found is None:
        raise click.ClickException("docs/operations.md has no server for nginx")
    server = found[0]
    for old, new in (
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
        ("study.example.org", "localhost"),
        ("/etc/ssl/", f"{folder}/"),
        ("/var/log/nginx/", f"{folder}/"),
        ("http://127.0.0.1:8000", f"http://127.0.0.1:{site}"),
    ):
        if old not in server:
            raise click.ClickException(f"docs/operations.md: the server for nginx lacks {old!r}")
        server = server.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # who can read the temporary folder
    return f"{user}pid {folder}/nginx.pid;\nevents {{}}\nhttp {{\n{temporary}{server}}}\n"
