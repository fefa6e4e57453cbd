"""What sshd runs for a login, in its sandbox: the session's ends go to the keeper, and its status comes back.

Only the standard library, and no other module of ours: it must start in a moment.
"""

import json
import os
import socket
import struct
import sys

KEEPER = "/door/keeper"
REFUSED = 255


def main() -> int:
    """The session has ended; its exit status."""
    hello = {
        "link": sys.argv[1],
        "command": os.environ.get("SSH_ORIGINAL_COMMAND", ""),
        "connection": os.environ.get("SSH_CONNECTION", ""),
    }
    text = json.dumps(hello).encode()
    try:
        with socket.socket(socket.AF_UNIX) as keeper:
            keeper.connect(KEEPER)
            socket.send_fds(keeper, [struct.pack(">I", len(text))], [0, 1, 2])
            keeper.sendall(text)
            for end in (0, 1):  # or the client would not see that the other process closed them
                os.close(end)
            answer = keeper.recv(4)
    except OSError:
        print("portolan: the door is closed just now; try again in a minute", file=sys.stderr)
        return REFUSED
    return answer[0] if answer else REFUSED


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # standard output is closed, which the usual end would complain about
