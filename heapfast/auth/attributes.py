"""What a request asks for, in the words of Kubernetes' authorizers.

In      method, decoded path and raw query
Out     Attributes: a verb on a resource, or on a path
Callers chain.py; whoever routes the request must read namespace and name from here
Source  spec/metrics-k8s-io.md 11.3; recorded answers `auth/review-allow`, `auth/review-deny`
Never   refuses: a request that makes no sense still has attributes, and answers come after permission
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from heapfast.errors import QueryError
from heapfast.store.requirement import Operator, Selector

_VERBS: Final = {
    "POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"
}  # fmt: skip
#: Path elements between version and resource that are verbs, from before there were others.
_PATH_VERBS: Final = frozenset(("proxy", "watch"))
#: What follows the name of a namespace and is not a resource in it.
_NAMESPACE_SUBRESOURCES: Final = frozenset(("status", "finalize"))
# What reviews can say of labels; numbers have no form there, and an authorizer that sees fewer conditions allows less.
_OPERATORS: Final = {
    Operator.IN: "In",
    Operator.NOT_IN: "NotIn",
    Operator.EXISTS: "Exists",
    Operator.DOES_NOT_EXIST: "DoesNotExist",
}
_COLLECTION_VERBS: Final = frozenset(("list", "watch", "deletecollection"))
#: Requests whose attributes are remembered, and up to which size: autoscalers repeat theirs every few seconds.
REMEMBERED: Final = 4096
MAX_REMEMBERED_BYTES: Final = 1024
#: A longer selector is not read, and the review does not state it: callers nobody knows yet can send it.
MAX_SELECTOR_CHARACTERS: Final = 8192


class Condition(NamedTuple):
    """One condition of a selector, as reviews state it.

    Attributes:
        operator: In, NotIn, Exists or DoesNotExist.
    """

    key: str
    operator: str
    values: tuple[str, ...]


class Attributes(NamedTuple):
    """One request; each member is "" when the request has none.

    Attributes:
        is_resource: whether it is about a resource; else `path` says what about.
        verb: of resources list, get, watch ...; of paths the method in lower case.
        labels, fields: the selectors of collections; one that cannot be read is none.
    """

    verb: str
    path: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    labels: tuple[Condition, ...] = ()
    fields: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        if not self.is_resource:
            return f"{self.verb} path {self.path!r}"
        where = f" in namespace {self.namespace!r}" if self.namespace else ""
        return f"{self.verb} {self.group}/{self.version} {self.resource!r} {self.name!r}{where}"

    def wider(self) -> list[Attributes]:
        """Lists that show all that this one does, each more than the one before; none of what is no list.

        They have no path: reviews of resources do not state one.
        """
        if not self.is_resource or self.verb != "list":
            return []
        wider = []
        if self.labels or self.fields:
            wider.append(self._replace(path="", name="", labels=(), fields=()))
        if self.namespace:
            wider.append(self._replace(path="", namespace="", name="", labels=(), fields=()))
        return wider

    def size(self) -> int:
        """Characters of all texts together."""
        texts = sum(len(member) for member in self if isinstance(member, str))
        return texts + sum(len(key) + sum(map(len, values)) for key, _, values in (*self.labels, *self.fields))


class QueryParsers(NamedTuple):
    """How the parts of a query are read; the REST side's own, so that both read the same.

    Attributes:
        query: raw query to first values.
        labels, fields: raise QueryError for a text that is no selector.
    """

    query: Callable[[bytes], Mapping[str, str]]
    labels: Callable[[str], Selector]
    fields: Callable[[str], Selector]


class AttributeReader:
    """Reads requests, and remembers what it read.

    Args:
        asked_by_post: (group, resource) of what a POST only asks about, in a body as long as no query can be: it needs
            the permission of a GET. Reviews then state the selectors of the URL alone, and fewer conditions allow less.
    """

    def __init__(self, parsers: QueryParsers, asked_by_post: frozenset[tuple[str, str]] = frozenset()) -> None:
        self._parsers = parsers
        self._asked_by_post = asked_by_post
        self._remembered = lru_cache(REMEMBERED)(self._read)

    def read(self, method: str, path: str, query: bytes) -> Attributes:
        """Read one request.

        Args:
            path: percent-decoded.
            query: what follows the question mark, as it came.
        """
        if len(method) + len(path) + len(query) <= MAX_REMEMBERED_BYTES:
            return self._remembered(method, path, query)
        return self._read(method, path, query)

    def _read(self, method: str, path: str, query: bytes) -> Attributes:
        parts = path.strip("/").split("/")
        # What stands before the version: /api, or /apis and a group.
        n_before = {"api": 1, "apis": 2}.get(parts[0], 0)
        if n_before == 0 or len(parts) < 3 or len(parts) <= n_before + 1:
            return Attributes(method.lower(), path)
        group = parts[1] if n_before == 2 else ""
        version, *rest = parts[n_before:]
        verb = _VERBS.get(method, "")
        if rest[0] in _PATH_VERBS and len(rest) > 1:
            verb, *rest = rest
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 1:
            namespace = rest[1]
            if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
                rest = rest[2:]
        if method == "POST" and verb == "create" and (group, rest[0]) in self._asked_by_post:
            verb = "get"
        name = rest[1] if len(rest) > 1 else ""
        subresource = rest[2] if len(rest) > 2 and verb != "proxy" else ""
        params = self._parsers.query(query)
        names_no_object = verb == "get" and not name
        if names_no_object:
            verb = "list" if params.get("watch", "0").lower() in ("0", "false") else "watch"
        elif verb == "delete" and not name:
            verb = "deletecollection"
        labels, fields = self._read_selectors(params) if verb in _COLLECTION_VERBS else ((), ())
        if names_no_object:
            name = _exact_name(fields)
        return Attributes(verb, path, True, group, version, rest[0], subresource, namespace, name, labels, fields)

    def _read_selectors(self, params: Mapping[str, str]) -> tuple[tuple[Condition, ...], tuple[Condition, ...]]:
        labels = _parse(self._parsers.labels, params.get("labelSelector", ""))
        fields = _parse(self._parsers.fields, params.get("fieldSelector", ""))
        return tuple(sorted(labels, key=_key)), tuple(fields)


def _parse(parser: Callable[[str], Selector], text: str) -> list[Condition]:
    try:
        selector = parser(text) if 0 < len(text) <= MAX_SELECTOR_CHARACTERS else ()
    except QueryError:
        return []
    return [
        Condition(requirement.key, _OPERATORS[requirement.operator], requirement.values)
        for requirement in selector
        if requirement.operator in _OPERATORS
    ]


def _key(condition: Condition) -> str:
    return condition.key


def _exact_name(fields: tuple[Condition, ...]) -> str:
    """The only name that a field selector leaves; "" when it leaves more, or one that no object can have."""
    for key, operator, values in fields:
        if key == "metadata.name" and operator == "In":
            name = values[0]
            return "" if name in (".", "..") or "/" in name or "%" in name else name
    return ""
