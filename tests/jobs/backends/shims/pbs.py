"""A look-alike of qsub, qstat and qdel: called by one of these names, it runs jobs on this machine.

Written by the manuals of OpenPBS and Torque (``PBS_LIKE=torque``); its state is in ``PBS_STATE``.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.sax.saxutils import escape

STATE = Path(os.environ["PBS_STATE"])
TORQUE = os.environ.get("PBS_LIKE") == "torque"


def qsub(argv: list[str]) -> int:
    """Prints the job's id; the script comes on standard input."""
    told = dict(zip(argv[::2], argv[1::2], strict=True))
    if told.get("-q", "batch") not in ("batch", "gpu"):
        print("qsub: Unknown queue", file=sys.stderr)
        return 170
    STATE.mkdir(exist_ok=True)
    number = 1
    while True:
        try:
            (STATE / str(number)).mkdir()
            break
        except FileExistsError:
            number += 1
    place = STATE / str(number)
    script = sys.stdin.buffer.read()
    if "-J" not in told:
        begin(place, told["-N"], script, {})
        print(f"{number}.head", flush=True)
        return 0
    last = int(told["-J"].partition("%")[0].removeprefix("0-"))
    if last < 1 or told["-r"] != "y":
        print("qsub: illegal -J value, or a non-rerunable Array Job", file=sys.stderr)
        return 1
    for index in range(last + 1):
        (place / str(index)).mkdir()
        begin(place / str(index), told["-N"], script, {"PBS_ARRAY_INDEX": str(index)})
    print(f"{number}[].head", flush=True)
    return 0


def begin(place: Path, name: str, script: bytes, environment: dict[str, str]) -> None:
    """The job, or subjob, runs in a process of its own."""
    (place / "script").write_bytes(script)
    (place / "job.json").write_text(json.dumps({"Job_Name": name}))
    if os.fork() == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        run(place, environment)
        os._exit(0)


def run(place: Path, environment: dict[str, str]) -> None:
    """The job runs to its end; its status is kept."""
    process = subprocess.Popen(
        ["/bin/sh", str(place / "script")], start_new_session=True, cwd="/", env=os.environ | environment
    )
    (place / "pid").write_text(str(process.pid))
    code = process.wait()
    # 256 + signal, as the manual has it for a job whose shell was killed; -3 where a test says that its node failed.
    told = -3 if (place / "lost").exists() else code if code >= 0 else 256 - code
    (place / "status.part").write_text(str(told))
    (place / "status.part").rename(place / "status")


def every() -> list[tuple[str, dict]]:
    """All jobs with their states."""
    found = []
    for place in sorted(STATE.iterdir() if STATE.is_dir() else [], key=lambda one: int(one.name)):
        subjobs = [(f"{place.name}[{one.name}].head", one) for one in sorted(place.iterdir()) if one.is_dir()]
        for number, where in subjobs or [(f"{place.name}.head", place)]:
            try:
                found.append((number, seen(where)))
            except (OSError, ValueError):
                continue
        if subjobs:
            ended = all((one / "status").exists() for _, one in subjobs)
            name = json.loads((subjobs[0][1] / "job.json").read_text())["Job_Name"]
            found.append((f"{place.name}[].head", {"Job_Name": name, "job_state": "F" if ended else "B"}))
    return found


def seen(place: Path) -> dict:
    """One job as the server tells it."""
    job = json.loads((place / "job.json").read_text())
    if (place / "status").exists():
        return job | {"job_state": "C" if TORQUE else "F", "Exit_status": int((place / "status").read_text())}
    return job | {"job_state": "R" if (place / "pid").exists() else "Q"}


def qstat(argv: list[str]) -> int:
    """JSON as OpenPBS, or XML as Torque."""
    if not TORQUE:
        print(json.dumps({"timestamp": int(time.time()), "pbs_version": "23.06.06", "Jobs": dict(every())}))
        return 0
    words = []
    for number, job in every():
        status = f"<exit_status>{job['Exit_status']}</exit_status>" if "Exit_status" in job else ""
        name, state = escape(job["Job_Name"]), job["job_state"]
        words.append(
            f"<Job><Job_Id>{number}</Job_Id><Job_Name>{name}</Job_Name><job_state>{state}</job_state>{status}</Job>"
        )
    if words:
        print(f"<Data>{''.join(words)}</Data>")
    return 0


def qdel(argv: list[str]) -> int:
    """The job's script gets a SIGTERM, and after a while a SIGKILL with all of its session."""
    number, bracket, index = argv[0].partition(".")[0].partition("[")
    place = STATE / number
    if index == "]":
        return max(qdel([f"{number}[{one.name}]"]) for one in place.iterdir() if one.is_dir())
    place = place / index.removesuffix("]") if bracket else place
    if not place.is_dir():
        print(f"qdel: Unknown Job Id {argv[0]}", file=sys.stderr)
        return 153
    if (place / "status").exists():
        print(f"qdel: Job has finished {argv[0]}", file=sys.stderr)
        return 35
    while not (place / "pid").exists():
        time.sleep(0.01)
    os.kill(int((place / "pid").read_text()), signal.SIGTERM)
    return 0


if __name__ == "__main__":
    sys.exit({"qsub": qsub, "qstat": qstat, "qdel": qdel}[Path(sys.argv[0]).name](sys.argv[1:]))
