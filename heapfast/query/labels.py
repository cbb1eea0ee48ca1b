"""The parameter `labels`: which labelled metric is asked for.

In      "key:value,key:value"
Out     the label set, or None for an unlabelled question
Callers api/series_params.py
Source  spec/heapster-rest.md 3.2
Never   knows which labels exist
"""

from __future__ import annotations

from heapfast.errors import QueryError
from heapfast.query.quoting import quote


def parse_labels(text: str | None) -> dict[str, str] | None:
    """Parse a label set; a pair is split at its first colon, of equal keys the last wins.

    Returns:
        None when `text` is missing or empty.

    Raises:
        QueryError: for a pair without a colon, or with an empty key or value.
    """
    if not text:
        return None
    labels = {}
    is_ascii = text.isascii()
    for pair in text.split(","):
        key, colon, value = pair.partition(":")
        if not (key and colon and value):
            raise QueryError(f"invalid label pair {quote(pair)}")
        if not is_ascii:
            key, value = _utf8(key), _utf8(value)
        labels[key] = value
    return labels


# Bytes that are no UTF-8 name nothing that is stored.
def _utf8(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
