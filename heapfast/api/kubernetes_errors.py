"""What each failure of a Kubernetes API says: code, reason, message and details.

In      what was asked, what went wrong
Out     KubernetesError around a Status
Callers secure_router.py, kubernetes_responders.py, metrics_k8s_io.py, paging.py, custom_metrics.py, discovery.py,
        query.py;
        errors.py turns foreign exceptions into these
Source  spec/metrics-k8s-io.md section 8; wording of refusals: 11.3; of custom metrics: 20.1
Never   renders, or sees a request
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from heapfast.errors import HeapfastError
from heapfast.query.list_options import InvalidOptions
from heapfast.query.quoting import quote
from heapfast.render.k8s_frames import GROUP
from heapfast.render.status import Cause, Details, Status

if TYPE_CHECKING:
    from heapfast.auth.attributes import Attributes
    from heapfast.auth.refusals import Forbidden

#: For texts with a caller's words in them, which a browser may show.
HTML_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class KubernetesError(HeapfastError):
    """A failure that knows its Status."""

    def __init__(self, status: Status) -> None:
        self.status = status
        super().__init__(status.message)


def bad_request(message: str) -> KubernetesError:
    return KubernetesError(Status(400, "BadRequest", message))


def unavailable(message: str) -> KubernetesError:
    return KubernetesError(Status(503, "ServiceUnavailable", message))


def too_large(message: str) -> KubernetesError:
    return KubernetesError(Status(413, "RequestEntityTooLarge", message))


def unsupported_media_type(message: str) -> KubernetesError:
    return KubernetesError(Status(415, "UnsupportedMediaType", message))


def timed_out(message: str) -> KubernetesError:
    return KubernetesError(Status(504, "Timeout", message))


def no_such_route() -> KubernetesError:
    message = "the server could not find the requested resource"
    return KubernetesError(Status(404, "NotFound", message, Details()))


def no_such_node(name: str) -> KubernetesError:
    return KubernetesError(Status(404, "NotFound", f"node {quote(name)} not found", Details(name, kind="node")))


def no_such_pod(name: str) -> KubernetesError:
    return KubernetesError(Status(404, "NotFound", f"pods {quote(name)} not found", Details(name, kind="pods")))


def no_metrics(kind: str, name: str) -> KubernetesError:
    """Say that an object is there, but nothing is known of its usage.

    Args:
        kind: "nodemetrics" or "podmetrics".
        name: of the node; namespace/name of the pod.
    """
    message = f"{kind}.{GROUP} {quote(name)} not found"
    return KubernetesError(Status(404, "NotFound", message, Details(name, GROUP, kind)))


def no_such_metric(metric: str, resource: str, name: str, selector: str) -> KubernetesError:
    """Say that an object, or any of its resource, has no such metric.

    Args:
        metric: as it was asked for.
        name: of the object; "" for all.
        selector: of the metric's labels, "" for none.
    """
    message = f"the server could not find the metric {metric} for {resource}"
    if name:
        message += f" {name}"
    if selector:
        message += f" with selector {selector}"
    return KubernetesError(Status(404, "NotFound", message))


def method_not_allowed() -> KubernetesError:
    message = "the server does not allow this method on the requested resource"
    return KubernetesError(Status(405, "MethodNotAllowed", message, Details()))


def no_watch(resource: str) -> KubernetesError:
    message = f'watch is not supported on resources of kind "{resource}.{GROUP}"'
    return KubernetesError(Status(405, "MethodNotAllowed", message, Details(group=GROUP, kind=resource)))


def not_produced(produced: tuple[str, ...]) -> KubernetesError:
    """Say that none of the accepted media types is offered."""
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(produced)}"
    return KubernetesError(Status(406, "NotAcceptable", message, Details()))


def not_transformed(offered: tuple[str, ...]) -> KubernetesError:
    """Say that no accepted media type can be had with the transformation that goes with it."""
    message = f"only the following media types are accepted: {', '.join(offered)}"
    return KubernetesError(Status(406, "NotAcceptable", message))


def wrong_metadata(wanted: str, actual: str, *, is_list: bool) -> KubernetesError:
    """Say that metadata of one object was asked for a list, or the other way round."""
    relation = "a list" if is_list else "not a list"
    message = f"you requested {wanted}, but the requested object is {relation} (*metrics.{actual})"
    return KubernetesError(Status(406, "NotAcceptable", message))


def invalid_options(error: InvalidOptions) -> Status:
    causes = tuple(Cause(fault.reason, fault.message, fault.field) for fault in error.faults)
    details = Details(group="meta.k8s.io", kind="ListOptions", causes=causes)
    return Status(422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: {error}', details)


def unauthorized() -> Status:
    return Status(401, "Unauthorized", "Unauthorized")


def forbidden(refusal: Forbidden) -> Status:
    asked = refusal.attributes
    text = _forbidden_text(refusal.user.name, asked).translate(HTML_ESCAPES)
    if refusal.reason:
        text = f"{text}: {refusal.reason}"
    if not asked.resource:
        return Status(403, "Forbidden", f"forbidden: {text}", Details())
    resource = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    name = f" {quote(asked.name)}" if asked.name else ""
    details = Details(asked.name, asked.group, asked.resource)
    return Status(403, "Forbidden", f"{resource}{name} is forbidden: {text}", details)


def internal(message: str) -> Status:
    cause = Cause("", message, "")
    return Status(500, "InternalError", f"Internal error occurred: {message}", Details(causes=(cause,)))


def _forbidden_text(user: str, asked: Attributes) -> str:
    who = f"User {quote(user)} cannot {asked.verb}"
    if not asked.is_resource:
        return f"{who} path {quote(asked.path)}"
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    what = f"{who} resource {quote(resource)} in API group {quote(asked.group)}"
    return f"{what} in the namespace {quote(asked.namespace)}" if asked.namespace else f"{what} at the cluster scope"
