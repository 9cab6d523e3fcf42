"""The live server of the page: bound to 127.0.0.1, one token, one page, one API.

Whoever asks must know the token (the page's address carries it, the API takes it as a header) and must name this server
in `Host`, which a page of another site that was led here by DNS cannot; a foreign `Origin` is refused. Nothing but the
page and the jobs is reachable. Bodies are small, slow clients are dropped, and the jobs are bounded (`jobs`).
"""

from __future__ import annotations

import hmac
import io
import json
import re
import secrets
import socket
import sys
import threading
import time
import webbrowser
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs

from ..core.errors import InputError, UserError
from .export import lab_page
from .jobs import BusyError, Jobs
from .page_data import Progress

HOST = "127.0.0.1"
MOST_BYTES = 8192
"""Largest body of a request."""
PATIENCE = 10.0
"""Seconds that a client may take to send a request, or to begin one."""
MOST_CONNECTIONS = 256
"""Connections at a time."""
FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
"""What one connection more is told."""
JOB = re.compile(r"/api/jobs/([0-9a-f]{16})")


class LabServer(ThreadingHTTPServer):
    """A server that holds the page, the token and the jobs."""

    daemon_threads = True
    allow_reuse_address = False
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, port: int, page: Any, jobs: Jobs) -> None:
        super().__init__((HOST, port), Handler)  # first: the page takes a while, and the port may be taken
        self.token = secrets.token_urlsafe(24)
        self.page = page(self.token).encode()
        self.jobs = jobs
        self.places = threading.BoundedSemaphore(MOST_CONNECTIONS)

    @property
    def address(self) -> str:
        """Where the page is, with its token."""
        return f"http://127.0.0.1:{self.server_port}/?token={self.token}"

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Take a connection unless there are too many; then it is told to come again."""
        if self.places.acquire(blocking=False):
            return True
        with suppress(OSError):
            request.send(FULL)
        return False

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection and give its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Patient(io.RawIOBase):
    """What a client sends, until a moment: who sends a byte now and then is dropped as who sends none is."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.end = 0.0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait no longer than until the end; `TimeoutError` then."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        try:
            return self.connection.recv_into(buffer)
        finally:
            self.connection.settimeout(PATIENCE)  # for what is answered


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: LabServer
    protocol_version = "HTTP/1.1"
    server_version = "mrsim"
    sys_version = ""
    timeout = PATIENCE
    SAFE: ClassVar[dict[str, str]] = {
        "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }  # fmt: skip

    def setup(self) -> None:
        """Read with patience for each request."""
        super().setup()
        self.rfile.close()
        self.patient = Patient(self.connection)
        self.rfile = io.BufferedReader(self.patient)

    def handle_one_request(self) -> None:
        """Take the next request, which has its time from now on."""
        self.patient.end = time.monotonic() + PATIENCE
        super().handle_one_request()

    def do_GET(self) -> None:
        """Send the page or the state of a job."""
        if not self._welcome():
            return
        path, _, query = self.path.partition("?")
        if path == "/":
            known = parse_qs(query).get("token", [""])[0]
            if not self._knows(known):
                self._refuse(HTTPStatus.FORBIDDEN, "open the address that 'mrsim lab' printed: it carries the token")
            else:
                self._send(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
            return
        found = JOB.fullmatch(path)
        if found is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
        elif self._allowed():
            state = self.server.jobs.state(found[1])
            if state is None:
                self._refuse(HTTPStatus.NOT_FOUND, "no such job")
            else:
                self._json(HTTPStatus.OK, state)

    def do_POST(self) -> None:
        """Start a job."""
        if not self._welcome():
            return
        if self.path != "/api/jobs":
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
        elif self._allowed():
            table = self._body()
            if table is not None:
                self._start(table)

    def do_DELETE(self) -> None:
        """Cancel a job."""
        found = JOB.fullmatch(self.path)
        if not self._welcome():
            return
        if found is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
        elif self._allowed():
            known = self.server.jobs.cancel(found[1])
            self._json(HTTPStatus.OK if known else HTTPStatus.NOT_FOUND, {"cancelled": known})

    def _start(self, table: dict[str, Any]) -> None:
        try:
            if set(table) - {"setting", "budget"} or not isinstance(table.get("setting"), dict):
                raise InputError("a job has a setting, and budget true or false")
            if not isinstance(table.get("budget", False), bool):
                raise InputError("must be true or false", key="budget")
            job = self.server.jobs.start(table["setting"], budget=table.get("budget", False))
        except BusyError as problem:
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, str(problem))
        except UserError as problem:
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(problem))
        else:
            self._json(HTTPStatus.ACCEPTED, {"id": job})

    def _body(self) -> dict[str, Any] | None:
        """Return the JSON object of the request; None where it was refused."""
        length = self.headers.get("Content-Length", "")
        wrong = None
        if not re.fullmatch("[0-9]{1,9}", length) or "Transfer-Encoding" in self.headers:
            wrong = HTTPStatus.LENGTH_REQUIRED, "say how long the body is"
        elif int(length) > MOST_BYTES:
            wrong = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST_BYTES} bytes"
        elif self.headers.get_content_type() != "application/json":
            wrong = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json"
        table: Any = None
        if wrong is None:
            try:
                table = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                table = None
            if isinstance(table, dict):
                return table
            wrong = HTTPStatus.BAD_REQUEST, "send a JSON object"
        self._refuse(*wrong)
        return None

    def _welcome(self) -> bool:
        """Return whether the request names this server and comes from its page or from no page."""
        port = self.server.server_port
        hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        if self.headers.get_all("Host", []) != [self.headers.get("Host")] or self.headers["Host"] not in hosts:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name")
            return False
        scheme, _, foreign = (origin or "").partition("//")
        if origin is not None and (scheme != "http:" or foreign not in hosts):
            self._refuse(HTTPStatus.FORBIDDEN, "only the page itself may ask")
            return False
        return True

    def _allowed(self) -> bool:
        if self._knows(self.headers.get("X-Mrsim-Token", "")):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "the token is missing or wrong")
        return False

    def _knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.server.token.encode())

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # whatever body there is stays unread
        self._json(status, {"error": why})

    def _json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in {**self.SAFE, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the address holds the token."""


def lab_server(port: int = 0, progress: Progress | None = None, jobs: Jobs | None = None) -> LabServer:
    """Return a server that is bound but does not answer yet.

    Parameters
    ----------
    port : int
        0 takes a free one.
    progress : callable, optional
        Called while the page's tables are made.
    jobs : Jobs, optional
        What carries out the runs.
    """
    try:
        return LabServer(port, lambda token: lab_page(token, progress), jobs or Jobs())
    except OSError as problem:
        raise InputError(f"{HOST}:{port} cannot be had: {problem.strerror}; choose another", key="--port") from None


def serve(port: int = 0, *, show: bool = True, as_json: bool = False, progress: Progress | None = None) -> None:
    """Serve the page until interrupted; every job ends with it."""
    server = lab_server(port, progress)
    said = json.dumps({"address": server.address}) if as_json else f"mrsim lab: {server.address}\nCtrl-C stops it."
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
    if show:
        webbrowser.open(server.address)
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.jobs.close()
        server.server_close()
