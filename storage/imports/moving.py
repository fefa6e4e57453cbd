"""One turn of an import that runs: some files at once, each in a thread; this thread alone touches the database."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from common.errors import NotFound, PortolanError, QuotaExceeded, StateConflict, Unavailable
from storage import quota
from storage.imports import placing, rights
from storage.imports.entry import address_of, opened, source_from
from storage.imports.fetching import Changed, Fetched, Flow, Signals, Stopped, Wanted, fetch, make_durable
from storage.imports.guard import Reach
from storage.imports.sources.base import Facts
from storage.listing import root_of
from storage.models import Conflict, Import, ImportFile, ImportFileState, ImportState
from storage.paths import exists_beneath

STREAMS = 4
TICK_SECONDS = 1.0
MOST_TRIES = 8
FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0


@dataclass(kw_only=True)
class Turn:
    """What goes on in this turn."""

    run: Import
    reach: Reach
    pool: ThreadPoolExecutor
    deadline: float
    signals: Signals = field(default_factory=Signals)
    going: dict[Future[Fetched], tuple[ImportFile, Flow]] = field(default_factory=dict)
    partials: dict[int, int] = field(default_factory=dict)
    last_key: int = 0
    ticked_at: float = 0.0
    ticked: int = 0

    @property
    def over(self) -> bool:
        """True when nothing new begins."""
        return self.signals.halt.is_set() or time.monotonic() > self.deadline


def move(run: Import, deadline: float) -> None:
    """Files have come until the turn was over or none waits. Raises what concerns the import as a whole."""
    source = source_from(run.kind, opened(run))
    with Reach(source.home, source.signer) as reach, ThreadPoolExecutor(STREAMS) as pool:
        begun = ImportFile.objects.filter(run=run, state=ImportFileState.WAITING, received__gt=0)
        partials = dict(begun.values_list("pk", "received"))
        turn = Turn(run=run, reach=reach, pool=pool, deadline=deadline, partials=partials)
        turn.ticked_at, turn.ticked = time.monotonic(), run.done_size + sum(partials.values())
        try:
            while _begin_some(turn) or turn.going:
                done, _ = wait(turn.going, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    item, flow = turn.going.pop(future)
                    _settle(turn, future, item, flow)
                    turn.partials[item.pk] = item.received if item.state == ImportFileState.WAITING else 0
                _tick(turn)
        finally:
            turn.signals.halt.set()
            wait(turn.going)
            _keep(turn)


def waiting(run: Import) -> int:
    """How many files are still to come."""
    return ImportFile.objects.filter(run=run, state=ImportFileState.WAITING).count()


def _begin_some(turn: Turn) -> bool:
    """As many files are under way as may be at once; False when none was begun."""
    begun = False
    while len(turn.going) < STREAMS and not turn.over:
        due = Q(retry_at=None) | Q(retry_at__lte=timezone.now())
        rows = ImportFile.objects.filter(due, run=turn.run, state=ImportFileState.WAITING, pk__gt=turn.last_key)
        item = rows.order_by("pk").first()
        if item is None:
            break
        turn.last_key = item.pk
        begun = _begin(turn, item) or begun
    return begun


def _begin(turn: Turn, item: ImportFile) -> bool:
    run = turn.run
    if placing.was_placed(run, item):
        return True
    if run.conflict == Conflict.SKIP and exists_beneath(root_of(run.folder), item.path):
        placing.leave_out(run, item)
        return True
    try:
        address = address_of(item)
    except PortolanError as error:
        placing.fail(run, item, error.code, _in_words(error))
        return True
    flow = Flow()
    wanted = Wanted(
        root=root_of(run.folder),
        run=str(run.pk),
        number=item.pk,
        address=address,
        facts=Facts(size=item.size, etag=item.etag, modified=item.modified, sums=dict(item.sums)),
        received=item.received,
        most=quota.room(run.folder).left if item.size is None else None,
    )
    turn.going[turn.pool.submit(fetch, turn.reach, wanted, flow, turn.signals)] = (item, flow)
    return True


def _settle(turn: Turn, future: Future[Fetched], item: ImportFile, flow: Flow) -> None:
    """What became of one file is written down; what concerns the import as a whole is raised."""
    _keep_one(item, flow)
    try:
        placing.place(turn.run, item, future.result())
    except Stopped:
        pass
    except Changed as error:
        _take_again(turn.run, item, error.facts)
    except (Unavailable, StateConflict) as error:
        if error.code in ("storage_error", "disk_full", "dataset_locked"):
            raise
        _try_later(turn.run, item, error, moved=flow.received > item.received)
    except QuotaExceeded:
        raise
    except PortolanError as error:
        if error.code in ("source_login", "storage_refuses"):
            raise
        placing.fail(turn.run, item, error.code, _in_words(error))


def _in_words(error: PortolanError) -> str:
    hint = "It was there when the source was listed." if isinstance(error, NotFound) else error.hint
    return f"{error.message} {hint}".strip()


def _try_later(run: Import, item: ImportFile, error: PortolanError, *, moved: bool) -> None:
    """The file is tried again after a while that doubles; given up after some tries that brought nothing."""
    item.tries = 1 if moved else item.tries + 1
    if item.tries >= MOST_TRIES:
        placing.fail(run, item, error.code, _in_words(error))
        return
    seconds = max(float(error.wait), min(LONGEST_WAIT, FIRST_WAIT * 2 ** (item.tries - 1)))
    item.retry_at = timezone.now() + timedelta(seconds=seconds)
    item.code, item.problem = error.code, error.message
    item.save(update_fields=["tries", "retry_at", "code", "problem"])


def _take_again(run: Import, item: ImportFile, facts: Facts) -> None:
    """The file begins again as it is at the source now, with room for its new size."""
    more = (facts.size or 0) - (item.size or 0)
    rights.reserve(run, more)
    Import.objects.filter(pk=run.pk).update(size=Greatest(F("size") + more, 0))
    item.size, item.received = facts.size, 0
    item.etag, item.modified, item.sums = facts.etag[:300], facts.modified[:60], facts.sums
    item.save(update_fields=["size", "received", "etag", "modified", "sums"])
    error = StateConflict("The file changed at the source while it came.", code="source_changed")
    _try_later(run, item, error, moved=False)


def _keep_one(item: ImportFile, flow: Flow) -> None:
    """What is durable of one file, and what the source told of it on the way, are in its row."""
    values = {"received": flow.durable, "sums": {**item.sums, **flow.sums} if flow.sums else item.sums}
    ImportFile.objects.filter(pk=item.pk, state=ImportFileState.WAITING).update(**values)
    item.received, item.sums = flow.durable, values["sums"]  # type: ignore[assignment]


def _keep(turn: Turn) -> None:
    """How far all files are that are under way is written down."""
    for item, flow in turn.going.values():
        make_durable(root_of(turn.run.folder), str(turn.run.pk), item.pk, flow)
        _keep_one(item, flow)
        turn.partials[item.pk] = item.received
    Import.objects.filter(pk=turn.run.pk).update(moving=sum(turn.partials.values()))


def _tick(turn: Turn) -> None:
    """About once a second: how far it is is written down, and whether it may go on is asked."""
    now = time.monotonic()
    if now > turn.deadline:
        turn.signals.turn_over.set()
    if now - turn.ticked_at < TICK_SECONDS:
        return
    _keep(turn)
    turn.run.refresh_from_db()
    come = turn.run.come
    rate = max(0, round((come - turn.ticked) / (now - turn.ticked_at)))
    turn.ticked_at, turn.ticked = now, come
    smooth = rate if not turn.run.rate else round(0.7 * turn.run.rate + 0.3 * rate)
    Import.objects.filter(pk=turn.run.pk).update(rate=smooth, turn_at=timezone.now())
    if turn.run.state != ImportState.RUNNING:
        turn.signals.halt.set()
        return
    rights.check_right(turn.run)
