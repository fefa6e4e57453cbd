"""Real places to import from, on loopback: rclone's WebDAV, HTTP and S3 servers, nginx, and a line that can be cut."""

import os
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.live import free_ports, wait_until

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI"
USER, PASSWORD = "ada", "app pass:wörd"
RCLONE = Path(sys.executable).parent / "rclone"
NGINX = """
user root; daemon off; pid nginx.pid; error_log stderr error; events {{}}
http {{ access_log off; types {{}} default_type application/octet-stream;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server {{ listen 127.0.0.1:{port}; root {root}; autoindex on; }} }}
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a server serves, and where it is reached. A bucket of S3 is a folder directly in ``root``."""

    root: Path
    url: str

    def folder(self, name: str, files: dict[str, bytes]) -> str:
        """The address of a new folder with these files."""
        for path, content in files.items():
            at = self.root / name / path
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(content)
        return f"{self.url}{name}/"


@contextmanager
def serving(argv: list[str], port: int, **more) -> Iterator[None]:
    """The program runs and listens."""
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    try:
        wait_until(lambda: _listens(port), what=argv[0], seconds=60)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def rclone(kind: str, root: Path, *options: str) -> Iterator[Place]:
    """``rclone serve <kind>``."""
    port = free_ports(1)[0]
    where = ["--addr", f"127.0.0.1:{port}", "--config", os.devnull, "--dir-cache-time", "0s", "--poll-interval", "0s"]
    with serving([str(RCLONE), "serve", kind, str(root), *where, *options], port):
        yield Place(root=root, url=f"http://127.0.0.1:{port}/")


@contextmanager
def nginx(root: Path, home: Path) -> Iterator[Place]:
    """nginx with ``autoindex``."""
    port = free_ports(1)[0]
    (home / "nginx.conf").write_text(NGINX.format(port=port, root=root))
    with serving([shutil.which("nginx", path="/usr/sbin:/usr/bin"), "-c", "nginx.conf", "-p", f"{home}/"], port):
        yield Place(root=root, url=f"http://127.0.0.1:{port}/")


@dataclass
class Line:
    """A line to a server: each connection breaks after as many bytes as the next of ``cuts`` says, while there are."""

    to: int
    cuts: list[int] = field(default_factory=list)
    port: int = 0
    through: int = 0
    # With these, nothing more than so many bytes comes through before the event is set.
    hold_at: int | None = None
    go_on: threading.Event = field(default_factory=threading.Event)

    def carry(self, client: socket.socket) -> None:
        """Bytes go both ways until one side ends, or the line breaks."""
        with socket.create_connection(("127.0.0.1", self.to)) as server:
            back = threading.Thread(target=self._pour, args=(client, server), daemon=True)
            back.start()
            left = self.cuts.pop(0) if self.cuts else None
            while block := server.recv(16384):
                self.through += len(block)
                if self.hold_at is not None and self.through > self.hold_at:
                    self.go_on.wait(120)
                if left is not None:
                    left -= len(block)
                    if left <= 0:
                        break
                client.sendall(block)
            for end in (client, server):
                end.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _pour(client: socket.socket, server: socket.socket) -> None:
        try:
            while block := client.recv(16384):
                server.sendall(block)
        except OSError:
            return


@contextmanager
def line(url: str, cuts: list[int]) -> Iterator[Line]:
    """A line to the server of ``url``."""
    found = Line(to=int(url.rstrip("/").rpartition(":")[2]), cuts=cuts)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                found.carry(self.request)
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()
