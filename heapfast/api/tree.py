"""Routes as a tree of path segments: what both routers look paths up in.

In      templates with their method maps, then the segments of a path
Out     Match: the method map and the path's parameters, or how far the path was known
Callers router.py, secure_router.py
Source  spec/heapster-rest.md 1.2: both APIs' routers match whole segments
Never   splits, cleans or decodes a path: that is where the two routers differ

Each knot has literal children, then one parameter for what is none of them, or, at the end of a route and
only there, "all segments that are left". So there is never more than one way to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from heapfast.api.responders import MethodMap


class Match(NamedTuple):
    """What a path has led to.

    Attributes:
        methods: None when there is no such route.
        is_known: whether the path is at or below a prefix that was added.
    """

    methods: MethodMap | None
    params: dict[str, str]
    template: str | None
    is_known: bool


class _Knot:
    __slots__ = ("is_prefix", "literals", "parameter", "rest", "route")

    def __init__(self) -> None:
        self.literals: dict[str, _Knot] = {}
        self.parameter: tuple[str, _Knot] | None = None
        self.rest: tuple[str, MethodMap, str] | None = None
        self.route: tuple[MethodMap, str] | None = None
        self.is_prefix = False


class RouteTree:
    """See the module."""

    def __init__(self) -> None:
        self._root = _Knot()

    def add_prefix(self, path: str) -> None:
        """Add a path below which even an unknown route is somebody's."""
        self._knot(path).is_prefix = True

    def add(self, template: str, methods: MethodMap) -> None:
        """Add a route: literals, `{name}` for one segment, `{name:*}` at the end for one or more."""
        head, _, tail = template.rpartition("/")
        if tail.endswith(":*}"):
            self._knot(head).rest = (tail[1:-3], methods, template)
        else:
            self._knot(template).route = (methods, template)

    def _knot(self, template: str) -> _Knot:
        knot = self._root
        for segment in template.strip("/").split("/"):
            if segment.startswith("{"):
                name = segment[1:-1]
                if knot.parameter is None:
                    knot.parameter = (name, _Knot())
                assert knot.parameter[0] == name, f"BUG: two names for one segment of {template}"
                knot = knot.parameter[1]
            else:
                knot = knot.literals.setdefault(segment, _Knot())
        return knot

    def find(self, segments: Sequence[str]) -> Match:
        """Walk down the tree; a parameter takes any segment, also an empty one."""
        knot = self._root
        params: dict[str, str] = {}
        is_known = False
        for i, segment in enumerate(segments):
            is_known = is_known or knot.is_prefix
            child = knot.literals.get(segment)
            if child is not None:
                knot = child
            elif knot.parameter is not None:
                name, knot = knot.parameter
                params[name] = segment
            elif knot.rest is not None:
                name, methods, template = knot.rest
                params[name] = "/".join(segments[i:])
                return Match(methods, params, template, is_known)
            else:
                return Match(None, {}, None, is_known)
        is_known = is_known or knot.is_prefix
        if knot.route is None:
            return Match(None, {}, None, is_known)
        return Match(knot.route[0], params, knot.route[1], is_known)
