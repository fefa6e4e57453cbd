"""STAR and CSV files as pages of a table. Only the first megabytes of a file are looked at; the answer says so."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from common.errors import UserError
from storage.previews.options import Preview, PreviewOptions, as_json
from storage.previews.reading import Source

MAX_STAR_BYTES, MAX_CSV_BYTES = 32 * 1024**2, 8 * 1024**2  # a CSV is kept as cells, which takes ten times its size
MAX_ROWS = 200_000
MAX_COLUMNS = 1000
PAGE, MAX_PAGE = 100, 1000
_TOKEN = re.compile(r"'([^']*)'(?=\s|$)|\"([^\"]*)\"(?=\s|$)|(\S+)")

Cell = str | int | float | None


@dataclass(kw_only=True)
class Table:
    """A named table; every row has as many cells as there are columns, or is a line that splits into as many."""

    name: str
    columns: list[str] = field(default_factory=list)
    rows: list[list[str] | str] = field(default_factory=list)


def star(source: Source, options: PreviewOptions) -> Preview:
    """A page of one table of a STAR file (the largest one when not named)."""
    text, complete = _text(source, MAX_STAR_BYTES)
    tables = [table for table in _star_tables(source, text) if table.columns]
    if not tables:
        raise source.unreadable("there is no table in it")
    return _page(tables, options, complete)


def csv_table(source: Source, options: PreviewOptions) -> Preview:
    """A page of a CSV file (comma, semicolon or tab; the first line names the columns)."""
    text, complete = _text(source, MAX_CSV_BYTES)
    lines = text.splitlines()
    first = lines[0] if lines else ""
    delimiter = max(",;\t", key=first.count)
    try:
        read = [row for row in csv.reader(lines[: MAX_ROWS + 1], delimiter=delimiter) if row]
    except csv.Error as error:
        raise source.unreadable(f"it is no CSV file ({error})") from error
    if not read:
        raise source.unreadable("it is empty")
    columns = read[0][:MAX_COLUMNS]
    rows: list[list[str] | str] = [(row + [""] * len(columns))[: len(columns)] for row in read[1:]]
    return _page([Table(name="", columns=columns, rows=rows)], options, complete and len(lines) <= MAX_ROWS + 1)


def _text(source: Source, most: int) -> tuple[str, bool]:
    """(text of whole lines, whether that is the whole file)."""
    raw = source.read(0, min(source.size, most))
    if b"\0" in raw[:8192]:
        raise source.unreadable("it is not text")
    complete = len(raw) == source.size
    if not complete:
        raw = raw[: raw.rfind(b"\n") + 1]
    return raw.decode("utf-8-sig", "replace"), complete


def _star_tables(source: Source, text: str) -> list[Table]:
    """All tables; a block of single values is one with the columns ``name`` and ``value``."""
    tables: list[Table] = []
    block, loop, in_header = "", None, False
    for number, line in _plain_lines(text):
        if line.startswith("data_"):
            block, loop = line[5:], None
        elif line == "loop_":
            loop, in_header = Table(name=block), True
            tables.append(loop)
        elif line.startswith("_") and (loop is None or not in_header):
            loop = None
            _add_single(tables, block, line)
        elif line.startswith("_") and loop is not None:
            loop.columns.append(line.split()[0][1:])
        elif loop is not None:
            in_header = False
            count = len(_cells(line))
            if count != len(loop.columns):
                raise source.unreadable(f"line {number} has {count} values for {len(loop.columns)} columns")
            if len(loop.rows) < MAX_ROWS:
                loop.rows.append(line)
        else:
            raise source.unreadable(f"line {number} belongs to no table")
    return tables


def _plain_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number in the file, text) of the lines that are neither empty nor a comment."""
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def _add_single(tables: list[Table], block: str, line: str) -> None:
    if not tables or tables[-1].name != block or tables[-1].columns != ["name", "value"]:
        tables.append(Table(name=block, columns=["name", "value"]))
    name, *values = _cells(line)
    tables[-1].rows.append([name[1:], " ".join(values)])


def _cells(line: str | list[str]) -> list[str]:
    if isinstance(line, list):
        return line
    if "'" not in line and '"' not in line:
        return line.split()
    return [next(group for group in match.groups() if group is not None) for match in _TOKEN.finditer(line)]


def _page(tables: list[Table], options: PreviewOptions, complete: bool) -> Preview:
    table = max(tables, key=lambda one: len(one.rows))
    if options.table:
        named = [one for one in tables if one.name == options.table]
        if not named:
            names = ", ".join(one.name for one in tables)
            raise UserError(f"There are the tables {names}.", code="bad_option", field="table")
        table = named[0]
    rows = table.rows
    if options.sort:
        if options.sort not in table.columns:
            raise UserError(f"There is no column “{options.sort}”.", code="bad_option", field="sort")
        column = table.columns.index(options.sort)
        rows = sorted(rows, key=lambda row: _order(_cells(row)[column]), reverse=options.descending)
    limit = min(options.limit or PAGE, MAX_PAGE)
    shown = rows[options.offset : options.offset + limit]
    return as_json(
        {
            "tables": [one.name for one in tables],
            "table": table.name,
            "columns": table.columns,
            "rows": [[_value(cell) for cell in _cells(row)] for row in shown],
            "total": len(rows),
            "offset": options.offset,
            "limit": limit,
            "sort": options.sort,
            "descending": options.descending,
            "complete": complete and len(rows) < MAX_ROWS,
        }
    )


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _order(cell: str) -> tuple[int, float, str]:
    number = _number(cell)
    return (1, 0.0, cell.casefold()) if number is None else (0, number, "")


def _value(cell: str) -> Cell:
    number = _number(cell) if "_" not in cell else None
    if number is None:
        return cell
    return int(cell) if re.fullmatch(r"[+-]?\d{1,15}", cell) else number
