"""The whole test suite in its runs: ``python -m tests.suite [fast] [locks] [slow]``.

``fast``: everything quick, in parallel and in random order, on SQLite. ``locks``: what depends on locks and
concurrency, once more on a private PostgreSQL. ``slow``: real RELION, a real browser, whole instances. Ends with 0
only when every run did and something was tested in each; the last line counts what pytest counted.
"""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS: dict[str, list[str]] = {
    "fast": ["-m", "not slow", "-n", "auto"],
    "locks": ["-m", "locks and not slow", "-n", "auto"],
    # Each process has its own live instance, so a file's tests stay together.
    "slow": ["-m", "slow", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--durations", "15"],
}


def run(name: str, report: Path) -> int:
    """pytest's exit status of one run; its counts are in ``report``."""
    argv = [sys.executable, "-m", "pytest", "-q", "--junitxml", str(report), *RUNS[name]]
    if name == "locks":
        argv = [sys.executable, "-m", "tests.postgres", *argv]
    print(f"== {name} ==", flush=True)
    env = {k: v for k, v in os.environ.items() if k not in {"PORTOLAN_HOME", "PORT", "DOOR_PORT", "DATABASE_URL"}}
    return subprocess.run(argv, cwd=ROOT, env=env, check=False, stdin=subprocess.DEVNULL).returncode


def counts(report: Path) -> Counter[str]:
    """passed, failed, skipped as pytest wrote them."""
    found: Counter[str] = Counter()
    if report.exists():
        for suite in ET.parse(report).getroot().iter("testsuite"):
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            found += Counter(passed=int(suite.get("tests", 0)) - bad - skipped, failed=bad, skipped=skipped)
    return found


def main(names: list[str]) -> int:
    """0 when every run passed."""
    began, total, broken = time.monotonic(), Counter[str](), []
    with tempfile.TemporaryDirectory() as folder:
        for name in names or list(RUNS):
            report = Path(folder) / f"{name}.xml"
            if run(name, report) != 0:
                broken.append(name)
            total += counts(report)
    seconds = time.monotonic() - began
    words = ", ".join(f"{total[word]} {word}" for word in ("passed", "failed", "skipped"))
    print(f"Tests: {words} in {seconds / 60:.1f} min{'; broken: ' + ', '.join(broken) if broken else ''}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
