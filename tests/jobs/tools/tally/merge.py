"""Makes the tally's outputs from those of its parts."""

import os
import sys
from pathlib import Path

Path("copies").mkdir()
parts = [Path(part) for part in sys.argv[1:]]
for part in parts:
    for made in part.glob("copies/*"):
        os.link(made, Path("copies") / made.name)
Path("rows.csv").write_text("".join((part / "rows.csv").read_text() for part in parts))
