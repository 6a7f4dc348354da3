"""State over TLS: a real PostgreSQL with a certificate by openssl, and each way in which it must be refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import environment
from tests.ports import postgres_server

from fairlead.contract.errors import StateError
from fairlead.ops.state import State

pytestmark = pytest.mark.long
PASSWORD = "geheim-7-und-mehr"


def openssl(*words: str, cwd: Path) -> None:
    subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True)


def authority(folder: Path, name: str) -> None:
    """A certificate authority: NAME.pem and its key."""
    about = ["-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"]
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", f"{name}.key", "-out", f"{name}.pem", *about, cwd=folder)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[postgres_server.Server, Path]]:
    """A server that takes TLS alone, with a certificate for `localhost`, and the folder of the authorities."""
    folder = tmp_path_factory.mktemp("ca")
    for name in ("ours", "other"):
        authority(folder, name)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=db",
            "-keyout", "server.key", "-out", "server.csr", cwd=folder)  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ours.pem", "-CAkey", "ours.key", "-CAcreateserial", "-days",
            "2", "-extfile", "names", "-out", "server.pem", cwd=folder)  # fmt: skip
    with postgres_server.running() as made:
        made.sql(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")
        made.sql("CREATE DATABASE fairlead OWNER app")
        made.stop()
        for name in ("server.key", "server.pem"):
            (made.folder / name).write_bytes((folder / name).read_bytes())
            made.own(made.folder / name)
        rules = made.folder / "data" / "pg_hba.conf"
        rules.write_text("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        made.settings = (
            "ssl=on", f"ssl_cert_file={made.folder / 'server.pem'}", f"ssl_key_file={made.folder / 'server.key'}"
        )  # fmt: skip
        made.start()
        yield made, folder


def address(server: postgres_server.Server, more: str, host: str = "localhost") -> str:
    return f"postgresql://app@{host}:{server.port}/fairlead?{more}"


@pytest.mark.verified(
    "state", "TLS to PostgreSQL, verify-full", how="run",
    by="Debian's PostgreSQL 15 with a certificate by openssl; other name, authority, plain refused",
)  # fmt: skip
def test_a_certificate_of_our_authority_for_that_name_is_taken(server: tuple[postgres_server.Server, Path]) -> None:
    made, folder = server
    with State.open(
        address(made, f"sslmode=verify-full&sslrootcert={folder / 'ours.pem'}"), password=PASSWORD
    ) as state:
        state.put("n", b"1")
        seen = made.sql(
            "SELECT ssl, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'app'", "fairlead"
        )
        assert seen
        assert set(seen) == {(True, "TLSv1.3")}


@pytest.mark.parametrize(
    ("more", "host", "said"),
    [
        ("sslmode=verify-full&sslrootcert={ca}/other.pem", "localhost", "certificate .* is not by an authority"),
        ("sslmode=verify-full", "localhost", "certificate .* is not by an authority"),
        ("sslmode=verify-full&sslrootcert={ca}/ours.pem", "127.0.0.1", "certificate .* not for '127.0.0.1'"),
        ("sslmode=disable", "localhost", "takes no connection .* not encrypted"),
    ],
)
def test_what_is_not_proven_is_refused_and_says_why(
    server: tuple[postgres_server.Server, Path], more: str, host: str, said: str
) -> None:
    made, folder = server
    with pytest.raises(StateError, match=said) as refused:
        State.open(address(made, more.format(ca=folder), host), password=PASSWORD)
    assert PASSWORD not in str(refused.value)


def test_less_than_a_name_is_taken_when_that_is_meant(server: tuple[postgres_server.Server, Path]) -> None:
    made, folder = server
    for more in (f"sslmode=verify-ca&sslrootcert={folder / 'ours.pem'}", "sslmode=require"):
        with State.open(address(made, more, "127.0.0.1"), password=PASSWORD) as state:
            assert state.models() == []


def test_a_server_without_tls_is_not_spoken_to_in_the_clear() -> None:
    with postgres_server.running() as plain:
        plain.sql(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")
        plain.sql("CREATE DATABASE fairlead OWNER app")
        with pytest.raises(StateError, match="does not speak TLS"):
            State.open(address(plain, "sslmode=verify-full"), password=PASSWORD)


def test_a_password_is_referred_to_and_shown_nowhere(
    server: tuple[postgres_server.Server, Path], tmp_path: Path
) -> None:
    made, folder = server
    (tmp_path / "train.csv").write_text("a,b\n" + "".join(f"{n},{n % 2}\n" for n in range(40)))
    (tmp_path / "db.password").write_text(PASSWORD + "\n")
    (tmp_path / "db.password").chmod(0o600)

    def run(*words: str, expect: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fairlead", *words], cwd=tmp_path, env=environment(), capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("init", "--data", "train.csv", "--target", "b", "--name", "m")
    toml = tmp_path / "fairlead.toml"
    before = toml.read_text()
    url = address(made, f"sslmode=verify-full&sslrootcert={folder / 'ours.pem'}")
    toml.write_text(f'{before}\n[state]\nurl = "{url}"\npassword = "file:db.password"\n')
    said = [run("config"), run("status"), run("doctor"), run("audit"), run("watch", "--once")]
    toml.write_text(f'{before}\n[state]\nurl = "{url}"\npassword = "{PASSWORD}"\n')
    said.append(run("status", expect=2))
    toml.write_text(f'{before}\n[state]\nurl = "{url.replace("app@", f"app:{PASSWORD}@")}"\n')
    said.append(run("status", expect=2))
    (tmp_path / "db.password").write_text("another-one\n")
    toml.write_text(f'{before}\n[state]\nurl = "{url}"\npassword = "file:db.password"\n')
    said.append(run("status", expect=1))
    assert "refuses this user or password" in said[-1]
    for text in said:
        assert PASSWORD not in text
        assert "another-one" not in text
    written = [path for path in (tmp_path / ".fairlead").rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in path.read_bytes() for path in written)
