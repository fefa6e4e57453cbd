"""The settings of a site as fields of the operator's form, one for each key that ``site_settings`` knows.

All fields are on the page; its style shows those of the scheduler and the runner that are chosen, and only those are
read. A text is a value as an operator writes it: words as a shell reads them, ``NAME=value`` lines, a time.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import UserError
from jobs.lifecycle.site_settings import (
    LIST,
    NUMBER,
    OBJECTS,
    PAIRS,
    TAKEN,
    VOLUME,
    WORDS,
    YES_NO,
    checked_settings,
)
from jobs.site_rows import as_time, seconds_of, words

AT = "settings-"
REMOTE = "ssh."
RUNNERS = [("here", "This machine"), ("ssh", "Another one, over SSH")]
TIME, CHOICE = "a time", "a choice"
KINDS = {LIST: "text", PAIRS: "lines", OBJECTS: "lines", NUMBER: "number", YES_NO: "check", CHOICE: "choice"}
KEY_HELP = "The path of a file that only the portal can read; never the key itself."


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One key; ``needed`` says that its field may not be empty."""

    key: str
    title: str
    kind: str = WORDS
    more: str = ""
    help: str = ""
    needed: bool = False

    @property
    def id(self) -> str:
        """Of its field, also the name under which that is sent."""
        return AT + self.key.replace(".", "-")

    @property
    def shown(self) -> str:
        """The classes of its field: one for each scheduler that takes it, and the runner that does."""
        if self.key.startswith(REMOTE):
            return "for-ssh"
        return " ".join(f"for-{name}" for name, taken in TAKEN.items() if self.key in taken or self.key in ALWAYS)


ALWAYS = ("wall_seconds", "path")
RUNNER = (
    Setting(key="runner", title="Machine", kind=CHOICE),
    Setting(key="ssh.host", title="Host", help="As ssh calls it, such as login.example.org", needed=True),
    Setting(key="ssh.user", title="Account there", needed=True),
    Setting(key="ssh.port", title="Port", kind=NUMBER, more="(empty: 22)"),
    Setting(key="ssh.key_file", title="Private key", more="(a path)", help=KEY_HELP, needed=True),
    Setting(key="ssh.known_hosts_file", title="Known hosts", more="(a path)", needed=True,
            help="A file with what ssh-keyscan prints for the host, once compared with what its operators say."),
    Setting(key="ssh.channels", title="Commands at once", kind=NUMBER, more="(empty: 8)",
            help="As many as the server's MaxSessions lets through one connection."),
    Setting(key="environment", title="Variables of the commands", kind=PAIRS,
            help="One a line, such as: SLURM_CONF=/etc/slurm/slurm.conf"),
)  # fmt: skip
SCHEDULER = (
    Setting(key="kubeconfig", title="Kubeconfig", more="(a path)", help=KEY_HELP, needed=True),
    Setting(key="context", title="Context", more="(empty: the kubeconfig's own)"),
    Setting(key="namespace", title="Namespace", more="(empty: default)"),
    Setting(key="image", title="Image", help="With the tools in it, such as registry.example.org/portolan:1",
            needed=True),
    Setting(key="pull_policy", title="When the image is pulled", more="(empty: IfNotPresent)"),
    Setting(key="volumes", title="Volumes", kind=OBJECTS,
            help="One a line: the path that pods see, then host_path=, or claim= and sub_path=. "
                 "Such as: /data claim=projects"),
    Setting(key="user", title="User id of the pods", kind=NUMBER),
    Setting(key="group", title="Group id of the pods", kind=NUMBER),
    Setting(key="node_selector", title="Labels of the nodes", kind=PAIRS, help="One a line, such as: zone=a"),
    Setting(key="partition", title="Partition", more="(empty: the cluster's usual one)"),
    Setting(key="queue", title="Queue", more="(empty: the cluster's usual one)",
            help="For jobs that no queue below names."),
    Setting(key="account", title="Account", help="To which the jobs are charged."),
    Setting(key="project", title="Project", help="To which the jobs are charged."),
    Setting(key="qos", title="Quality of service"),
    Setting(key="torque", title="It is Torque, not PBS Pro or OpenPBS", kind=YES_NO),
    Setting(key="parallel_environment", title="Parallel environment",
            help="For jobs with several cores, such as: smp. Without one, jobs get one core."),
    Setting(key="memory_resource", title="Resource for memory", help="Such as: h_vmem. Without it none is asked for."),
    Setting(key="gpu_type", title="Kind of GPU", help="As in --gres=gpu:KIND:1. Empty: any."),
    Setting(key="gpu_resource", title="Resource for GPUs", help="Such as: gpu, or on Kubernetes nvidia.com/gpu"),
    Setting(key="options", title="Further options of each submit", kind=LIST,
            help="Such as: --constraint=avx2 --exclusive"),
    Setting(key="root", title="Directory of its own", more="(empty: in the portal's home)"),
    Setting(key="wall_seconds", title="Time limit of every job", kind=TIME, more="(h:min:s)"),
    Setting(key="path", title="Search path of the jobs", help="Such as: /usr/local/bin:/usr/bin:/bin"),
)  # fmt: skip
EVERY = {one.id: one for one in (*RUNNER, *SCHEDULER)}


def texts_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as they stand in the fields, by the fields' ids."""
    return {name: _text(one, _found(settings, one.key)) for name, one in EVERY.items()}


def sent(post: Mapping[str, str]) -> dict[str, Any]:
    """The fields as they were sent."""
    found: dict[str, Any] = {name: post.get(name, "").replace("\r\n", "\n") for name in EVERY}
    return found | {name: name in post for name, one in EVERY.items() if one.kind == YES_NO}


def checked(scheduler: str, texts: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """(settings, what is wrong by the field's id); fields of other schedulers and runners count for nothing."""
    settings, errors = dict[str, Any](), dict[str, str]()
    for one in _asked(scheduler, texts):
        text = texts[one.id] if isinstance(texts[one.id], bool) else texts[one.id].strip()
        try:
            value = _value(one, text) if text else None
        except ValueError as wrong:
            errors[one.id] = str(wrong)
            continue
        if value is not None:
            _put(settings, one.key, value)
        elif one.needed:
            errors[one.id] = "Fill this in."
    if settings.get("runner") == "here":
        del settings["runner"]
    if not errors:
        try:
            checked_settings(scheduler, settings)
        except UserError as refused:
            errors[_field_of(refused)] = refused.message
    return settings, errors


def _asked(scheduler: str, texts: Mapping[str, Any]) -> Iterator[Setting]:
    taken = {*ALWAYS, *TAKEN.get(scheduler, {})}
    remote = "runner" in taken and texts[f"{AT}runner"] == "ssh"
    return (one for one in EVERY.values() if (remote if one.key.startswith(REMOTE) else one.key in taken))


def _field_of(refused: UserError) -> str:
    key = (refused.field or "").removeprefix("settings.")
    while key and AT + key.replace(".", "-") not in EVERY:
        key = key.rpartition(".")[0]
    return AT + key.replace(".", "-") if key else f"{AT}runner"


def _found(settings: Mapping[str, Any], key: str) -> Any:
    above, dot, name = key.partition(".")
    return (settings.get(above) or {}).get(name) if dot else settings.get(key)


def _put(settings: dict[str, Any], key: str, value: Any) -> None:
    above, dot, name = key.partition(".")
    if dot:
        settings.setdefault(above, {})[name] = value
    else:
        settings[key] = value


# --- texts and values


def _text(one: Setting, value: Any) -> Any:
    if one.kind == YES_NO:
        return bool(value)
    if one.key == "runner":
        return value or "here"
    return WRITERS[one.kind](value) if value else ""


def _value(one: Setting, text: Any) -> Any:
    return text if one.kind == YES_NO else READERS[one.kind](text)


def _pairs_text(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={shlex.quote(value)}" for name, value in pairs.items())


def _pairs(text: str) -> dict[str, str]:
    found = {}
    for word in words(text):
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f"“{word}” is not NAME=value. A value with blanks needs quotes: NAME='a b'.")
        found[name] = value
    return found


def _volumes_text(volumes: list[dict[str, str]]) -> str:
    return "\n".join(_volume_text(one) for one in volumes)


def _volume_text(volume: Mapping[str, str]) -> str:
    more = [f"{name}={volume[name]}" for name in VOLUME if name != "path" and name in volume]
    return shlex.join([volume.get("path", ""), *more])


def _volumes(text: str) -> list[dict[str, str]]:
    found = []
    for line in filter(str.strip, text.split("\n")):
        path, *more = words(line)
        given = _pairs(shlex.join(more))
        for name in given:
            if name not in VOLUME or name == "path":
                raise ValueError(f"“{name}” is not known: write host_path=, claim= or sub_path= after the path.")
        found.append({"path": path, **given})
    return found


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError("Write a whole number.")
    return int(text)


WRITERS: dict[str, Callable[[Any], str]] = {
    WORDS: str, CHOICE: str, NUMBER: str, TIME: as_time, LIST: shlex.join, PAIRS: _pairs_text, OBJECTS: _volumes_text,
}  # fmt: skip
READERS: dict[str, Callable[[str], Any]] = {
    WORDS: str, CHOICE: str, NUMBER: _number, TIME: seconds_of, LIST: words, PAIRS: _pairs, OBJECTS: _volumes,
}  # fmt: skip
