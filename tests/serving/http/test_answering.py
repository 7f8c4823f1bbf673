"""A worker that is drained answers whoever has a connection, closes it with that answer, and ends."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from polyscene.errors import CheckpointError, ServingError
from polyscene.serving import answering
from polyscene.serving.answering import DRAIN, answer
from polyscene.serving.client.transport import Transport
from polyscene.serving.config import LimitsConfig
from polyscene.serving.control import Control, Wish
from polyscene.serving.gate import Gate
from polyscene.serving.metrics import Metrics
from polyscene.serving.workers import Workers, forked, signalled
from tests.serving.http.server import until

Fork = Callable[[Callable[[], bool]], int]


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen()
        yield opened


@pytest.fixture
def fork() -> Iterator[Fork]:
    """As :func:`forked`; what a test that fails leaves behind is killed."""
    started: list[int] = []

    def start(work: Callable[[], bool]) -> int:
        started.append(forked(work))
        return started[-1]

    yield start
    for pid in started:
        signalled(pid, signal.SIGKILL)


def _app() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def me() -> int:
        return os.getpid()

    return app


def _asked(connection: http.client.HTTPConnection) -> tuple[int, bool]:
    """Who answers, and whether the connection closes with that."""
    connection.request("GET", "/")
    response = connection.getresponse()
    return json.loads(response.read()), response.getheader("connection") == "close"


def test_a_drained_worker_closes_connections_with_their_next_answer(listening: socket.socket, fork: Fork) -> None:
    pid = fork(lambda: answer(_app(), listening))
    asking = http.client.HTTPConnection(*listening.getsockname(), timeout=30)
    assert [_asked(asking) for _ in range(3)] == [(pid, False)] * 3
    os.kill(pid, DRAIN)
    time.sleep(0.5)
    newcomer = http.client.HTTPConnection(*listening.getsockname(), timeout=30)
    newcomer.request("GET", "/")
    assert _asked(asking) == (pid, True)
    began = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert time.monotonic() - began < 3
    # It accepted nobody more, and the address is still there for whoever comes next.
    other = fork(lambda: answer(_app(), listening))
    assert json.loads(newcomer.getresponse().read()) == other
    assert _asked(asking) == (other, False)
    asking.close()
    newcomer.close()
    os.kill(other, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0


def test_who_waits_for_longer_than_a_server_is_there_is_told_so(
    listening: socket.socket, fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_GRACE_S", 1)
    app = _app()

    @app.post("/slow")
    async def slow() -> None:
        await asyncio.sleep(600)

    app.add_middleware(Gate, limits=LimitsConfig(), metrics=Metrics(), hosts=frozenset())
    pid = fork(lambda: answer(app, listening))
    asking = http.client.HTTPConnection(*listening.getsockname(), timeout=30)
    assert _asked(asking) == (pid, False)
    asking.request("POST", "/slow")
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    # It may have happened, so that even a patient client does not ask once more.
    patient = Transport(address, key=None, timeout=10, patience=60)
    threading.Timer(0.5, os.kill, (pid, signal.SIGTERM)).start()
    with pytest.raises(ServingError, match="the server ends before this is answered"):
        patient.send("POST", "/slow")
    patient.close()
    response = asking.getresponse()
    assert (response.status, response.getheader("retry-after")) == (503, None)
    assert json.loads(response.read())["error"]["kind"] == "ending"
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_connection_accepted_in_the_moment_of_the_end_is_answered_once(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_GRACE_S", 3)
    near, far = socket.socketpair()
    refuse_more = answering._Server._refuse_more
    made: list[asyncio.Task[object]] = []

    def refuse_and_accept(server: answering._Server) -> None:
        refuse_more(server)
        accept(server)

    def accept(server: answering._Server) -> None:
        # After the list of connections was gone through, as where the system had just handed one over.
        def protocol() -> asyncio.Protocol:
            kind = server.config.http_protocol_class
            return kind(config=server.config, server_state=server.server_state, app_state={})  # type: ignore

        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: made.append(loop.create_task(loop.connect_accepted_socket(protocol, near))))

    monkeypatch.setattr(answering._Server, "_refuse_more", refuse_and_accept)
    pid = forked(lambda: answer(_app(), listening))
    near.close()
    asking = http.client.HTTPConnection(*listening.getsockname(), timeout=30)
    assert _asked(asking) == (pid, False)
    os.kill(pid, signal.SIGTERM)
    began = time.monotonic()
    far.settimeout(10)
    far.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answered = b""
    while chunk := far.recv(4096):
        answered += chunk
    assert b"200 OK" in answered
    assert b"connection: close" in answered
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert time.monotonic() - began < 2
    asking.close()
    far.close()


def test_a_worker_is_drained_before_it_listens_and_one_that_fails_is_replaced_a_few_times_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fork: Fork
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    slow = fork(lambda: time.sleep(60) is None)
    os.kill(slow, DRAIN)
    assert os.waitstatus_to_exitcode(os.waitpid(slow, 0)[1]) == -DRAIN

    alive, held = os.pipe()
    tries = tmp_path / "tries"

    def fail(_: int) -> bool:
        with tries.open("a") as file:
            file.write("x")
        raise RuntimeError("no model")

    leader = fork(lambda: Workers(2, fail, alive).run())
    assert os.waitstatus_to_exitcode(os.waitpid(leader, 0)[1]) == 1
    assert len(tries.read_text()) == 2 + 4
    os.close(held)


def test_workers_end_when_nobody_is_above_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fork: Fork
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    alive, held = os.pipe()

    def wait(parent: int) -> bool:
        (tmp_path / f"worker-{os.getpid()}").touch()
        time.sleep(60)
        return True

    def lead() -> bool:
        os.close(held)
        return Workers(2, wait, alive).run()

    leader = fork(lead)
    until(lambda: len(list(tmp_path.glob("worker-*"))) == 2, 20)
    os.close(held)
    assert os.waitstatus_to_exitcode(os.waitpid(leader, 0)[1]) == 0


def test_wishes_are_answered_once_and_in_order(tmp_path: Path) -> None:
    control = Control(tmp_path / "control")
    assert (control.serving, control.trouble) == ("", "")
    control.say("a", "b cannot be loaded")
    control.write()
    assert (control.serving, control.trouble) == ("a", "b cannot be loaded")
    first = control.ask(Wish("b", "promote", "ann", "better"))
    second = control.ask(Wish("a", "roll back"))
    assert not control.told(first)
    assert list(control.wishes()) == [
        (first, Wish("b", "promote", "ann", "better")),
        (second, Wish("a", "roll back")),
    ]
    assert list(control.wishes()) == []
    control.tell(second, CheckpointError("it is gone", where="versions", fix="train it"))
    control.tell(first)
    assert not control.told(first)
    control.write()
    assert control.told(first)
    with pytest.raises(ServingError, match="versions: it is gone\ntrain it"):
        control.told(second)
    assert [path.name for path in control.folder.iterdir()] == ["state.json"]


def test_a_full_disk_delays_what_is_said_and_ends_nobody(tmp_path: Path) -> None:
    control = Control(tmp_path / "control")
    name = control.ask(Wish("b", "promote"))
    assert len(list(control.wishes())) == 1

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        control.say("b")
        control.tell(name)
        control.write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert (control.serving, control.told(name)) == ("", False)
    control.write()
    assert (control.serving, control.told(name)) == ("b", True)
