"""Where the API server is: every option of the source URI, and every fault."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from heapfast.errors import ConfigError
from heapfast.kube.access import ApiAccess
from heapfast.kube.config import SourceOptions, resolve
from tests.unit.kube import certificates

IN_CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """A mounted service account."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("account-token\n")
    (folder / "ca.crt").write_text(certificates.authority().certificate_pem)
    return folder


def faults(options: SourceOptions, environ: dict[str, str], account: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        resolve(options, environ=environ, service_account_dir=account)
    return caught.value.faults


def test_the_default_is_the_service_account_of_the_pod(account: Path) -> None:
    access = resolve(SourceOptions(), environ=IN_CLUSTER, service_account_dir=account)
    assert (access.server, access.token(), access.source) == ("https://10.96.0.1:443", "account-token", "in-cluster")
    assert access.ca_pem == certificates.authority().certificate_pem
    assert access.ssl_context().verify_mode == ssl.CERT_REQUIRED
    assert len(access.ssl_context().get_ca_certs()) == 1


def test_an_ipv6_service_address_is_bracketed(account: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    assert resolve(SourceOptions(), environ=environ, service_account_dir=account).server == "https://[fd00::1]:443"


def test_a_server_in_the_uri_replaces_only_the_server(account: Path) -> None:
    options = SourceOptions(server="https://api.example.org:6443/")
    access = resolve(options, environ=IN_CLUSTER, service_account_dir=account)
    assert (access.server, access.token()) == ("https://api.example.org:6443", "account-token")
    assert access.ca_pem is not None


def test_insecure_in_cluster_drops_the_ca(account: Path) -> None:
    access = resolve(SourceOptions(insecure=True), environ=IN_CLUSTER, service_account_dir=account)
    assert (access.ca_pem, access.insecure) == (None, True)
    assert access.ssl_context().verify_mode == ssl.CERT_NONE


def test_a_cluster_without_a_mounted_ca_is_checked_by_the_machines_list(
    account: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (account / "ca.crt").unlink()
    access = resolve(SourceOptions(), environ=IN_CLUSTER, service_account_dir=account)
    assert (access.ca_pem, access.insecure) == (None, False)
    assert access.ssl_context().verify_mode == ssl.CERT_REQUIRED
    assert "ca.crt" in caplog.text


def test_outside_a_cluster_every_fault_is_told(tmp_path: Path) -> None:
    options = SourceOptions(server="ftp://x")
    told = faults(options, {}, tmp_path / "nowhere")
    assert [fault.partition(":")[0] for fault in told] == [
        "cannot use server 'ftp",
        "cannot find the API server as a pod does",
        "cannot read the service account's token",
    ]
    assert "--kubeconfig=FILE" in told[1]


@pytest.mark.parametrize("missing", IN_CLUSTER)
def test_half_of_the_service_address_is_no_address(account: Path, missing: str) -> None:
    assert len(faults(SourceOptions(), {**IN_CLUSTER, missing: ""}, account)) == 1


def test_a_broken_ca_is_a_fault(account: Path) -> None:
    (account / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert "CA or client certificate of in-cluster" in faults(SourceOptions(), IN_CLUSTER, account)[0]


def anonymous(account: Path, **options: object) -> ApiAccess:
    chosen = SourceOptions(in_cluster=False, server="http://127.0.0.1:8080", **options)  # type: ignore[arg-type]
    return resolve(chosen, environ=IN_CLUSTER, service_account_dir=account)


def test_without_cluster_and_kubeconfig_the_client_is_anonymous(account: Path) -> None:
    access = anonymous(account)
    assert (access.server, access.token(), access.ca_pem) == ("http://127.0.0.1:8080", None, None)
    assert access.source == "anonymous"
    assert anonymous(account, insecure=True).ssl_context().verify_mode == ssl.CERT_NONE


def test_use_service_account_takes_the_mounted_token_if_it_is_there(account: Path) -> None:
    assert anonymous(account, use_service_account=True).token() == "account-token"
    (account / "token").unlink()
    assert anonymous(account, use_service_account=True).token() is None


@pytest.mark.parametrize("server", ["", "https://", "https://h:port", "10.0.0.1:443", "https://h:0", "https://[::1"])
def test_a_server_that_is_none_is_a_fault(account: Path, server: str) -> None:
    assert faults(SourceOptions(in_cluster=False, server=server), {}, account)


def test_a_kubeconfig_that_is_not_there_is_a_fault(account: Path) -> None:
    assert faults(SourceOptions(in_cluster=False, auth="/no/such"), {}, account) == [
        "cannot use the kubeconfig /no/such: no such file"
    ]


def test_the_proxy_comes_from_the_environment(account: Path) -> None:
    environ = {**IN_CLUSTER, "HTTPS_PROXY": "http://proxy:3128"}
    assert resolve(SourceOptions(), environ=environ, service_account_dir=account).proxy == "http://proxy:3128"
    environ["NO_PROXY"] = "10.96.0.0/12"
    assert resolve(SourceOptions(), environ=environ, service_account_dir=account).proxy is None
