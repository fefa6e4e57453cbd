"""What a person types to use a credential of a remote site; the secret goes into a variable first."""

from __future__ import annotations

from shlex import quote

from storage.links.rights import Right
from storage.models import RemoteLink
from storage.services.commands import Command
from storage.sites.base import Address, Issued

ALL_WRITING = {Right.WRITE_NEW, Right.OVERWRITE, Right.DELETE}
CURL = 'curl --fail-with-body -H "Authorization: Bearer $LINK_TOKEN"'


def commands_for(link: RemoteLink, issued: Issued) -> list[Command]:
    """The commands that the rights allow, the usual one first."""
    if not issued.token:
        return [_presigned(address, link.path.rpartition("/")[2]) for address in issued.addresses]
    url, rights = issued.addresses[0].url, {Right(right) for right in link.rights}
    found = _of_file(url, rights) if link.is_file else _of_folder(url, rights)
    return [
        Command(name=name, tool=tool, title=title, text=f"{_export(tool, issued.token)}{text}")
        for name, tool, title, text in found
    ]


Row = tuple[str, str, str, str]


def _of_folder(url: str, rights: set[Right]) -> list[Row]:
    remote, found = f'rclone --webdav-url="{url}" --webdav-vendor=other', list[Row]()
    if {Right.LIST, *ALL_WRITING} <= rights:
        found.append(("rclone_up", "rclone", "Send a folder", f"{remote} copy --progress ./my-data :webdav:"))
    elif {Right.LIST, Right.WRITE_NEW} <= rights:
        flat = f"{remote} copy --progress --max-depth 1 ./my-data :webdav:"
        found.append(("rclone_up", "rclone", "Send the files of a folder, without the folders in it", flat))
    if Right.WRITE_NEW in rights:
        found.append(("curl_up", "curl", "Send a file", f'{CURL} -T movie.mrc "{url}movie.mrc"'))
    if {Right.LIST, Right.READ} <= rights:
        found.append(("rclone_down", "rclone", "Fetch the folder", f"{remote} copy --progress :webdav: ./my-data"))
    if Right.READ in rights:
        found.append(("curl_down", "curl", "Fetch a file; again to go on", f'{CURL} -C - -L -O "{url}movie.mrc"'))
        davix = 'davix-get -H "Authorization: Bearer $LINK_TOKEN"'
        found.append(("davix_down", "davix", "Fetch a file", f'{davix} "{url}movie.mrc" movie.mrc'))
    if Right.LIST in rights:
        davix = 'davix-ls -H "Authorization: Bearer $LINK_TOKEN"'
        found.append(("davix_list", "davix", "See what is there", f'{davix} "{url}"'))
    if Right.DELETE in rights:
        found.append(("curl_delete", "curl", "Delete a file", f'{CURL} -X DELETE "{url}movie.mrc"'))
    return found


def _of_file(url: str, rights: set[Right]) -> list[Row]:
    found = list[Row]()
    if Right.READ in rights:
        found.append(("curl_down", "curl", "Fetch the file; again to go on", f'{CURL} -C - -L -O "{url}"'))
    if Right.WRITE_NEW in rights:
        found.append(("curl_up", "curl", "Send the file", f'{CURL} -T movie.mrc "{url}"'))
    if Right.DELETE in rights:
        found.append(("curl_delete", "curl", "Delete the file", f'{CURL} -X DELETE "{url}"'))
    return found


def _presigned(address: Address, name: str) -> Command:
    """The address is the secret: curl reads it from its input, where no list of processes shows it."""
    title, options = {
        "GET": ("Fetch the file", f"-o {quote(name)}"),
        "PUT": ("Send the file", "-T movie.mrc"),
        "DELETE": ("Delete the file", "-X DELETE"),
    }[address.method]
    text = f"export LINK_URL={quote(address.url)}\n"
    text += f'printf \'url = "%s"\\n\' "$LINK_URL" | curl --fail-with-body -K - {options}'
    return Command(name=f"curl_{address.method.lower()}", tool="curl", title=title, text=text)


def _export(tool: str, token: str) -> str:
    variable = "RCLONE_WEBDAV_BEARER_TOKEN" if tool == "rclone" else "LINK_TOKEN"
    return f"export {variable}={token}\n"
