"""The host and its windows, over real sockets: most with the host in this process, some with one to be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from scripted import ScriptedEngine

import midfill
from midfill.cli import main
from midfill.engine import remote, runtime, wire
from midfill.engine.base import (
    CancelToken,
    Chunk,
    Engine,
    Event,
    LoadProgress,
    Lost,
    ModelInfo,
    Part,
    Request,
    Role,
)
from midfill.engine.host import Host
from midfill.engine.remote import HostEngine
from midfill.errors import EngineError, HostLost, LoadError, MidfillError, ModelMissing

HERE = Path(__file__).parent
REQUEST = Request("complete", "scripted-complete", (Part("<|fim_prefix|>", True), Part("é\n")), 100, stop=("\n",))


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own for each test, in which no host is left behind."""
    place = Path(tempfile.mkdtemp(prefix="midfill-"))
    monkeypatch.setenv("MIDFILL_RUNTIME", str(place))
    monkeypatch.setenv("MIDFILL_LOGS", str(place / "logs"))
    children: list[subprocess.Popen[bytes]] = []
    start = remote._start

    def remembered(command: Sequence[str]) -> subprocess.Popen[bytes]:
        children.append(start(command))
        return children[-1]

    monkeypatch.setattr(remote, "_start", remembered)
    yield place
    monkeypatch.setenv("MIDFILL_RUNTIME", str(place))
    if runtime.is_claimed():
        asyncio.run(remote.stop())
    for child in children:
        # One that came late finds the lock free now, and would be the next host.
        child.kill()
        child.wait()
    shutil.rmtree(place)


@contextlib.asynccontextmanager
async def hosting(engine: Engine, linger: float = 60) -> AsyncIterator[Host]:
    """A host on this event loop."""
    with runtime.claimed() as (listener, notice):
        host = Host(engine, notice, linger)
        running = asyncio.ensure_future(host.run(listener))
        try:
            yield host
        finally:
            host.leave(wire.Leaving("the test is over"))
            await running


class Window(HostEngine):
    """A window's engine, which remembers what it was told. `command` starts a host, by default one that fails."""

    def __init__(self, *command: str) -> None:
        self.events: list[Event] = []
        self.settings = object()
        self.starts = 0

        def start() -> list[str]:
            self.starts += 1
            return list(command) or [sys.executable, "-c", "raise SystemExit(3)"]

        super().__init__(self._about, start, lambda: self.settings)
        self.subscribe(self.events.append)

    @staticmethod
    def _about(role: Role) -> ModelInfo:
        return ModelInfo(f"scripted-{role}", "qwen2.5-coder", 8192)


def scripted(answers: list[str], version: str = midfill.__version__, linger: float = 60) -> list[str]:
    """The command of a host with these answers."""
    return [sys.executable, str(HERE / "scripted_host.py"), version, str(linger), json.dumps(answers)]


async def ask(engine: Engine, request: Request = REQUEST, cancel: CancelToken | None = None) -> str:
    return "".join([chunk.text async for chunk in engine.generate(request, cancel or CancelToken())])


async def until(condition: Callable[[], object]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


async def host_process() -> psutil.Process:
    found = await remote.status()
    assert found is not None
    return psutil.Process(found[0].pid)


# -- the folder and the socket ---------------------------------------------------------------------------------


def test_the_folder_and_what_is_in_it_are_for_this_user_only(folder: Path) -> None:
    os.environ["MIDFILL_RUNTIME"] = str(folder / "new" / "run")
    with runtime.claimed():
        place = folder / "new" / "run"
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {
            "host.sock": 0o600,
            "host.lock": 0o600,
            "host.json": 0o600,
        }
    assert [path.name for path in place.iterdir()] == ["host.lock"]


def test_a_folder_that_others_can_enter_is_refused(folder: Path) -> None:
    folder.chmod(0o755)
    with pytest.raises(EngineError, match=f"chmod 700 {folder}"):
        runtime.folder()
    folder.chmod(0o700)


def test_a_link_and_a_path_too_long_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "real").mkdir(mode=0o700)
    (folder / "link").symlink_to(folder / "real")
    monkeypatch.setenv("MIDFILL_RUNTIME", str(folder / "link"))
    with pytest.raises(EngineError, match="not a folder of yours"):
        runtime.folder()
    monkeypatch.setenv("MIDFILL_RUNTIME", str(folder / ("x" * 100)))
    with pytest.raises(EngineError, match="too long for a socket"):
        runtime.folder()
    monkeypatch.setenv("MIDFILL_RUNTIME", "/proc/none")
    with pytest.raises(EngineError, match="cannot be made"):
        runtime.folder()


def test_an_unusable_session_folder_is_replaced_by_a_short_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIDFILL_RUNTIME")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / ("x" * 100)))
    assert runtime.folder() == folder / f"midfill-{os.getuid()}"
    (folder / "session").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "session"))
    assert runtime.folder() == folder / "session" / "midfill"
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_the_kernel_tells_who_is_at_the_other_end(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = socket.socketpair()
    with here, there:
        assert runtime.is_same_user(here)
        with monkeypatch.context() as other:
            other.setattr(os, "getuid", lambda: 4711)
            assert not runtime.is_same_user(here)


async def test_a_host_hangs_up_on_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hosting(ScriptedEngine(["a"])) as host:
        _, writer, _ = await runtime.connect()
        await until(lambda: host.windows)
        monkeypatch.setattr(runtime, "is_same_user", lambda end: False)
        other, other_writer = await asyncio.open_unix_connection(str(runtime.folder() / "host.sock"))
        assert await other.read() == b""
        assert len(host.windows) == 1
        with pytest.raises(EngineError, match="belongs to another user"):
            await runtime.connect()
        for end in (writer, other_writer):
            end.close()
            await end.wait_closed()


async def test_nothing_is_answered_before_the_greeting() -> None:
    async with hosting(ScriptedEngine(["a"])):
        reader, writer, _ = await runtime.connect()
        peer = wire.Peer(reader, writer)
        listening = asyncio.ensure_future(peer.listen())
        for method, params in ((wire.GENERATE, REQUEST), (wire.STATUS, None), (wire.LEAVE, wire.Leaving("x"))):
            with pytest.raises(EngineError, match="Method Not Found"):
                await peer.ask(method, params)[1]
        with pytest.raises(EngineError, match="secret is wrong"):
            await peer.ask(wire.HELLO, wire.Hello("1", 1, "guess"))[1]
        await peer.close()
        await listening


async def test_a_message_that_makes_no_sense_is_refused() -> None:
    async with hosting(ScriptedEngine(["answer"])):
        window = Window()
        assert await ask(window) == "answer"
        assert window._link is not None
        peer = window._link.result()._peer
        with pytest.raises(EngineError, match="disagree about Request"):
            await peer.ask(wire.GENERATE, {"role": "complete"})[1]
        with pytest.raises(EngineError, match="Method Not Found"):
            await peer.ask("midfill/nothing")[1]
        assert await ask(window) == "answer"
        await window.close()


async def test_without_unix_sockets_secrets_tell_who_is_who(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "UNIX", False)
    async with hosting(ScriptedEngine(["answer"])) as host:
        window = Window()
        assert await ask(window) == "answer"
        assert host.notice.port and len(host.notice.window_secret) > 30
        left = runtime.folder() / "host.json"
        wrong = json.loads(left.read_text())
        left.write_text(json.dumps({**wrong, "window_secret": "guess"}))
        with pytest.raises(EngineError, match="secret is wrong"):
            await remote.Link.open()
        left.write_text(json.dumps({**wrong, "host_secret": "guess"}))
        with pytest.raises(ConnectionRefusedError):
            await remote.Link.open()
        await window.close()


# -- the lock ---------------------------------------------------------------------------------------------------


def test_there_is_one_host(capsys: pytest.CaptureFixture[str]) -> None:
    with runtime.claimed():
        assert runtime.is_claimed()
        done = subprocess.run(
            [sys.executable, "-m", "midfill", "host"], capture_output=True, text=True, timeout=20
        )
        assert done.returncode == 0
        assert done.stderr.startswith("midfill: A Midfill host runs already")
    assert not runtime.is_claimed()


def test_the_socket_of_a_dead_host_is_no_hindrance(folder: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(folder / "host.sock"))
    dead.close()
    (folder / "host.json").write_text("{")
    with runtime.claimed():
        pass


async def test_windows_that_start_at_once_share_one_host() -> None:
    windows = [Window(*scripted(["answer"])) for _ in range(5)]
    assert await asyncio.gather(*map(ask, windows)) == ["answer"] * 5
    found = await remote.status()
    assert found is not None
    assert found[1].windows == 5
    for window in windows:
        await window.close()


# -- what it does -----------------------------------------------------------------------------------------------


async def test_streams_what_the_engine_says() -> None:
    engine = ScriptedEngine(["one two three\nfour"])
    async with hosting(engine):
        window = Window()
        request = Request(
            "edit", "scripted-edit", REQUEST.prompt, 50, True, ("\n", "```"), "one 🦉", alternatives=2, when="idle"
        )
        heard = [chunk async for chunk in window.generate(request, CancelToken())]
        assert engine.requests == [request]
        assert heard == [
            chunk async for chunk in ScriptedEngine(["one two three\nfour"]).generate(request, CancelToken())
        ]
        assert heard[-1].finish == "stop"
        assert await window.status() == []
        await window.close()


async def test_a_large_prompt() -> None:
    engine = ScriptedEngine(["answer"])
    async with hosting(engine):
        window = Window()
        request = Request("complete", "m", tuple(Part("π" * 1000) for _ in range(200)), 10)
        assert await ask(window, request) == "answer"
        assert engine.requests == [request]
        await window.close()


@pytest.mark.parametrize("error", [ModelMissing("Fetch it."), LoadError("No memory."), EngineError("Broken.")])
async def test_errors_arrive_as_they_are(error: MidfillError) -> None:
    async with hosting(ScriptedEngine([error, "answer"])):
        window = Window()
        with pytest.raises(type(error), match=str(error)) as caught:
            await ask(window)
        assert type(caught.value) is type(error)
        assert await ask(window) == "answer"
        await window.close()


async def test_a_bug_is_an_engine_error() -> None:
    async with hosting(ScriptedEngine([ZeroDivisionError("division by zero")])):
        window = Window()
        with pytest.raises(EngineError, match="division by zero"):
            await ask(window)
        await window.close()


async def test_those_who_asked_for_a_model_hear_of_its_loading() -> None:
    async with hosting(ScriptedEngine(["a"], loads=True)):
        first, second, other = Window(), Window(), Window()
        await other.status()
        asked = Request("complete", "another-model", (), 1)
        await asyncio.gather(ask(first), ask(second), ask(other, asked))
        loading = {LoadProgress("complete", "scripted-complete", fraction) for fraction in (0.0, 0.5, 1.0)}
        assert (set(first.events), set(second.events), other.events) == (loading, loading, [])
        for window in (first, second, other):
            await window.close()


async def test_a_window_has_one_request_of_a_kind_in_the_engine() -> None:
    hold = asyncio.Event()
    engine = ScriptedEngine(["a"], hold)
    async with hosting(engine):
        greedy, modest = Window(), Window()
        requests = [Request("complete", f"m{n}", (), 9) for n in range(3)]
        asking = [asyncio.ensure_future(ask(greedy, request)) for request in requests]
        asking.append(asyncio.ensure_future(ask(greedy, Request("edit", "e", (), 9))))
        await until(lambda: len(engine.requests) == 2)
        asking.append(asyncio.ensure_future(ask(modest)))
        await until(lambda: len(engine.requests) == 3)
        assert engine.requests[-1] == REQUEST
        hold.set()
        await asyncio.gather(*asking)
        assert len(engine.requests) == 5
        for window in (greedy, modest):
            await window.close()


# -- cancelling -------------------------------------------------------------------------------------------------


class Costly(ScriptedEngine):
    """Tells after a cancel what the request has cost, as the real engine does."""

    def __init__(self, answers: list[str]) -> None:
        super().__init__(answers, asyncio.Event())
        self.tokens: list[CancelToken] = []

    async def generate(self, request: Request, cancel: CancelToken):  # type: ignore[no-untyped-def]
        self.tokens.append(cancel)
        last = None
        async with contextlib.aclosing(super().generate(request, cancel)) as chunks:
            async for last in chunks:
                yield last
        if cancel.cancelled and last:
            yield Chunk("", 0.0, last.usage)


async def test_cancelling_ends_the_stream_and_tells_what_it_has_cost() -> None:
    engine = Costly(["answer"])
    async with hosting(engine):
        window = Window()
        cancel = CancelToken()
        heard = []
        async for chunk in window.generate(REQUEST, cancel):
            heard.append(chunk)
            if len(heard) == 3:
                threading.Thread(target=cancel.cancel).start()
        assert [(chunk.text, chunk.usage.generated, chunk.finish) for chunk in heard[2:]] == [
            ("er", 2, None),
            ("", 2, None),
        ]
        assert engine.tokens[0].cancelled
        await window.close()


async def test_a_request_that_waits_is_cancelled_at_once() -> None:
    engine = Costly(["answer"])
    async with hosting(engine):
        window = Window()
        first, second = CancelToken(), CancelToken()
        running = asyncio.ensure_future(ask(window, REQUEST, first))
        waiting = asyncio.ensure_future(ask(window, REQUEST, second))
        await until(lambda: engine.requests)
        second.cancel()
        assert await asyncio.wait_for(waiting, 1) == ""
        assert not running.done()
        first.cancel()
        assert await asyncio.wait_for(running, 1) == "answer"
        assert len(engine.requests) == 1
        await window.close()


async def test_a_token_that_was_cancelled_before() -> None:
    async with hosting(ScriptedEngine(["answer"])):
        window = Window()
        cancel = CancelToken()
        cancel.cancel()
        assert await asyncio.wait_for(ask(window, REQUEST, cancel), 1) == ""
        await window.close()


async def test_closing_the_stream_cancels() -> None:
    engine = Costly(["answer"])
    async with hosting(engine):
        window = Window()
        stream = window.generate(REQUEST, CancelToken())
        await anext(stream)
        await stream.aclose()
        await until(lambda: engine.tokens[0].cancelled)
        await window.close()


async def test_what_a_window_asked_for_ends_with_the_window() -> None:
    engine = Costly(["answer"])
    async with hosting(engine) as host:
        window, other = Window(), Window()
        vanishing = [asyncio.ensure_future(ask(window)) for _ in range(2)]
        staying = asyncio.ensure_future(ask(other))
        await until(lambda: len(engine.tokens) == 2)
        await window.close()
        await until(lambda: engine.tokens[0].cancelled)
        for result in await asyncio.gather(*vanishing, return_exceptions=True):
            assert isinstance(result, HostLost)
        assert window.events == []
        assert len(host.windows) == 1
        assert not engine.tokens[1].cancelled
        staying.cancel()
        await other.close()


# -- death ------------------------------------------------------------------------------------------------------


async def test_a_killed_host_is_noticed_and_replaced() -> None:
    window, idle = Window(*scripted(["<hold>"])), Window(*scripted(["<hold>"]))
    pending = asyncio.ensure_future(ask(window))
    await until(lambda: window._link is not None and window._link.done())
    idle._connection()
    await until(lambda: idle._link is not None and idle._link.done())
    first = await host_process()
    first.kill()
    with pytest.raises(HostLost, match="has died; another one is started"):
        await asyncio.wait_for(pending, 1)
    await until(lambda: idle.events)
    assert [type(event) for event in window.events + idle.events] == [Lost, Lost]
    cancel = CancelToken()
    answers = [asyncio.ensure_future(ask(each, REQUEST, cancel)) for each in (window, idle)]
    await until(lambda: window._link is not None and window._link.done())
    assert (await host_process()).pid != first.pid
    cancel.cancel()
    await asyncio.gather(*answers)
    for each in (window, idle):
        await each.close()


async def test_after_three_deaths_nothing_is_started_until_the_settings_change() -> None:
    window = Window(*scripted(["answer"]))
    for _ in range(3):
        assert await ask(window) == "answer"
        lost = len(window.events)
        (await host_process()).kill()
        await until(lambda lost=lost: len(window.events) > lost)
    assert [event.final for event in window.events if isinstance(event, Lost)] == [False, False, True]
    starts = window.starts
    for _ in range(2):
        with pytest.raises(
            HostLost, match=r"3 times within a minute.*midfill doctor.*change a setting.*log is in"
        ):
            await ask(window)
    assert window.starts == starts
    window.settings = object()
    assert await ask(window) == "answer"
    await window.close()


async def test_a_host_that_cannot_start_is_not_tried_for_ever() -> None:
    window = Window()
    for _ in range(2):
        with pytest.raises(EngineError, match=r"could not be started\. Its log is in"):
            await ask(window)
    with pytest.raises(EngineError, match="3 times within a minute"):
        await ask(window)
    with pytest.raises(HostLost):
        await ask(window)
    assert window.starts == 3


async def test_a_command_that_is_not_there() -> None:
    with pytest.raises(EngineError, match="could not be started: /no/python"):
        await ask(Window("/no/python"))


async def test_cancelling_does_not_wait_for_a_host_to_start() -> None:
    window = Window(sys.executable, "-c", "import time; time.sleep(60)")
    cancel = CancelToken()
    waiting = asyncio.ensure_future(ask(window, REQUEST, cancel))
    await until(lambda: window.starts)
    cancel.cancel()
    assert await asyncio.wait_for(waiting, 1) == ""
    assert window._link is not None and not window._link.done()
    await window.close()


async def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "HELLO_TIMEOUT", 0.1)
    window = Window(*scripted(["answer"]))
    assert await ask(window) == "answer"
    process = await host_process()
    process.suspend()
    with pytest.raises(EngineError, match=rf"\({process.pid}\) does not answer: run `midfill host --stop`"):
        await ask(Window())
    monkeypatch.setattr(remote, "STOP_TIMEOUT", 1)
    assert await remote.stop()
    await until(lambda: window.events)
    await window.close()


# -- versions ---------------------------------------------------------------------------------------------------


async def test_a_host_of_another_version_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = Window(*scripted(["old"], "0.0.1")), Window(*scripted(["new"]))
    with monkeypatch.context() as then:
        then.setattr(midfill, "__version__", "0.0.1")
        assert await ask(old) == "old"
    assert await ask(new) == "new"
    await until(lambda: old.events)
    (lost,) = old.events
    assert isinstance(lost, Lost) and lost.final
    assert (
        f"Midfill {midfill.__version__} has been started and has taken over the models from 0.0.1" in lost.reason
    )
    with pytest.raises(HostLost, match="Restart this window"):
        await ask(old)
    assert old.starts == 1
    assert await ask(new) == "new"
    assert new.events == []
    for window in (old, new):
        await window.close()


# -- the end ----------------------------------------------------------------------------------------------------


async def test_a_host_ends_a_while_after_its_last_window() -> None:
    window = Window(*scripted(["answer"], linger=0.2))
    assert await ask(window) == "answer"
    await asyncio.sleep(0.4)
    assert runtime.is_claimed()
    await window.close()
    await until(lambda: not runtime.is_claimed())


async def test_a_host_that_nobody_comes_to_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midfill.engine.host.FIRST_WINDOW", 0.1)
    with runtime.claimed() as (listener, notice):
        await asyncio.wait_for(Host(ScriptedEngine([]), notice, 0.1).run(listener), 2)


async def test_a_new_window_keeps_the_host() -> None:
    async with hosting(ScriptedEngine(["answer"]), linger=0.3) as host:
        for _ in range(3):
            window = Window()
            assert await ask(window) == "answer"
            await window.close()
            await asyncio.sleep(0.15)
        assert host._leaving is not None and not host._leaving.done()


async def test_a_host_that_is_told_to_end_is_started_again_without_complaint() -> None:
    window = Window(*scripted(["answer"]))
    assert await ask(window) == "answer"
    (await host_process()).send_signal(signal.SIGTERM)
    await until(lambda: not runtime.is_claimed())
    assert not (runtime.folder() / "host.sock").exists()
    assert await ask(window) == "answer"
    assert (window.events, window.starts) == ([], 2)
    await window.close()


def test_the_command_line_tells_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["host", "--status"]) == 1
    assert main(["host", "--stop"]) == 0
    assert capsys.readouterr().err.count("No host runs") == 2
    process = subprocess.Popen(scripted(["answer"]))
    while runtime.notice() is None:
        time.sleep(0.02)
    assert main(["host", "--status"]) == 0
    assert f"Midfill {midfill.__version__}, process {process.pid}, up" in capsys.readouterr().out
    assert main(["host", "--stop"]) == 0
    assert process.wait(5) == 0
    assert "The host has ended" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [["--threads", "-1"], ["--threads", "x"], ["--linger", "soon"], ["--linger", "-1"]]
)
def test_a_wrong_option_is_named(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["host", *option])
    assert left.value.code == 2
    assert f"{option[1]!r} is no" in capsys.readouterr().err


def test_a_server_that_uses_the_host_loads_no_engine() -> None:
    """Which is what makes a second window cheap."""
    code = """if True:
        import sys
        from midfill import app
        from midfill.config import Config
        from midfill.lsp.lifecycle import register
        from midfill.lsp.server import Server
        register(Server(app.host_engine))
        print([name for name in ("numpy", "llama_cpp", "huggingface_hub", "rich") if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.stdout == "[]\n", done.stderr
