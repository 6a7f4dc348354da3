"""An authority that issues certificates for tests: real keys, real chains."""

from __future__ import annotations

import datetime
import ipaddress
import itertools
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_COUNT = itertools.count()
_DAY = datetime.timedelta(days=1)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """Issues pairs of (chain, key) as PEM files in `folder`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(f"Authority {name}")
        now = datetime.datetime.now(datetime.UTC)
        own = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path = folder / f"authority-{name}.pem"
        self.path.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate of that common name, good for localhost."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        hosts = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        issued = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(hosts, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        number = next(_COUNT)
        chain, secret = self.folder / f"chain-{number}.pem", self.folder / f"key-{number}.pem"
        chain.write_bytes(issued.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(_pem(key, serialization.NoEncryption()))
        return chain, secret

    def locked(self, key: Path) -> Path:
        """The same key behind a password."""
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        path = key.with_suffix(".locked.pem")
        path.write_bytes(_pem(loaded, serialization.BestAvailableEncryption(b"secret")))
        return path

    def client(self, given: tuple[Path, Path] | None = None, version: str | None = None) -> ssl.SSLContext:
        """What a client that trusts this authority connects with; given: its own certificate."""
        context = ssl.create_default_context(cafile=str(self.path))
        if given is not None:
            context.load_cert_chain(*map(str, given))
        if version is not None:
            # Older versions are off by the library's own level, too.
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
        return context


def _pem(key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
