"""Between a client and sftp-server, for a link that may add files but not replace any.

sftp-server's own switches know "open", not "open what is there already". So each request to open for writing gets the
flag that makes the kernel refuse a name in use (``O_EXCL``); everything else passes as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

OPEN = 3
WRITE, APPEND, CREATE, EXCLUSIVE = 0x02, 0x04, 0x08, 0x20
LONGEST = 256 * 1024 + 1024  # OpenSSH takes packets of 256 KiB


class Broken(Exception):
    """The stream is not SFTP."""


def pump(read: Callable[[int], bytes], write: Callable[[bytes], None]) -> None:
    """All packets that ``read`` gives have been written, until it gives no more; Broken for what is no packet."""
    held = bytearray()
    while block := read(64 * 1024):
        held += block
        while len(held) >= 4:
            (length,) = struct.unpack_from(">I", held)
            if not 1 <= length <= LONGEST:
                raise Broken
            if len(held) < 4 + length:
                break
            write(guarded(bytes(held[: 4 + length])))
            del held[: 4 + length]


def guarded(packet: bytes) -> bytes:
    """``packet`` (with its length in front), which opens for writing only what is not there yet."""
    if packet[4] != OPEN:
        return packet
    # length, kind, number of the request, length of the name
    at = 13 + struct.unpack_from(">I", packet, 9)[0] if len(packet) >= 13 else len(packet)
    if at + 4 > len(packet):
        raise Broken
    (flags,) = struct.unpack_from(">I", packet, at)
    if flags & (WRITE | APPEND):
        flags |= CREATE | EXCLUSIVE
    return packet[:at] + struct.pack(">I", flags) + packet[at + 4 :]
