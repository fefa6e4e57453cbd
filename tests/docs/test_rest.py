"""What is printed in docs/rest.md runs as printed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent.parent / "docs"
SCRIPTS = ["main_job.sh", "main_job.py"]
# Those of institutes' tokens are run in tests/oidc/test_agents.py, with a provider and an agent.
SIGN_IN = ["personal_token.sh", "oidc_agent.sh", "device_flow.py"]
TOOLS = ["movie_alignment", "first_map", "resolution_map"]


@pytest.mark.parametrize("name", [*SCRIPTS, *SIGN_IN])
def test_the_page_shows_the_script_as_it_is(name):
    assert (DOCS / "examples" / name).read_text() in (DOCS / "rest.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_brings_three_results(live_portolan, tmp_path, name):
    samples = live_portolan.home / "samples" / "samples"
    if not (samples / "samples.json").exists():
        argv = [sys.executable, "-m", "samples", str(samples)]
        subprocess.run(argv, cwd=DOCS.parent, check=True, timeout=300)
    interpreter = "sh" if name.endswith(".sh") else sys.executable
    done = subprocess.run(
        [interpreter, str(DOCS / "examples" / name)],
        cwd=tmp_path,
        env=os.environ | {"PORTOLAN_URL": live_portolan.url, "PORTOLAN_TOKEN": live_portolan.token()},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for tool in TOOLS:
        assert f"{tool}: succeeded" in done.stdout
        files = [path for path in (tmp_path / "results" / tool).rglob("*") if path.is_file()]
        assert files, tool
        assert all(path.stat().st_size > 0 for path in files)


@pytest.mark.slow
def test_a_token_for_one_purpose_is_made_used_and_ended(live_portolan):
    done = subprocess.run(
        ["sh", str(DOCS / "examples" / "personal_token.sh")],
        env=os.environ | {"PORTOLAN_URL": live_portolan.url, "PORTOLAN_TOKEN": live_portolan.token()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "I am researcher with the scope read" in done.stdout
    assert done.stdout.endswith("token_revoked\n")
