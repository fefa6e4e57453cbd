"""The door's server: ``python -m gateway.serve_door --port 8001``. Its access log stays off: addresses hold secrets."""

import argparse

import uvicorn


def main() -> None:
    """The door has served until it was told to end; requests in progress had ``--grace`` seconds then."""
    words = argparse.ArgumentParser(prog="gateway.serve_door", description=__doc__)
    words.add_argument("--host", default="127.0.0.1")
    words.add_argument("--port", type=int, required=True)
    words.add_argument("--processes", type=int, default=1)
    words.add_argument("--grace", type=int, default=3)
    asked = words.parse_args()
    uvicorn.run(
        "gateway.door:app",
        host=asked.host,
        port=asked.port,
        workers=asked.processes,
        timeout_graceful_shutdown=asked.grace,
        # Files are sent by the kernel: only this loop lets go of its sockets for that.
        loop="asyncio",
        http="storage.door.wire:Wire",
        ws="none",
        lifespan="on",
        # Who asks is the door's own matter: DOOR_PROXY_HOPS.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    main()
