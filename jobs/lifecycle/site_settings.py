"""The ``settings`` of a site's row, checked: what each scheduler and each runner takes. See ``docs/operators.md``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from common.errors import UserError
from jobs.backends.ssh import Machine

WORDS, LIST, PAIRS = "text", "a list of texts", "an object of texts"
NUMBER, YES_NO, OBJECTS = "a whole number", "true or false", "a list of objects of texts"
RUNNER = {"runner": WORDS, "ssh": "an object", "environment": PAIRS}
GENERAL = {"wall_seconds": NUMBER, "path": WORDS}
TAKEN: dict[str, dict[str, str]] = {
    "local": {"root": WORDS},
    "slurm": RUNNER | {"partition": WORDS, "account": WORDS, "qos": WORDS, "gpu_type": WORDS, "options": LIST},
}
TAKEN["gridengine"] = RUNNER | {
    "queue": WORDS,
    "project": WORDS,
    "parallel_environment": WORDS,
    "memory_resource": WORDS,
    "gpu_resource": WORDS,
    "options": LIST,
}
TAKEN["pbs"] = RUNNER | {"torque": YES_NO, "queue": WORDS, "account": WORDS, "options": LIST}
TAKEN["kubernetes"] = RUNNER | {
    "kubeconfig": WORDS,
    "context": WORDS,
    "namespace": WORDS,
    "image": WORDS,
    "pull_policy": WORDS,
    "gpu_resource": WORDS,
    "user": NUMBER,
    "group": NUMBER,
    "node_selector": PAIRS,
    "volumes": OBJECTS,
}
SSH = {"host": WORDS, "user": WORDS, "key_file": WORDS, "known_hosts_file": WORDS, "port": NUMBER, "channels": NUMBER}
VOLUME = ("path", "host_path", "claim", "sub_path")
NEEDED = ("host", "user", "key_file", "known_hosts_file")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def checked_settings(scheduler: str, settings: Mapping[str, Any]) -> None:
    """The settings are what the scheduler takes; UserError beside ``settings`` says what is wrong with which key."""
    _check_names(scheduler, settings)
    if settings.get("runner", "here") not in ("here", "ssh"):
        _wrong("runner", "must be “here” or “ssh”")
    for variable in settings.get("environment") or {}:
        if not VARIABLE.match(variable):
            _wrong("environment", f"has a name that is no variable's: {variable!r}")
    for option in settings.get("options") or ():
        if not option.startswith("-"):
            _wrong("options", f"has a word that is no option: {option!r}")
    if settings.get("runner") == "ssh":
        machine_of(settings)
    if scheduler == "kubernetes":
        _check_kubernetes(settings)


def _check_names(scheduler: str, settings: Mapping[str, Any]) -> None:
    taken = GENERAL | TAKEN.get(scheduler, {})
    for name, value in settings.items():
        if name in taken:
            _check(name, value, taken[name])
        elif scheduler in TAKEN:
            _wrong(name, "is not known")


def _check_kubernetes(settings: Mapping[str, Any]) -> None:
    for name in ("kubeconfig", "image"):
        if not settings.get(name):
            _wrong(name, "is missing")
    for volume in settings.get("volumes") or ():
        for name in volume:
            if name not in VOLUME:
                _wrong(f"volumes.{name}", "is not known")
        if not volume.get("path", "").startswith("/"):
            _wrong("volumes.path", "must be an absolute path")


def machine_of(settings: Mapping[str, Any]) -> Machine:
    """The machine that the settings' ``ssh`` object tells of; UserError when it is not complete."""
    told = settings.get("ssh")
    if not isinstance(told, Mapping):
        _wrong("ssh", "must be an object with host, user, key_file and known_hosts_file")
    for name in told:
        if name not in SSH:
            _wrong(f"ssh.{name}", "is not known")
        _check(f"ssh.{name}", told[name], SSH[name])
    for name in NEEDED:
        if not told.get(name):
            _wrong(f"ssh.{name}", "is missing")
    if told["key_file"].lstrip().startswith("-----BEGIN"):
        _wrong("ssh.key_file", "must be the path of the key, not the key")
    more = {name: told[name] for name in ("port", "channels") if name in told}
    return Machine(
        host=told["host"],
        user=told["user"],
        key_file=Path(told["key_file"]),
        known_hosts_file=Path(told["known_hosts_file"]),
        **more,
    )


def _check(name: str, value: Any, kind: str) -> None:
    texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    right = {
        WORDS: isinstance(value, str),
        LIST: texts,
        PAIRS: _is_pairs(value),
        NUMBER: isinstance(value, int) and not isinstance(value, bool) and value > 0,
        YES_NO: isinstance(value, bool),
        OBJECTS: isinstance(value, list) and all(_is_pairs(one) for one in value),
    }
    if not right.get(kind, isinstance(value, dict)):
        _wrong(name, f"must be {kind}")


def _is_pairs(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _wrong(name: str, words: str) -> NoReturn:
    raise UserError(f"The site's setting “{name}” {words}.", code="bad_site_settings", field=f"settings.{name}")
