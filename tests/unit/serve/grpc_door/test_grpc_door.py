"""The gRPC door over a socket: the answers, codes, bounds and ends of every protocol, by gRPC's own means."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import asking
import grpc
import httpx
import pytest
import stand_in
from asking import FIRST, ROW, SECOND, deploy
from calling import OPEN, Client, grpc_server, infer_request
from tests.conftest import eventually

from fairlead.contract.routes import Limits, Variant
from fairlead.runtime.capture import Records, collect, reconcile
from fairlead.runtime.serve import confirm, live_workers
from fairlead.runtime.wire.tensors import values_of_raw


@pytest.fixture
def client(home: Path) -> Iterator[Client]:
    with grpc_server(home) as server, Client(server.target) as made:
        yield made


@pytest.mark.parametrize("transport", ["bare", "granian"])
def test_every_transport_opens_it(home: Path, transport: str) -> None:
    with grpc_server(home, transport=transport) as server, Client(server.target) as client:
        assert client.infer([ROW])[0].outputs
        assert httpx.post(server.url + "/predict", json=ROW).status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0


def refused(of: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[grpc.StatusCode, str]:
    return of.value.code(), of.value.details()


def test_typed_is_answered_typed_and_raw_raw(client: Client) -> None:
    want = stand_in.scored(ROW, 0.5)
    answer, trailing = client.infer([ROW, ROW], id="mine")
    label, probabilities = answer.outputs
    assert (answer.model_name, answer.model_version, answer.id) == ("churn", "1", "mine")
    assert list(label.contents.bytes_contents) == [b"Yes"] * 2
    assert list(probabilities.shape) == [2, 2]
    assert list(probabilities.contents.fp64_contents) == [1 - want, want] * 2
    assert trailing["x-request-id"] == "mine"
    raw, _ = client.infer([ROW, ROW], raw=True)
    assert not any(output.HasField("contents") for output in raw.outputs)
    assert values_of_raw(raw.raw_output_contents[1], "FP64", [2, 2], "p") == [1 - want, want] * 2
    assert values_of_raw(raw.raw_output_contents[0], "BYTES", [2], "l") == ["Yes", "Yes"]


def test_outputs_are_filtered_and_no_model_name_means_the_only_one(client: Client) -> None:
    wanted = [OPEN.ModelInferRequest.InferRequestedOutputTensor(name="label")]
    answer, _ = client.infer([ROW], model="", outputs=wanted)
    assert [output.name for output in answer.outputs] == ["label"]


def test_metadata_and_readiness(client: Client) -> None:
    assert client.call("ServerLive")[0].live
    assert client.call("ServerReady")[0].ready
    said = client.call("ServerMetadata")[0]
    assert (said.name, bool(said.version)) == ("fairlead", True)
    model, _ = client.call("ModelMetadata", OPEN.ModelMetadataRequest(name="churn"))
    assert (model.name, list(model.versions), model.platform) == ("churn", ["1"], "fairlead")
    assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs][:2] == [
        ("tenure", "INT64", [-1]), ("charges", "FP64", [-1])
    ]  # fmt: skip
    assert [(t.name, t.datatype, list(t.shape)) for t in model.outputs] == [
        ("label", "BYTES", [-1]), ("probabilities", "FP64", [-1, 2])
    ]  # fmt: skip

    def ready(name: str, version: str = "") -> bool:
        return bool(client.call("ModelReady", OPEN.ModelReadyRequest(name=name, version=version))[0].ready)

    assert ready("churn")
    assert ready("churn", "1")
    assert not ready("churn", "7")
    assert not ready("other")
    with pytest.raises(grpc.RpcError) as unknown:
        client.call("ModelMetadata", OPEN.ModelMetadataRequest(name="other"))
    assert refused(unknown) == (grpc.StatusCode.NOT_FOUND, "no such model. Served: churn.")


def test_health_as_probes_ask_for_it(client: Client) -> None:
    assert [client.check(), client.check("inference.GRPCInferenceService"), client.check("churn")] == [1, 1, 1]
    with pytest.raises(grpc.RpcError) as unknown:
        client.check("nothing")
    assert refused(unknown)[0] is grpc.StatusCode.NOT_FOUND


def test_mistakes_have_the_codes_of_grpc_and_the_words_of_every_protocol(client: Client) -> None:
    def said(rows: list, **given: object) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.RpcError) as error:
            client.infer(rows, **given)
        assert error.value.trailing_metadata() is not None
        return refused(error)

    invalid, missing = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
    assert said([ROW], model="other") == (missing, "no such model. Served: churn.")
    assert said([ROW], model="../v2") == (missing, "no such model. Served: churn.")
    assert said([ROW], version="9") == (missing, "no such version. Served: 1.")
    short = infer_request([ROW])
    del short.inputs[0]
    text = infer_request([ROW])
    text.inputs[0].datatype = "BYTES"
    text.inputs[0].contents.Clear()
    text.inputs[0].contents.bytes_contents.append(b"three")
    for message, words in (
        (short, "columns missing: tenure"),
        (text, "row 0, column 'tenure': found text, allowed: an integer"),
        (b"\xff\xff", "the message is no Addressed"),
    ):
        with pytest.raises(grpc.RpcError) as error:
            client.call("ModelInfer", message)
        assert error.value.code() is invalid
        assert words in error.value.details()
    with pytest.raises(grpc.RpcError) as other:
        client.call("ModelConfig", b"", OPEN.ServerLiveResponse)
    assert other.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_lies_about_raw_contents_are_refused(client: Client) -> None:
    def told(message: object) -> str:
        with pytest.raises(grpc.RpcError) as error:
            client.call("ModelInfer", message)
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        return str(error.value.details())

    few = infer_request([ROW], raw=True)
    del few.raw_input_contents[0]
    assert "raw_input_contents has 3 entries for 4 inputs" in told(few)
    both = infer_request([ROW], raw=True)
    both.inputs[0].contents.int64_contents.append(3)
    assert "exclude each other" in told(both)
    long = infer_request([ROW], raw=True)
    long.raw_input_contents[1] += b"\0"
    assert "'charges': 1 values of FP64 are 8 bytes, binary data has 9" in told(long)
    wrong = infer_request([ROW])
    wrong.inputs[1].contents.fp32_contents.append(1.0)
    assert "values of FP64 belong in fp64_contents alone" in told(wrong)
    half = infer_request([ROW])
    half.inputs[1].datatype = "FP16"
    assert "FP16 has no typed contents" in told(half)
    many = infer_request([ROW])
    many.inputs[0].shape[0] = 1 << 40
    assert "shape says" in told(many)


def test_what_is_answered_is_captured_and_counted_as_v2grpc(home: Path) -> None:
    with grpc_server(home) as server, Client(server.target) as client:
        client.infer([ROW] * 3, metadata={"x-request-id": "from-metadata"})
        with pytest.raises(grpc.RpcError, match="row 0, column 'charges': found a number"):
            client.infer([{**ROW, "charges": float("inf")}])
        exposed = httpx.get(server.url + "/metrics").text
    assert 'protocol="v2grpc"' in exposed
    collect(home)
    kept, _ = Records(home, "churn").since()
    assert kept.num_rows == 3
    assert set(kept.column("protocol").to_pylist()) == {"v2grpc"}
    assert set(kept.column("request").to_pylist()) == {"from-metadata"}
    assert reconcile(home).ok


def test_a_message_over_the_limit_is_refused_compressed_or_not(home: Path) -> None:
    deploy(home, limits=Limits(max_body_bytes=200_000))
    with grpc_server(home) as server, Client(server.target, max_send_message_length=-1) as client:
        for compression in (None, grpc.Compression.Gzip):
            with pytest.raises(grpc.RpcError) as error:
                client.infer([{**ROW, "contract": "x" * 1_000_000}], compression=compression)
            assert error.value.code() in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNIMPLEMENTED}
        assert client.infer([ROW], compression=grpc.Compression.Gzip)[0].outputs


def test_a_deadline_that_has_passed_is_told(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as error:
        client.infer([ROW], timeout=0.0)
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert client.infer([ROW])[0].outputs


def test_two_servers_do_not_share_a_port(home: Path, tmp_path: Path) -> None:
    with grpc_server(home) as server:
        taken = int(server.target.rpartition(":")[2])
        with pytest.raises(AssertionError, match=r"cannot be had\. Choose another"), grpc_server(home, grpc_port=taken):
            pass


def test_all_workers_answer_on_one_port_and_the_killed_are_replaced(home: Path) -> None:
    deploy(home, Variant("champion", FIRST, 1))
    with grpc_server(home, workers=2) as server:
        eventually(lambda: len(live_workers(home)) == 2)
        before = {worker.pid for worker in live_workers(home)}
        os.kill(min(before), signal.SIGKILL)
        eventually(lambda: {w.pid for w in live_workers(home) if w.state == "serving"} - before, what="a successor")
        deploy(home, Variant("champion", SECOND, 2), generation=2)
        assert confirm(home, 2, 30.0).workers == 2
        for _ in range(20):
            with Client(server.target, use_local_subchannel_pool=1) as client:
                assert client.infer([ROW])[0].model_version == "2"


def test_no_call_fails_while_models_are_swapped_and_the_server_drains(home: Path) -> None:
    codes: list[grpc.StatusCode] = []
    versions: set[str] = set()
    over = threading.Event()

    def load(target: str) -> None:
        with Client(target, use_local_subchannel_pool=1) as client:
            while not over.is_set():
                try:
                    versions.add(client.infer([ROW])[0].model_version)
                except grpc.RpcError as error:
                    codes.append(error.code())

    with grpc_server(home) as server:
        threads = [threading.Thread(target=load, args=(server.target,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for generation in range(2, 8):
            deploy(home, Variant("champion", (FIRST, SECOND)[generation % 2], generation), generation=generation)
            confirm(home, generation, 30.0)
            eventually(lambda said=str(generation): said in versions)
        over.set()
        for thread in threads:
            thread.join()
        assert not codes
        assert versions >= {str(generation) for generation in range(2, 8)}


def test_without_a_port_nothing_listens_and_grpc_is_not_loaded(home: Path) -> None:
    with asking.server(home) as plain:
        maps = {worker.pid: Path(f"/proc/{worker.pid}/maps").read_text() for worker in live_workers(home)}
        assert maps
        assert plain.url
        assert not any("cygrpc" in loaded for loaded in maps.values())


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"], ids=["silence", "another protocol"])
def test_a_connection_that_asks_nothing_is_ended_and_harms_nobody(home: Path, said: bytes) -> None:
    with grpc_server(home, keep_alive_s=1.0, header_s=1.0) as server, Client(server.target) as client:
        host, _, port = server.target.rpartition(":")
        with socket.create_connection((host, int(port))) as idle:
            idle.sendall(said)
            assert client.infer([ROW])[0].outputs
            idle.settimeout(15.0)
            while idle.recv(4096):
                pass
        assert client.infer([ROW])[0].outputs
