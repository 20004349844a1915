"""Alerts reach a webhook, a broker and a mailbox: once, in order, whatever is down meanwhile."""

import random
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from docs.examples.receiver import verify
from storage.alert_rows import note_new, recent_alerts
from storage.channels import Channel
from storage.delivery_rows import Delivery, claim, delivery_log, due
from storage.repository import add_interactions
from storage.standing_rows import remove_standing
from storage.watching import Findings, Watched, find
from stream import mqtt, webhook
from stream.alerting import Alerting
from stream.backoff import GIVE_UP, backoff_seconds, next_try
from stream.cli import main
from stream.mail import MailServer
from stream.references import Secrets
from stream.telling import Teller
from stream.webhook import SendError, post, sign
from tests.conftest import free_port, skip_or_fail
from tests.servers.asker import ask_until_killed
from tests.servers.hook import Hook
from tests.test_interactions import NOON
from tests.test_standing import moment, stand

Sessions = sessionmaker[Session]
SECRET = "a secret of this test"


@pytest.fixture
def teller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Teller:
    monkeypatch.setenv("HOI_SECRET_HOOK", SECRET)
    return Teller(Secrets(tmp_path), tmp_path)


def test_a_run_that_ends_leaves_to_others_what_they_are_always_faster_with(
    sessions: Sessions, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = list[Watched]()

    def overtaken(_: Alerting) -> Watched:
        looks.append(Watched(1, more=True, overtaken=True))
        return looks[-1]

    monkeypatch.setattr(Alerting, "look", overtaken)
    Alerting(sessions, teller.send).finish()
    assert 1 < len(looks) < 100


def happen(sessions: Sessions, *numbers: int) -> None:
    new = [moment(n, "pick up", n) for n in numbers]
    with sessions.begin() as session:
        add_interactions(session, interactions=new)
        note_new(session, new, now=datetime.now(UTC))


def wait_until(done: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def log(sessions: Sessions) -> list[tuple[str, str]]:
    """State and outcome of all tries, oldest first."""
    with sessions() as session:
        return [(one.state, one.outcome) for one in reversed(delivery_log(session))]


def test_a_webhook_gets_the_alert_signed(sessions: Sessions, hook: Hook, teller: Teller) -> None:
    url = Channel.make(f"{hook.url}?to=${{HOI_SECRET_HOOK}}", "env:HOI_SECRET_HOOK")
    stand(sessions, "who picked up a box", channels=(url,))
    with Alerting(sessions, teller.send) as alerting:
        happen(sessions, 1)
        wait_until(lambda: log(sessions))
    (hit,) = hook.hits
    assert hit.path.startswith("/hook?to=a%20secret")
    assert verify(SECRET, hit.headers["X-Hoi-Signature"], hit.body, time.time())
    assert hit.json["version"] == 1
    assert hit.json["question"]["name"] == "mine"
    assert hit.json["interaction"]["verb"] == "pick up"
    assert "box" in hit.json["answer"]
    assert alerting.counts.made == 1
    assert alerting.counts.attempts == {("webhook", "delivered"): 1}


@given(st.binary(max_size=300), st.text(min_size=1, max_size=40), st.integers(0, 2**33))
def test_a_signature_is_of_these_bytes_and_of_this_time(body: bytes, secret: str, at: int) -> None:
    header = sign(secret, body, datetime.fromtimestamp(at, UTC))
    assert verify(secret, header, body, at + 299)
    assert not verify(secret, header, body, at + 301), "a replay"
    assert not verify(secret, header, body + b" ", at)
    assert not verify(secret + "x", header, body, at)
    assert not verify(secret, header.replace(f"t={at}", f"t={at + 1}"), body, at)
    assert not verify(secret, "", body, at)


def test_after_an_outage_all_arrive_once_and_in_order(sessions: Sessions, teller: Teller) -> None:
    port = free_port()
    stand(sessions, "who picked up a box", channels=(Channel.make(f"http://127.0.0.1:{port}/x"),))
    with Alerting(sessions, teller.send):
        for n in range(10):
            happen(sessions, n)
            time.sleep(0.05)
        wait_until(lambda: log(sessions))
        assert log(sessions)[0] == ("waiting", "Connection refused")
    hook = Hook(port)
    with Alerting(sessions, teller.send):  # as after a restart
        wait_until(lambda: len(hook.hits) == 10)
        time.sleep(0.3)
    hook.close()
    assert [hit.json["interaction"]["started_at"] for hit in hook.hits] == [
        moment(n, "pick up", n).started_at.isoformat() for n in range(10)
    ]
    assert len({hit.key for hit in hook.hits}) == 10


@pytest.mark.parametrize(
    ("status", "headers", "final", "after"),
    [
        (400, {}, True, None),
        (404, {}, True, None),
        (410, {}, True, None),
        (408, {}, False, None),
        (429, {"Retry-After": "120"}, False, 120),
        (503, {"Retry-After": format_datetime(NOON + timedelta(seconds=90))}, False, 90),
        (503, {"Retry-After": "soon"}, False, None),
        (503, {"Retry-After": "99999999"}, False, 86_400),
        (500, {}, False, None),
        (302, {"Location": "http://169.254.169.254/latest"}, True, None),
    ],
)
def test_what_an_answer_means(
    status: int, headers: dict[str, str], final: bool, after: float | None, hook: Hook
) -> None:
    hook.answers = [(status, headers)]
    with pytest.raises(SendError, match=str(status)) as failed:
        post(hook.url, b"{}", key="k", secret=None, at=NOON)
    assert failed.value.final is final
    assert failed.value.after == (None if after is None else pytest.approx(after, abs=1))
    assert len(hook.hits) == 1, "no redirect is followed"


def test_the_next_try_waits_as_long_as_it_is_asked_to() -> None:
    def busy(_: Delivery) -> str:
        raise SendError("429", after=1000)

    def broken(_: Delivery) -> str:
        raise SendError("500")

    channel = Channel.make("https://example.org/x")

    def delivery(tries: int, age: timedelta = timedelta(), *, test: bool = False) -> Delivery:
        return Delivery(1, channel.id, channel, {}, NOON - age, tries, test)

    polite = next_try(delivery(1), busy, now=NOON).next_at
    assert polite is not None
    assert polite >= NOON + timedelta(seconds=1000)
    for tries in range(1, 60):
        pause = backoff_seconds(tries)
        assert min(2.0 ** (tries - 1), 300) <= pause <= min(2.0 ** (tries - 1) + 3, 300)
    assert next_try(delivery(99, GIVE_UP), broken, now=NOON).state == "waiting"
    late = next_try(delivery(99, GIVE_UP + timedelta(seconds=1)), broken, now=NOON)
    assert (late.state, late.said) == ("failed", "given up after 3 days: 500")
    assert next_try(delivery(1, test=True), broken, now=NOON).state == "failed"


@pytest.mark.parametrize(
    "peer", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254", "224.0.0.1"]
)
def test_nothing_is_sent_where_clouds_tell_credentials(
    peer: str, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SendError, match="link-local") as refused:
        webhook._check_peer(peer)
    assert refused.value.final

    def refuse(_: str) -> None:
        raise SendError("link-local", final=True)

    monkeypatch.setattr(webhook, "_check_peer", refuse)
    with pytest.raises(SendError, match="link-local"):
        post(hook.url, b"{}", key="k", secret=None, at=NOON)
    assert hook.hits == [], "the address is looked at before anything is sent"
    post(hook.url, b"{}", key="k", secret=None, at=NOON, link_local=True)
    assert len(hook.hits) == 1


def test_a_refused_alert_does_not_hold_up_the_next(
    sessions: Sessions, hook: Hook, teller: Teller
) -> None:
    hook.answers = [(410, {}), (200, {})]
    stand(sessions, "who picked up a box", channels=(Channel.make(hook.url),))
    with Alerting(sessions, teller.send):
        happen(sessions, 1, 2)
        wait_until(lambda: len(log(sessions)) == 2)
    assert [state for state, _ in log(sessions)] == ["failed", "delivered"]


def test_secrets_are_in_no_log_and_not_in_the_database(
    sessions: Sessions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HOI_SECRET_USER", "joe-and-nobody-else")
    (tmp_path / "pass").write_text("hunter-22\n")
    port = free_port()
    channels = (
        Channel.make(f"http://${{HOI_SECRET_USER}}@127.0.0.1:{port}/x", "file:pass"),
        Channel.make("mqtt://${HOI_SECRET_USER}:${HOI_SECRET_UNSET}@127.0.0.1:1/a"),
        Channel.make("https://joe-and-nobody-else.invalid/x", "env:HOI_SECRET_UNSET"),
    )
    stand(sessions, "who picked up a box", channels=channels[:2])
    teller = Teller(Secrets(tmp_path), tmp_path)
    with Alerting(sessions, teller.send):
        happen(sessions, 1)
        wait_until(lambda: len(log(sessions)) >= 2)
    said = str(log(sessions)) + caplog.text
    assert "HOI_SECRET_UNSET is not set" in said
    files = b"".join(path.read_bytes() for path in tmp_path.glob("events.db*"))
    for secret in ("joe-and-nobody-else", "hunter-22"):
        assert secret not in said
        assert secret.encode() not in files


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_again_and_again_it_tells_each_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, hook: Hook
) -> None:
    """Two processes ask the same questions of one database; each is killed at any point."""
    from storage.database import make_engine, make_sessions, upgrade

    url = str(request.getfixturevalue("database" if kind == "sqlite" else "postgres_url"))
    engine = make_engine(url)
    upgrade(engine)
    sessions, rng = make_sessions(engine), random.Random(7)
    stand(sessions, "who picked up a box", channels=(Channel.make(hook.url),))
    stand(sessions, "who picked up a box", name="other", cooldown=timedelta(hours=1))
    events = 0
    for _ in range(3):
        happen(sessions, *range(events, events + 40))
        events += 40
        pair = [start(url) for _ in range(2)]
        time.sleep(rng.uniform(0.0, 0.7))
        for process in pair:
            process.kill()
            process.join()
    now = datetime.now(UTC) + timedelta(minutes=5)  # what a dead one had claimed is free again
    teller = Teller(Secrets(tmp_path), tmp_path)
    alerting = Alerting(sessions, teller.send)
    while alerting.look().looked:
        pass
    while waiting := read(sessions, lambda s: due(s, now=now)):
        with sessions.begin() as session:
            delivery = claim(session, waiting[0], now=now)
        assert delivery is not None
        alerting.attempt(delivery)
    alerts = read(sessions, lambda s: recent_alerts(s, limit=10_000))
    engine.dispose()
    mine = [alert.body["interaction"]["id"] for alert in alerts if alert.standing == "mine"]
    assert len(mine) == len(set(mine)) == events
    assert sum(alert.held is None for alert in alerts if alert.standing == "other") == 1
    told = [hit.json["interaction"]["id"] for hit in hook.hits]
    assert set(told) == set(mine)
    assert len({hit.key for hit in hook.hits}) == events, "a key tells doubles"
    assert len(told) - events <= 3 * 2 * 3, "only what was on its way came twice"


def read(sessions: Sessions, query: Callable[[Session], Any]) -> Any:
    with sessions() as session:
        return query(session)


def start(url: str) -> BaseProcess:
    """Forked off a process that has loaded all, which takes a second or two: it is asked often."""
    forks = get_context("forkserver")
    forks.set_forkserver_preload([ask_until_killed.__module__])
    begun, tell = forks.Pipe(duplex=False)
    process = forks.Process(target=ask_until_killed, args=(url, tell), daemon=True)
    process.start()
    assert begun.poll(60)
    assert begun.recv() == "ready"
    return process


def test_who_was_overtaken_asks_again(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, teller: Teller
) -> None:
    stand(sessions, "who picked up a box")
    slow, quick = (Alerting(sessions, teller.send) for _ in range(2))

    def overtaken(session: Session, *, now: datetime) -> Findings:
        monkeypatch.setattr("stream.alerting.find", find)
        found = find(session, now=now)
        happen(sessions, 2)
        assert quick.look().alerts == 2
        happen(sessions, 3)
        return found

    happen(sessions, 1)
    monkeypatch.setattr("stream.alerting.find", overtaken)
    assert slow.look() == Watched(looked=1, more=True, overtaken=True)
    assert slow.look().alerts == 1


def test_a_removed_question_takes_what_waits_with_it(
    sessions: Sessions, hook: Hook, teller: Teller
) -> None:
    stand(sessions, "who picked up a box", channels=(Channel.make(hook.url),))
    happen(sessions, 1)
    alerting = Alerting(sessions, teller.send)
    alerting.look()
    with sessions.begin() as session:
        remove_standing(session, "mine")
    assert not alerting.send_due()
    assert hook.hits == []


def test_a_try_of_a_removed_question_is_not_written_down_as_another_s(
    sessions: Sessions, hook: Hook, teller: Teller
) -> None:
    alerting = Alerting(sessions, teller.send)
    for number in range(2):
        stand(sessions, "who picked up a box", channels=(Channel.make(hook.url),))
        happen(sessions, number)
        alerting.look()
        if number == 0:
            with sessions.begin() as session:
                delivery = claim(session, 1, now=datetime.now(UTC))
                remove_standing(session, "mine")
    assert delivery is not None
    alerting.attempt(delivery)
    assert alerting.send_due(), "the second one waits"
    assert len(hook.hits) == 2


class Broker:
    """A mosquitto on a free loopback port."""

    def __init__(self, folder: Path, *lines: str) -> None:
        binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        if not Path(binary).exists():
            skip_or_fail("mosquitto is not installed: apt-get install mosquitto")
        self.port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text("\n".join([f"listener {self.port} 127.0.0.1", "user root", *lines]))
        self._process = subprocess.Popen([binary, "-c", str(config)], stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def listen(port: int, topic: str, **tls: Any) -> list[tuple[str, bytes, int]]:
    """Subscribes; the list fills itself with topic, payload and QoS."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    got: list[tuple[str, bytes, int]] = []
    ready: list[bool] = []
    client = paho.Client(CallbackAPIVersion.VERSION2)
    if tls:
        client.tls_set(**tls)
        client.username_pw_set("joe", "pa:ss/word")
    client.on_message = lambda _c, _u, message: got.append(
        (message.topic, bytes(message.payload), message.qos)
    )
    client.on_subscribe = lambda *_: ready.append(True)
    wait_until(lambda: connects(client, port))
    client.subscribe(topic, qos=1)
    client.loop_start()
    wait_until(lambda: ready)
    return got


def connects(client: Any, port: int) -> bool:
    try:
        client.connect("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    return True


def test_a_broker_gets_the_alert_with_its_topic_filled_in(
    sessions: Sessions, teller: Teller, tmp_path: Path
) -> None:
    broker = Broker(tmp_path, "allow_anonymous true")
    try:
        got = listen(broker.port, "hoi/#")
        url = f"mqtt://127.0.0.1:{broker.port}/hoi/{{question}}/{{camera}}/{{verb}}"
        stand(sessions, "who picked up a box", channels=(Channel.make(url),))
        with Alerting(sessions, teller.send):
            happen(sessions, 1)
            wait_until(lambda: got)
        ((topic, payload, qos),) = got
        assert (topic, qos) == ("hoi/mine/gate/pick-up", 1)
        assert b'"name":"mine"' in payload
    finally:
        broker.stop()
    with pytest.raises(SendError) as failed:
        mqtt.publish(f"mqtt://127.0.0.1:{broker.port}/x", b"", fields=FIELDS, key="k")
    assert not failed.value.final


FIELDS = {"question": "q", "camera": "a/+#", "verb": "v", "object": "o"}


def test_no_name_makes_another_topic() -> None:
    assert mqtt.topic_of("a/{camera}/{verb}", FIELDS) == "a/a-/v"


def test_a_broker_over_tls_with_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = make_certificate(tmp_path)
    passwords = tmp_path / "passwords"
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        skip_or_fail("mosquitto is not installed: apt-get install mosquitto")
    command = [str(tool), "-c", "-b", str(passwords), "joe", "pa:ss/word"]
    subprocess.run(command, check=True)
    broker = Broker(
        tmp_path, f"keyfile {key}", f"certfile {certificate}", f"password_file {passwords}"
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    try:
        got = listen(broker.port, "t", ca_certs=str(certificate))
        good = f"mqtts://joe:pa%3Ass%2Fword@127.0.0.1:{broker.port}/t"
        mqtt.publish(good, b"one", fields=FIELDS, key="k")
        wait_until(lambda: got)
        wrong = good.replace("ss%2F", "")
        with pytest.raises(SendError, match=r"(?i)not authori[sz]ed") as failed:
            mqtt.publish(wrong, b"two", fields=FIELDS, key="k")
        assert not failed.value.final, "a password may be mended"
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(SendError, match="certificate"):
            mqtt.publish(good, b"three", fields=FIELDS, key="k")
    finally:
        broker.stop()
    assert [payload for _, payload, _ in got] == [b"one"]


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Key and self-signed certificate of 127.0.0.1."""
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is not installed: apt-get install openssl")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return key, certificate


class Mailbox:
    """What an SMTP server has taken."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        from email import message_from_bytes

        self.messages.append(message_from_bytes(envelope.content))
        return "250 taken"


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_mail_comes_with_the_picture(
    security: Any, sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    key, certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("HOI_SECRET_MAIL", "pass-word")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    def check(_s: Any, _e: Any, _sess: Any, _mechanism: str, data: Any) -> AuthResult:
        good = (data.login, data.password) == (b"joe", b"pass-word")
        return AuthResult(success=good, handled=good)

    options: dict[str, Any] = {"authenticator": check, "auth_require_tls": security == "starttls"}
    if security == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    if security == "tls":
        options |= {"ssl_context": context}
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    picture = tmp_path / "gate" / "2026" / "1.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"a jpeg")
    server = MailServer("127.0.0.1", controller.port, security, "hoi@example.org", user="joe")
    teller = Teller(Secrets(tmp_path), tmp_path, mail=server, mail_password="env:HOI_SECRET_MAIL")
    stand(sessions, "who picked up a box", channels=(Channel.make("mailto:you@example.org"),))
    try:
        with Alerting(sessions, teller.send):
            happen(sessions, 1)
            wait_until(lambda: log(sessions))
    finally:
        controller.stop()
    assert log(sessions) == [("delivered", "taken by 127.0.0.1")]
    (mail,) = mailbox.messages
    assert mail["Subject"] == "mine: pick up box"
    assert mail["To"] == "you@example.org"
    text, image = list(mail.walk()), [p for p in mail.walk() if p.get_filename()]
    assert any(b"who picked up a box" in (p.get_payload(decode=True) or b"") for p in text)
    assert image[0].get_payload(decode=True) == b"a jpeg"


def test_a_mail_server_that_is_not_set_up_is_said(sessions: Sessions, teller: Teller) -> None:
    stand(sessions, "who picked up a box", channels=(Channel.make("mailto:you@example.org"),))
    with Alerting(sessions, teller.send):
        happen(sessions, 1)
        wait_until(lambda: log(sessions))
    assert log(sessions)[0] == ("waiting", "alerts.mail.host is not set")


def test_the_command_line_from_adding_to_the_log(
    database: str,
    hook: Hook,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("BUNDLE", "world-boxes"), ("ALERTS__LINK_LOCAL", "false")):
        monkeypatch.setenv(f"HOI_STREAM_{name}", value)
    monkeypatch.setenv("HOI_SECRET_X", SECRET)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["alerts", *arguments, "--database", database])
        out, error = capfd.readouterr()
        assert ended.value.code == code, error
        return out + error

    said = run(
        "add", "boxes", "who picked up a box", "--to", hook.url, "--secret", "env:HOI_SECRET_X",
        "--cooldown", "5m per camera", "--quiet", "22:00-07:00 Europe/Berlin",
    )  # fmt: skip
    assert "understood: " in said
    assert "boxes: saved, tells by webhook" in said
    assert "world-boxes does not see: wash" in run("add", "wash", "who washed a cup")
    assert "a count is about the past" in run("add", "n", "how many cups were held", code=1)
    listed = run("list")
    assert "who picked up a box" in listed
    assert "webhook" in listed
    shown = run("show", "boxes")
    for part in ("0:05:00 per camera", "22:00-07:00 Europe/Berlin", "env:HOI_SECRET_X"):
        assert part in shown
    assert "delivered" in run("test", "boxes")
    (hit,) = hook.hits
    assert hit.json["test"] is True
    assert hit.json["answer"].startswith("this is a test")
    assert verify(SECRET, hit.headers["X-Hoi-Signature"], hit.body, time.time())
    hook.answers = [(500, {})]
    assert "failed" in run("test", "boxes", code=1)
    assert "500" in run("log", "boxes")
    assert "paused" in run("pause", "wash")
    assert "has no channel" in run("test", "wash", code=1)
    run("remove", "wash")
    assert "no standing question 'wash'" in run("show", "wash", code=1)


def test_a_test_that_a_run_takes_first_is_waited_for(
    sessions: Sessions,
    database: str,
    hook: Hook,
    teller: Teller,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand(sessions, "who picked up a box", channels=(Channel.make(hook.url),))
    run = Alerting(sessions, teller.send)

    def claimed_by_a_run(session: Session, seq: int, *, now: datetime) -> None:
        delivery = claim(session, seq, now=now)
        assert delivery is not None
        threading.Timer(0.5, run.attempt, [delivery]).start()

    monkeypatch.setattr("stream.alert_test.claim", claimed_by_a_run)
    with pytest.raises(SystemExit) as ended:
        main(["alerts", "test", "mine", "--database", database])
    assert "delivered" in capfd.readouterr().out
    assert (ended.value.code, len(hook.hits)) == (0, 1)


def test_asking_without_a_run_ends_in_order(database: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "stream", "alerts", "run", "--database", database],
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "/usr/bin:/bin"},
    )
    assert process.stderr is not None
    assert "Ctrl-C" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
