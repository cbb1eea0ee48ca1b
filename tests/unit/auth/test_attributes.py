"""What requests ask for: each form a path can have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.auth.attributes import MAX_REMEMBERED_BYTES, AttributeReader, Attributes, Condition
from tests.unit.auth.chains import PARSERS

GROUP = "/apis/metrics.k8s.io/v1beta1"


def read(method: str, path: str, query: str = "") -> Attributes:
    return AttributeReader(PARSERS).read(method, path, query.encode())


def of(verb: str, resource: str, **more: str) -> dict[str, str]:
    return {"verb": verb, "group": "metrics.k8s.io", "version": "v1beta1", "resource": resource, **more}


RESOURCES = [
    ("a list", "GET", f"{GROUP}/nodes", of("list", "nodes")),
    ("a slash at the end", "GET", f"{GROUP}/nodes/", of("list", "nodes")),
    ("one", "GET", f"{GROUP}/nodes/n1", of("get", "nodes", name="n1")),
    ("a list of all namespaces", "GET", f"{GROUP}/pods", of("list", "pods")),
    ("a list in a namespace", "GET", f"{GROUP}/namespaces/d/pods", of("list", "pods", namespace="d")),
    ("one in a namespace", "GET", f"{GROUP}/namespaces/d/pods/p", of("get", "pods", namespace="d", name="p")),
    ("a name without its namespace", "GET", f"{GROUP}/pods/p", of("get", "pods", name="p")),
    ("nodes in a namespace", "GET", f"{GROUP}/namespaces/d/nodes", of("list", "nodes", namespace="d")),
    ("namespaces", "GET", f"{GROUP}/namespaces", of("list", "namespaces")),
    ("a namespace", "GET", f"{GROUP}/namespaces/d", of("get", "namespaces", namespace="d", name="d")),
    ("of a namespace", "GET", f"{GROUP}/namespaces/d/status", of("get", "namespaces", namespace="d", name="d",
     subresource="status")),
    ("a subresource", "GET", f"{GROUP}/namespaces/d/pods/p/log", of("get", "pods", namespace="d", name="p",
     subresource="log")),
    ("below a subresource", "GET", f"{GROUP}/namespaces/d/pods/p/log/x", of("get", "pods", namespace="d", name="p",
     subresource="log")),
    ("an escaped slash is a slash", "GET", f"{GROUP}/nodes/a/b", of("get", "nodes", name="a", subresource="b")),
    ("two slashes", "GET", f"{GROUP}//pods", of("get", "", name="pods")),
    ("watch in the path", "GET", f"{GROUP}/watch/nodes", of("watch", "nodes")),
    ("watch of one", "GET", f"{GROUP}/watch/namespaces/d/pods/p", of("watch", "pods", namespace="d", name="p")),
    ("watch of nothing", "GET", f"{GROUP}/watch", of("list", "watch")),
    ("proxy in the path", "GET", f"{GROUP}/proxy/nodes/n1/x", of("proxy", "nodes", name="n1")),
    ("HEAD of a list", "HEAD", f"{GROUP}/nodes", of("list", "nodes")),
    ("HEAD of one", "HEAD", f"{GROUP}/nodes/n1", of("get", "nodes", name="n1")),
    ("POST", "POST", f"{GROUP}/nodes", of("create", "nodes")),
    ("PUT", "PUT", f"{GROUP}/nodes/n1", of("update", "nodes", name="n1")),
    ("PATCH", "PATCH", f"{GROUP}/nodes/n1", of("patch", "nodes", name="n1")),
    ("DELETE of one", "DELETE", f"{GROUP}/nodes/n1", of("delete", "nodes", name="n1")),
    ("DELETE of many", "DELETE", f"{GROUP}/nodes", of("deletecollection", "nodes")),
    ("OPTIONS", "OPTIONS", f"{GROUP}/nodes", of("", "nodes")),
    ("another version", "GET", "/apis/metrics.k8s.io/v9/nodes", of("list", "nodes") | {"version": "v9"}),
    ("another group", "GET", "/apis/x.io/v1beta1/y", of("list", "y") | {"group": "x.io"}),
    ("the core group", "GET", "/api/v1/nodes/n1/proxy/a/b", of("get", "nodes", name="n1", subresource="proxy")
     | {"group": "", "version": "v1"}),
    ("Heapster's model", "GET", "/api/v1/model/nodes/", of("get", "model", name="nodes")
     | {"group": "", "version": "v1"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "wanted"), [row[1:] for row in RESOURCES], ids=[row[0] for row in RESOURCES]
)
def test_resources(method: str, path: str, wanted: dict[str, str]) -> None:
    assert read(method, path) == Attributes(path=path, is_resource=True, **wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        pytest.param("POST", f"{GROUP}/namespaces/d/query", "list", id="in a namespace"),
        pytest.param("POST", f"{GROUP}/query/", "list", id="of all"),
        pytest.param("POST", f"{GROUP}/query/x", "get", id="one"),
        pytest.param("POST", f"{GROUP}/nodes", "create", id="another resource"),
        pytest.param("POST", "/apis/x.io/v1beta1/query", "create", id="another group"),
        pytest.param("POST", f"{GROUP}/watch/query", "watch", id="a verb in the path"),
        pytest.param("PUT", f"{GROUP}/query", "update", id="another method"),
    ],
)
def test_a_post_that_only_asks_needs_the_permission_of_a_get(method: str, path: str, verb: str) -> None:
    reader = AttributeReader(PARSERS, frozenset({("metrics.k8s.io", "query")}))
    assert reader.read(method, path, b"").verb == verb


def test_of_a_question_that_is_posted_the_review_states_the_selectors_of_the_url() -> None:
    reader = AttributeReader(PARSERS, frozenset({("metrics.k8s.io", "pods")}))
    assert reader.read("POST", f"{GROUP}/pods", b"labelSelector=app%3Dx") == reader.read(
        "GET", f"{GROUP}/pods", b"labelSelector=app%3Dx"
    )


PATHS = [
    ("GET", "/"), ("GET", ""), ("GET", "/metrics"), ("GET", "/livez/ping"), ("GET", "/apis"), ("GET", "/apis/"),
    ("GET", "/apis/metrics.k8s.io"), ("GET", GROUP), ("GET", f"{GROUP}/"), ("GET", "/api"), ("GET", "/api/v1"),
    ("GET", "/openapi/v3/apis/metrics.k8s.io/v1beta1"), ("GET", "/apix/v1/nodes"), ("POST", "/metrics"),
    ("OPTIONS", "/version"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_everything_else_is_a_path(method: str, path: str) -> None:
    assert read(method, path) == Attributes(method.lower(), path)


WATCHES = [
    ("", "list"), ("watch=1", "watch"), ("watch=true", "watch"), ("watch=", "watch"), ("watch=abc", "watch"),
    ("watch", "watch"), ("watch=0", "list"), ("watch=false", "list"), ("watch=0&watch=1", "list"), ("Watch=1", "list"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "verb"), WATCHES)
def test_a_list_may_be_a_watch(query: str, verb: str) -> None:
    assert read("GET", f"{GROUP}/nodes", query).verb == verb
    assert read("GET", f"{GROUP}/nodes/n1", query).verb == "get"


APP_IS_X = (Condition("app", "In", ("x",)),)
SELECTORS = [
    ("labels", "GET", "pods", "labelSelector=app%3Dx", APP_IS_X, (), ""),
    ("labels in the order of keys", "GET", "pods", "labelSelector=b,a+in+(y,x),!c", (Condition("a", "In", ("x", "y")),
     Condition("b", "Exists", ()), Condition("c", "DoesNotExist", ())), (), ""),
    ("numbers have no form", "GET", "pods", "labelSelector=n%3E5,app%3Dx", APP_IS_X, (), ""),
    ("numbers alone", "GET", "pods", "labelSelector=n%3E5", (), (), ""),
    ("labels that make no sense", "GET", "pods", "labelSelector=%3D", (), (), ""),
    ("the first counts", "GET", "pods", "labelSelector=app%3Dx&labelSelector=b", APP_IS_X, (), ""),
    ("a name", "GET", "pods", "fieldSelector=metadata.name%3Dp1", (), (Condition("metadata.name", "In",
     ("p1",)),), "p1"),
    ("not a name", "GET", "pods", "fieldSelector=metadata.name!%3Dp1", (), (Condition("metadata.name", "NotIn",
     ("p1",)),), ""),
    ("a name no object can have", "GET", "pods", "fieldSelector=metadata.name%3D..", (), (Condition("metadata.name",
     "In", ("..",)),), ""),
    ("a namespace", "GET", "pods", "fieldSelector=metadata.namespace%3Dd", (), (Condition("metadata.namespace", "In",
     ("d",)),), ""),
    ("fields that make no sense", "GET", "pods", "fieldSelector=bad", (), (), ""),
    ("of one", "GET", "pods/p", "labelSelector=app%3Dx", (), (), "p"),
    ("deleted", "DELETE", "pods", "labelSelector=app%3Dx&fieldSelector=metadata.name%3Dp1", APP_IS_X,
     (Condition("metadata.name", "In", ("p1",)),), ""),
    ("created", "POST", "pods", "labelSelector=app%3Dx", (), (), ""),
    ("watched", "GET", "watch/pods/p", "labelSelector=app%3Dx", APP_IS_X, (), "p"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "resource", "query", "labels", "fields", "name"), [row[1:] for row in SELECTORS],
    ids=[row[0] for row in SELECTORS],
)  # fmt: skip
def test_selectors(
    method: str,
    resource: str,
    query: str,
    labels: tuple[Condition, ...],
    fields: tuple[Condition, ...],
    name: str,
) -> None:
    attributes = read(method, f"{GROUP}/{resource}", query)
    assert (attributes.labels, attributes.fields, attributes.name) == (labels, fields, name)


@pytest.mark.parametrize(("n_values", "is_read"), [(10, True), (1000, True), (2000, False)])
def test_a_selector_beyond_all_measure_is_not_read(n_values: int, is_read: bool) -> None:
    text = f"app in ({','.join(f'v{number}' for number in range(n_values))})"
    labels = read("GET", f"{GROUP}/pods", f"labelSelector={text}").labels
    assert [len(condition.values) for condition in labels] == ([n_values] if is_read else [])


def test_the_size_is_that_of_all_texts() -> None:
    labels, fields = (Condition("key", "In", ("aa", "b")),), (Condition("f", "In", ("x",)),)
    attributes = Attributes("list", "/p", True, "g", "v1", "r", "s", "n", "m", labels, fields)
    assert attributes.size() == len("list/pgv1rsnm") + len("keyaab") + len("fx")


_APP = (Condition("app", "In", ("x",)),)
_NAME = (Condition("metadata.name", "In", ("m",)),)
_LIST = Attributes("list", "/p", True, "g", "v1", "r", namespace="n")
_NAMESPACE, _ALL = _LIST._replace(path=""), _LIST._replace(path="", namespace="")
_WIDER = [
    ("labels", _LIST._replace(labels=_APP), [_NAMESPACE, _ALL]),
    ("fields, and the name in them", _LIST._replace(fields=_NAME, name="m"), [_NAMESPACE, _ALL]),
    ("a namespace", _LIST, [_ALL]),
    ("labels of all namespaces", _LIST._replace(namespace="", labels=_APP), [_ALL]),
    ("everything", _LIST._replace(namespace=""), []),
    ("one object", _LIST._replace(verb="get", name="m"), []),
    ("a watch", _LIST._replace(verb="watch", labels=_APP), []),
    ("a path, by a method of that name", Attributes("list", "/p"), []),
]


@pytest.mark.parametrize(("attributes", "wider"), [row[1:] for row in _WIDER], ids=[row[0] for row in _WIDER])
def test_a_list_is_part_of_wider_ones(attributes: Attributes, wider: list[Attributes]) -> None:
    assert attributes.wider() == wider


def test_requests_are_told_apart_though_they_are_remembered() -> None:
    reader = AttributeReader(PARSERS)
    long = b"labelSelector=app%3D" + b"x" * MAX_REMEMBERED_BYTES
    for _ in range(2):
        assert reader.read("GET", f"{GROUP}/pods", b"").verb == "list"
        assert reader.read("POST", f"{GROUP}/pods", b"").verb == "create"
        assert reader.read("GET", f"{GROUP}/pods", b"watch=1").verb == "watch"
        assert reader.read("GET", f"{GROUP}/nodes", b"").resource == "nodes"
        assert reader.read("GET", f"{GROUP}/pods", long).labels == ()


_SEGMENTS = st.sampled_from(
    ["", "apis", "api", "metrics.k8s.io", "v1", "namespaces", "a", "pods", "watch", "proxy", ".."]
)


@given(
    st.lists(_SEGMENTS, max_size=9).map("/".join),
    st.sampled_from(["GET", "HEAD", "DELETE", "POST", "BREW"]),
    st.binary(max_size=20),
)
def test_every_request_has_attributes(path: str, method: str, query: bytes) -> None:
    attributes = AttributeReader(PARSERS).read(method, f"/{path}", query)
    assert attributes.path == f"/{path}"
    assert attributes.is_resource or attributes == Attributes(method.lower(), f"/{path}")
    # What a request may see hangs on its namespace, so none may come from anywhere but behind that word.
    assert not attributes.namespace or f"namespaces/{attributes.namespace}" in path
