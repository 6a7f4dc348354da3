"""Who may ask over gRPC: the keys, limits and certificates of HTTP, refused in gRPC's own codes."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from asking import FIRST, ROW
from calling import OPEN, Client, grpc_server
from tests.conftest import eventually
from tests.ports.transport_certificates import Authority

from fairlead.contract.routes import Key, Route, Routes, Variant
from fairlead.runtime.serve import publish
from fairlead.runtime.serve.access import hash_of, new_secret

ALL, NONE, SLOW = new_secret(), new_secret(), new_secret()
KEYS = (
    Key("all", "all", hash_of(ALL)),
    Key("none", "none", hash_of(NONE), models=("other",)),
    Key("slow", "slow", hash_of(SLOW), rate_per_s=0.001, burst=1),
)


def closed(home: Path) -> Path:
    """Routes with three keys."""
    publish(home / "routes.json", Routes(1, (Route("churn", (Variant("champion", FIRST, 1),)),), keys=KEYS))
    return home


def test_keys_come_as_metadata_and_every_refusal_has_its_code(home: Path) -> None:
    def code(metadata: dict[str, str]) -> grpc.StatusCode:
        try:
            client.infer([ROW], metadata=metadata)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    with grpc_server(closed(home), required=True) as server, Client(server.target) as client:
        assert code({}) is grpc.StatusCode.UNAUTHENTICATED
        assert code({"x-api-key": "flk_no"}) is grpc.StatusCode.UNAUTHENTICATED
        assert code({"x-api-key": ALL}) is grpc.StatusCode.OK
        assert code({"authorization": f"Bearer {ALL}"}) is grpc.StatusCode.OK
        assert code({"x-api-key": NONE}) is grpc.StatusCode.PERMISSION_DENIED
        assert code({"x-api-key": SLOW}) is grpc.StatusCode.OK
        with pytest.raises(grpc.RpcError) as limited:
            client.infer([ROW], metadata={"x-api-key": SLOW})
        assert limited.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        trailing = dict(limited.value.trailing_metadata())
        assert int(trailing["grpc-retry-pushback-ms"]) == 1000 * int(trailing["retry-after"])


def test_nothing_but_probes_is_open_without_a_key(home: Path) -> None:
    with grpc_server(closed(home), required=True) as server, Client(server.target) as client:
        assert client.call("ServerLive")[0].live
        assert client.call("ServerReady")[0].ready
        assert client.check() == 1
        named = OPEN.ModelMetadataRequest(name="churn")
        for method, message in (
            ("ServerMetadata", b""),
            ("ModelMetadata", named),
            ("ModelReady", named),
            ("ModelInfer", OPEN.ModelInferRequest(model_name="unheard-of")),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                client.call(method, message)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED, method
            assert client.call if method == "ModelInfer" else client.call(method, message, metadata={"x-api-key": ALL})


def tls(authority: Authority, own: tuple[Path, Path] | None = None) -> grpc.ChannelCredentials:
    chain, key = (own[0].read_bytes(), own[1].read_bytes()) if own else (None, None)
    return grpc.ssl_channel_credentials(authority.path.read_bytes(), key, chain)


def test_tls_with_the_certificate_of_http_renewed_without_a_restart(home: Path, tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    chain, key = old.issue("localhost")
    with grpc_server(home, tls_certificate=str(chain), tls_key=str(key)) as server:
        assert server.address.startswith("grpcs://")
        with Client(server.target, tls(old)) as client:
            assert client.infer([ROW])[0].outputs
        with Client(server.target, tls(new)) as client, pytest.raises(grpc.RpcError) as untrusted:
            client.infer([ROW], timeout=5.0)
        assert untrusted.value.code() is grpc.StatusCode.UNAVAILABLE
        for issued, kept in zip(new.issue("localhost"), (chain, key), strict=True):
            issued.replace(kept)

        def renewed() -> bool:
            with Client(server.target, tls(new), use_local_subchannel_pool=1) as client:
                try:
                    return bool(client.infer([ROW], timeout=5.0)[0].outputs)
                except grpc.RpcError:
                    return False

        eventually(renewed, what="the renewed certificate")


def test_mutual_tls_takes_only_certificates_of_its_authority(home: Path, tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    chain, key = ours.issue("localhost")
    secure = {"tls_certificate": str(chain), "tls_key": str(key), "tls_client_ca": str(ours.path)}
    with grpc_server(home, **secure) as server:
        with Client(server.target, tls(ours, ours.issue("a-client"))) as client:
            assert client.infer([ROW])[0].outputs
        for credentials in (tls(ours), tls(ours, theirs.issue("a-client"))):
            with Client(server.target, credentials) as client, pytest.raises(grpc.RpcError) as refused:
                client.infer([ROW], timeout=5.0)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "andshake" not in server.log.read_text(), "strangers must not be able to fill the log"
