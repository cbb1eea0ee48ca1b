"""What stage 1 counts about itself.

In      events, lists, errors, as they happen
Out     Prometheus series heapfast_kube_..., by resource
Callers watch; daemon and secure_port.py give the registry
Never   has a label whose values come from the cluster
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class KubeMonitoring:
    """The series of all resources; one object a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"heapfast_kube_{name}", text, ["resource", *labels], registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"heapfast_kube_{name}", text, ["resource"], registry=registry)

        self.events = counter("events", "Watch events, by type.", "type")
        self.lists = counter("lists", "Complete lists that were read.")
        self.errors = counter("errors", "Lists and watches that failed, by reason.", "reason")
        self.bad_objects = counter(
            "bad_objects", "Objects that could not be used, or not whole, by what was wrong.", "reason"
        )
        self.objects = gauge("objects", "Objects that are known.")
        self.last_event = gauge("last_event_timestamp_seconds", "When the last event or list came in, Unix time.")
        self.synced = gauge("synced", "1 when the first list is complete.")


class ResourceMonitoring:
    """The same series for one resource."""

    def __init__(self, monitoring: KubeMonitoring, resource: str) -> None:
        self._all = monitoring
        self._resource = resource
        # Bound once: looking up a label costs more than counting.
        self._events = {
            kind: monitoring.events.labels(resource, kind)
            for kind in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")
        }
        self._other_events = monitoring.events.labels(resource, "other")
        self._lists = monitoring.lists.labels(resource)
        self._objects = monitoring.objects.labels(resource)
        self._last_event = monitoring.last_event.labels(resource)
        self._synced = monitoring.synced.labels(resource)

    def event(self, kind: str, now_ns: int) -> None:
        self._events.get(kind, self._other_events).inc()
        self._last_event.set(now_ns / 1e9)

    def listed(self, now_ns: int) -> None:
        self._lists.inc()
        self._last_event.set(now_ns / 1e9)

    def known(self, n_objects: int) -> None:
        self._objects.set(n_objects)

    def synced(self) -> None:
        self._synced.set(1)

    def error(self, reason: str) -> None:
        self._all.errors.labels(self._resource, reason).inc()

    def bad_object(self, reason: str) -> None:
        """Count an object; reason is "undecodable", "partial" or "consumer"."""
        self._all.bad_objects.labels(self._resource, reason).inc()
