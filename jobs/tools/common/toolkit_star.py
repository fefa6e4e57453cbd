"""Reading the STAR files that RELION writes, without what a reader for every STAR file has to load."""

import re
from pathlib import Path

Table = dict[str, list[str]]


def read_tables(path: Path) -> dict[str, Table]:
    """Return the file's tables by name: each label, without its underscore, with its values as text, one per row.

    A table that is no loop has one row. A ValueError is raised for a row that is longer or shorter than the labels.
    """
    blocks = re.split(r"^data_", path.read_text(), flags=re.MULTILINE)[1:]
    named = (block.partition("\n") for block in blocks)
    return {name.strip(): _table(body) for name, _, body in named}


def _table(body: str) -> Table:
    lines = [line.strip() for line in body.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if lines[:1] != ["loop_"]:
        pairs = (line.split(maxsplit=1) for line in lines)
        return {label[1:]: [value] for label, value in pairs}
    labels = [line.split()[0][1:] for line in lines if line.startswith("_")]
    rows = [line.split() for line in lines[1:] if not line.startswith("_")]
    table: Table = {label: [] for label in labels}
    for row in rows:
        for values, value in zip(table.values(), row, strict=True):
            values.append(value)
    return table
