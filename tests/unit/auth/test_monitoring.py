"""Counters, by the names that dashboards know."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from heapfast.auth.monitoring import AuthMonitoring

USERS = [
    ("kubelet", "kubelet"),
    ("admin", "admin"),
    ("alice@example.com", "email_id"),
    ("system:serviceaccount:kube-system:horizontal-pod-autoscaler", "other"),
    ("system:anonymous", "other"),
    ("", "other"),
    ('x"} 1\n', "other"),
]


@pytest.mark.parametrize(("name", "label"), USERS)
def test_callers_make_up_no_series(name: str, label: str) -> None:
    registry = CollectorRegistry()
    AuthMonitoring(registry).authenticated(name)
    assert registry.get_sample_value("authenticated_user_requests", {"username": label}) == 1


def test_every_family_has_its_name() -> None:
    registry = CollectorRegistry()
    monitoring = AuthMonitoring(registry)
    monitoring.authn_review("201", 0.3)
    monitoring.authz_review("<error>", 11)
    monitoring.token_looked_up("hit")
    monitoring.authenticated("admin")
    monitoring.unauthenticated()
    monitoring.decided("denied")
    monitoring.decided("denied")
    monitoring.settings("applied")
    monitoring.file_changed("reloaded")
    lines = generate_latest(registry).decode().splitlines()
    for line in (
        'apiserver_delegated_authn_request_total{code="201"} 1.0',
        'apiserver_delegated_authn_request_duration_seconds_bucket{code="201",le="0.25"} 0.0',
        'apiserver_delegated_authn_request_duration_seconds_bucket{code="201",le="0.5"} 1.0',
        'apiserver_delegated_authz_request_total{code="<error>"} 1.0',
        'apiserver_delegated_authz_request_duration_seconds_bucket{code="<error>",le="10.0"} 0.0',
        'apiserver_delegated_authz_request_duration_seconds_count{code="<error>"} 1.0',
        'authentication_token_cache_request_total{status="hit"} 1.0',
        'authentication_attempts{result="success"} 1.0',
        'authentication_attempts{result="failure"} 1.0',
        'authenticated_user_requests{username="admin"} 1.0',
        'authorization_attempts_total{result="denied"} 2.0',
        'heapfast_auth_settings_total{outcome="applied"} 1.0',
        'heapfast_auth_file_changes_total{outcome="reloaded"} 1.0',
        "# TYPE authenticated_user_requests untyped",
        "# TYPE authorization_attempts_total counter",
    ):
        assert line in lines
