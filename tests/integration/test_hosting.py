"""The image and its companions: the files keep their promises, and what is copied runs alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from PIL import Image

from benchmarks.support.images import crops
from study_server.errors import StudyError
from study_server.storage.database import parse_url
from study_server.storage.identity import load_secret
from study_server.web.serve import free_port

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined) if name]


def test_the_image_has_two_stages_no_root_and_a_health_check() -> None:
    found = instructions()
    bases = [rest.split()[0] for name, rest in found if name == "FROM"]
    assert len(bases) == 2
    assert all(re.search(r":\d", base) for base in bases)  # a version, never `latest`
    last = [name for name, _ in found][::-1]
    assert last.index("USER") < last.index("FROM")
    assert dict(found)["USER"] == "10001:10001"
    assert "/readyz" in dict(found)["HEALTHCHECK"]
    assert dict(found)["ENTRYPOINT"].startswith('["tini"')
    after = [rest for name, rest in found if name == "RUN"][1]
    assert "pip install" not in after
    assert "rm -rf /var/lib/apt/lists" in after


@pytest.mark.parametrize("name", ["site", "proxy", "backup"])
def test_services_write_nowhere_but_where_they_must_and_have_no_powers(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_the_proxy_is_reached_from_outside_and_secrets_are_files() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["database"]["networks"] == ["inside"]
    text = (ROOT / "compose.yaml").read_text()
    assert not re.search(r"(PASSWORD|SECRET|TOKEN): (?!/run/secrets/)", text.replace("_FILE", ""))
    assert all("file" in secret for secret in COMPOSE["secrets"].values())
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])


def test_the_secret_can_be_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "foolrate"
    file.write_text(bytes(range(32)).hex())
    file.chmod(0o600)
    url = parse_url("postgresql://db/foolrate")
    assert load_secret(url, {"FOOLRATE_SECRET_FILE": str(file)}) == bytes(range(32))
    file.chmod(0o644)
    with pytest.raises(StudyError, match="has mode 0o644, expected 0o600"):
        load_secret(url, {"FOOLRATE_SECRET_FILE": str(file)})
    with pytest.raises(StudyError, match="expected a file with the secret"):
        load_secret(url, {"FOOLRATE_SECRET_FILE": str(tmp_path / "nowhere")})


@pytest.mark.skipif(shutil.which("caddy") is None, reason="needs the program caddy")
def test_the_proxys_file_is_valid() -> None:
    done = subprocess.run(
        ["caddy", "validate", "--config", "host/Caddyfile", "--adapter", "caddyfile"],
        cwd=ROOT, env=os.environ | {"SITE_HOST": "study.example.org"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_backup_script_is_valid() -> None:
    assert subprocess.run(["sh", "-n", ROOT / "host/backup.sh"], check=False).returncode == 0


STUDY = """
[study]
id = "my"
title = "A study"
contact = "the laboratory"
[images]
reference = "{0}/real"
[conditions]
ours = "{0}/ours"
[design]
raters = 2
trials = 4
"""


@pytest.mark.integration
def test_what_the_image_copies_serves_a_study(tmp_path: Path) -> None:
    """The Dockerfile's own COPY lines, its command and its health check, in a fresh root."""
    app = tmp_path / "app"
    copied = [rest.split() for name, rest in instructions() if name == "COPY"]
    for source, target in (words for words in copied[2:] if not words[0].startswith("--")):
        ignored = shutil.ignore_patterns("__pycache__", "*.safetensors", "crops")
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, app / target, ignore=ignored)
        else:
            app.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, app)
    for name in ("real", "ours"):
        (tmp_path / name).mkdir()
        for number, pixels in enumerate(crops(12, 32)):
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    (tmp_path / "my.toml").write_text(STUDY.format(tmp_path))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONDONTWRITEBYTECODE": "1",
        "FOOLRATE_DATABASE": f"sqlite:///{tmp_path}/study.sqlite3",
    }
    command = [sys.executable, "manage.py", "study"]
    made = subprocess.run(
        [*command, "create", tmp_path / "my.toml"], cwd=app, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    port = free_port()
    served = subprocess.Popen(
        [*command, "serve", "--bind", f"127.0.0.1:{port}", "--https", "--proxies", "1"],
        cwd=app, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        health = re.search(r'CMD \["python", "-c", "(.*)"\]', DOCKERFILE)
        assert health is not None
        check = health[1].replace("8000", str(port))
        retry = f"import time\nfor _ in range(300):\n try:\n  {check}; break\n" + (
            " except OSError: time.sleep(0.1)\nelse: raise SystemExit(1)"
        )
        assert subprocess.run([sys.executable, "-c", retry], check=False).returncode == 0
    finally:
        served.terminate()
        served.communicate(timeout=60)
    assert not list(app.rglob("__pycache__"))
