"""Certificates of a simulated cluster with TLS, made anew for each run.

In      a directory and the nodes' addresses
Out     ca.crt, client-ca.crt, front-proxy-ca.crt; api, client, front-proxy and kubelet-N, each .crt/.key; TLS contexts
Callers main, which hands TLS contexts to the servers; kubeconfig, config_maps
Never   leaves loopback names, or a key readable by others

All keys are ECDSA P-256: 5,000 handshakes cost 1 s of CPU, RSA would cost ten times that.

Whoever connects keeps what a kubelet shows in memory as long as the connection lasts. So it is as much as a real one
shows whose certificate the cluster has signed: its own alone, with a handful of names. A certificate here names 4
addresses, so that 5,000 nodes need no more than 1,250 (1.4 s of CPU at the start, each its own would cost 5 s). And
clients have an authority of their own: OpenSSL would send that of the server along if it were asked to trust it.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ADDRESSES_PER_CERTIFICATE: Final = 4
CLIENT_NAME: Final = "simulated-admin"
CLIENT_GROUP: Final = "system:masters"
FRONT_PROXY_NAME: Final = "front-proxy-client"
_VALID_DAYS: Final = 30


class Authority:
    """One certificate authority and what it signs."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_ca_usage(), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def sign_server(self, name: str, hosts: list[str]) -> tuple[bytes, bytes]:
        """A serving certificate for names and addresses, and its key, both PEM."""
        names: list[x509.GeneralName] = []
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        return self._sign(
            [x509.NameAttribute(NameOID.COMMON_NAME, name)],
            [(x509.SubjectAlternativeName(names), False), (_usage(ExtendedKeyUsageOID.SERVER_AUTH), False)],
        )

    def sign_client(
        self, name: str, group: str = "", *, not_after: datetime.datetime | None = None
    ) -> tuple[bytes, bytes]:
        """A client certificate (CN = user, O = group) and its key, both PEM.

        Args:
            not_after: None = some weeks from now.
        """
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if group:
            subject.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        return self._sign(subject, [(_usage(ExtendedKeyUsageOID.CLIENT_AUTH), False)], not_after)

    def _sign(
        self,
        subject: list[x509.NameAttribute[str]],
        extensions: list[tuple[x509.ExtensionType, bool]],
        not_after: datetime.datetime | None = None,
    ) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(x509.Name(subject), self._name, key, not_after)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        certificate = builder.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key)


class Certificates:
    """All files of one cluster, in one directory.

    Attributes:
        ca_file, client_cert_file, client_key_file: what a client of API server and kubelets needs.
        client_ca_file: who signed the client's.
        front_proxy_ca_file, front_proxy_cert_file, front_proxy_key_file: how the API server shows itself to the
            daemon it forwards to.
        front_proxy: who signed that; for tests that need another one.
    """

    def __init__(self, directory: Path, addresses: list[str]) -> None:
        self._directory = directory
        authority = Authority("simulated-cluster-ca")
        client_authority = Authority("simulated-client-ca")
        self.front_proxy = Authority("simulated-front-proxy-ca")
        self.ca_file = self._write("ca.crt", authority.pem)
        self.client_ca_file = self._write("client-ca.crt", client_authority.pem)
        self.front_proxy_ca_file = self._write("front-proxy-ca.crt", self.front_proxy.pem)
        api_hosts = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"]
        self._api_cert_file, self._api_key_file = self._write_pair(
            "api", authority.sign_server("kube-apiserver", api_hosts)
        )
        self.client_cert_file, self.client_key_file = self._write_pair(
            "client", client_authority.sign_client(CLIENT_NAME, CLIENT_GROUP)
        )
        self.front_proxy_cert_file, self.front_proxy_key_file = self._write_pair(
            "front-proxy", self.front_proxy.sign_client(FRONT_PROXY_NAME)
        )
        self._kubelet_contexts: dict[str, ssl.SSLContext] = {}
        for start in range(0, len(addresses), ADDRESSES_PER_CERTIFICATE):
            block = addresses[start : start + ADDRESSES_PER_CERTIFICATE]
            number = start // ADDRESSES_PER_CERTIFICATE
            pair = self._write_pair(f"kubelet-{number}", authority.sign_server(f"kubelet-{number}", block))
            context = self._server_context(*pair)
            self._kubelet_contexts.update(dict.fromkeys(block, context))

    def kubelet_context(self, address: str) -> ssl.SSLContext:
        """The TLS context of the node at an address, which must be one of the cluster's."""
        return self._kubelet_contexts[address]

    def api_context(self) -> ssl.SSLContext:
        return self._server_context(self._api_cert_file, self._api_key_file)

    def front_proxy_context(self) -> ssl.SSLContext:
        """How to reach the daemon: with the front proxy's certificate; its own is not checked.

        The daemon's serving certificate is self-signed, and an APIService may say insecureSkipTLSVerify.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(self.front_proxy_cert_file, self.front_proxy_key_file)
        return context

    def _server_context(self, cert_file: Path, key_file: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert_file, key_file)
        context.load_verify_locations(self.client_ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def _write(self, name: str, content: bytes) -> Path:
        path = self._directory / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        return path

    def _write_pair(self, name: str, pair: tuple[bytes, bytes]) -> tuple[Path, Path]:
        return self._write(f"{name}.crt", pair[0]), self._write(f"{name}.key", pair[1])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    not_after: datetime.datetime | None = None,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    not_after = not_after or now + datetime.timedelta(days=_VALID_DAYS)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, not_after) - datetime.timedelta(hours=1))
        .not_valid_after(not_after)
    )


def _usage(purpose: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([purpose])


def _ca_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
