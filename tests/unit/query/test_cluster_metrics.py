import pytest

from heapfast.catalog.keys import Kind
from heapfast.errors import QueryError
from heapfast.query.cluster_metrics import parse_cluster_metrics

PODS = {Kind.POD, Kind.POD_CONTAINER}


def test_nothing_said_means_everything():
    query = parse_cluster_metrics({})
    assert query.kinds == frozenset(Kind) - {Kind.RESOURCE}
    assert query.is_wanted("cpu/usage")
    assert query.is_wanted("custom/anything")
    assert (query.namespaces, query.selector, query.has_timestamps) == (None, None, False)


@pytest.mark.parametrize(
    ("params", "kinds"),
    [
        pytest.param({"kinds": "node,cluster"}, {Kind.NODE, Kind.CLUSTER}, id="named"),
        pytest.param({"kinds": "system_container"}, {Kind.SYS_CONTAINER}, id="system containers"),
        pytest.param({"selector": "app=web"}, PODS, id="a selector is of pods"),
        pytest.param({"selector": "app=web", "kinds": "pod"}, {Kind.POD}, id="pods alone"),
        pytest.param({"namespaces": "shop"}, PODS | {Kind.NAMESPACE}, id="namespaces"),
        pytest.param({"namespaces": "shop", "selector": "app"}, PODS, id="both"),
        pytest.param({"selector": "", "namespaces": "", "kinds": "node"}, {Kind.NODE}, id="empty is not said"),
    ],
)
def test_kinds_are_those_that_the_selection_is_about(params, kinds):
    assert parse_cluster_metrics(params).kinds == kinds


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        pytest.param("cpu/usage", "cpu/usage", "cpu/usage_rate", id="Heapster's name"),
        pytest.param("cpu_usage_cores", "cpu/usage_rate", "cpu/usage", id="end of a family's name"),
        pytest.param("network_receive_bytes_total", "network/rx", "network/tx", id="a counter's"),
        pytest.param("cpu/*", "cpu/limit", "memory/limit", id="folder"),
        pytest.param("uptime,custom/*", "custom/qps", "cpu/usage", id="all custom"),
        pytest.param("custom/qps", "custom/qps", "custom/qps2", id="one custom"),
    ],
)
def test_metrics_are_named_as_either_side_names_them(text, wanted, unwanted):
    query = parse_cluster_metrics({"metrics": text})
    assert query.is_wanted(wanted)
    assert not query.is_wanted(unwanted)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False), ("", False)])
def test_timestamps_are_asked_for(text, value):
    assert parse_cluster_metrics({"timestamps": text}).has_timestamps is value


@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param({"metric": "x"}, 'unknown parameter "metric": want kinds, metrics, namespaces', id="parameter"),
        pytest.param({"kinds": "pods"}, 'unknown kind "pods": want cluster, namespace, node, pod', id="kind"),
        pytest.param({"kinds": "pod,"}, 'cannot parse kinds: "pod," has an empty item', id="empty item"),
        pytest.param({"metrics": "cpu"}, 'unknown metric "cpu": want names such as "cpu/usage_rate"', id="metric"),
        pytest.param({"metrics": "custom/"}, 'unknown metric "custom/"', id="custom without a name"),
        pytest.param({"metrics": "gpu/*"}, 'unknown metrics "gpu/*": want one of accelerator/*, cpu/*', id="folder"),
        pytest.param({"selector": "a in"}, 'cannot parse selector "a in": unable to parse requirement', id="selector"),
        pytest.param(
            {"selector": "a", "kinds": "node"}, "cannot select node metrics by selector: ask for them", id="nodes"
        ),
        pytest.param({"namespaces": "a", "kinds": "cluster"}, "cannot select cluster metrics by names", id="cluster"),
        pytest.param({"timestamps": "yes"}, 'cannot parse timestamps: got "yes", want true or false', id="boolean"),
    ],
)
def test_what_cannot_be_meant_is_refused(params, message):
    with pytest.raises(QueryError) as caught:
        parse_cluster_metrics(params)
    assert str(caught.value).startswith(message)
