"""Requests to the Hugging Face hub: addresses, repeated attempts, and error messages.

The hub's own library reads the token and classifies errors. Its repeated attempts are not used, since they differ
between its functions.
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
    HTTPError,  # base class of all errors of its HTTP library
    OfflineModeIsEnabled,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, get_session, get_token, parse_ratelimit_headers

log = logging.getLogger(__name__)

Kind = Literal["model", "dataset"]
Result = TypeVar("Result")

PAUSES = (1, 2, 4, 8)
"""Seconds before each further attempt. After an attempt that brought new bytes, the sequence starts again."""
LONGEST_PAUSE = 300
"""Maximum pause in seconds. The hub counts requests over five minutes; if a server requests more, the download
fails."""
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Status codes of errors that may be temporary."""


class HubError(ValueError):
    """A download that failed; the message says what to do."""


class Interrupted(Exception):  # noqa: N818 - always caught in `patiently`
    """The stream ended before the end of the file."""


class Place(NamedTuple):
    """A repository at a revision, and the folder that it is downloaded into."""

    kind: Kind
    repo: str
    revision: str
    folder: Path

    @property
    def endpoint(self) -> str:
        """The hub's address, read from the environment at each call, since the hub's library reads it at import."""
        return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")

    @property
    def page(self) -> str:
        return f"{self.endpoint}/{'datasets/' if self.kind == 'dataset' else ''}{self.repo}"


def timeout() -> float:
    """Seconds without a byte after which a connection is given up."""
    return float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT") or 30)


def patiently(action: Callable[[], Result], place: Place, progress: Callable[[], int] = lambda: 0) -> Result:
    """Call `action`; after an error that may be temporary, pause and call it again.

    Args:
        action: a request.
        place: for error messages.
        progress: number of bytes fetched so far.

    Raises:
        HubError: the error is permanent, or occurred after the last pause.
    """
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
    """Seconds to wait according to the response: from Retry-After, or from the rate limit headers; 0 if neither is
    there."""
    if not isinstance(error, HfHubHTTPError):
        return 0
    value = error.response.headers.get("Retry-After", "")
    limit = parse_ratelimit_headers(error.response.headers) if _status(error) == 429 else None
    return int(value) if value.isdigit() else limit.reset_in_seconds + 1 if limit and not limit.remaining else 0


def _shown(error: Exception) -> str:
    status = _status(error)
    return f"status {status}" if status else f"{type(error).__name__} ({error})"


def _explained(error: Exception, place: Place) -> HubError:
    """The error with what to do. Addresses of requests are left out, since they may hold a signature."""
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
            f"{place.endpoint} responds with {_shown(error)}; run again later; the download continues where it stopped"
        )
    return HubError(
        f"no network connection to {place.endpoint}, or it was interrupted: {_shown(error)}. Run again to continue "
        f"where it stopped; behind a proxy set HTTPS_PROXY, with a mirror set HF_ENDPOINT, {elsewhere}"
    )


def _revisions(place: Place) -> str:
    """Branches, tags and converted branches, for a message; from a direct request, which has a time limit."""
    url = f"{place.endpoint}/api/{place.kind}s/{place.repo}/refs"
    try:
        answer = get_session().get(url, headers=build_hf_headers(), timeout=timeout()).json()
        refs = [ref["name"] for key in ("branches", "tags") for ref in answer.get(key) or ()]
        return few(refs + [ref["ref"] for ref in answer.get("converts") or ()])
    except (HTTPError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return "(its list of branches could not be read)"


def few(names: Sequence[str], most: int = 12) -> str:
    """The first names for a message, and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "nothing") + more
