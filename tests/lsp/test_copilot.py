"""What clients of Copilot's language server send, and what they need of the answers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import HERE, URI
from midfill import stats

CLIENTS = {
    # copilot.el, which declares neither position encodings nor code actions.
    "copilot.el": {
        "workspace": {"workspaceFolders": True},
        "textDocument": {"inlineCompletion": {"dynamicRegistration": False}},
        "copilot": {"ipCodeCitation": False, "watchedFiles": False},
    },
    # copilot.lua in Neovim 0.11, whose positions in `getCompletions` are UTF-16 whatever was negotiated.
    "copilot.lua": {
        "general": {"positionEncodings": ["utf-8", "utf-16", "utf-32"]},
        "window": {"showDocument": {"support": True}},
        "workspace": {"workspaceFolders": True},
        "textDocument": {"completion": {"completionItem": {"snippetSupport": True}}},
    },
    "LSP-copilot": {"general": {"positionEncodings": ["utf-16"]}, "textDocument": {}},
}


class Client:
    """JSON over stdio and nothing else, so that what is sent is what those clients send."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.told: list[tuple[str, Any]] = []
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await self._process.stdout.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                message = json.loads(await self._process.stdout.readexactly(length))
                if "method" in message:
                    self.told.append((message["method"], message.get("params")))
                else:
                    self._answers.pop(message["id"]).set_result(message)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def notify(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    async def request(self, method: str, params: Any) -> Any:
        number = next(self._numbers)
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        self._send({"id": number, "method": method, "params": params})
        message = await asyncio.wait_for(answer, 20)
        assert "error" not in message, message
        return message["result"]

    def of(self, method: str) -> list[Any]:
        return [params for name, params in self.told if name == method]

    async def close(self) -> None:
        await self.request("shutdown", None)
        self.notify("exit", None)
        await asyncio.wait_for(self._process.wait(), 10)
        await self._reading


Begin = Callable[..., Awaitable[Client]]


@pytest.fixture
async def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Begin]:
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path))
    clients: list[Client] = []

    async def begun(name: str, answers: list[str], marked: str = "") -> Client:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, HERE / "scripted_server.py", json.dumps(answers), "--copilot", "--stdio"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        client = Client(process)
        clients.append(client)
        info = {"editorInfo": {"name": name, "version": "1"}, "editorPluginInfo": {"name": name, "version": "1"}}
        root = {"uri": "file:///project", "name": "project"}
        params = {"processId": None, "rootUri": root["uri"], "workspaceFolders": [root]}
        params |= {"capabilities": CLIENTS[name], "initializationOptions": info}
        client.initialized = await client.request("initialize", params)  # type: ignore[attr-defined]
        client.notify("initialized", {})
        settings = {"github": {"copilot": {"selectedCompletionModel": ""}}, "enableAutoCompletions": True}
        client.notify("workspace/didChangeConfiguration", {"settings": settings})
        client.notify("$/setTrace", {"value": "off"})
        if marked:
            item = {"uri": URI, "languageId": "python", "version": 0, "text": marked.replace("‸", "")}
            client.notify("textDocument/didOpen", {"textDocument": item})
        return client

    yield begun
    for client in clients:
        await client.close()


def doc(marked: str, uri: str = URI, **more: Any) -> dict[str, Any]:
    before = marked.partition("‸")[0]
    column = len(before.rsplit("\n", 1)[-1].encode("utf-16-le")) // 2
    given = {"uri": uri, "version": 0, "relativePath": "shop.py", "insertSpaces": True, "tabSize": 4}
    return {**given, "indentSize": 4, "position": {"line": before.count("\n"), "character": column}, **more}


def replaced(marked: str, completion: dict[str, Any]) -> str:
    """The line as LSP-copilot leaves it."""
    line = completion["position"]["line"]
    lines = marked.replace("‸", "").split("\n")
    return "\n".join([*lines[:line], completion["text"], *lines[line + 1 :]])


def as_copilot_lua(marked: str, completion: dict[str, Any]) -> str:
    """The buffer as copilot.lua leaves it: of a single line, it takes off what is right of the cursor."""
    before, _, after = marked.partition("‸")
    text, right = completion["text"], after.split("\n")[0]
    if "\n" not in completion["displayText"]:
        while right and text and right[-1] == text[-1]:
            right, text = right[:-1], text[:-1]
    start, end = completion["range"]["start"], completion["range"]["end"]
    assert (start["line"], start["character"]) == (end["line"], 0)
    lines = (before + after).split("\n")
    line = lines[start["line"]].encode("utf-16-le")
    lines[start["line"]] = text + line[end["character"] * 2 :].decode("utf-16-le")
    return "\n".join(lines)


@pytest.mark.parametrize("name", CLIENTS)
async def test_settings_and_account_are_of_no_matter(begin: Begin, name: str) -> None:
    client = await begin(name, ["1"])
    assert (await client.request("checkStatus", {}))["status"] == "OK"
    assert (await client.request("signInInitiate", {}))["status"] == "AlreadySignedIn"
    assert (await client.request("signInConfirm", {"userCode": ""}))["status"] == "OK"
    assert (await client.request("signOut", {}))["status"] == "NotSignedIn"
    assert (await client.request("getVersion", {"_": True}))["version"]
    assert await client.request("setEditorInfo", {"editorInfo": {}, "networkProxy": {"port": 80}}) == "OK"
    (model,) = await client.request("copilot/models", {})
    assert (model["id"], model["scopes"]) == ("complete", ["completion"])
    assert client.of("window/showMessage") == [], "nothing is wrong with settings that are not ours"
    # Its menu would show the same suggestions a second time.
    assert "completionProvider" not in client.initialized["capabilities"]  # type: ignore[attr-defined]


async def test_own_settings_count_under_their_key(begin: Begin) -> None:
    marked = "x = ‸\n"
    client = await begin("copilot.lua", ["12"], marked)
    client.notify("workspace/didChangeConfiguration", {"settings": {"midfill": {"enabled": False}}})
    assert await client.request("getCompletions", {"doc": doc(marked)}) == {"completions": []}


async def test_copilot_el(begin: Begin) -> None:
    """Its ghost text: `{items}` with a command, of which alone it tells later."""
    client = await begin("copilot.el", ["m(prices)"], "x = '🙂'\ntotal = su‸\n")
    client.notify("textDocument/didFocus", {})
    params = {
        "textDocument": {"uri": URI},
        "position": {"line": 1, "character": 10},
        "context": {"triggerKind": 2},
        "formattingOptions": {"tabSize": 4, "insertSpaces": True},
    }
    (item,) = (await client.request("textDocument/inlineCompletion", params))["items"]
    assert (item["insertText"], item["range"]["start"]) == ("m(prices)", params["position"])
    command = item["command"]
    assert command["command"] == "github.copilot.didAcceptCompletionItem"
    client.notify("textDocument/didShowCompletion", {"item": {"command": command}})
    partly = {"item": {"command": command}, "acceptedLength": 2}
    client.notify("textDocument/didPartiallyAcceptCompletion", partly)
    assert await client.request("workspace/executeCommand", command) is None
    figures = stats.summary(stats.read())
    assert [figures[name] for name in ("shown", "accepted")] == [1, 1]
    assert "partly" in stats.read()[0].happened


async def test_copilot_el_hears_of_nothing_in_the_same_form(begin: Begin) -> None:
    client = await begin("copilot.el", [""], "x = ‸\n")
    params = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 4}, "context": {"triggerKind": 2}}
    assert await client.request("textDocument/inlineCompletion", params) == {"items": []}


PLACES = {
    "end of line": ("x = '🙂'\ntotal = su‸\n", "m(prices)", "x = '🙂'\ntotal = sum(prices)\n"),
    "closer right of the cursor": ("y = 1\nprint(‸)\n", "y)", "y = 1\nprint(y)\n"),
    "more right of the cursor": ("print(‸, 'é🙂')\n", "1", "print(1, 'é🙂')\n"),
    "behind an astral character": ("x = '🙂' + ‸\n", "'a'", "x = '🙂' + 'a'\n"),
    "several lines": (
        "def f(a):\n    ‸\n",
        "b = a\n    return b",
        "def f(a):\n    b = a\n    return b\n",
    ),
}


@pytest.mark.parametrize(("marked", "answer", "after"), PLACES.values(), ids=PLACES)
async def test_copilot_lua(begin: Begin, marked: str, answer: str, after: str) -> None:
    client = await begin("copilot.lua", [answer], marked)
    place = doc(marked)
    params = {"doc": place, "textDocument": {"uri": URI, "version": 0}, "position": place["position"], "_": True}
    completion = (await client.request("getCompletions", params))["completions"][0]
    assert as_copilot_lua(marked, completion) == after
    assert await client.request("notifyShown", {"uuid": completion["uuid"], "_": True}) == "OK"
    length = len(completion["text"])
    accepted = {"uuid": completion["uuid"], "acceptedLength": length, "_": True}
    assert await client.request("notifyAccepted", accepted) == "OK"
    figures = stats.summary(stats.read())
    assert [figures[name] for name in ("shown", "accepted")] == [1, 1]


@pytest.mark.parametrize(("marked", "answer", "after"), PLACES.values(), ids=PLACES)
async def test_lsp_copilot(begin: Begin, marked: str, answer: str, after: str) -> None:
    """It asks twice at once and takes the second answer; its buffers may be unknown or older than its requests."""
    client = await begin("LSP-copilot", [answer], "an older text ‸")
    source = marked.replace("‸", "")
    for uri in (URI, "buffer:17"):
        params = {"doc": doc(marked, uri, source=source, languageId="python", path="shop.py")}
        asked = (client.request(method, params) for method in ("getCompletions", "getCompletionsCycling"))
        first, second = await asyncio.gather(*asked)
        completion = second["completions"][0]
        assert first["completions"][0]["uuid"] == completion["uuid"]
        assert replaced(marked, completion) == after
        assert await client.request("notifyRejected", {"uuids": [completion["uuid"]]}) == "OK"


async def test_other_suggestions_when_cycling_and_in_a_panel(begin: Begin) -> None:
    marked = "x = ‸\n"
    client = await begin("copilot.lua", ["12<or>34"], marked)
    cycled = (await client.request("getCompletionsCycling", {"doc": doc(marked)}))["completions"]
    assert [each["displayText"] for each in cycled] == ["12", "34"]
    answer = await client.request("getPanelCompletions", {"doc": doc(marked), "panelId": "p"})
    assert answer == {"solutionCountTarget": len(client.of("PanelSolution"))} != {"solutionCountTarget": 0}
    assert client.of("PanelSolution")[0]["completionText"] == "x = 12"
    assert client.of("PanelSolutionsDone") == [{"panelId": "p", "status": "OK"}]


@pytest.mark.parametrize("token", [None, "panel-1"])
async def test_the_panel_of_newer_clients(begin: Begin, token: str | None) -> None:
    marked = "x = '🙂' + ‸\n"
    client = await begin("copilot.el", ["12<or>34"], marked)
    document = {"uri": URI, "version": 0}
    at = doc(marked)["position"]
    request = {"textDocument": document, "position": at, "partialResultToken": token}
    answer = await client.request("textDocument/copilotPanelCompletion", request)
    told = [each for each in client.of("$/progress") if each["token"] == token]
    items = answer["items"] or [item for each in told for item in each["value"]["items"]]
    assert bool(answer["items"]) is (token is None), "an item comes once, in the answer or before it"
    assert [(item["insertText"], item["range"]) for item in items] == [
        (text, {"start": at, "end": at}) for text in ("12", "34")
    ]
    assert {item["command"]["command"] for item in items} == {"github.copilot.didAcceptPanelCompletionItem"}
    client.notify("textDocument/didShowCompletion", {"item": items[1]})
    await client.request("workspace/executeCommand", items[1]["command"])
    figures = stats.summary(stats.read())
    assert [figures[name] for name in ("shown", "accepted")] == [1, 1]
    unknown = {**request, "textDocument": {"uri": "file:///other.py"}}
    assert await client.request("textDocument/copilotPanelCompletion", unknown) == {"items": []}


async def test_an_older_copilot_el_is_told_its_version(begin: Begin) -> None:
    marked = "x = ‸\n"
    client = await begin("copilot.el", ["12"], marked)
    (completion,) = (await client.request("getCompletions", {"doc": doc(marked, version=7)}))["completions"]
    assert completion["docVersion"] == 7


async def test_an_unknown_document_has_no_completions(begin: Begin) -> None:
    client = await begin("copilot.lua", ["1"])
    assert await client.request("getCompletions", {"doc": doc("x = ‸")}) == {"completions": []}
    assert await client.request("textDocument/copilotInlineEdit", {"textDocument": {"uri": URI}}) == {"edits": []}


async def test_the_state_of_the_model_is_told(begin: Begin) -> None:
    marked = "x = ‸\n"
    client = await begin("copilot.el", ["<load>", "1"], marked)
    await client.request("getCompletions", {"doc": doc(marked)})
    assert client.of("didChangeStatus")[0]["busy"]
    assert client.of("didChangeStatus")[-1] == {"kind": "Normal", "message": "", "busy": False}
    assert client.of("statusNotification")[-1] == {"status": "Normal", "message": ""}
