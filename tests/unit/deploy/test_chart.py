"""The Helm chart: its values are metrics-server's, all of them are used, and its flags are real."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import heapfast
from heapfast.config.build import build_options
from heapfast.config.options import Options
from tests.unit.deploy.rendering import (
    CHART,
    Objects,
    refuse_chart,
    render_chart,
    render_overlay,
    render_with_components,
)

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
TEMPLATES = {path.name: path.read_text() for path in sorted((CHART / "templates").iterdir())}
TEXT = "\n".join(TEMPLATES.values())

#: What users of metrics-server's chart set, by its names.
UPSTREAM_VALUES = """
    image.repository image.tag image.pullPolicy imagePullSecrets nameOverride fullnameOverride serviceAccount.create
    serviceAccount.annotations serviceAccount.name serviceAccount.secrets rbac.create apiService.create
    apiService.annotations apiService.insecureSkipTLSVerify apiService.caBundle commonLabels podLabels podAnnotations
    podSecurityContext securityContext priorityClassName containerPort hostNetwork.enabled replicas
    revisionHistoryLimit updateStrategy podDisruptionBudget.enabled podDisruptionBudget.minAvailable
    podDisruptionBudget.maxUnavailable defaultArgs args livenessProbe readinessProbe service.type service.port
    service.annotations service.labels addonResizer.enabled metrics.enabled serviceMonitor.enabled
    serviceMonitor.additionalLabels serviceMonitor.interval serviceMonitor.scrapeTimeout
    serviceMonitor.metricRelabelings serviceMonitor.relabelings resources extraVolumeMounts extraVolumes nodeSelector
    tolerations affinity topologySpreadConstraints dnsConfig deploymentAnnotations schedulerName tmpVolume
    tls.type tls.clusterDomain tls.existingSecret.name tls.existingSecret.lookup
""".split()

_USED = re.compile(r"\.Values\.([A-Za-z0-9.]+)")


def leaves(values: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def find(path: str) -> Any:
    value: Any = VALUES
    for name in path.split("."):
        value = value[name]
    return value


def options_of(objects: Objects) -> Options:
    return build_options(objects.container["args"], {})


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["apiVersion"], chart["name"]) == ("v2", "heapfast")
    assert chart["version"] == chart["appVersion"] == heapfast.__version__


def test_values_of_metrics_servers_chart_keep_their_names() -> None:
    for path in UPSTREAM_VALUES:
        find(path)


def test_every_value_is_used() -> None:
    used = set(_USED.findall(TEXT))
    # What is written out whole, such as resources, uses all that is below it.
    unused = [path for path in leaves(VALUES) if path not in used and not used & set(_whole_ancestors(path))]
    assert unused == []


def _whole_ancestors(path: str) -> Iterator[str]:
    names = path.split(".")
    for length in range(1, len(names)):
        ancestor = ".".join(names[:length])
        if re.search(rf"toYaml \.Values\.{re.escape(ancestor)} |with \.Values\.{re.escape(ancestor)} }}}}", TEXT):
            yield ancestor


def test_every_value_that_a_template_uses_exists() -> None:
    for path in set(_USED.findall(TEXT)):
        find(path)


@pytest.mark.parametrize("name", TEMPLATES)
def test_blocks_are_closed(name: str) -> None:
    text = re.sub(r"{{-? ?/\*.*?\*/ ?-?}}", "", TEMPLATES[name], flags=re.DOTALL)
    assert text.count("{{") == text.count("}}")
    opened = re.findall(r"{{-? (?:if|with|range|define)\b", text)
    assert len(opened) == len(re.findall(r"{{-? end ", text))


def test_every_flag_in_a_template_is_taken_by_the_real_parser() -> None:
    flags = re.findall(r"^ +- (--\S.*)$", TEMPLATES["deployment.yaml"], re.MULTILINE)
    # Those of usageKeys stand in place of others; helm's own rendering of them is tested below.
    of_usage_keys = [flag for flag in flags if "usageKeys" in flag or flag == "--source=kubernetes.resource"]
    flags = [flag for flag in flags if flag not in of_usage_keys]
    assert (len(flags), len(of_usage_keys)) == (8, 4)
    given = [re.sub(r"{{ \.Values\.([A-Za-z.]+) }}", lambda match: str(find(match[1])), flag) for flag in flags]
    options = build_options([*VALUES["defaultArgs"], *given], {})
    assert options.notes == ()
    assert options.secure is not None
    assert options.secure.port == VALUES["containerPort"] == 10250
    assert options.api.port == VALUES["heapster"]["port"]
    assert "/metrics" in options.auth.always_allow_paths


def test_defaults_are_those_of_the_base() -> None:
    container = render_overlay("release").container
    assert {*VALUES["defaultArgs"], f"--secure-port={VALUES['containerPort']}"} == set(container["args"])
    assert VALUES["securityContext"] == container["securityContext"]
    assert VALUES["resources"] == container["resources"]
    assert VALUES["readinessProbe"] == container["readinessProbe"]
    assert VALUES["livenessProbe"] == {**container["livenessProbe"], "initialDelaySeconds": 0}


def test_helm_renders_what_kustomize_does() -> None:
    objects = render_chart("nameOverride=metrics-server")
    base = render_overlay("release")
    assert objects.kinds() == base.kinds()
    for kind, name in (("ClusterRole", "system:metrics-server"), ("APIService", "v1.metrics.k8s.io")):
        assert objects.get(kind, name).get("rules") == base.get(kind, name).get("rules")
    assert options_of(objects) == options_of(base)
    assert objects.container["securityContext"] == base.container["securityContext"]
    selector = objects.get("Deployment")["spec"]["selector"]["matchLabels"]
    # Those of metrics-server's chart, so that its release can be upgraded.
    assert selector == {"app.kubernetes.io/name": "metrics-server", "app.kubernetes.io/instance": "metrics-server"}
    assert objects.get("Service")["spec"]["selector"] == selector


def test_helm_renders_heapsters_place() -> None:
    objects = render_chart("heapster.enabled=true")
    options = options_of(objects)
    assert options.source.kind == "summary"
    assert options.api.enabled
    assert objects.get("Service", "heapster")["spec"]["ports"][0]["port"] == 80
    (kubelets,) = (
        rule
        for rule in objects.get("ClusterRole", "system:metrics-server-heapfast")["rules"]
        if rule["verbs"] == ["get"]
    )
    assert kubelets["resources"] == ["nodes/stats"]


def test_helm_renders_custom_metrics_as_kustomize_does() -> None:
    objects, component = render_chart("customMetrics.enabled=true"), render_with_components("summary", "custom-metrics")
    options = options_of(objects)
    assert options.secure is not None
    assert options.secure.enable_custom_metrics
    assert options.source.kind == "summary"
    assert objects.names("APIService") == component.names("APIService")
    for name in objects.names("APIService"):
        spec, wanted = (one.get("APIService", name)["spec"] for one in (objects, component))
        assert {**spec, "service": None} == {**wanted, "service": None}
    reader = "metrics-server-heapfast:custom-metrics-reader"
    wanted_role = component.get("ClusterRole", "heapfast:custom-metrics-reader")
    assert objects.get("ClusterRole", reader)["rules"] == wanted_role["rules"]
    wanted_binding = component.get("ClusterRoleBinding", "heapfast:custom-metrics-reader")
    assert objects.get("ClusterRoleBinding", reader)["subjects"] == wanted_binding["subjects"]


def test_helm_renders_usage_keys_as_kustomize_does() -> None:
    options = options_of(render_chart("usageKeys.enabled=true"))
    assert options == options_of(render_with_components("usage-keys"))
    assert options.store.usage_keys == ("swap", "ephemeral-storage", "network")


@pytest.mark.parametrize("other", ["heapster.enabled=true", "customMetrics.enabled=true"])
def test_helm_scrapes_both_sources_for_usage_keys_and_the_rest(other: str) -> None:
    options = options_of(render_chart("usageKeys.enabled=true", other))
    assert options.source.kind == "resource"
    assert options.source.side_resolution_ns == 60 * 10**9
    assert options.source.kubelet_port == 10250
    assert options.source.kubelet_https


@pytest.mark.parametrize(
    ("settings", "resources"),
    [
        (["usageKeys.enabled=true"], {"nodes/metrics", "nodes/stats", "nodes", "pods"}),
        ([], {"nodes/metrics", "nodes", "pods"}),
        (["customMetrics.enabled=true"], {"nodes/stats", "nodes", "pods"}),
        (["heapster.enabled=true"], {"nodes/stats", "nodes", "pods", "namespaces"}),
    ],
)
def test_helm_asks_for_no_more_rights_than_it_needs(settings: list[str], resources: set[str]) -> None:
    role = render_chart(*settings).get("ClusterRole", "system:metrics-server-heapfast")
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == resources


def test_helm_mounts_what_outlives_the_container() -> None:
    objects = render_chart("dataDir.enabled=true")
    assert options_of(objects).data_dir == "/tmp/data-dir"
    assert {"name": "data-dir", "mountPath": "/tmp/data-dir"} in objects.container["volumeMounts"]
    assert {"name": "data-dir", "emptyDir": {}} in objects.pod["spec"]["volumes"]
    claimed = render_chart(
        "dataDir.enabled=true", "dataDir.volume.emptyDir=null", "dataDir.volume.persistentVolumeClaim.claimName=mine"
    )
    assert {"name": "data-dir", "persistentVolumeClaim": {"claimName": "mine"}} in claimed.pod["spec"]["volumes"]


def test_helm_makes_a_certificate_that_the_api_server_checks() -> None:
    objects = render_chart("tls.type=helm")
    secret = objects.get("Secret")
    options = options_of(objects)
    assert options.secure is not None
    assert options.secure.cert_file == "/tmp/tls-certs/tls.crt"
    for name in ("v1.metrics.k8s.io", "v1beta1.metrics.k8s.io"):
        spec = objects.get("APIService", name)["spec"]
        assert spec["insecureSkipTLSVerify"] is False
        assert spec["caBundle"] == secret["data"]["ca.crt"]
    assert {volume["name"] for volume in objects.pod["spec"]["volumes"]} == {"tmp", "certs"}


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        (["podDisruptionBudget.enabled=true", "podDisruptionBudget.minAvailable=0"], {"PodDisruptionBudget"}),
        (["metrics.enabled=true", "serviceMonitor.enabled=true"], {"ServiceMonitor"}),
        (["tls.type=cert-manager"], {"Certificate", "Issuer"}),
        (["tls.type=existingSecret", "tls.existingSecret.name=mine"], set()),
        (["apiService.create=false", "rbac.create=false", "serviceAccount.create=false"], set()),
    ],
)
def test_helm_renders_what_is_switched_on(settings: list[str], kinds: set[str]) -> None:
    objects = render_chart(*settings)
    assert kinds <= set(objects.kinds())
    options_of(objects)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (["tls.type=none"], "tls.type: want metrics-server, helm, cert-manager or existingSecret"),
        (["tls.type=existingSecret"], "tls.existingSecret.name is needed"),
        (["addonResizer.enabled=true"], "this chart has no addon resizer"),
        (["serviceMonitor.enabled=true"], "want metrics.enabled beside it"),
    ],
)
def test_helm_says_what_cannot_be_installed(settings: list[str], text: str) -> None:
    assert text in refuse_chart(*settings)
