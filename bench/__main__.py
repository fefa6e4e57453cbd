"""``python -m bench [NAME…]``: all measurements, or those named; figures of the others are kept."""

import datetime
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

import django
import psutil
from django.core.management import call_command

from bench import report
from tests.live import ROOT

RESULTS = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "performance.md"


# By name, in the order of the page; imported late, since models need Django set up with a home of its own.
MEASUREMENTS = {
    "overhead": ("bench.jobs", "overhead"),
    "throughput": ("bench.jobs", "throughput"),
    "scatter": ("bench.movies", "scatter"),
    "clusters": ("bench.clusters", "clusters"),
    "queries": ("bench.pages", "queries"),
    "listing": ("bench.pages", "listing"),
    "upload": ("bench.transfer", "upload"),
    "links": ("bench.links", "links"),
    "identity": ("bench.identity", "requests"),
    "removal": ("bench.identity", "removal"),
    "demo": ("bench.demo", "demo"),
}


def main(names: list[str]) -> int:
    """0 when every measurement was made; results.json and docs/performance.md are written."""
    results = json.loads(RESULTS.read_text()) if names and RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as home:
        own = {"PORTOLAN_HOME": home, "DJANGO_SETTINGS_MODULE": "gateway.settings", "LOG_FORMAT": "console"}
        os.environ.update(own | {"TOOL_DIRS": f"{ROOT / 'jobs' / 'tools'},{ROOT / 'bench' / 'tools'}"})
        django.setup()
        call_command("migrate", verbosity=0, interactive=False)
        Path(home, "staticfiles").mkdir(exist_ok=True)
        for name, (module, function) in MEASUREMENTS.items():
            if not names or name in names:
                print(f"{name} …", flush=True)
                results[name] = getattr(importlib.import_module(module), function)()
                results.setdefault("days", {})[name] = datetime.datetime.now(datetime.UTC).date().isoformat()
                print(json.dumps(results[name], indent=1), flush=True)
    results["machine"] = {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": psutil.virtual_memory().total / 2**30,
    }
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(report.page(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
