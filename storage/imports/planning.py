"""Looking at the source before the first byte: which files come, how large they are, and what can't be stored.

In short turns: the places still to be looked at are kept with the import, and each place's files are written in the
same transaction, so that a killed worker repeats one place at most.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from django.db import transaction
from django.db.models import Count, F, Q, Sum

from common.errors import Forbidden, NotFound, PortolanError, Unavailable, UserError
from storage.imports.entry import address_of, kept, opened, source_from, told
from storage.imports.guard import Reach
from storage.imports.sources.base import Facts, Found, Look, Source
from storage.listing import root_of
from storage.models import Conflict, Import, ImportFile, ImportFileState
from storage.paths import clean_new, exists_beneath

MOST_FILES, MOST_PLACES = 200_000, 20_000
MEASURED_AT_ONCE = 8
BATCH = 200
SHOWN_LENGTH = 1900


def look_further(run: Import, deadline: float) -> bool:
    """True when all is known; False when time is up. Raises what keeps the source from being read."""
    source = source_from(run.kind, opened(run))
    with Reach(source.home, source.signer) as reach:
        while run.todo:
            _note(run, source.look(reach, told(run.todo[0])))
            if time.monotonic() > deadline:
                return False
        while _measure_some(run, source, reach):
            if time.monotonic() > deadline:
                return False
    _count(run)
    if not run.files:
        raise NotFound("There are no files at this address.", code="source_empty")
    return True


def _note(run: Import, look: Look) -> None:
    """The files of one place are rows, and its folders are to be looked at."""
    rows = [_row(run, found) for found in look.files]
    names = [row.path for row in rows]
    taken = set(ImportFile.objects.filter(run=run, path__in=names, state="waiting").values_list("path", flat=True))
    for row in rows:
        if row.state == ImportFileState.WAITING and row.path in taken:
            _fail(row, "name_taken", "Another file of the source has the same name here.")
        taken.add(row.path)
    rest = [*run.todo[1:], *(kept(place) for place in look.places)]
    if run.files + len(rows) > MOST_FILES or len(rest) > MOST_PLACES:
        message = f"More than {MOST_FILES} files, or {MOST_PLACES} folders, are too much for one import."
        raise UserError(message, code="too_many_files", hint="Import one folder of it at a time.")
    with transaction.atomic():
        ImportFile.objects.bulk_create(rows, batch_size=500)
        Import.objects.filter(pk=run.pk).update(todo=rest, files=F("files") + len(rows))
    run.todo, run.files = rest, run.files + len(rows)


def _row(run: Import, found: Found) -> ImportFile:
    row = ImportFile(run=run, address=kept(found.address), measured=found.facts is not None)
    try:
        # A name that begins with “/” must not lose it before it is looked at.
        row.path = clean_new(f"{run.target}/{clean_new(found.name)}" if run.target else found.name)
    except UserError as error:
        row.path = _printable(found.name)
        _fail(row, error.code, error.message)
    if found.facts is not None:
        _take(row, found.facts)
    return row


def _printable(name: str) -> str:
    return name.encode("unicode_escape", "backslashreplace").decode("ascii")[:SHOWN_LENGTH]


def _fail(row: ImportFile, code: str, problem: str) -> None:
    row.state, row.code, row.problem, row.measured = ImportFileState.FAILED, code, problem, True


def _take(row: ImportFile, facts: Facts) -> None:
    row.size, row.etag, row.modified, row.sums = facts.size, facts.etag[:300], facts.modified[:60], facts.sums


def _measure_some(run: Import, source: Source, reach: Reach) -> bool:
    """False when nothing was left to ask about."""
    rows = list(ImportFile.objects.filter(run=run, measured=False)[:BATCH])
    if not rows:
        return False
    with ThreadPoolExecutor(MEASURED_AT_ONCE) as pool:
        answers = pool.map(lambda address: _asked(source, reach, address), [address_of(row) for row in rows])
        for row, facts in zip(rows, answers, strict=True):
            row.measured = True
            if isinstance(facts, Facts):
                _take(row, facts)
            else:
                _fail(row, facts.code, facts.message)
    fields = ["measured", "size", "etag", "modified", "sums", "state", "code", "problem"]
    ImportFile.objects.bulk_update(rows, fields, batch_size=BATCH)
    return True


def _asked(source: Source, reach: Reach, address: str) -> Facts | PortolanError:
    """What the source says; the error where it is about this file alone."""
    try:
        return source.measure(reach, address)
    except Unavailable:
        raise
    except UserError:  # no HEAD here: the size is seen when the file comes
        return Facts(size=None)
    except (Forbidden, NotFound) as error:
        return error


def _count(run: Import) -> None:
    """The import tells what comes; what is left out by its name is known now, as far as it can be."""
    if run.conflict == Conflict.SKIP:
        root, waiting = root_of(run.folder), ImportFile.objects.filter(run=run, state=ImportFileState.WAITING)
        there = [pk for pk, path in waiting.values_list("pk", "path").iterator() if exists_beneath(root, path)]
        for start in range(0, len(there), BATCH):
            some = ImportFile.objects.filter(pk__in=there[start : start + BATCH])
            some.update(state=ImportFileState.LEFT_OUT, problem="It is there already.")
    count_again(run)


def count_again(run: Import) -> None:
    """The import's counters are those of its files."""
    waiting, done = Q(state=ImportFileState.WAITING), Q(state=ImportFileState.DONE)
    found = ImportFile.objects.filter(run=run).aggregate(
        n_files=Count("pk"),
        n_size=Sum("size", filter=waiting | done),
        n_done_files=Count("pk", filter=done),
        n_done_size=Sum("size", filter=done),
        n_left_out=Count("pk", filter=Q(state=ImportFileState.LEFT_OUT)),
        n_failed_files=Count("pk", filter=Q(state=ImportFileState.FAILED)),
    )
    values = {name.removeprefix("n_"): value or 0 for name, value in found.items()}
    Import.objects.filter(pk=run.pk).update(**values)
    for name, value in values.items():
        setattr(run, name, value)
