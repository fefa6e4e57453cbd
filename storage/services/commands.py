"""What a person types to use a link. The token goes into a variable first, so that no list of processes shows it."""

from __future__ import annotations

from dataclasses import dataclass

from storage.links.rights import Right
from storage.models import TransferLink


@dataclass(frozen=True, kw_only=True)
class Command:
    """``text`` does what ``title`` says, with the program ``tool``. ``name`` is for machines."""

    name: str
    tool: str
    title: str
    text: str


def commands_for(link: TransferLink, *, url: str, token: str) -> list[Command]:
    """The commands that the link's rights allow, the usual one first."""
    found = _of_file(link, url) if link.is_file else _of_folder(link, url)
    return [
        Command(name=name, tool=tool, title=title, text=_with_token(tool, token) + text)
        for name, tool, title, text in found
    ]


Row = tuple[str, str, str, str]


def _of_folder(link: TransferLink, url: str) -> list[Row]:
    rights, found = set(link.rights), list[Row]()
    remote = f'rclone --webdav-url="{url}" --webdav-vendor=other'
    curl = 'curl --fail-with-body -H "Authorization: Bearer $LINK_TOKEN"'
    if Right.WRITE_NEW in rights and Right.LIST in rights:
        found.append(("rclone_up", "rclone", "Send a folder", f"{remote} copy --progress ./my-data :webdav:"))
    if Right.WRITE_NEW in rights:
        found.append(("curl_up", "curl", "Send a file", f'{curl} -T movie.mrc "{url}"'))
        found.append(("curl_resume", "curl", "Go on with a file that was cut", _resume(curl, url)))
    if {Right.READ, Right.LIST} <= rights:
        found.append(("rclone_down", "rclone", "Fetch the folder", f"{remote} copy --progress :webdav: ./my-data"))
        found.append(("curl_tar", "curl", "Fetch the folder as a tar", f'{curl} "{url}?archive=tar" | tar -x'))
        wget = 'wget --header="Authorization: Bearer $LINK_TOKEN" --recursive --no-parent --no-host-directories'
        found.append(("wget_down", "wget", "Fetch the folder", f'{wget} --cut-dirs={url.count("/") - 3} "{url}"'))
    if Right.READ in rights:
        davix = 'davix-get -H "Authorization: Bearer $LINK_TOKEN"'
        found.append(("davix_down", "davix", "Fetch a file", f'{davix} "{url}movie.mrc" movie.mrc'))
    return found


def _of_file(link: TransferLink, url: str) -> list[Row]:
    rights, found = set(link.rights), list[Row]()
    curl = 'curl --fail-with-body -H "Authorization: Bearer $LINK_TOKEN"'
    if Right.READ in rights:
        found.append(("curl_down", "curl", "Fetch the file; again to go on", f'{curl} -C - -O "{url}"'))
        wget = 'wget --header="Authorization: Bearer $LINK_TOKEN"'
        found.append(("wget_down", "wget", "Fetch the file; again to go on", f'{wget} -c "{url}"'))
        davix = 'davix-get -H "Authorization: Bearer $LINK_TOKEN"'
        found.append(("davix_down", "davix", "Fetch the file", f'{davix} "{url}" "$(basename "{url}")"'))
    if Right.OVERWRITE in rights:
        found.append(("curl_up", "curl", "Replace the file", f'{curl} -T movie.mrc "{url}"'))
    return found


def _resume(curl: str, url: str) -> str:
    return (
        f'at=$(curl -sI -H "Authorization: Bearer $LINK_TOKEN" "{url}movie.mrc?upload"'
        " | tr -d '\\r' | sed -n 's/^upload-offset: //Ip')\n"
        f'{curl} -C "$at" -T movie.mrc "{url}movie.mrc"'
    )


def _with_token(tool: str, token: str) -> str:
    variable = "RCLONE_WEBDAV_BEARER_TOKEN" if tool == "rclone" else "LINK_TOKEN"
    return f"export {variable}={token}\n"
