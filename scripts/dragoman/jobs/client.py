"""Send a job to the worker (`worker.py`): `python -I -S client.py ADDRESS SCRIPT [ARGUMENT ...]`.

It imports few modules, so that it starts in hundredths of a second.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
BYTES = 8
"""Every message except the request is one whole number of this many bytes."""
BUSY, READY = 0, 1


def send(connection: socket.socket, number: int) -> None:
    """Send one number."""
    connection.sendall(number.to_bytes(BYTES, "big"))


def receive(connection: socket.socket) -> int:
    """Wait for one number.

    Raises:
        ConnectionError: the other process has ended.
    """
    data = connection.recv(BYTES, socket.MSG_WAITALL)
    if len(data) < BYTES:
        raise ConnectionError("the other process has ended")
    return int.from_bytes(data, "big")


def main(address: str, *command: str) -> None:
    """Run `python COMMAND` in a copy of the worker, and exit with its code. Without a worker, the client executes
    the command in its own process."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
        ready = receive(connection) == READY
    except OSError:
        ready = False
    if not ready:
        os.execv(sys.executable, [sys.executable, *command])
    folder = os.getcwd()  # noqa: PTH109 (importing pathlib takes as long as all other imports)
    request = json.dumps([command, folder, dict(os.environ)]).encode()
    try:
        socket.send_fds(connection, [len(request).to_bytes(BYTES, "big")], [0, 1, 2])
        connection.sendall(request)
        job = receive(connection)
        for signal_number in FORWARDED:
            signal.signal(signal_number, lambda number, _: os.kill(job, number))
        sys.exit(receive(connection))
    except ConnectionError:
        sys.exit("the process that runs the jobs has ended (was there too little memory?); run again")


if __name__ == "__main__":
    main(*sys.argv[1:])
