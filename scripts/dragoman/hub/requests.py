"""Requests to the Hugging Face hub: where they go, how patiently they are made, and what a failure means.

The hub's own library knows the token and names its errors. Its patience is not used: it differs from call to call.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,  # the base of every error of its HTTP library
    OfflineModeIsEnabled,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, get_session, get_token, parse_ratelimit_headers

log = logging.getLogger(__name__)

Kind = Literal["model", "dataset"]
Result = TypeVar("Result")

PAUSES = (1, 2, 4, 8)
"""Seconds before each further attempt. Whenever an attempt brought new bytes the count starts again."""
LONGEST_PAUSE = 300
"""The hub counts requests over five minutes; a server that asks us to wait longer is not waited for."""
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Status codes that another attempt may cure."""


class HubError(ValueError):
    """Something could not be fetched; the message says what to do about it."""


class Interrupted(Exception):  # noqa: N818 - caught and explained, never seen
    """The stream ended before the file did."""


class Place(NamedTuple):
    """What is fetched from where, for requests and for messages."""

    kind: Kind
    repo: str
    revision: str
    folder: Path

    @property
    def endpoint(self) -> str:
        """The hub's address: read now, and not when the hub's library was imported."""
        return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")

    @property
    def page(self) -> str:
        return f"{self.endpoint}/{'datasets/' if self.kind == 'dataset' else ''}{self.repo}"


def timeout() -> float:
    """Seconds without a byte after which a connection counts as dead."""
    return float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT") or 30)


def patiently(action: Callable[[], Result], place: Place, progress: Callable[[], int] = lambda: 0) -> Result:
    """Call `action`; when it fails of something that may pass, wait and call again, a few times."""
    pauses = iter(PAUSES)
    while True:
        before = progress()
        try:
            return action()
        except (HTTPError, OfflineModeIsEnabled, Interrupted) as error:
            if progress() > before:
                pauses = iter(PAUSES)
            pause = next(pauses, None) if _may_pass(error) else None
            if pause is None:
                raise _explained(error, place) from None
            pause = max(pause, _asked_pause(error))
            log.info("%s: trying again in %d s", _shown(error), pause)
            time.sleep(pause)


def _status(error: Exception) -> int | None:
    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def _may_pass(error: Exception) -> bool:
    if isinstance(error, OfflineModeIsEnabled) or _asked_pause(error) > LONGEST_PAUSE:
        return False
    return _status(error) in PASSING if isinstance(error, HfHubHTTPError) else True


def _asked_pause(error: Exception) -> int:
    """Seconds the server wants us to wait, by either of the headers in use."""
    if not isinstance(error, HfHubHTTPError):
        return 0
    value = error.response.headers.get("Retry-After", "")
    limit = parse_ratelimit_headers(error.response.headers) if _status(error) == 429 else None
    return int(value) if value.isdigit() else limit.reset_in_seconds + 1 if limit and not limit.remaining else 0


def _shown(error: Exception) -> str:
    status = _status(error)
    return f"status {status}" if status else f"{type(error).__name__} ({error})"


def _explained(error: Exception, place: Place) -> HubError:
    """What happened and what to do. Addresses of requests are left out: they may hold a signature."""
    status, token = _status(error), "is set, but" if get_token() else "is not set, and"
    elsewhere = f"or download it on another machine and copy it to {place.folder}"
    if isinstance(error, OfflineModeIsEnabled):
        return HubError(f"{place.page} is not downloaded yet, but HF_HUB_OFFLINE is set; unset it, {elsewhere}")
    if isinstance(error, GatedRepoError) or status == 403:
        return HubError(
            f"{place.page} is gated: accept the licence at the {place.kind}'s page and set HF_TOKEN to a token of the "
            f"same account (HF_TOKEN {token} gives no access)"
        )
    if isinstance(error, RevisionNotFoundError):
        return HubError(f"{place.page} has no revision {place.revision!r}; it has: {_revisions(place)}")
    if status in (401, 404):
        return HubError(
            f"{place.page} does not exist, or is private or gated (HF_TOKEN {token} gives no access); check the name, "
            "accept the licence at its page if it has one, and set HF_TOKEN"
        )
    if status == 429:
        return HubError(f"{place.endpoint} limits the number of requests (status 429); wait some minutes and run again")
    if status is not None:
        return HubError(
            f"{place.endpoint} answers with {_shown(error)}; run again later; the download continues where it stopped"
        )
    return HubError(
        f"no network connection to {place.endpoint}, or it was interrupted: {_shown(error)}. Run again to continue "
        f"where it stopped; behind a proxy set HTTPS_PROXY, with a mirror set HF_ENDPOINT, {elsewhere}"
    )


def _revisions(place: Place) -> str:
    """Branches, tags and converted branches, for a message; asked for directly, with a time limit."""
    url = f"{place.endpoint}/api/{place.kind}s/{place.repo}/refs"
    try:
        answer = get_session().get(url, headers=build_hf_headers(), timeout=timeout()).json()
        refs = [ref["name"] for key in ("branches", "tags") for ref in answer.get(key) or ()]
        return few(refs + [ref["ref"] for ref in answer.get("converts") or ()])
    except (HTTPError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return "(its list of branches could not be read)"


def few(names: Sequence[str], most: int = 12) -> str:
    """Names for a message: the first of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "nothing") + more
