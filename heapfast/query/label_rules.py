"""What Kubernetes lets a label be: checks of keys and values, with its texts.

In      a label key or value
Out     nothing when it is well-formed, else a QueryError that says all that is wrong with it
Callers _selector.pyx, naive_selector.py, question.py
Source  spec/heapster-rest.md 9.3, recorded `bad-selector` answers
Never   knows of selectors
"""

from __future__ import annotations

import re

from heapfast.errors import QueryError
from heapfast.query.quoting import quote

_MAX_NAME_BYTES = 63
_MAX_PREFIX_BYTES = 253

_NAME_FORM = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE_FORM = f"({_NAME_FORM})?"
_PREFIX_PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PREFIX_FORM = rf"{_PREFIX_PART}(\.{_PREFIX_PART})*"

_NAME = re.compile(_NAME_FORM, re.ASCII)
_VALUE = re.compile(_VALUE_FORM, re.ASCII)
_PREFIX = re.compile(_PREFIX_FORM, re.ASCII)

_NAME_RULE = (
    "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_NAME_HELP = (
    f"must {_NAME_RULE} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME_FORM}')"
)
_VALUE_HELP = (
    f"a valid label must be an empty string or {_NAME_RULE} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{_VALUE_FORM}')"
)
_PREFIX_HELP = (
    "a DNS-1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    f"with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_PREFIX_FORM}')"
)


def check_key(key: str) -> None:
    """Raise QueryError unless `key` is a name of at most 63 bytes, with a DNS subdomain and `/` before it or not."""
    faults = _key_faults(key)
    if faults:
        raise QueryError(f"invalid label key {quote(key)}: {'; '.join(faults)}")


def check_value(value: str) -> None:
    """Raise QueryError unless `value` is empty or a name of at most 63 bytes."""
    faults = []
    if _size(value) > _MAX_NAME_BYTES:
        faults.append(_too_long(_MAX_NAME_BYTES))
    if not _VALUE.fullmatch(value):
        faults.append(_VALUE_HELP)
    if faults:
        raise QueryError(f"invalid label value: {quote(value)}: {'; '.join(faults)}")


def _key_faults(key: str) -> list[str]:
    parts = key.split("/")
    if len(parts) > 2:
        return [
            f"a qualified name {_NAME_HELP} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    faults = []
    if len(parts) == 2:
        prefix = parts[0]
        if not prefix:
            faults.append("prefix part must be non-empty")
        else:
            if _size(prefix) > _MAX_PREFIX_BYTES:
                faults.append(f"prefix part {_too_long(_MAX_PREFIX_BYTES)}")
            if not _PREFIX.fullmatch(prefix):
                faults.append(f"prefix part {_PREFIX_HELP}")
    name = parts[-1]
    if not name:
        faults.append("name part must be non-empty")
    elif _size(name) > _MAX_NAME_BYTES:
        faults.append(f"name part {_too_long(_MAX_NAME_BYTES)}")
    if not _NAME.fullmatch(name):
        faults.append(f"name part {_NAME_HELP}")
    return faults


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"
