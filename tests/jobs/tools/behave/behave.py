"""A command for tests: each act is one way in which a tool can behave."""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path


def write(arguments: argparse.Namespace) -> None:
    """One report and two parts, and with what it was made."""
    print("portolan-software: Behaviour 2.0")
    Path("report.txt").write_text(arguments.text or "done")
    for number in (1, 2):
        Path(f"part-{number}.txt").write_text(str(number))


def count(arguments: argparse.Namespace) -> None:
    """Adds a line to the input file: the effect that must happen once."""
    with open(arguments.data, "a") as stream:
        stream.write(f"{os.getpid()}\n")
    time.sleep(arguments.seconds)
    write(arguments)


def progress(arguments: argparse.Namespace) -> None:
    """Says how far it is."""
    for number in (1, 2, 3):
        print(f"portolan-progress: {number}/3 part {number}")
        time.sleep(arguments.seconds)
    write(arguments)


def complain(arguments: argparse.Namespace) -> None:
    """Fails in plain words."""
    said = {"code": "bad_header", "message": "The header is cut.", "hint": "Upload it again.", "input": "data"}
    print(f"portolan-error: {json.dumps(said)}", file=sys.stderr)
    sys.exit(2)


def fail(arguments: argparse.Namespace) -> None:
    """Fails without words for people."""
    print("Traceback of something", file=sys.stderr)
    sys.exit(3)


def die(arguments: argparse.Namespace) -> None:
    """Dies by a signal."""
    os.kill(os.getpid(), signal.SIGSEGV)


def forget(arguments: argparse.Namespace) -> None:
    """Ends well without its outputs."""


def grow(arguments: argparse.Namespace) -> None:
    """Takes 400 MB, in a child process."""
    code = "import time; kept = bytearray(400 * 2**20); time.sleep(60)"
    subprocess.run([sys.executable, "-c", code], check=True)


def hold(arguments: argparse.Namespace) -> None:
    """Takes 150 MB for a moment."""
    kept = bytearray(150 * 2**20)
    write(arguments)
    del kept


def fill(arguments: argparse.Namespace) -> None:
    """Writes until the disk, here a limit on files, is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    Path("report.txt").write_bytes(b"x" * 2**17)


def flood(arguments: argparse.Namespace) -> None:
    """Writes until the disk is really full."""
    with open("report.txt", "wb", buffering=0) as stream:
        while stream.write(b"x" * 4096):
            pass


def sleep(arguments: argparse.Namespace) -> None:
    """Runs for a while, with a child that became a daemon and one that ignores SIGTERM."""
    code = "import os, signal, time; os.setsid(); signal.signal(15, signal.SIG_IGN); time.sleep(300)"
    child = subprocess.Popen([sys.executable, "-c", code], env={})
    Path("child.pid").write_text(str(child.pid))
    print("asleep", flush=True)
    time.sleep(arguments.seconds)
    child.kill()
    write(arguments)


def stubborn(arguments: argparse.Namespace) -> None:
    """Does not listen to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep(arguments)


def link(arguments: argparse.Namespace) -> None:
    """Hands out a link that leaves the folder."""
    os.symlink("/etc/passwd", "report.txt")


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser()
    known = (write, count, progress, complain, fail, die, forget, grow, hold, fill, flood, sleep, stubborn, link)
    acts = {act.__name__: act for act in known}
    parser.add_argument("act", choices=acts)
    parser.add_argument("--data")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--text")
    arguments = parser.parse_args()
    acts[arguments.act](arguments)


if __name__ == "__main__":
    main()
