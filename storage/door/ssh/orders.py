"""What a client asks sshd to run, as the command that may be run: rsync's server or OpenSSH's sftp-server.

No shell and no option passes that is not named here. Where the command may look and write is not decided by these
words but by its sandbox; they decide what the link's rights allow there.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from common.errors import Forbidden, Unavailable, UserError
from storage.links.rights import Operation, Right
from storage.paths import clean

DATA, REPORT = "/data", "/door/report"
PARTIAL = ".rsync-partial"
REPORT_FORMAT = "-> %o %i %l %n"
SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")

# Letters of rsync's options in one word, and what follows "e" (what the client's version can do).
_LETTERS = re.compile(r"-[CDEHIJNORSUWcdgilmnopqrtuvxyz]*(e[0-9]*\.[A-Za-z]*)?")
_NUMBERS = re.compile(r"-[@B]-?[0-9]+")
_PLAIN = {
    "--dirs", "--existing", "--from0", "--fsync", "--ignore-existing", "--ignore-missing-args", "--ignore-times",
    "--links", "--list-only", "--mkpath", "--msgs2stderr", "--munge-links", "--new-compress", "--no-W",
    "--no-implied-dirs", "--no-msgs2stderr", "--no-r", "--no-relative", "--no-specials", "--numeric-ids",
    "--old-compress", "--one-file-system", "--open-noatime", "--partial", "--perms", "--preallocate", "--recursive",
    "--safe-links", "--size-only", "--specials", "--stats", "--times", "--use-qsort",
}  # fmt: skip
_VALUED = {
    "--block-size", "--bwlimit", "--checksum-choice", "--checksum-seed", "--compress-choice", "--compress-level",
    "--compress-threads", "--iconv", "--info", "--log-format", "--max-size", "--min-size", "--modify-window",
    "--skip-compress", "--stderr", "--timeout",
}  # fmt: skip
_REPLACING = {"--inplace", "--append"}
# What each right adds to the requests that sftp-server answers; whatever is not named is refused.
_ALWAYS = ("realpath", "stat", "lstat", "fstat", "close", "limits", "expand-path", "statvfs", "fstatvfs")
_REQUESTS: dict[frozenset[Right], tuple[str, ...]] = {
    frozenset({Right.LIST}): ("opendir", "readdir"),
    frozenset({Right.READ}): ("open", "read"),
    frozenset({Right.WRITE_NEW}): ("open", "write", "mkdir", "fsync"),
    frozenset({Right.WRITE_NEW, Right.DELETE}): ("rename",),
    frozenset({Right.WRITE_NEW, Right.OVERWRITE, Right.DELETE}): ("posix-rename",),
}


@dataclass(frozen=True, kw_only=True)
class Order:
    """A command that may be run. ``target`` is where rsync puts what it receives, below the link's folder.

    With ``only_new``, sftp-server must be kept from opening files that are there for writing.
    """

    tool: str
    argv: list[str]
    needs: tuple[Operation, ...]
    writes: bool
    target: str = ""
    only_new: bool = False


def read_order(command: str, rights: frozenset[Right], *, is_file: bool, frozen: bool = False) -> Order:
    """What ``command`` asks for, as far as ``rights`` go; UserError ``ssh_command``, Forbidden ``right_missing``.

    With ``frozen`` nothing is renamed: the folder holds a dataset that must stay where it is.
    """
    if command == "sftp":
        return _sftp(rights, is_file=is_file, frozen=frozen)
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise _refused() from error
    if words[:2] != ["rsync", "--server"]:
        raise _refused()
    return _rsync(words[2:], rights, is_file=is_file)


def _refused() -> UserError:
    return UserError("this key opens rsync and SFTP, and nothing else.", code="ssh_command")


def _sftp(rights: frozenset[Right], *, is_file: bool, frozen: bool) -> Order:
    server = next((path for path in SFTP_SERVERS if Path(path).is_file()), None)
    if server is None:
        raise Unavailable("SFTP is not installed here.", code="program_missing")
    allowed = {*_ALWAYS}
    for needed, requests in _REQUESTS.items():
        if needed <= rights:
            allowed.update(requests)
    if frozen:
        allowed -= {"rename", "posix-rename"}
    writes = Right.WRITE_NEW in rights and not is_file
    argv = [server, "-e", "-l", "INFO", "-u", "0007", "-d", DATA, "-p", ",".join(sorted(allowed))]
    argv += [] if writes else ["-R"]
    return Order(
        tool="sftp", argv=argv, needs=(Operation.STAT,), writes=writes,
        only_new=writes and Right.OVERWRITE not in rights,
    )  # fmt: skip


def _rsync(words: list[str], rights: frozenset[Right], *, is_file: bool) -> Order:
    if "." not in words:
        raise _refused()
    options, paths = words[: words.index(".")], words[words.index(".") + 1 :]
    sends = "--sender" in options
    kept = _options(options, rights, sends=sends)
    found = [_path(path) for path in paths]
    report = [f"--log-file={REPORT}", f"--log-file-format={REPORT_FORMAT}"]
    if sends:
        needs = (Operation.READ,) if is_file else (Operation.READ, Operation.LIST)
        argv = ["/usr/bin/rsync", "--server", "--sender", *kept, "--munge-links", *report, ".", *found]
        return Order(tool="rsync", argv=argv, needs=needs, writes=False)
    if is_file:
        raise Forbidden("a link to one file is written to by HTTP; rsync can only fetch it.", code="right_missing")
    if len(found) != 1:
        raise _refused()
    # Links that come are made harmless, a name appears when its file is whole, and modes are those of the portal.
    kept += ["--munge-links", "--chmod=D770,F660", *report]
    if not _REPLACING & set(kept):
        kept += [f"--partial-dir={PARTIAL}"]
    kept += [] if Right.OVERWRITE in rights else ["--ignore-existing"]
    kept += [] if Right.READ in rights else ["--whole-file"]  # checksums of blocks would tell what is there
    argv = ["/usr/bin/rsync", "--server", *kept, ".", *found]
    return Order(tool="rsync", argv=argv, needs=(Operation.CREATE,), writes=True, target=found[0])


def _options(words: list[str], rights: frozenset[Right], *, sends: bool) -> list[str]:
    """The options of ``words`` as rsync gets them; Forbidden for one that a link does not allow."""
    kept, waiting = [], [word for word in words if word != "--sender"]
    while waiting:
        word = waiting.pop(0)
        if word == "--partial-dir" and not sends:  # it is ours
            del waiting[:1]
        elif word == "--files-from" and waiting[:1] == ["-"]:
            kept += [word, waiting.pop(0)]
        elif _is_harmless(word) or (word in _REPLACING and Right.OVERWRITE in rights):
            kept.append(word)
        else:
            raise _option_refused(word.partition("=")[0])
    return kept


def _is_harmless(word: str) -> bool:
    name, equals, _ = word.partition("=")
    letters = _LETTERS.fullmatch(word) or _NUMBERS.fullmatch(word)
    return word in _PLAIN or bool(equals and name in _VALUED) or bool(letters)


def _option_refused(name: str) -> Forbidden:
    if name.startswith(("--delete", "--remove", "--force")):
        return Forbidden("nothing is deleted by SSH; WebDAV puts what is deleted into the trash.", code="right_missing")
    if name in _REPLACING:
        return Forbidden(f"{name} needs the right “overwrite”.", code="right_missing")
    return Forbidden(f"rsync's option {name} is not allowed by a link.", code="option_refused")


def _path(text: str) -> str:
    """``text`` below the link's folder; a path that begins with "/" begins there as well."""
    inside = clean(text.strip("/"))
    return f"./{inside}{'/' if text.endswith('/') else ''}" if inside else "./"
