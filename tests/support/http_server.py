"""A web server on this machine that serves files, with faults that a test chooses."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from pipelines.sources.transfer import RETRY

FAST_RETRY = RETRY.new(total=2, backoff_factor=0.01, backoff_jitter=0)


@dataclass
class Misbehavior:
    """What a server does wrong; by default nothing."""

    cuts: int = 0
    """Connections that are cut after a random number of bytes."""
    cut_within: int = 0
    """They come within so many bytes; 0 for anywhere."""
    seed: int = 0
    ranges: str = "right"
    """Or: ignored, shifted (another start), headless (206 without Content-Range), refused (416)."""
    etag: Callable[[int], str] | None = None
    """ETag by the number of the request; by default that of the content."""
    honors_if_range: bool = True
    failures: list[int] = field(default_factory=list)
    """Status codes to answer first."""
    extra: bytes = b""
    """Sent after the file."""
    headers: dict[str, str] = field(default_factory=dict)
    trickle: float = 0
    """Seconds between single bytes; 0 for all at once."""
    silent_length: bool = False
    """No Content-Length: the end of the connection is the end of the file."""


@dataclass
class Server:
    files: dict[str, bytes]
    wrong: Misbehavior = field(default_factory=Misbehavior)
    address: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of each."""
    sent: int = 0
    """Bytes of bodies."""

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    of: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server, wrong = self.of, self.of.wrong
        asked = self.headers.get("Range", "")
        server.requests.append((self.path, asked))
        number = len(server.requests)
        content = server.files.get(urlsplit(self.path).path.lstrip("/"))
        if wrong.failures:
            self._say(wrong.failures.pop(0), {"Content-Length": "0", **wrong.headers})
            return
        if content is None:
            self._say(404, {"Content-Length": "0"})
            return
        tag = wrong.etag(number) if wrong.etag else f'"{sha256(content[:999]).hexdigest()[:16]}"'
        start, status = 0, 200
        unchanged = not wrong.honors_if_range or self.headers.get("If-Range", tag) == (
            tag or self.headers.get("If-Range")
        )
        headers = {"ETag": tag} if tag else {}
        if asked and unchanged and wrong.ranges != "ignored":
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            if wrong.ranges == "refused" or start >= len(content):
                self._say(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
                return
            if wrong.ranges == "shifted":
                start = max(start - 1000, 0)
            status = 206
            if wrong.ranges != "headless":
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:] + wrong.extra
        if wrong.silent_length:
            headers["Connection"] = "close"
        else:
            headers["Content-Length"] = str(len(body))
        self._say(status, headers | wrong.headers)
        self._send(body)

    def _say(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, body: bytes) -> None:
        wrong = self.of.wrong
        if wrong.cuts > 0:
            wrong.cuts -= 1
            most = min(wrong.cut_within or len(body), len(body))
            body = body[: random.Random(wrong.seed + wrong.cuts).randrange(most)]
            self.close_connection = True
        if wrong.trickle:
            self._trickle(body)
            return
        self.wfile.write(body)
        self.of.sent += len(body)
        if self.close_connection:
            self.wfile.flush()
            self.connection.shutdown(2)

    def _trickle(self, body: bytes) -> None:
        with suppress(OSError):
            for number in range(len(body)):
                self.wfile.write(body[number : number + 1])
                time.sleep(self.of.wrong.trickle)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # a client that hangs up is what is tested


@contextmanager
def serving(files: dict[str, bytes], wrong: Misbehavior | None = None) -> Iterator[Server]:
    """A server of `files` by name."""
    server = Server(files, wrong or Misbehavior())
    handler = type("Handler", (_Handler,), {"of": server})
    with _Quiet(("127.0.0.1", 0), handler) as listening:
        server.address = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        listening.shutdown()
        thread.join()
