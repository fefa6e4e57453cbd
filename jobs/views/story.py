"""A job's story in plain words: its phases, the evidence behind its state, and its results in the order of the tool."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from jobs.cwl.form import ResultHint
from jobs.models import Attempt, Job, Result
from jobs.states import JobState

S = JobState
QUIET = timedelta(seconds=30)
PHASES: list[tuple[str, str, frozenset[JobState]]] = [
    ("Preparing", "inputs are checked and handed over", frozenset({S.CREATED, S.STAGING_IN, S.SUBMITTING})),
    ("Waiting", "until cores are free", frozenset({S.QUEUED})),
    ("Running", "the tool works", frozenset({S.RUNNING})),
    ("Collecting", "results are checked and written down", frozenset({S.STAGING_OUT})),
    ("Done", "results are in the project", frozenset({S.SUCCEEDED})),
]
# Viewers that need the whole width of the page.
WIDE = frozenset({"map", "map-coloured", "table", "images", "text"})


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One step of the stepper; ``look`` is done, now, bad or later."""

    title: str
    text: str
    look: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """The results of one output that are shown together; ``colour`` holds the values that colour a surface."""

    title: str
    viewer: str
    results: list[Result]
    colour: Result | None = None
    folded: bool = False

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(result.size for result in self.results)

    @property
    def wide(self) -> bool:
        """True when the card takes the page's whole width."""
        return self.viewer in WIDE


def phases(job: Job, reached: Iterable[str]) -> list[Phase]:
    """The stepper; ``reached`` are the states that the job's events name, so an ended job shows how far it came."""
    current = job.job_state
    if not any(current in states for _, _, states in PHASES):
        been = [number for number, (_, _, states) in enumerate(PHASES) if states & set(reached)]
        return _phases(max(been, default=0), "now" if current in (S.HELD, S.CANCELLING) else "bad")
    at = next(number for number, (_, _, states) in enumerate(PHASES) if current in states)
    return _phases(at, "done" if current is S.SUCCEEDED else "now")


def _phases(at: int, look: str) -> list[Phase]:
    looks = ["done"] * at + [look] + ["later"] * (len(PHASES) - at - 1)
    return [Phase(title=title, text=text, look=one) for (title, text, _), one in zip(PHASES, looks, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the site last said of the job, when, and whether that is a while ago."""

    word: str
    at: datetime
    site: str
    stale: bool


def evidence(attempt: Attempt | None) -> Evidence | None:
    """The last observation of the attempt; None before the site said anything."""
    if attempt is None or attempt.last_seen_at is None:
        return None
    stale = attempt.ended_at is None and timezone.now() - attempt.last_seen_at > QUIET
    word = attempt.last_word or "seen"
    return Evidence(word=word, at=attempt.last_seen_at, site=attempt.site.name, stale=stale)


def cards(results: Sequence[Result], hints: Sequence[ResultHint]) -> list[Card]:
    """Results with the same output, title and viewer side by side, in the order of the tool.

    What the tool says nothing of is folded, unless it says nothing of anything.
    """
    first = {result.output: result for result in reversed(results)}
    by_output = {hint.output: hint for hint in reversed(hints)}
    found: dict[tuple[str, str, str], Card] = {}
    for result in results:
        where = (result.output, result.title, result.viewer)
        hint = by_output.get(result.output)
        colour = first.get(hint.colour_by) if hint else None
        folded = hint.folded if hint else bool(hints)
        title = result.title if hint else result.title[:1].upper() + result.title[1:]
        card = Card(title=title, viewer=result.viewer, results=[], colour=colour, folded=folded)
        found.setdefault(where, card).results.append(result)
    return list(found.values())


def numbers(figures: Mapping[str, object], hint: ResultHint) -> list[tuple[str, str]]:
    """Titles and values with their units of the figures that the tool wants to stand above all results."""
    found = []
    for field, title, unit in hint.numbers:
        given = figures.get(field)
        if isinstance(given, int | float) and not isinstance(given, bool):
            found.append(
                (title, f"{given:.3g} {unit}".strip() if isinstance(given, float) else f"{given} {unit}".strip())
            )
        elif isinstance(given, list):
            found.append((title, ", ".join(map(str, given[:3])) + ("…" if len(given) > 3 else "") or "none"))
    return found
