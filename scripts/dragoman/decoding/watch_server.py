"""A local web server for the page on which a translation can be watched (`scripts/stream.py --page`).

    GET  /            the page, one file
    GET  /systems     `Desk.systems`, JSON
    POST /translate   a `watch.Request`; answered by the events of `watch.py`, one JSON object a line, each sent as soon
                      as it is known. {"error": "why"} may be the last. An answer without `end` or `error` was cut off.

The server listens on 127.0.0.1, and writes nothing to disk. A page of another site can send requests to it through the
reader's browser, so these are refused: requests for another host name, which a site may have pointed to 127.0.0.1 (DNS
rebinding), and requests that a page of another origin sends. The port in the host name is free, since a reader may
reach the server through `ssh -L`. A translation ends when its tab is closed.
"""

from __future__ import annotations

import errno
import json
import logging
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from dragoman import command, registry
from dragoman.decoding.watch import Desk, Event, Request
from dragoman.reporting import watch_page

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
NAMES = frozenset({HOST, "localhost"})
"""Allowed host names of the server."""
LARGEST = 2**16
"""Maximum number of bytes of a request."""
PATIENCE = 60
"""Seconds after which a connection without data is closed."""


class RefusedError(Exception):
    """A request that is not served, with the reason."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


def check_host(headers: Mapping[str, str]) -> None:
    """Refuse requests for another host name, with which another site could read this server's answers.

    Raises:
        RefusedError: the host name is not one of `NAMES`.
    """
    host = headers.get("Host", "")
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        name = None
    if name not in NAMES:
        raise RefusedError(HTTPStatus.FORBIDDEN, f"this server is reached as localhost or {HOST}, not as {host!r}")


def check_origin(headers: Mapping[str, str]) -> None:
    """Refuse requests that a page of another origin sends. Programs without an origin, like curl, are served.

    Raises:
        RefusedError: the request is from a page of another origin.
    """
    own = (None, f"http://{headers.get('Host', '')}")
    if headers.get("Origin") not in own or headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise RefusedError(HTTPStatus.FORBIDDEN, "requests from pages of other sites are not served")


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    timeout = PATIENCE
    server_version, sys_version = "dragoman", ""

    def do_GET(self) -> None:
        """Send the page, or the systems."""
        self._answer({"/": self._page, "/systems": self._systems})

    def do_POST(self) -> None:
        """Send the events of a translation."""
        self._answer({"/translate": self._translate})

    def _answer(self, paths: Mapping[str, Any]) -> None:
        try:
            check_host(self.headers)
            if (serve := paths.get(urlsplit(self.path).path)) is None:
                raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no {self.path} here")
            serve()
        except RefusedError as refused:
            self._send(refused.status, "application/json", json.dumps({"error": str(refused)}))
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the tab is gone

    def _page(self) -> None:
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", watch_page.render())

    def _systems(self) -> None:
        check_origin(self.headers)
        self._send(HTTPStatus.OK, "application/json", json.dumps(self.server.desk.systems()))

    def _translate(self) -> None:
        check_origin(self.headers)
        try:
            events = self.server.desk.translate(self._request())
        except (ValueError, registry.UnknownNameError) as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, command.told(error)) from None
        self._begin(HTTPStatus.OK, "application/x-ndjson")
        with closing(told(events)) as events:
            for event in events:
                if self._gone():
                    return
                if event:
                    self.wfile.write(json.dumps(event).encode() + b"\n")

    def _request(self) -> Request:
        """
        Raises:
            RefusedError, ValueError: the request is invalid; the message gives the reason.
        """
        if self.headers.get_content_type() != "application/json":  # a form of another site cannot send JSON
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a request is JSON")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "a request needs its length")
        if int(length) > LARGEST:
            why = f"the request is too large: {length} bytes, {LARGEST} at most; shorten the source"
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)
        try:
            return Request.model_validate_json(self.rfile.read(int(length)))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'the request'}: {first['msg']}") from None

    def _gone(self) -> bool:
        """Whether the client has closed the connection."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        return bool(poll.poll(0)) and not self.connection.recv(1, socket.MSG_PEEK)

    def _begin(self, status: HTTPStatus, kind: str) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Cache-Control": "no-store",
            "Content-Security-Policy": watch_page.SECURITY,
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        self._begin(status, kind)
        self.wfile.write(text.encode())

    def log_message(self, format: str, *values: Any) -> None:
        """Log requests at the level DEBUG, so that they are not printed by default."""
        log.debug(format, *values)


class Server(ThreadingHTTPServer):
    """The server of the page, with the `Desk` that translates."""

    def __init__(self, desk: Desk, port: int) -> None:
        """
        Args:
            desk: the desk that translates.
            port: number of the port; 0: any free port.

        Raises:
            ValueError: another program uses the port, or it cannot be used.
        """
        self.desk = desk
        try:
            super().__init__((HOST, port), Handler)
        except OverflowError:
            raise ValueError(f"--port is between 0 and 65535, not {port}") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ValueError(f"port {port} is in use; choose another --port, or 0 for any that is free") from None
            if error.errno == errno.EACCES:
                raise ValueError(f"port {port} is not open to you; choose a --port above 1023") from None
            raise

    def server_bind(self) -> None:
        """Bind without looking up the machine's name, which can take seconds without a network."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    @property
    def address(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.server_port}/"


def told(events: Iterator[Event]) -> Iterator[Event]:
    """The events, with an `error` event instead of an exception."""
    try:
        yield from events
    except Exception as error:
        log.debug("a translation failed", exc_info=error)
        yield {"error": command.told(error)}
