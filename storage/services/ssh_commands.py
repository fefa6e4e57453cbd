"""What a person types to use a link by rsync and SFTP. The key is in a file that only they can read."""

from __future__ import annotations

from django.conf import settings

from storage.links.rights import Right
from storage.links.ssh_keys import USER, Certified
from storage.models import TransferLink
from storage.services.commands import Command

KEY, CERTIFICATE, HOSTS = "link-key", "link-key-cert.pub", "link-hosts"
Row = tuple[str, str, str, str]


def commands_for(link: TransferLink, key: Certified, *, known_hosts: str) -> list[Command]:
    """First the files to save, then what the link's rights allow."""
    rows = [_saving(key, known_hosts), *(_of_file(link) if link.is_file else _of_folder(link))]
    shown = [(name, tool, title, text if key.private_key else _own_key(text)) for name, tool, title, text in rows]
    return [Command(name=name, tool=tool, title=title, text=text) for name, tool, title, text in shown]


def _saving(key: Certified, known_hosts: str) -> Row:
    files = [(CERTIFICATE, key.certificate), (HOSTS, known_hosts)]
    text = f"umask 077\ncat > {KEY} <<'END'\n{key.private_key.strip()}\nEND\n" if key.private_key else ""
    text += "".join(f"cat > {name} <<'END'\n{content.strip()}\nEND\n" for name, content in files)
    return ("ssh_save", "sh", "First: save these files" if key.private_key else "First: save the certificate", text)


def _own_key(text: str) -> str:
    """``text`` for a key that the person has: the certificate is named beside it."""
    return text.replace(f"-i {KEY}", f"-i ~/.ssh/id_ed25519 -o CertificateFile={CERTIFICATE}")


def _of_folder(link: TransferLink) -> list[Row]:
    rights, found = set(link.rights), list[Row]()
    rsync, there = f'rsync -a --partial -e "ssh {_options("-p")}"', f"{USER}@{settings.SSH_DOOR_HOST}"
    sftp = f"sftp {_options('-P')}"
    if Right.WRITE_NEW in rights:
        found.append(("rsync_up", "rsync", "Send a folder; again to go on", f"{rsync} ./my-data/ {there}:"))
        found.append(("sftp_up", "sftp", "Send a file", f"echo put movie.mrc | {sftp} {there}"))
    if {Right.READ, Right.LIST} <= rights:
        found.append(("rsync_down", "rsync", "Fetch the folder; again to go on", f"{rsync} {there}: ./my-data/"))
        found.append(("sftp_look", "sftp", "Look around and fetch", f"{sftp} {there}"))
    return found


def _of_file(link: TransferLink) -> list[Row]:
    if Right.READ not in link.rights:
        return []
    rsync, there = f'rsync -a --partial -e "ssh {_options("-p")}"', f"{USER}@{settings.SSH_DOOR_HOST}"
    return [("rsync_down", "rsync", "Fetch the file; again to go on", f"{rsync} {there}: ./")]


def _options(port: str) -> str:
    return f"{port} {settings.SSH_DOOR_PORT} -i {KEY} -o IdentitiesOnly=yes -o UserKnownHostsFile={HOSTS}"
