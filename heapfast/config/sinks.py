"""The sinks of a command line, and which store answers for history.

In      every value of --sink, that of --historical-source, the environment
Out     (key, spec) of the sinks, in order; whether `metric` is among them; the store of history; faults and notes
Callers config.build
Source  spec/heapster-pipeline.md 3.1 and 6.2; Q19: a sink that is misspelt stops the start
Never   shows an option's value, or anything else behind the key: sink URIs carry passwords
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast

from heapfast.config.findings import MAX_PORT, Findings
from heapfast.config.uris import Uri, parse_uri
from heapfast.config.values import parse_bool
from heapfast.sinks.kinds import GONE, KINDS, reader_of
from heapfast.sinks.sink import Address, HistorySpec, Secret, SinkSpec

MEMORY = "metric"
_ASKABLE = "'embedded', 'none' or the URI of an influxdb or prometheus sink"
_HOST_PORT = re.compile(r"(?:\[([^\]]*)\]|([^:]*))(?::([0-9]*))?")


def build_sinks(
    given: Sequence[str], environment: Mapping[str, str], findings: Findings, shard: str = ""
) -> tuple[tuple[tuple[str, SinkSpec], ...], bool]:
    """Reads every --sink; gives the sinks, and whether the memory was named."""
    specs: list[tuple[str, SinkSpec]] = []
    is_memory_named = False
    for value in given:
        try:
            uri = parse_uri(value, environment)
        except ValueError as error:
            findings.refuse("sink", f"the key {value.partition(':')[0]!r} and no URL that can be read", str(error))
            continue
        if uri.key == MEMORY:
            is_memory_named = True
        elif uri.key in GONE:
            findings.refuse("sink", repr(uri.key), GONE[uri.key])
        elif uri.key not in KINDS:
            findings.refuse("sink", repr(uri.key), f"one of {', '.join(sorted((MEMORY, *KINDS)))}")
        else:
            reader = UriReader(uri, findings, shard, environment=environment)
            specs.append((uri.key, reader_of(uri.key)(reader)))
            reader.note_unread()
    return tuple(specs), is_memory_named


def build_historical(
    text: str, sinks: Sequence[str], environment: Mapping[str, str], findings: Findings, shard: str = ""
) -> HistorySpec | None:
    """Reads --historical-source: a sink's URI, whose store can be asked as well.

    Heapster wanted one of its sinks there, by the very same text. A store that others fill will do, too.
    """
    try:
        uri = parse_uri(text, environment)
    except ValueError as error:
        findings.refuse(
            "historical-source", f"the key {text.partition(':')[0]!r} and no URL that can be read", str(error)
        )
        return None
    if uri.key not in KINDS:
        findings.refuse("historical-source", repr(uri.key), _ASKABLE)
        return None
    # What is wrong with the same text has been said already.
    said = Findings() if text in sinks else findings
    reader = UriReader(uri, said, shard, flag="historical-source", environment=environment)
    spec = reader_of(uri.key)(reader)
    reader.note_unread()
    if not hasattr(spec, "build_history"):
        findings.refuse("historical-source", repr(uri.key), _ASKABLE)
        return None
    return cast(HistorySpec, spec)


class UriReader:
    """Reads the options of one URI (see sinks.sink.SinkUri), and notes those that nobody asked for.

    Args:
        shard: of --shard.
        flag: that the URI is of.
        environment: what `variable` looks into.
    """

    def __init__(
        self,
        uri: Uri,
        findings: Findings,
        shard: str = "",
        *,
        flag: str = "sink",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.shard = shard
        self._flag = flag
        self._environment = environment or {}
        self.scheme = uri.scheme
        self.host = uri.host
        self.path = uri.path
        self._key = uri.key
        self._values: dict[str, list[str]] = {}
        for name, value in uri.pairs:
            self._values.setdefault(name, []).append(value)
        self._findings = findings
        self._read: set[str] = set()

    def texts(self, option: str) -> tuple[str, ...]:
        self._read.add(option)
        return tuple(self._values.get(option, ()))

    def text(self, option: str, default: str = "") -> str:
        return next(iter(self.texts(option)), default)

    def secret(self, option: str, default: str = "") -> Secret:
        return Secret(self.text(option, default))

    def variable(self, *names: str) -> Secret:
        return Secret(next((text for name in names if (text := self._environment.get(name, ""))), ""))

    def switch(self, option: str, default: bool) -> bool:
        text = self.text(option)
        if option not in self._values:
            return default
        try:
            return parse_bool(text)
        except ValueError as error:
            self._refuse_option(option, str(error))
            return default

    def integer(self, option: str, default: int, *, least: int) -> int:
        text = self.text(option, str(default))
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or int(text) < least:
            self._refuse_option(option, f"an integer, {least} or more")
            return default
        return int(text)

    def number(self, option: str, default: float) -> float:
        text = self.text(option, str(default))
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
            self._refuse_option(option, "a number, 0 or more")
            return default
        return float(text)

    def choice(self, option: str, default: str, choices: Sequence[str]) -> str:
        text = self.text(option, default)
        if text not in choices:
            self._refuse_option(option, f"one of {', '.join(choices)}")
            return default
        return text

    def address(self, default_host: str, default_port: int) -> Address:
        match = _HOST_PORT.fullmatch(self.host)
        port = int((match and match[3]) or default_port)
        if match is None or not 0 < port <= MAX_PORT:
            self.refuse("a host and a port that cannot be used", f"HOST:PORT, with a port from 1 to {MAX_PORT}")
            return Address(default_host, default_port)
        return Address(match[1] or match[2] or default_host, port)

    def refuse(self, got: object, want: str) -> None:
        self._findings.refuse(self._flag, f"{self._key!r} with {got}", want)

    def note_unread(self) -> None:
        """Notes options that this sink does not have; Heapster passed over them in silence."""
        for option in self._values.keys() - self._read:
            self._findings.note(self._flag, f"{self._key!r} has no option {option!r}, which has no effect")

    def _refuse_option(self, option: str, want: str) -> None:
        self.refuse(f"an option {option!r} that cannot be read", want)
