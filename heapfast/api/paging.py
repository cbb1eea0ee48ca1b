"""Pages of a list: `limit` and `continue`.

In      a roster, the slots of the whole list, a token
Out     the slots of one page, and the token of the next
Callers metrics_k8s_io.py
Source  issue 3, part 3: pages are honoured, where metrics-server ignores them
Never   keeps anything between two pages: a token says after which name the next one begins

So objects that come and go between two pages are listed when their names are still to come, and
none is listed twice.
"""

from __future__ import annotations

import base64
import binascii
from array import array
from collections.abc import Callable
from typing import Final, NamedTuple

from heapfast.api.kubernetes_errors import bad_request

#: A name as it is ordered: namespace (b"" for nodes) and name.
Key = tuple[bytes, bytes]

_MARK: Final = b"heapfast/1"


class Page(NamedTuple):
    """One page.

    Attributes:
        slots: in the order of names.
        token: for the page after it, "" when this is the last.
    """

    slots: array[int]
    token: str


def take_page(ordered: array[int], key_of: Callable[[int], Key], limit: int, token: str) -> Page:
    """Cut a page out of a list.

    Args:
        ordered: all slots of the list, in the order of names.
        key_of: the name of a slot.
        limit: slots at most; 0 for all that follow. Some of them may have nothing to serve, so that
            the answer is shorter; that is no sign of the end.
        token: of the page before, "" for the first page. One that is not ours is ignored without a limit.

    Raises:
        KubernetesError: 400, a token that is not ours.
    """
    start = 0
    if token:
        after = _parse(token)
        if after is not None:
            start = _first_after(ordered, key_of, after)
        elif limit:
            raise bad_request("continue key is not valid: it was not given by this server")
    stop = start + limit if limit else len(ordered)
    slots = ordered[start:stop]
    return Page(slots, _format(key_of(slots[-1])) if stop < len(ordered) and slots else "")


def _first_after(ordered: array[int], key_of: Callable[[int], Key], after: Key) -> int:
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        if key_of(ordered[middle]) <= after:
            low = middle + 1
        else:
            high = middle
    return low


def _format(key: Key) -> str:
    return base64.urlsafe_b64encode(b"\0".join((_MARK, *key))).decode().rstrip("=")


def _parse(token: str) -> Key | None:
    try:
        parts = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).split(b"\0")
    except (binascii.Error, ValueError):
        return None
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == _MARK else None
