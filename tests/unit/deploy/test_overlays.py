"""Each overlay renders, its flags are real, and it asks for no more rights than it needs."""

import pytest

from heapfast.config.build import build_options
from heapfast.config.options import Options
from tests.unit.deploy.rendering import DEPLOY, OVERLAYS, Manifest, Objects, render_overlay

SECOND_NS = 1_000_000_000
VERBS = ["get", "list", "watch"]


def options_of(objects: Objects) -> Options:
    options = build_options(objects.container["args"], {})
    assert options.notes == ()
    return options


def rules_of(role: Manifest) -> set[tuple[str, str, str]]:
    """(group, resource, verb) of every rule."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_overlays_are_the_documented_ones() -> None:
    assert OVERLAYS == ["autoscale-fine", "e2e", "heapster-replacement", "high-availability", "release"]
    assert {path.name for path in (DEPLOY / "components").iterdir()} == {
        "custom-metrics",
        "data-dir",
        "heapster",
        "high-availability",
        "insecure-kubelets",
        "query",
        "summary",
        "usage-keys",
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_flag_is_taken_by_the_real_parser(overlay: str) -> None:
    objects = render_overlay(overlay)
    options = options_of(objects)
    assert options.secure is not None
    ports = {port["name"]: port["containerPort"] for port in objects.container["ports"]}
    assert ports["https"] == options.secure.port
    assert ports.get("heapster") == (options.api.port if options.api.enabled else None)
    assert options.secure.cert_dir == "/tmp"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_rights_are_the_least_set(overlay: str) -> None:
    objects = render_overlay(overlay)
    options = options_of(objects)
    kubelet = {"resource": "nodes/metrics", "summary": "nodes/stats"}[options.source.kind]
    # Heapster's API alone speaks of namespaces; metrics-server's role does not have them.
    watched = ("pods", "nodes", *(("namespaces",) if options.api.enabled else ()))
    assert rules_of(objects.get("ClusterRole", "system:metrics-server")) == {
        ("", kubelet, "get"),
        *(("", resource, verb) for resource in watched for verb in VERBS),
    }
    assert rules_of(objects.get("ClusterRole", "system:aggregated-metrics-reader")) == {
        ("metrics.k8s.io", resource, verb) for resource in ("pods", "nodes") for verb in VERBS
    }
    assert objects.names("ClusterRole") == {"system:metrics-server", "system:aggregated-metrics-reader"}
    assert objects.names("Role") == set()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_binding_is_the_service_accounts(overlay: str) -> None:
    objects = render_overlay(overlay)
    bindings = [one for one in objects.all if one["kind"] in ("ClusterRoleBinding", "RoleBinding")]
    assert {(one["kind"], one["roleRef"]["kind"], one["roleRef"]["name"]) for one in bindings} == {
        ("ClusterRoleBinding", "ClusterRole", "system:metrics-server"),
        ("ClusterRoleBinding", "ClusterRole", "system:auth-delegator"),
        ("RoleBinding", "Role", "extension-apiserver-authentication-reader"),
    }
    account = {"kind": "ServiceAccount", "name": "metrics-server", "namespace": "kube-system"}
    assert all(one["subjects"] == [account] for one in bindings)
    assert objects.get("RoleBinding")["metadata"]["namespace"] == "kube-system"
    assert objects.names("ServiceAccount") == {"metrics-server"}
    assert objects.pod["spec"]["serviceAccountName"] == "metrics-server"


def test_ordinary_users_may_run_kubectl_top() -> None:
    role = render_overlay("release").get("ClusterRole", "system:aggregated-metrics-reader")
    assert {name: value for name, value in role["metadata"]["labels"].items() if "aggregate" in name} == {
        f"rbac.authorization.k8s.io/aggregate-to-{whom}": "true" for whom in ("view", "edit", "admin")
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_pod_can_do_no_harm(overlay: str) -> None:
    objects = render_overlay(overlay)
    assert objects.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"]},
    }
    assert objects.container["volumeMounts"] == [{"name": "tmp-dir", "mountPath": "/tmp"}]
    assert objects.pod["spec"]["volumes"] == [{"name": "tmp-dir", "emptyDir": {}}]
    assert objects.container["resources"] == {"requests": {"cpu": "100m", "memory": "200Mi"}}
    assert objects.pod["spec"]["priorityClassName"] == "system-cluster-critical"
    assert objects.pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_ask_the_secure_port(overlay: str) -> None:
    container = render_overlay(overlay).container
    get = {"port": "https", "scheme": "HTTPS"}
    assert container["readinessProbe"] == {
        "httpGet": {"path": "/readyz", **get},
        "initialDelaySeconds": 20,
        "periodSeconds": 10,
        "failureThreshold": 3,
    }
    assert container["livenessProbe"] == {
        "httpGet": {"path": "/livez", **get},
        "periodSeconds": 10,
        "failureThreshold": 3,
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_names_and_labels_are_metrics_servers(overlay: str) -> None:
    objects = render_overlay(overlay)
    label = {"k8s-app": "metrics-server"}
    assert all(label.items() <= one["metadata"]["labels"].items() for one in objects.all)
    assert objects.get("Deployment")["spec"]["selector"] == {"matchLabels": label}
    assert objects.pod["metadata"]["labels"] == label
    assert objects.container["image"] == "heapfast:0.1.0"
    service = objects.get("Service", "metrics-server")
    assert service["spec"]["selector"] == label
    assert service["spec"]["ports"] == [
        {"name": "https", "port": 443, "protocol": "TCP", "targetPort": "https", "appProtocol": "https"}
    ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_both_versions_are_registered(overlay: str) -> None:
    objects = render_overlay(overlay)
    assert objects.names("APIService") == {"v1.metrics.k8s.io", "v1beta1.metrics.k8s.io"}
    for version in ("v1", "v1beta1"):
        assert objects.get("APIService", f"{version}.metrics.k8s.io")["spec"] == {
            "group": "metrics.k8s.io",
            "version": version,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": {"name": "metrics-server", "namespace": "kube-system"},
        }


def test_release_is_metrics_server_with_its_defaults() -> None:
    objects = render_overlay("release")
    options = options_of(objects)
    assert options.source.kind == "resource"
    assert options.resolution_ns == 15 * SECOND_NS
    assert not options.api.enabled
    assert options.kubelets.uses_node_status_port
    assert options.kubelets.address_types == ("InternalIP", "ExternalIP", "Hostname")
    assert objects.get("Deployment")["spec"]["strategy"] == {"rollingUpdate": {"maxUnavailable": 0}}
    assert "replicas" not in objects.get("Deployment")["spec"]


@pytest.mark.parametrize("overlay", ["high-availability", "autoscale-fine"])
def test_two_replicas_never_share_a_node_or_go_together(overlay: str) -> None:
    objects = render_overlay(overlay)
    deployment = objects.get("Deployment")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"] == {"rollingUpdate": {"maxUnavailable": 1}}
    (term,) = objects.pod["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"] == deployment["selector"]
    budget = objects.get("PodDisruptionBudget")["spec"]
    assert budget == {"minAvailable": 1, "selector": deployment["selector"]}


def test_autoscale_fine_samples_every_ten_seconds() -> None:
    options = options_of(render_overlay("autoscale-fine"))
    assert (options.resolution_ns, options.source.timeout_ns) == (10 * SECOND_NS, 5 * SECOND_NS)


def test_heapsters_replacement_serves_both_apis() -> None:
    objects = render_overlay("heapster-replacement")
    options = options_of(objects)
    assert options.source.kind == "summary"
    assert (options.source.kubelet_port, options.source.kubelet_https) == (10250, True)
    service = objects.get("Service", "heapster")
    assert service["metadata"]["namespace"] == "kube-system"
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "heapster"}]
    assert service["spec"]["selector"] == objects.pod["metadata"]["labels"]


def test_the_end_to_end_suite_finds_its_arguments() -> None:
    options = options_of(render_overlay("e2e"))
    assert options.source.insecure
    assert options.kubelets.node_selector == "metrics-server-skip!=true"
    assert options.log.level == "DEBUG"
