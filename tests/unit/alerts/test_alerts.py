"""Alerts through real receivers: told once, reminded, cleared, summed up, retried, and holding up nobody."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fairlead.contract.errors import ConfigInvalid, RemoteError
from fairlead.contract.events import Finding
from fairlead.contract.settings import AlertSettings, EscalateSettings
from fairlead.ops.alerts import Courier, Delivered, FileChannel, Outbox, channels, name_of, shown
from fairlead.ops.alerts.apprise_channel import AppriseChannel
from fairlead.ops.alerts.outbox import MAX_TRIES, backoff_s, seconds_of
from fairlead.ops.state import State

HOUR = 3600.0
DAY = 24 * HOUR
START = 1_700_000_000.0
ABOUT = "churn #1: performance: age, income, tenure and 4 more"


class Receiver(ThreadingHTTPServer):
    """Takes JSON over HTTP. `answers`: status codes to give before 200s; `gate`: cleared to let callers hang."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[dict[str, str]] = []
        self.answers: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://user:w0rd@127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.entered.set()
        self.server.gate.wait(30)
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.got.append(body)
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.gate.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(tmp_path / "state.db")


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def finding(id: str = "f1", severity: str = "warning", since: float = START) -> Finding:
    columns = ("age", "income", "tenure", "city", "plan", "region", "device")
    words = "accuracy fell from 0.73 to 0.61"
    # Of another model: what belongs together is one incident, which other tests are about.
    model = "churn" if id == "f1" else f"churn-{id}"
    return Finding(id, model, "performance", "accuracy", 3, since, 0.12, 0.1, 0.15, "loss", words, columns, severity)  # type: ignore[arg-type]


def titles(receiver: Receiver) -> list[str]:
    return [message["title"] for message in receiver.got]


def test_a_finding_is_told_once_with_all_that_matters(state: State, receiver: Receiver, clock: Clock) -> None:
    outbox = Outbox(state, channels([receiver.url]), clock)
    state.put_finding(finding())
    assert outbox.notice(finding(), "it trains a challenger on the last 6 windows")
    assert not outbox.notice(finding(), "again")
    assert outbox.deliver(wait_s=20) == Delivered(sent=1, failed=0, waiting=0)
    state.put_finding(finding())
    assert outbox.deliver(wait_s=20) == Delivered(sent=0, failed=0, waiting=0)
    (message,) = receiver.got
    assert message["title"] == f"{ABOUT} (warning)"
    assert message["message"].splitlines() == [
        "accuracy fell from 0.73 to 0.61.",
        "Since 2023-11-14 22:13 UTC (window 3).",
        "Size: 0.12 loss (between 0.1 and 0.15).",
        "Columns: age, income, tenure, city, plan and 2 more.",
        "Fairlead: it trains a challenger on the last 6 windows.",
        "What to do: A model of newer rows: `fairlead retrain`. The version before: `fairlead rollback`.",
        "Look: `fairlead incident 1`. You look after it: `fairlead ack 1`.",
    ]


def test_what_lasts_is_reminded_of_and_what_ends_is_cleared(state: State, receiver: Receiver, clock: Clock) -> None:
    outbox = Outbox(state, channels([receiver.url]), clock, settings=AlertSettings(remind="7d"))
    state.put_finding(finding())
    for _ in range(16):
        outbox.deliver(wait_s=20)
        clock.now += DAY
    state.close_finding("f1", clock.now)
    for _ in range(16):
        outbox.deliver(wait_s=20)
        clock.now += DAY
    told = f"{ABOUT} (warning)"
    still = f"{ABOUT} still warning"
    assert titles(receiver) == [told, still, still, f"{ABOUT} is over"]
    assert "This has lasted for 7 days" in receiver.got[1]["message"]
    assert "Over after 16 days" in receiver.got[3]["message"]


def test_the_end_of_what_was_never_told_is_not_told(state: State, clock: Clock) -> None:
    outbox = Outbox(state, (), clock)
    state.put_finding(finding(severity="info"))
    outbox.deliver()
    state.close_finding("f1", clock.now)
    assert not outbox.all_clear(finding())
    outbox.deliver()
    assert outbox.messages() == []


def test_a_storm_becomes_a_few_messages_and_a_digest(state: State, receiver: Receiver, clock: Clock) -> None:
    outbox = Outbox(state, channels([receiver.url]), clock, per_hour=5)
    for n in range(40):
        outbox.notice(finding(f"f{n}", "critical" if n == 30 else "warning"))
    assert outbox.deliver(wait_s=20).waiting == 0
    assert len(receiver.got) == 5
    assert titles(receiver).count("Fairlead: 36 more messages") == 1
    assert any("(critical)" in title for title in titles(receiver)), "the worst is told by itself"
    assert "- and 26 more" in receiver.got[-1]["message"]
    for n in range(40, 50):
        outbox.notice(finding(f"f{n}"))
    assert outbox.deliver(wait_s=20).waiting == 10
    assert len(receiver.got) == 5, "the hour is not over"
    clock.now += HOUR + 1
    assert outbox.deliver(wait_s=20).waiting == 0
    assert len(receiver.got) == 10
    assert len(outbox.messages()) == 52, "each is kept, and two digests"


def test_what_is_critical_waits_for_no_lesser_messages_and_is_bounded_too(
    state: State, clock: Clock, tmp_path: Path
) -> None:
    path = tmp_path / "team.jsonl"
    outbox = Outbox(state, [FileChannel(path)], clock, per_hour=3)
    for n in range(6):
        outbox.notice(finding(f"lesser{n}"))
    outbox.deliver(wait_s=20)
    clock.now += 60
    outbox.notice(finding("later"))
    outbox.notice(finding("grave0", "critical"))
    assert outbox.deliver(wait_s=20).waiting == 1, "a lesser one waits for its hour"
    told = [json.loads(line)["title"] for line in path.read_text().splitlines()]
    assert "(critical)" in told[3], "it went at once, as the fourth of an hour that takes three"
    for n in range(1, 8):
        outbox.notice(finding(f"grave{n}", "critical"))
    outbox.deliver(wait_s=20)
    titles = [json.loads(line)["title"] for line in path.read_text().splitlines()][4:]
    assert len(titles) == 2
    assert titles[1] == "Fairlead: 6 more messages", "of as many as an hour takes, the last is a digest"


def test_what_is_critical_waits_for_no_reminders_of_what_was(state: State, clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "team.jsonl"
    outbox = Outbox(state, [FileChannel(path)], clock, per_hour=3, settings=AlertSettings(remind="1d"))
    for n in range(3):
        outbox.notice(finding(f"grave{n}", "critical"))
    outbox.deliver(wait_s=20)
    clock.now += 90_000
    assert outbox.deliver(wait_s=20).sent == 3, "each is reminded of"
    outbox.notice(finding("new", "critical"))
    assert outbox.deliver(wait_s=20).waiting == 0
    assert len(path.read_text().splitlines()) == 7


def test_what_nobody_answered_reaches_those_it_is_passed_on_to_also_in_a_storm(
    state: State, clock: Clock, tmp_path: Path
) -> None:
    settings = AlertSettings(escalate=EscalateSettings(after="4h", to=("file",)))
    further = FileChannel(tmp_path / "further.jsonl")
    outbox = Outbox(
        state, [FileChannel(tmp_path / "team.jsonl")], clock, per_hour=2, settings=settings, escalate_to=[further]
    )
    for n in range(5):
        outbox.notice(finding(f"f{n}"))
    outbox.deliver(wait_s=20)
    clock.now += 4 * HOUR + 1
    outbox.deliver(wait_s=20)
    told = [json.loads(line) for line in (tmp_path / "further.jsonl").read_text().splitlines()]
    assert ["unanswered" in one["title"] for one in told] == [True, False]
    assert told[1]["title"] == "Fairlead: 4 more messages"


def test_a_receiver_that_fails_first_gets_each_message_once(state: State, receiver: Receiver, clock: Clock) -> None:
    receiver.answers = [500, 503]
    outbox = Outbox(state, channels([receiver.url]), clock)
    outbox.notice(finding("f1"))
    outbox.notice(finding("f2"))
    # One failure makes the other message wait, too, without a try.
    assert outbox.deliver(wait_s=20) == Delivered(sent=0, failed=1, waiting=2)
    assert outbox.deliver(wait_s=20) == Delivered(sent=0, failed=0, waiting=2), "not due yet"
    clock.now += backoff_s(1)
    assert outbox.deliver(wait_s=20) == Delivered(sent=0, failed=1, waiting=2)
    clock.now += backoff_s(2)
    assert outbox.deliver(wait_s=20) == Delivered(sent=2, failed=0, waiting=0)
    assert len(receiver.got) == 2
    assert not [one for one in state.findings() if one.area == "alerts"]


def test_a_channel_given_up_is_a_finding_told_through_the_others(
    state: State, receiver: Receiver, clock: Clock, tmp_path: Path
) -> None:
    receiver.answers = [500] * MAX_TRIES
    file = tmp_path / "alerts.jsonl"
    outbox = Outbox(state, channels([receiver.url, f"file:{file}"]), clock)
    state.put_finding(finding())
    for _ in range(MAX_TRIES):
        outbox.deliver(wait_s=20)
        clock.now += backoff_s(MAX_TRIES)
    (trouble,) = [one for one in state.findings("churn") if one.area == "alerts"]
    why = "9 tries failed, the last: json://127.0.0.1 did not accept the message"
    assert trouble.message == f"alerts do not arrive through json://127.0.0.1: {why}"
    assert [row.channel for row in outbox.undelivered()] == ["json://127.0.0.1"]
    outbox.deliver(wait_s=20)
    lines = [json.loads(line)["title"] for line in file.read_text().splitlines()]
    assert lines == [f"{ABOUT} (warning)", "churn #2: alerts (warning)"]
    assert receiver.got == [], "not told through the channel that fails"
    # The next message gets through: the trouble is over.
    outbox.notice(finding("f2"))
    outbox.deliver(wait_s=20)
    assert not [one for one in state.findings("churn") if one.area == "alerts"]
    assert [title.partition(":")[0] for title in titles(receiver)] == ["churn-f2 #3"]


def test_a_receiver_that_hangs_holds_nothing_up(state: State, receiver: Receiver, clock: Clock, tmp_path: Path) -> None:
    receiver.gate.clear()
    file = tmp_path / "alerts.jsonl"
    outbox = Outbox(state, channels([receiver.url, f"file:{file}"]), clock)
    outbox.notice(finding())
    began = time.monotonic()
    first = outbox.deliver(wait_s=0.3)
    assert time.monotonic() - began < 20
    while not first.sent and time.monotonic() - began < 20:
        first = outbox.deliver(wait_s=0.3)
    assert (first.sent, first.waiting) == (1, 1), "the file has it"
    assert receiver.entered.wait(20)
    threads = threading.active_count()
    for n in range(5):
        outbox.notice(finding(f"g{n}"))
        outbox.deliver(wait_s=0.05)
    assert threading.active_count() <= threads + 1, "the hanging channel gets no second thread"
    deadline = time.monotonic() + 20
    while len(file.read_text().splitlines()) < 6 and time.monotonic() < deadline:
        outbox.deliver(wait_s=0.05)
    assert len(file.read_text().splitlines()) == 6
    receiver.gate.set()
    clock.now += 120.0
    deadline = time.monotonic() + 20
    while len(receiver.got) < 6 and time.monotonic() < deadline:
        outbox.deliver(wait_s=0.2)
        clock.now += 120.0
    assert len(receiver.got) >= 6


def test_a_killed_pass_is_taken_up_by_the_next_process(state: State, receiver: Receiver, clock: Clock) -> None:
    receiver.gate.clear()
    first = Outbox(state, channels([receiver.url]), clock)
    first.notice(finding())
    first.deliver(wait_s=0.05)
    assert receiver.entered.wait(20)
    # The first one is never asked again, as if its process had been killed.
    receiver.gate.set()
    second = Outbox(state, channels([receiver.url]), clock)
    assert second.deliver(wait_s=20).sent == 0, "it may still be on its way"
    clock.now += 61.0
    assert second.deliver(wait_s=20) == Delivered(sent=1, failed=0, waiting=0)


def test_without_an_address_messages_are_kept(state: State, clock: Clock) -> None:
    outbox = Outbox(state, (), clock)
    state.put_finding(finding())
    assert outbox.deliver() == Delivered(sent=0, failed=0, waiting=0)
    (message,) = outbox.messages(last=5)
    assert (message.kind, message.state, message.title) == ("notice", "released", f"{ABOUT} (warning)")


def test_the_courier_delivers_until_stopped(state: State, receiver: Receiver) -> None:
    outbox = Outbox(state, channels([receiver.url]))
    courier = Courier(outbox, every_s=0.05).start()
    outbox.notice(finding("f1"))
    deadline = time.monotonic() + 20
    while len(receiver.got) < 1 and time.monotonic() < deadline:
        receiver.entered.wait(0.05)
    courier.stop()
    outbox.notice(finding("f2"))
    assert titles(receiver) == [f"{ABOUT} (warning)"]


def test_mail_reaches_a_real_mailbox(state: State, clock: Clock) -> None:
    with Mailbox() as mailbox:
        address = f"mailto://127.0.0.1:{mailbox.port}?from=fairlead@example.org&to=team@example.org&mode=insecure"
        outbox = Outbox(state, channels([address]), clock)
        outbox.notice(finding())
        assert outbox.deliver(wait_s=20) == Delivered(sent=1, failed=0, waiting=0)
    assert "Subject: churn #1: performance" in mailbox.text
    assert "Columns: age, income" in mailbox.text


class Mailbox:
    """An SMTP server that takes one mail: enough of RFC 5321 for that."""

    def __init__(self) -> None:
        self.text = ""
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._talk, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Mailbox:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._server.close()
        self._loop.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        while line := (await reader.readline()).decode():
            verb = line[:4].upper()
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                self.text = (await reader.readuntil(b"\r\n.\r\n")).decode()
            writer.write(b"221 bye\r\n" if verb == "QUIT" else b"250 fine\r\n")
            if verb == "QUIT":
                break
        await writer.drain()
        writer.close()


def test_nobody_listening_is_a_plain_error_without_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        channel = AppriseChannel(f"json://user:w0rd@127.0.0.1:{port}/s3cr3t")
        with caplog.at_level("DEBUG"), pytest.raises(RemoteError) as caught:
            channel.send("title", "body")
    assert str(caught.value) == "json://127.0.0.1 did not accept the message"
    for secret in ("w0rd", "s3cr3t"):
        assert secret not in caplog.text
        assert secret not in repr(channel)


def test_what_is_sent_is_not_logged_by_the_libraries_on_the_way(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        AppriseChannel(f"{receiver.url}s3cr3t").send("title", "body")
    assert len(receiver.got) == 1
    assert "s3cr3t" not in caplog.text


def test_an_address_nobody_understands_is_said_before_it_is_needed() -> None:
    (channel,) = channels(["nonsense://t0ken/place"])
    assert isinstance(channel, AppriseChannel)
    with pytest.raises(
        ConfigInvalid, match=r"alerts\.to: nonsense: Apprise does not understand this address"
    ) as caught:
        channel.check()
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("json://user:word@10.0.0.5:8000/path?key=1", "json://10.0.0.5"),
        ("mailto://me:word@example.org", "mailto://example.org"),
        ("slack://TokenA/TokenB/TokenC/#channel", "slack"),
        ("ntfy://topic-only-we-know", "ntfy"),
        ("tgram://123456:token/chat", "tgram"),
        ("json://[::1", "json"),
        ("no address at all: word", "channel"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, seen: str) -> None:
    assert shown(address) == seen
    assert name_of(AppriseChannel(address)) == seen


def test_channels_of_one_name_are_told_apart(state: State, receiver: Receiver, clock: Clock) -> None:
    outbox = Outbox(state, channels([receiver.url, receiver.url]), clock)
    outbox.notice(finding())
    assert outbox.deliver(wait_s=20).sent == 2
    assert sorted(row.channel for row in state.deliveries()) == ["json://127.0.0.1", "json://127.0.0.1 (2)"]


def test_durations() -> None:
    shown = {"45s": 45, "30m": 1800, "24h": 86400, "7d": 604800, "0.5d": 43200, "2w": 1209600}
    assert {text: seconds_of(text) for text in shown} == shown
    for wrong in ("", "7", "d", "7 weeks", "-1d"):
        with pytest.raises(ConfigInvalid, match=r"alerts\.remind"):
            seconds_of(wrong)
    assert [backoff_s(n) for n in range(1, 10)] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
