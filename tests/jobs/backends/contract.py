"""What every scheduler must do. A scheduler's test module inherits ``SchedulerContract`` and gives ``backend``."""

import json
import os
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.backends.base import Backend, JobRejected, JobSpec, Phase, element_name
from jobs.backends.supervisor import EXIT_FILE, FENCE

SECONDS = 60
OUTPUT_MB = int(os.environ.get("OUTPUT_MB", "20"))


class SchedulerContract:
    """The behaviour behind ``Backend``; ``make_spec`` may be overridden for sites with other directories."""

    #: Names are made once: a scheduler that serves a whole session of tests remembers them.
    @pytest.fixture
    def make_spec(self, tmp_path):
        mark = uuid.uuid4().hex[:12]

        def make(*argv: str, name: str = "a", **more: object) -> JobSpec:
            name = f"portolan-{mark}-{name}"
            place = tmp_path / name
            (place / "work").mkdir(parents=True, exist_ok=True)
            found = {"environment": {"PATH": os.environ["PATH"]}, "memory_mb": 200, **more}
            return JobSpec(
                name=name, argv=list(argv), cwd=place / "work", control=place / "control",
                stdout=place / "out.log", stderr=place / "err.log", **found,
            )  # fmt: skip

        return make

    def ended(self, backend: Backend, native_id: str) -> Phase:
        """The phase in which the job ended, waited for."""
        return self.reached(backend, native_id, Phase.ENDED, Phase.LOST)

    def reached(self, backend: Backend, native_id: str, *phases: Phase) -> Phase:
        deadline = time.monotonic() + SECONDS
        while True:
            seen = backend.poll([native_id]).get(native_id)
            if seen is not None and seen.phase in phases:
                return seen.phase
            assert time.monotonic() < deadline, seen
            time.sleep(0.02)

    def until(self, true) -> None:
        deadline = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def exit_of(self, spec: JobSpec) -> dict:
        return json.loads((spec.control / EXIT_FILE).read_text())

    def test_a_job_runs_where_it_should_and_leaves_its_exit_code(self, backend, make_spec):
        spec = make_spec("sh", "-c", "pwd; echo oops >&2; exit 3")
        assert self.ended(backend, backend.submit(spec)) is Phase.ENDED
        assert spec.stdout.read_text().strip() == str(spec.cwd)
        assert spec.stderr.read_text() == "oops\n"
        assert self.exit_of(spec)["exit_code"] == 3

    def test_a_signal_is_told_as_a_signal(self, backend, make_spec):
        spec = make_spec("sh", "-c", "kill -11 $$")
        self.ended(backend, backend.submit(spec))
        assert (self.exit_of(spec)["exit_code"], self.exit_of(spec)["signal"]) == (None, 11)

    def test_arguments_arrive_as_they_are(self, backend, make_spec):
        words = ["$(touch x)", "a 'b' \"c\"", "--", "-n", "new\nline", "ü", "*", "`id`", "\\", "", "x" * 100_000]
        spec = make_spec("printf", "%s\\0", *words)
        self.ended(backend, backend.submit(spec))
        assert spec.stdout.read_text().split("\0")[:-1] == words

    def test_a_job_is_found_by_its_name_whatever_became_of_it(self, backend, make_spec):
        spec = make_spec("true")
        assert backend.find(spec.name) is None
        native_id = backend.submit(spec)
        assert backend.find(spec.name) == native_id
        self.ended(backend, native_id)
        assert backend.find(spec.name) == native_id

    def test_unknown_jobs_are_absent_from_the_answer(self, backend, make_spec):
        native_id = backend.submit(make_spec("true"))
        assert set(backend.poll([native_id, "portolan-none"])) == {native_id}

    def test_what_has_not_ended_is_listed_by_name(self, backend, make_spec):
        ended, runs = make_spec("true", name="e"), make_spec("sleep", "60", name="r")
        self.ended(backend, backend.submit(ended))
        native_id = backend.submit(runs)
        self.reached(backend, native_id, Phase.RUNNING)
        assert runs.name in backend.listed()
        assert ended.name not in backend.listed()
        backend.cancel(native_id)
        self.ended(backend, native_id)
        assert runs.name not in backend.listed()

    def test_a_second_copy_meets_the_fence_and_touches_nothing(self, backend, make_spec):
        spec = make_spec("sh", "-c", "echo ran")
        (spec.control / FENCE).mkdir(parents=True)
        self.ended(backend, backend.submit(spec))
        assert not spec.stdout.exists()
        assert not (spec.control / EXIT_FILE).exists()

    def test_a_command_that_is_not_there_is_told(self, backend, make_spec):
        spec = make_spec("/no/such/program")
        self.ended(backend, backend.submit(spec))
        assert self.exit_of(spec)["cause"] == "not_started"

    def test_cancel_ends_the_whole_tree_also_what_ignores_it(self, backend, make_spec):
        script = "setsid sh -c 'trap \"\" TERM; exec 3> alive; echo > begun; while :; do sleep 1; done' & wait"
        spec = make_spec("sh", "-c", script)
        with held_open(spec.cwd / "alive") as anybody:
            native_id = backend.submit(spec)
            self.until((spec.cwd / "begun").exists)
            assert anybody()
            backend.cancel(native_id)
            self.ended(backend, native_id)
            self.until(lambda: not anybody())
        assert self.exit_of(spec)["cause"] == "cancelled"

    def test_what_a_command_leaves_behind_ends_with_it(self, backend, make_spec):
        left = "trap '' TERM; exec 3> alive < /dev/null > /dev/null 2>&1; echo > begun; while :; do sleep 1; done"
        script = f'(setsid sh -c "{left}" &); until [ -e begun ]; do sleep 0.05; done'
        spec = make_spec("sh", "-c", script)
        with held_open(spec.cwd / "alive") as anybody:
            self.ended(backend, backend.submit(spec))
            self.until(lambda: not anybody())
        assert (spec.cwd / "begun").exists()
        assert self.exit_of(spec)["exit_code"] == 0

    def test_cancel_of_what_has_ended_is_fine(self, backend, make_spec):
        native_id = backend.submit(make_spec("true"))
        self.ended(backend, native_id)
        backend.cancel(native_id)
        backend.cancel("portolan-none")

    def test_wall_time_ends_a_job(self, backend, make_spec):
        spec = make_spec("sleep", "60", wall_seconds=1)
        self.ended(backend, backend.submit(spec))
        assert self.exit_of(spec)["cause"] == "wall_time"

    def test_a_job_too_large_for_the_site_is_rejected_in_words(self, backend, make_spec):
        with pytest.raises(JobRejected, match="cores"):
            backend.submit(make_spec("true", cores=10_000))

    def test_much_output_is_all_kept(self, backend, make_spec):
        spec = make_spec("head", "-c", f"{OUTPUT_MB}000000", "/dev/zero")
        self.ended(backend, backend.submit(spec))
        assert spec.stdout.stat().st_size == OUTPUT_MB * 1_000_000


class ArrayContract(SchedulerContract):
    """What a scheduler with ``arrays`` must do besides."""

    def test_an_array_s_elements_run_and_are_cancelled_one_by_one_or_all(self, backend, make_spec):
        assert backend.arrays
        specs = [make_spec("sh", "-c", f"echo {n}; sleep {300 if n else 0}", name=f"a-{n}") for n in range(3)]
        name = specs[0].name.rpartition("-")[0]
        assert [spec.name for spec in specs] == [element_name(name, place) for place in range(3)]
        assert backend.find_array(name, 3) is None
        ids = backend.submit_array(name, specs)
        assert backend.find_array(name, 3) == ids
        self.until(lambda: [read(spec.stdout) for spec in specs] == ["0\n", "1\n", "2\n"])
        assert [one for one in backend.listed() if one.startswith(name)]
        assert self.ended(backend, ids[0]) is Phase.ENDED
        backend.cancel(ids[1])
        self.ended(backend, ids[1])
        assert backend.poll(ids)[ids[2]].phase is Phase.RUNNING
        backend.cancel_array(name, ids)
        self.ended(backend, ids[2])
        self.until(lambda: not [one for one in backend.listed() if one.startswith(name)])
        assert [self.exit_of(spec)["cause"] for spec in specs] == ["", "cancelled", "cancelled"]
        for one in backend.submit_array(name, specs):
            self.ended(backend, one)
        assert [spec.stdout.read_text() for spec in specs] == ["0\n", "1\n", "2\n"]  # each met its fence

    def test_an_array_may_have_one_element(self, backend, make_spec):
        spec = make_spec("echo", "ran", name="c-0")
        name = spec.name.rpartition("-")[0]
        (only,) = backend.submit_array(name, [spec])
        assert backend.find_array(name, 1) == [only]
        self.ended(backend, only)
        assert spec.stdout.read_text() == "ran\n"


@contextmanager
def held_open(path: Path):
    """A pipe; what is given tells whether any process has it open for writing, whatever number it has."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def anybody() -> bool:
        try:
            return os.read(reader, 1) != b""
        except BlockingIOError:
            return True

    try:
        yield anybody
    finally:
        os.close(reader)


def read(path: Path) -> str:
    """The text of the file, empty while it is not there."""
    return path.read_text() if path.exists() else ""
