"""The table of faults in ``docs/reliability.md`` names tests that are there."""

import re
from pathlib import Path

JOBS = Path(__file__).parents[1]
PAGE = JOBS.parents[1] / "docs" / "reliability.md"


def test_each_fault_of_the_table_has_its_test_and_each_test_of_clusters_its_fault():
    table = PAGE.read_text().partition("<!-- faults -->")[2].partition("<!-- end of faults -->")[0]
    named = [re.fullmatch(r"`(\S+)::(\S+)`", line.strip("|").split(" | ")[-1].strip())
             for line in table.splitlines() if line.startswith("| ") and "::" in line]  # fmt: skip
    assert len(named) > 20
    for one in named:
        assert f"def {one[2]}(" in (JOBS / one[1]).read_text(), one[0]
    own = set(re.findall(r"^def (test_\w+)", (JOBS / "faults" / "test_clusters.py").read_text(), re.MULTILINE))
    assert own <= {one[2] for one in named}
