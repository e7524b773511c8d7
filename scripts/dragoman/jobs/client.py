"""Hand a job to the worker (`worker.py`): `python -I -S client.py ADDRESS SCRIPT [ARGUMENT ...]`.

It starts in hundredths of a second, so it imports little.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
BYTES = 8
"""Every message but the request itself is one whole number of this many bytes."""
BUSY, READY = 0, 1


def send(connection: socket.socket, number: int) -> None:
    """Send one number."""
    connection.sendall(number.to_bytes(BYTES, "big"))


def receive(connection: socket.socket) -> int:
    """Wait for one number.

    Raises:
        ConnectionError: the other side has ended.
    """
    data = connection.recv(BYTES, socket.MSG_WAITALL)
    if len(data) < BYTES:
        raise ConnectionError("the other side has ended")
    return int.from_bytes(data, "big")


def main(address: str, *command: str) -> None:
    """Run `python COMMAND` in a copy of the worker and end as it ends; without a worker, become that command."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
        ready = receive(connection) == READY
    except OSError:
        ready = False
    if not ready:
        os.execv(sys.executable, [sys.executable, *command])
    folder = os.getcwd()  # noqa: PTH109 (pathlib takes as long to import as all the rest)
    request = json.dumps([command, folder, dict(os.environ)]).encode()
    try:
        socket.send_fds(connection, [len(request).to_bytes(BYTES, "big")], [0, 1, 2])
        connection.sendall(request)
        job = receive(connection)
        for each in FORWARDED:
            signal.signal(each, lambda number, _: os.kill(job, number))
        sys.exit(receive(connection))
    except ConnectionError:
        sys.exit("the process that runs the jobs has ended (was there too little memory?); run again")


if __name__ == "__main__":
    main(*sys.argv[1:])
