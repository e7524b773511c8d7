"""Files that metrics read and that are not shipped here: fetched once, checked by SHA-256, kept in one folder.

The folder is `~/.cache/dragoman`, or what DRAGOMAN_CACHE names; a file may be put there by hand. In a run the rule
`requisites` fetches them, where there is a network, and later jobs find them.
"""

from __future__ import annotations

import http.client
import logging
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

import portalocker

from dragoman.storage import sha256

log = logging.getLogger(__name__)

HUB = "https://huggingface.co"
STALL = 60.0
"""Seconds without a byte after which a download is given up."""
WAIT = 3600.0
"""Seconds to wait for another process that fetches the same file."""


class FetchError(ValueError):
    """A file that could not be fetched; the message says what to do about it."""


class KnownFile(NamedTuple):
    """A file that is published under one address and never changes."""

    name: str
    url: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return Path(os.environ.get("DRAGOMAN_CACHE") or "~/.cache/dragoman").expanduser() / self.name

    @property
    def address(self) -> str:
        """Its URL; one of the hub's is asked of HF_ENDPOINT, where that is set."""
        endpoint = os.environ.get("HF_ENDPOINT")
        return self.url.replace(HUB, endpoint.rstrip("/"), 1) if endpoint else self.url


def fetched(file: KnownFile) -> Path:
    """The path of a known file, which is fetched where it is not there yet.

    A download that was interrupted continues where it ended. The file gets its name once its SHA-256 is right.

    Raises:
        FetchError: no network, or other bytes than were published.
    """
    path = file.path
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with portalocker.Lock(path.with_name(f"{path.name}.lock"), timeout=WAIT):
            if not path.is_file():  # another process may have fetched it meanwhile
                _fetch(file, path)
    except portalocker.exceptions.LockException:
        raise FetchError(f"another process has been fetching {path} for {WAIT:g} s; stop it or wait") from None
    return path


def _fetch(file: KnownFile, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    begun = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(file.address, headers={"Range": f"bytes={begun}-"} if begun else {})
    try:
        with urllib.request.urlopen(request, timeout=STALL) as answer:
            continued = answer.status == 206
            size = int(answer.headers.get("Content-Length") or 0)
            log.info("fetching %s, %.1f MB", file.address, size / 1e6)
            with open(part, "ab" if continued else "wb") as target:
                shutil.copyfileobj(answer, target)
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError) and error.code == 416:  # no such range: of another file
            part.unlink()
        text = f"{file.address} cannot be fetched ({error}): run again where there is a network"
        raise FetchError(f"{text}, or put the file there by hand, as {path}") from None
    have, expected = part.stat().st_size, size + begun * continued
    if have < expected:  # `read` does not tell a connection that broke from one that ended
        raise FetchError(f"{file.address} ended after {have} of {expected} bytes; run again to continue")
    if sha256(part) != file.sha256:
        part.unlink()
        text = f"{file.address} has another SHA-256 than {file.sha256}, so it was removed"
        raise FetchError(f"{text}; run again (a proxy or a mirror may have changed it)")
    part.replace(path)
