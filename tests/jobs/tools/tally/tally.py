"""Counts the letters of files, for tests of jobs that are split: a row and a copy of each."""

import shutil
import sys
import time
from pathlib import Path

print("portolan-software: Tally 1.0", flush=True)
Path("copies").mkdir()
rows = []
for path in map(Path, sys.argv[1:]):
    while path.read_text() == "wait":
        time.sleep(0.02)
    if path.read_text() == "fail":
        print(f"{path.name} can't be counted", file=sys.stderr)
        sys.exit(3)
    with open(path.parent / "began.log", "a") as log:
        log.write(f"{path.stem}\n")
    rows.append(f"{path.stem},{len(path.read_text())}\n")
    shutil.copyfile(path, Path("copies") / path.name)
Path("rows.csv").write_text("".join(rows))
