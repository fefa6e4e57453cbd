"""A real browser on a real instance with the sample data."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.live import PASSWORD, ROOT, LivePortolan

QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-unsafe-swiftshader"
)
SHOTS = ROOT / "test-results"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's Chromium."""
    return {"executable_path": "/usr/bin/chromium", "args": QUIET.split()}


@pytest.fixture(scope="session")
def instance(live_portolan: LivePortolan) -> LivePortolan:
    """The running instance, with sample data and a researcher who is an operator as well."""
    samples = live_portolan.home / "samples" / "samples"
    if not (samples / "samples.json").exists():
        subprocess.run([sys.executable, "-m", "samples", str(samples)], cwd=ROOT, check=True, timeout=120)
    live_portolan.token("researcher", operator=True)
    return live_portolan


@pytest.fixture(scope="session")
def signed_in(browser: Browser, instance: LivePortolan) -> dict[str, Any]:
    """The cookies of the researcher's session."""
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, instance.url)
    state = dict(context.storage_state())
    context.close()
    return state


@pytest.fixture
def open_page(browser: Browser, signed_in: dict[str, Any]) -> Iterator[Callable[..., Page]]:
    """``open_page(**context options)`` is a page of the signed-in researcher; what it logs as errors is kept."""
    contexts = []

    def made(**options: Any) -> Page:
        context = browser.new_context(**{"storage_state": signed_in, "viewport": WIDE, **options})
        contexts.append(context)
        return context.new_page()

    yield made
    for context in contexts:
        context.close()


def sign_in(page: Page, url: str, user: str = "researcher") -> None:
    """The page is that user's start page."""
    page.goto(f"{url}/login/")
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Good to see you").wait_for()


def violations(page: Page) -> list[str]:
    """What axe finds against the page: rule, place, why."""
    page.evaluate(AXE.read_text())
    found = page.evaluate(f"axe.run({{runOnly: {json.dumps(RULES)}}}).then(r => r.violations)")
    return [
        f"{page.url} {one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]
    ]


def shoot(page: Page, name: str) -> Path:
    """A picture of the whole page is in ``test-results``."""
    SHOTS.mkdir(exist_ok=True)
    path = SHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
