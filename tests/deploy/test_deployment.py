"""The deployment's files say what the docs and the code say."""

import re
import subprocess

import pytest
import yaml

from tests.live import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = ["prepare", "portal", "door", "worker", "beat"]


def test_the_deployment_has_every_part():
    assert set(COMPOSE["services"]) == {*OURS, "nginx", "postgres", "redis"}


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_not_root_and_can_write_nowhere_but_to_their_data(name):
    service = COMPOSE["services"][name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges"]
    assert service["volumes"] == ["data:/data"]


@pytest.mark.parametrize("name", ["portal", "door", "worker", "beat", "postgres", "redis"])
def test_services_have_health_checks(name):
    assert COMPOSE["services"][name]["healthcheck"]["test"]


def test_only_nginx_is_published():
    assert [name for name, service in COMPOSE["services"].items() if "ports" in service] == ["nginx"]


def test_no_secret_is_in_the_files():
    text = (ROOT / "docker-compose.yml").read_text() + (ROOT / "Dockerfile").read_text()
    assert not re.search(r"(PASSWORD|SECRET_KEY|TOKEN)[:=] *[^$\s{:?]", text)


def test_the_example_of_the_env_file_names_what_must_be_filled_in():
    example = (ROOT / "deploy" / "portolan.env.example").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    assert needed == {"POSTGRES_PASSWORD"}
    for name in needed | {"SECRET_KEY"}:
        assert re.search(rf"^{name}=$", example, re.MULTILINE)


def test_every_setting_is_in_the_operators_page():
    page = (ROOT / "docs" / "operators.md").read_text()
    names = set(re.findall(r'env\.\w+\(\s*"(\w+)"', (ROOT / "gateway" / "settings.py").read_text()))
    assert {"PORTOLAN_HOME", "DATABASE_URL"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in page and f"{name}=" not in page] == []


@pytest.mark.parametrize("target", ["demo", "serve", "test", "lint", "bench", "help", "test-fast", "test-compose"])
def test_help_lists_the_targets(target):
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout
    assert re.search(rf"^{target}\s+\S", said, re.MULTILINE)


@pytest.mark.parametrize("script", ["deploy/need", "deploy/entrypoint", ".ci/run"])
def test_scripts_are_sound_and_executable(script):
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["sh", "-n", str(ROOT / script)], check=True, timeout=30)


def test_without_root_the_one_line_to_install_is_printed(tmp_path):
    """With an empty PATH everything is missing; ``id`` answers that we are not root."""
    for name in ("sh", "id"):
        (tmp_path / name).write_text("#!/bin/sh\necho 1000\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "deploy" / "need"), "demo"],
        env={"PATH": str(tmp_path), "PYTHON": "python3"}, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "apt-get" in line]
    assert "relion" in line
    assert "redis-server" in line
