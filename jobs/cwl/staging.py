"""Put a command's work files in place on this machine."""

import os
import shutil
import stat
from pathlib import Path

from jobs.cwl.command import CommandLine
from jobs.cwl.files import WorkFile


def write_work_files(command: CommandLine) -> None:
    """Every work file of the command is in place. Inputs are linked, or copied where the command may change them."""
    for file in command.work_files:
        Path(file.path).parent.mkdir(parents=True, exist_ok=True)
        _write(file)


def _write(file: WorkFile) -> None:
    path = Path(file.path)
    if file.text is not None:
        path.write_text(file.text, encoding="utf-8", newline="")
    elif file.source is None:
        path.mkdir(exist_ok=True)
    elif not file.writable:
        path.symlink_to(file.source)
    elif os.path.isdir(file.source):
        # Links in a user's folder stay links: following them would copy what lies outside it.
        shutil.copytree(file.source, path, symlinks=True)
        for folder, _, names in os.walk(path):
            _let_write(Path(folder))
            for name in names:
                _let_write(Path(folder, name))
    else:
        shutil.copyfile(file.source, path)
        shutil.copymode(file.source, path)
        _let_write(path)


def _let_write(path: Path) -> None:
    if not path.is_symlink():
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
