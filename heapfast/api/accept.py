"""What form of answer a client of a Kubernetes API accepts.

In      the first Accept line, `pretty`, the User-Agent
Out     Negotiated: encoding, indentation and transformation; or None when nothing fits
Callers kubernetes_responders.py, discovery.py, openapi.py, metrics_k8s_io.py, custom_metrics.py; OFFERED:
        secure_routes.py
Source  spec/metrics-k8s-io.md 5.1 and 5.3, recorded `negotiation` answers
Never   words a refusal

Two filters, one behind the other: first one that knows media types alone, as the router of a
Kubernetes server does (`is_produced`), then one that weighs qualities and reads parameters (`negotiate`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from heapfast.render.forms import Encoding

JSON: Final = Encoding.JSON.value
YAML: Final = Encoding.YAML.value
PROTOBUF: Final = Encoding.PROTOBUF.value

#: What objects are offered as; JSON is what a client gets who does not care.
OFFERED: Final = (JSON, YAML, PROTOBUF)
#: Lists are offered as what a watch of them would be, too.
OFFERED_LIST: Final = (*OFFERED, f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")

_META_GROUP: Final = "meta.k8s.io"
_META_VERSIONS: Final = ("v1", "v1beta1")
_PRETTY_AGENTS: Final = ("curl", "Wget", "Mozilla/5.0")
_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))

#: Headers that are remembered, and up to which length: clients send the same few again and again.
REMEMBERED: Final = 256
MAX_REMEMBERED_CHARS: Final = 512


class Transform(NamedTuple):
    """What a client wants made of the object, by the name of the result; a part may be empty."""

    kind: str
    group: str
    version: str


class Negotiated(NamedTuple):
    """What client and server have agreed on.

    Attributes:
        encoding: of the answer.
        is_indented: asked for by the Accept clause; `pretty` and the User-Agent are asked apart.
        transform: None for the object as it is.
    """

    encoding: Encoding
    is_indented: bool = False
    transform: Transform | None = None


#: Whether a transformation (None: as it is) exists in an encoding.
Allows = Callable[[Encoding, Transform | None], bool]


def allows_plain(encoding: Encoding, transform: Transform | None) -> bool:
    """Errors and discovery documents are what they are."""
    return transform is None


def allows_objects(encoding: Encoding, transform: Transform | None) -> bool:
    """Objects and lists may be asked for as their metadata, and, but for protobuf, as a table."""
    if transform is None:
        return True
    if transform.group != _META_GROUP or transform.version not in _META_VERSIONS:
        return False
    if transform.kind == "Table":
        return encoding is not Encoding.PROTOBUF
    return transform.kind in ("PartialObjectMetadata", "PartialObjectMetadataList")


def allows_aggregated(encoding: Encoding, transform: Transform | None) -> bool:
    """Aggregated discovery alone; so a clause that asks for it wins against every other."""
    return transform == ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2")


def is_produced(accept: str, produced: tuple[str, ...]) -> bool:
    """Whether one of the listed types, without its parameters, is exactly one that is produced, or `*/*`."""
    if not accept:
        return True
    if len(accept) <= MAX_REMEMBERED_CHARS:
        return _is_produced_remembered(accept, produced)
    return _is_produced(accept, produced)


def _is_produced(accept: str, produced: tuple[str, ...]) -> bool:
    return not parse_types(accept).isdisjoint((*produced, "*/*"))


_is_produced_remembered = lru_cache(REMEMBERED)(_is_produced)


def parse_types(accept: str) -> set[str]:
    """Return the media types of a header, without their parameters."""
    return {item.partition(";")[0].strip() for item in accept.split(",")}


def negotiate(accept: str, allows: Allows, *, streams: bool = False) -> Negotiated | None:
    """Choose the form of an answer.

    Args:
        accept: the header; "" for none.
        allows: which transformations there are.
        streams: the clause may carry `stream=watch`; it changes nothing here.
    """
    if not accept:
        return Negotiated(Encoding.JSON) if allows(Encoding.JSON, None) else None
    if len(accept) <= MAX_REMEMBERED_CHARS:
        return _negotiate_remembered(accept, allows, streams)
    return _negotiate(accept, allows, streams)


def is_pretty(params: Mapping[str, str], user_agent: str) -> bool:
    """Whether people will read it: `pretty` decides, else whether the client is one that people use by hand."""
    pretty = params.get("pretty")
    if pretty:
        return pretty in _TRUE
    return user_agent.startswith(_PRETTY_AGENTS)


class _Clause(NamedTuple):
    type: str
    subtype: str
    quality: float
    params: dict[str, str]


def _negotiate(accept: str, allows: Allows, streams: bool) -> Negotiated | None:
    for clause in _parse(accept):
        for encoding in Encoding:
            type_, _, subtype = encoding.value.partition("/")
            if (clause.type, clause.subtype) in ((type_, subtype), (type_, "*"), ("*", "*")):
                found = _accept(clause.params, encoding, allows, streams)
                if found is not None:
                    return found
    return None


_negotiate_remembered = lru_cache(REMEMBERED)(_negotiate)


def _accept(params: Mapping[str, str], encoding: Encoding, allows: Allows, streams: bool) -> Negotiated | None:
    if "sv" in params or ("stream" in params and not (streams and params["stream"] == "watch")):
        return None
    transform = None
    if not params.keys().isdisjoint(("as", "g", "v")):
        transform = Transform(params.get("as", ""), params.get("g", ""), params.get("v", ""))
    if not allows(encoding, transform):
        return None
    return Negotiated(encoding, params.get("pretty") == "1", transform)


def _parse(accept: str) -> list[_Clause]:
    """Clauses by quality, then exact types before wildcards, then in order."""
    clauses = [clause for item in accept.split(",") if (clause := _parse_clause(item)) is not None]
    clauses.sort(key=lambda clause: (-clause.quality, clause.type == "*", clause.subtype == "*"))
    return clauses


def _parse_clause(item: str) -> _Clause | None:
    media_type, *parts = item.strip().split(";")
    if media_type.strip() == "*":
        media_type = "*/*"
    type_, *rest = media_type.split("/")
    # "a/" and "a/b/c" are no types; "/b" is one that nobody offers.
    if len(rest) != 1 or not rest[0]:
        return None
    params: dict[str, str] = {}
    quality = 1.0
    for part in parts:
        key, _, value = part.partition("=")
        if not value or "=" in value:
            continue
        if key.strip() == "q":
            quality = _parse_quality(value)
        else:
            params[key.strip()] = value.strip()
    return _Clause(type_.strip(), rest[0].strip(), quality, params)


# A quality that is none is 0, and 0 excludes nothing.
def _parse_quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if quality == quality else 0.0  # a NaN has no place in any order
