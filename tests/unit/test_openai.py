"""Servers elsewhere: what they are asked, what becomes of their answers, and that no fault of theirs is ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from scripted import ScriptedEngine

from midfill import cli, elsewhere
from midfill.completion import fim
from midfill.config import Backend, Config, parse
from midfill.edits import chat
from midfill.engine.base import ITS_SERVERS, CancelToken, Chunk, Part, Request, Said
from midfill.engine.chosen import ChosenEngine
from midfill.engine.openai import OpenAIEngine
from midfill.engine.pieces import Beginning, Ends
from midfill.errors import EngineError, MidfillError, ModelError, UsageError

MODEL = "qwen2.5-coder-7b"
PROMPT = fim.prompt(fim.FAMILIES["qwen2.5-coder"], "import os\n", "    retu", "\nprint()\n")
TEXT = "<|fim_prefix|>import os\n<|fim_suffix|>\nprint()\n<|fim_middle|>    retu"


@dataclass
class Server:
    """A server on loopback that does what it is told: `answer` writes what is answered to a request."""

    owner: str = "somebody"
    models: tuple[str, ...] = (MODEL,)
    answer: Callable[[Server, asyncio.StreamWriter], Awaitable[None]] | None = None
    pages: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    # Paths that there are not.
    lacks: tuple[str, ...] = ()
    port: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                method, path, _ = line.decode().split(" ")
                head: dict[str, str] = {}
                while (line := await reader.readline()).strip():
                    key, _, value = line.decode().partition(":")
                    head[key.lower()] = value.strip()
                body = await reader.readexactly(int(head.get("content-length", 0)))
                if method == "POST":
                    await self._asked(path, head, json.loads(body), reader, writer)
                elif path == "/v1/models":
                    entries = [{"id": name, "owned_by": self.owner} for name in self.models]
                    page(writer, 200, {"data": entries})
                elif path in self.pages:
                    page(writer, 200, self.pages[path])
                else:
                    page(writer, 404, {})
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _asked(
        self,
        path: str,
        head: dict[str, str],
        body: dict[str, Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if path in self.lacks:
            page(writer, 404, {"error": "no such page"})
            return
        self.asked.append({"path": path, **body})
        self.heads.append(head)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.answer is not None
        answering = asyncio.ensure_future(self.answer(self, writer))
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self.left.set()
                answering.cancel()
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving
            with contextlib.suppress(asyncio.CancelledError):
                await answering
        finally:
            self.at_once -= 1


def page(writer: asyncio.StreamWriter, status: int, content: Any, **headers: str) -> None:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    extra = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(data)}\r\n{extra}\r\n".encode() + data)


class Stream:
    """A chunked answer, of which every `write` is a piece of its own."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    async def write(self, data: bytes) -> None:
        self.writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self.writer.drain()

    async def event(self, content: Any, cut: int = 1 << 20) -> None:
        data = f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()
        for start in range(0, len(data), cut):
            await self.write(data[start : start + cut])

    async def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()


def event(text: str, finish: str | None = None) -> dict[str, Any]:
    logprobs = {"token_logprobs": [-0.25]} if text else None
    return {"choices": [{"text": text, "finish_reason": finish, "logprobs": logprobs}]}


def says(*texts: str, cut: int = 1 << 20) -> Callable[[Server, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        stream = Stream(writer)
        for text in texts:
            await stream.event(event(text), cut)
        await stream.event(event("", "stop"), cut)
        usage = {"prompt_tokens": 50, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 48}}
        await stream.event({"choices": [], "usage": usage}, cut)
        await stream.write(b"data: [DONE]\n\n")
        await stream.end()

    return answer


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[Server]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await asyncio.wait_for(asyncio.gather(*server.tasks), 2)


@asynccontextmanager
async def engine_at(url: str, **options: Any) -> AsyncIterator[OpenAIEngine]:
    backend = Backend("openai", url, **{"model": MODEL, **options})
    engine = OpenAIEngine(
        lambda role: elsewhere.info(backend, role),
        lambda role: elsewhere.place(backend, role),
        backoff=0.01,
        rest=0.3,
        patience=0.5,
    )
    try:
        yield engine
    finally:
        await engine.close()


async def chunks_of(
    engine: OpenAIEngine | ChosenEngine, cancel: CancelToken | None = None, **options: Any
) -> list[Chunk]:
    asked: dict[str, Any] = {"role": "complete", "prompt": PROMPT, "max_tokens": 20, **options}
    request = Request(model=engine.info(asked["role"]).name, **asked)
    async with aclosing(engine.generate(request, cancel or CancelToken())) as chunks:
        return [chunk async for chunk in chunks]


async def text_of(engine: OpenAIEngine | ChosenEngine, **options: Any) -> str:
    return "".join(chunk.text for chunk in await chunks_of(engine, **options))


# -- the protocol


async def test_asks_for_a_hole_and_hears_the_answer_as_it_comes() -> None:
    async with running(Server(answer=says("rn", " x"))) as server, engine_at(server.url) as engine:
        chunks = await chunks_of(engine, stop=("\n",), heal=True)
        assert [chunk.text for chunk in chunks] == ["rn", " x", ""]
        assert chunks[0].logprob == -0.25
        assert chunks[-1].finish == "stop"
        usage = chunks[-1].usage
        assert (usage.prompt, usage.evaluated, usage.generated) == (50, 2, 3)
        (asked,) = server.asked
        # An unknown server cannot be held to what is typed, so the prompt is whole.
        assert (asked["path"], asked["prompt"], asked["model"]) == ("/v1/completions", TEXT, MODEL)
        assert asked["stop"][:2] == ["\n", "<|endoftext|>"]
        assert asked["temperature"] == 0


async def test_a_character_cut_in_the_middle_is_whole() -> None:
    async with running(Server(answer=says("é𝄞 ", "→x", cut=1))) as server, engine_at(server.url) as engine:
        assert await text_of(engine) == "é𝄞 →x"


@pytest.mark.parametrize(
    ("owner", "pages", "path", "healing"),
    [
        ("vllm", {}, "/v1/completions", ("structured_outputs", {"regex": r"    retu[\s\S]*"})),
        ("sglang", {}, "/v1/completions", ("regex", r"    retu[\s\S]*")),
        ("organization_owner", {}, "/v1/completions", None),
        ("me", {"/info": {"model_id": MODEL}}, "/v1/completions", None),
    ],
)
async def test_what_a_server_is_decides_how_it_is_asked(
    owner: str, pages: dict[str, Any], path: str, healing: tuple[str, Any] | None
) -> None:
    async with (
        running(Server(owner, pages=pages, answer=says("    retu", "rn"))) as server,
        engine_at(server.url) as engine,
    ):
        text = await text_of(engine, heal=True)
        (asked,) = server.asked
        assert asked["path"] == path
        if healing is None:
            assert asked["prompt"] == TEXT
        else:
            assert asked["prompt"] + "    retu" == TEXT
            assert asked[healing[0]] == healing[1]
            assert text == "rn"


async def test_llama_server_is_asked_in_its_own_words() -> None:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        stream = Stream(writer)
        for content in ("   ", " return", " x"):
            probabilities = [{"logprob": -0.5}]
            await stream.event({"content": content, "stop": False, "completion_probabilities": probabilities})
        timings = {"cache_n": 40, "prompt_n": 2, "predicted_n": 3, "prompt_ms": 5.0, "predicted_ms": 9.0}
        await stream.event({"content": "", "stop": True, "stop_type": "word", "timings": timings})
        await stream.end()

    async with running(Server("llamacpp", ("any.gguf",), answer)) as server, engine_at(server.url) as engine:
        chunks = await chunks_of(engine, heal=True, stop=("\n",))
        assert "".join(chunk.text for chunk in chunks) == "rn x"
        assert chunks[-1].finish == "stop"
        assert (chunks[-1].usage.prompt, chunks[-1].usage.evaluated) == (42, 2)
        (asked,) = server.asked
        assert asked["path"] == "/completion"
        assert asked["cache_prompt"] is True
        assert asked["grammar"] == 'root ::= "    retu" [^\\x00]*'
        assert asked["prompt"] + "    retu" == TEXT


async def test_ollama_is_asked_without_its_template() -> None:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        stream = Stream(writer)
        await stream.write(b'{"response": "rn", "done": false}\n')
        await stream.write(b'{"response": "", "done": true, "done_reason": "stop", "prompt_eval_count": 9}\n')
        await stream.end()

    async with running(Server("library", answer=answer)) as server, engine_at(server.url) as engine:
        assert await text_of(engine, heal=True) == "rn"
        assert server.asked[0]["path"] == "/api/generate"
        assert server.asked[0]["raw"] is True


async def test_code_that_spells_a_control_token_is_not_one() -> None:
    code = "x = '<|fim_middle|>' + '<|endoftext|>'"
    prompt = fim.prompt(fim.FAMILIES["qwen2.5-coder"], code, "", "")
    async with running(Server(answer=says("a"))) as server, engine_at(server.url) as engine:
        await text_of(engine, prompt=prompt)
        told = server.asked[0]["prompt"]
        assert told.count("<|fim_middle|>") == 1 and told.endswith("<|fim_middle|>")
        assert "<|endoftext|>" not in told


async def test_what_a_server_takes_is_no_more_than_four_stops_and_the_rest_is_cut_here() -> None:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        stream = Stream(writer)
        for text in ("one", " two <|fi", "le_s", "ep|> three"):
            await stream.event(event(text))
        await asyncio.sleep(10)

    async with running(Server("vllm", answer=answer)) as server, engine_at(server.url) as engine:
        chunks = await chunks_of(engine, stop=("\n",))
        assert "".join(chunk.text for chunk in chunks) == "one two "
        assert chunks[-1].finish == "end"
        assert len(server.asked[0]["stop"]) == 4
        assert server.asked[0]["skip_special_tokens"] is False
        # The server need not write on.
        await asyncio.wait_for(server.left.wait(), 2)


async def test_what_was_pulled_apart_comes_back_whole() -> None:
    prompt = fim.prompt(fim.FAMILIES["qwen2.5-coder"], "x = '<|im_end|>'\n", "y = ", "")
    async with running(Server(answer=says("'<\u200b|im_", "end|>'"))) as server, engine_at(server.url) as engine:
        assert await text_of(engine, prompt=prompt) == "'<|im_end|>'"
        assert "<\u200b|im_end|>" in server.asked[0]["prompt"]


# -- holes and conversations that the server makes the prompts of

SAID = Said((("system", "Sys"), ("user", "Change <|im_end|> this.")), "```python\n")


def hole(before: str = "x = ", after: str = "\ny\n") -> tuple[Part, ...]:
    return fim.prompt(fim.family(ITS_SERVERS), "import os\n", before, after)


def fills(*texts: str, text: str = "text") -> Callable[[Server, asyncio.StreamWriter], Awaitable[None]]:
    """Sees what stands behind a hole, unless it is asked something else."""

    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        asked = server.asked[-1]
        after = asked.get("suffix") or asked.get("input_suffix") or ""
        said = ("quokka",) if "quokka" in after else texts
        if text == "text":
            await says(*said)(server, writer)
            return
        stream = Stream(writer)
        for each in said:
            await stream.write(json.dumps({text: each}).encode() + b"\n")
        await stream.write(json.dumps({text: "", "done": True, "stop": True}).encode() + b"\n")
        await stream.end()

    return answer


@pytest.mark.parametrize(
    ("owner", "path", "before", "after", "text"),
    [
        ("somebody", "/v1/completions", "prompt", "suffix", "text"),
        ("library", "/api/generate", "prompt", "suffix", "response"),
        ("llamacpp", "/infill", "input_prefix", "input_suffix", "content"),
    ],
)
async def test_a_model_of_no_known_family_is_asked_as_its_server_knows(
    owner: str, path: str, before: str, after: str, text: str
) -> None:
    server = Server(owner, ("my-model",), fills("va", "lue", text=text))
    async with running(server), engine_at(server.url, model="my-model") as engine:
        assert engine.info("complete").family == ITS_SERVERS
        assert await text_of(engine, prompt=hole(), heal=True) == "value"
        assert await text_of(engine, prompt=hole("z = "), heal=True) == "value"
        # It is tried once whether the server sees what stands behind.
        assert len(server.asked) == 3
        asked = server.asked[1]
        assert (asked["path"], asked[before], asked[after]) == (path, "import os\nx = ", "\ny\n")
        assert not asked.get("raw")


@pytest.mark.parametrize("owner", ["somebody", "vllm"])
async def test_a_server_that_does_not_look_behind_a_hole_is_not_asked_for_one(owner: str) -> None:
    server = Server(owner, ("my-model",), says("anything"))
    async with running(server), engine_at(server.url, model="my-model") as engine:
        for _ in range(2):
            with pytest.raises(
                ModelError, match=r"cannot fill holes by itself.*set it as midfill\.engine\.family"
            ):
                await text_of(engine, prompt=hole())
        # vLLM's documentation says so; any other is tried once.
        assert len(server.asked) == (0 if owner == "vllm" else 1)


async def test_a_server_that_refuses_a_suffix_is_not_asked_for_a_hole() -> None:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        page(writer, 400, b"suffix is not supported")

    server = Server(models=("my-model",), answer=answer)
    async with running(server), engine_at(server.url, model="my-model") as engine:
        with pytest.raises(ModelError, match=r"cannot fill holes by itself.*suffix is not supported"):
            await text_of(engine, prompt=hole())
        # It is no fault: edits may well work.
        assert not engine.resting


def talks(*texts: str, cut: int = 1 << 20) -> Callable[[Server, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        stream = Stream(writer)
        await stream.event({"choices": [{"delta": {"role": "assistant", "content": None}}]}, cut)
        for text in texts:
            await stream.event({"choices": [{"delta": {"content": text}, "finish_reason": None}]}, cut)
        await stream.event({"choices": [{"delta": {}, "finish_reason": "stop"}]}, cut)
        await stream.event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}, cut)
        await stream.write(b"data: [DONE]\n\n")
        await stream.end()

    return answer


def conversation(engine: OpenAIEngine) -> dict[str, Any]:
    turns = [chat.Turn(speaker, text) for speaker, text in SAID.turns]
    return {"prompt": chat.conversation(engine.info("edit"), turns, SAID.begun), "said": SAID}


@pytest.mark.parametrize(
    "written",
    [
        ["```python\nx = 1\n```"],
        ["Sure, here it is:\n\n```py", "thon\nx = 1", "\n``", "`\nI changed it."],
        ["```py\nx = 1\n```\n"],
        ["x = 1\n"],
        ["<thi", "nk>\nPerhaps:\n```python\ny = 2\n```\n</th", "ink>\n\n```python\nx = 1\n```"],
    ],
    ids=["as asked", "chatter", "another word for it", "bare", "thinking"],
)
async def test_a_conversation_is_had_in_the_servers_own_words(written: list[str]) -> None:
    server = Server(models=("my-model",), answer=talks(*written))
    async with running(server), engine_at(server.url, model="my-model") as engine:
        chunks = await chunks_of(engine, role="edit", stop=("\n```",), **conversation(engine))
        assert "".join(chunk.text for chunk in chunks).rstrip() == "x = 1"
        assert chunks[-1].finish in ("stop", "end")
        (asked,) = server.asked
        assert asked["path"] == "/v1/chat/completions"
        assert [message["role"] for message in asked["messages"]] == ["system", "user"]
        # The beginning of the answer is wished for, and code steers nothing.
        assert asked["messages"][1]["content"].endswith("go on from there:\n```python\n")
        assert "<|im_end|>" not in asked["messages"][1]["content"]
        # A fence at the beginning of the answer is not its end.
        assert "stop" not in asked and asked["stream"] is True


@pytest.mark.parametrize(
    ("owner", "also"),
    [
        (
            "vllm",
            {
                "continue_final_message": True,
                "add_generation_prompt": False,
                "chat_template_kwargs": {"enable_thinking": False},
            },
        ),
        ("llamacpp", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("library", {}),
    ],
)
async def test_an_answer_that_is_begun_is_gone_on_with_where_the_server_can(
    owner: str, also: dict[str, Any]
) -> None:
    server = Server(owner, ("my-model",), talks("x = 1\n", "```"))
    async with running(server), engine_at(server.url, model="my-model") as engine:
        assert await text_of(engine, role="edit", stop=("\n```",), **conversation(engine)) == "x = 1"
        (asked,) = server.asked
        assert asked["messages"][-1] == {"role": "assistant", "content": "```python\n"}
        assert also.items() <= asked.items()


async def test_a_server_that_has_only_conversations_can_edit() -> None:
    server = Server(answer=talks("```python\nx = 1\n```"), lacks=("/v1/completions",))
    async with running(server), engine_at(server.url) as engine:
        assert engine.info("edit").family == "qwen2.5-coder"
        for _ in range(2):
            assert await text_of(engine, role="edit", stop=("\n```",), **conversation(engine)) == "x = 1"
        assert [asked["path"] for asked in server.asked] == ["/v1/chat/completions"] * 2
        with pytest.raises(ModelError, match=r"has no /v1/completions.*midfill\.engine\.url"):
            await text_of(engine)


async def test_a_server_that_has_nothing_to_ask_is_said() -> None:
    lacks = ("/v1/completions", "/v1/chat/completions")
    async with running(Server(lacks=lacks)) as server, engine_at(server.url) as engine:
        with pytest.raises(ModelError, match="has no /v1/chat/completions"):
            await text_of(engine, role="edit", **conversation(engine))


async def test_a_prompt_of_ours_is_the_better_way() -> None:
    async with running(Server(answer=says("x = 1"))) as server, engine_at(server.url) as engine:
        await text_of(engine, role="edit", **conversation(engine))
        assert server.asked[0]["path"] == "/v1/completions"
        assert server.asked[0]["prompt"].endswith("<|im_start|>assistant\n```python\n")


async def test_characters_of_a_conversation_cut_in_the_middle_are_whole() -> None:
    server = Server(models=("my-model",), answer=talks("```python\né𝄞 ", "→x", cut=1))
    async with running(server), engine_at(server.url, model="my-model") as engine:
        assert await text_of(engine, role="edit", **conversation(engine)) == "é𝄞 →x"


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_text_ends_before_a_stop_however_it_is_cut(size: int) -> None:
    text = "a ``b``\n```c"
    ends = Ends(["\n```", "zzz"])
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert "".join(ends.take(piece) for piece in pieces) + ends.rest() == "a ``b``"
    assert ends.found == "\n```"
    ends = Ends(["\n```"])
    assert "".join(ends.take(piece) for piece in ("a\n", "``", "b\n``")) + ends.rest() == "a\n``b\n``"


@pytest.mark.parametrize(
    ("begun", "answer", "left"),
    [
        ("", "any", "any"),
        ("```python\n", "    x = 1", "    x = 1"),
        ("```python\n", "```python\n    x = 1", "    x = 1"),
        ('```python\ndef f(a):\n    """', '```python\ndef f(a):\n    """Adds."""', 'Adds."""'),
        ('```python\ndef f(a):\n    """', 'Here:\n```\ndef f(a: int):\n    """Adds."""', 'Adds."""'),
        ("```python\ndef f(", "def f(a: int) -> int:", "a: int) -> int:"),
        ("<<<<<<< SEARCH\n", "Blocks:\n<<<<<<< SEARCH\n  a\n=======", "  a\n======="),
        ("## `f`\n\n", "## `f`\n\nIt adds.", "\nIt adds."),
        ("## `f`\n\n", "It adds.", "It adds."),
        ("```python\n", "<think>\n```python\nno\n```\n</think>\n\n```python\nx = 1", "x = 1"),
        ("```python\n", "<think>\n```python\nno end", ""),
        ("```python\n", "<thin", ""),
    ],
)
def test_what_is_said_again_of_a_beginning_goes(begun: str, answer: str, left: str) -> None:
    for size in (1, 5, 100):
        beginning = Beginning(begun)
        pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
        assert "".join(beginning.take(piece) for piece in pieces) + beginning.rest() == left


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("x = 1", "x = 1"),
        ("```python\nx = 1", "x = 1"),
        ("```py", "```py"),
        ("`a` is", "`a` is"),
        ("a ```python\n", "a ```python\n"),
        ("<think>\n\n</think>\n\nx = 1", "x = 1"),
        ("<table>", "<table>"),
        ("x <think>", "x <think>"),
    ],
)
def test_who_goes_on_with_a_beginning_may_say_it_again(answer: str, left: str) -> None:
    for size in (1, 5, 100):
        beginning = Beginning("```python\n", goes_on=True)
        pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
        assert "".join(beginning.take(piece) for piece in pieces) + beginning.rest() == left


# -- faults


async def test_a_busy_server_is_asked_again() -> None:
    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        if len(server.asked) < 3:
            page(writer, (429, 500)[len(server.asked) - 1], {"error": "busy"})
        else:
            await says("ok")(server, writer)

    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        assert await text_of(engine) == "ok"
        assert len(server.asked) == 3


async def test_a_server_that_fails_on_and_on_is_left_alone_for_a_while() -> None:
    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        page(writer, 500, b"out of memory")

    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        for _ in range(3):
            with pytest.raises(EngineError, match="does not answer: it answers 500 out of memory"):
                await text_of(engine)
        asked = len(server.asked)
        assert asked == 9 and engine.resting
        with pytest.raises(EngineError, match="does not answer: it answers 500 out of memory"):
            await text_of(engine)
        assert len(server.asked) == asked
        await asyncio.sleep(0.35)
        server.answer = says("back")
        assert await text_of(engine) == "back"
        assert await text_of(engine) == "back"


async def silent(_: Server, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(10)


async def reset(_: Server, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def reset_inside(_: Server, writer: asyncio.StreamWriter) -> None:
    await Stream(writer).event(event("half"))
    await asyncio.sleep(0.02)
    writer.transport.abort()


def broken(data: bytes) -> Callable[[Server, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        stream = Stream(writer)
        await stream.write(data)
        await stream.end()

    return answer


@pytest.mark.parametrize(
    ("answer", "message", "times"),
    [
        (silent, "does not answer: it takes too long", 3),
        (reset, "does not answer: the connection broke", 3),
        (reset_inside, "does not answer: the connection broke", 1),
        (broken(b"data: {nonsense}\n\n"), "does not answer as an inference server does", 1),
        (broken(b"data: [1]\n\n"), "does not answer as an inference server does: it is no object", 1),
        (broken(b'data: {"choices": 7}\n\n'), "does not answer as an inference server does", 1),
        (broken(b'data: {"error": {"message": "too long"}}\n\n'), "says: too long", 1),
        (broken(b"\xff\xfe{}\n"), "does not answer as an inference server does", 1),
        (broken(b"<!doctype html>\n"), r"as an inference server does.*Is midfill\.engine\.url the address", 1),
        (broken(b"data: [DONE]\n\n"), "does not answer as an inference server does: there is nothing in its", 1),
        (broken(b'error: {"code": 500, "message": "no room."}\n\n'), r"says: no room\.$", 1),
        (broken(b'data: {"object": "error", "message": "boom"}\n\n'), "says: boom", 1),
    ],
)
async def test_every_fault_is_one_message(answer: Any, message: str, times: int) -> None:
    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        with pytest.raises(EngineError, match=message):
            await text_of(engine)
        assert len(server.asked) == times
        # It is as good as new.
        server.answer = says("fine")
        assert await text_of(engine) == "fine"


def replies(
    status: int, body: bytes = b"", **headers: str
) -> Callable[[Server, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        page(writer, status, body, **{key.replace("_", "-"): value for key, value in headers.items()})

    return answer


HTML = b"<!DOCTYPE html>\n<html><head><title>502 Bad\nGateway</title></head><body><h1>no</h1></body></html>"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (replies(502, HTML), r"does not answer: it answers 502 \(502 Bad Gateway\)\. Its own log may tell why\.$"),
        (
            replies(429, b'{"error": {"message": "slow down"}}'),
            r"answers 429 slow down\. .*midfill\.engine\.inFlight",
        ),
        (replies(422, b'{"error": "too long", "error_type": "x"}'), r"refuses the request \(422\): too long$"),
        (replies(400, b'{"detail": [1]}'), r"refuses the request \(400\): \[1\]$"),
        (replies(413), r"refuses the request \(413\): it does not say why"),
        (replies(200, b"\x1f\x8bno", Content_Encoding="gzip"), "does not answer as an inference server does"),
    ],
)
async def test_a_message_is_one_line_of_words(answer: Any, message: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        with pytest.raises(EngineError, match=message) as error:
            await text_of(engine)
        assert "\n" not in str(error.value)
        assert not caplog.records


@pytest.mark.parametrize("after", ["30", "Fri, 31 Dec 2100 23:59:59 GMT"])
async def test_a_server_that_asks_for_more_time_gets_it(after: str) -> None:
    async with running(Server(answer=replies(429, Retry_After=after))) as server, engine_at(server.url) as engine:
        for _ in range(2):
            with pytest.raises(EngineError, match="it answers 429"):
                await text_of(engine)
        assert len(server.asked) == 1 and engine.resting


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        # vLLM, Ollama.
        (b'{"object": "error", "message": "The model `x` does not exist.", "code": 404}', "does not exist"),
        (b'{"error": "model \'x\' not found"}', "not found"),
    ],
)
async def test_a_model_that_has_gone_meanwhile_is_named_with_those_that_are_there(gone: bytes, told: str) -> None:
    async with running(Server(answer=replies(404, gone))) as server, engine_at(server.url) as engine:
        with pytest.raises(ModelError, match=rf"{told}\. Set midfill\.engine\.model"):
            await text_of(engine, role="edit", **conversation(engine))
        server.models = ("a", "b")
        with pytest.raises(ModelError, match=r"has no model.*one of: a, b"):
            await text_of(engine)


async def test_a_model_for_conversations_only_is_had_one_with() -> None:
    """As a server says it that has completions, and not for this model."""
    told = b'{"error": {"message": "This is a chat model and not supported in the v1/completions endpoint."}}'

    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        chats = server.asked[-1]["path"] == "/v1/chat/completions"
        await (talks("```python\nx = 1\n```") if chats else replies(404, told))(server, writer)

    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        assert await text_of(engine, role="edit", stop=("\n```",), **conversation(engine)) == "x = 1"


async def test_a_server_that_counts_nothing_loses_nothing() -> None:
    uncounted = {"choices": [], "usage": {"prompt_tokens": None, "completion_tokens": None}}
    lines = b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in (event("ok"), uncounted))
    async with running(Server(answer=broken(b": alive\r\n" + lines))) as server, engine_at(server.url) as engine:
        assert await text_of(engine) == "ok"


async def test_a_character_that_json_spells_in_two_halves_is_whole() -> None:
    answer = broken(
        b'data: {"choices": [{"text": "a\\ud83d"}]}\n\ndata: {"choices": [{"text": "\\ude00b\\ude00"}]}\n\n'
        b'data: {"choices": [{"text": "\\ud83d"}]}\n\n'
    )
    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        assert await text_of(engine) == "a😀b\ufffd"


async def test_a_connection_that_the_server_has_closed_meanwhile_is_made_anew() -> None:
    async def once(_: Server, writer: asyncio.StreamWriter) -> None:
        await says("ok")(_, writer)
        writer.close()

    async with running(Server(answer=once)) as server, engine_at(server.url) as engine:
        for _ in range(3):
            assert await text_of(engine) == "ok"
            await asyncio.sleep(0.02)
        assert len(server.asked) == 3


async def test_a_request_can_be_given_up_before_there_is_a_connection() -> None:
    """A listener whose queue is full answers no one."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        full.setblocking(False)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        crowd = [socket.socket() for _ in range(4)]
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        async with engine_at(url) as engine:
            cancel = CancelToken()
            asyncio.get_running_loop().call_later(0.05, cancel.cancel)
            assert await asyncio.wait_for(chunks_of(engine, cancel), 2) == []
            with pytest.raises(EngineError, match=r"has said nothing within 0\.1 s\. Is it running"):
                await asyncio.wait_for(chunks_of(engine, deadline_ms=50), 2)
        for each in crowd:
            each.close()


async def test_a_password_in_the_address_is_in_no_message() -> None:
    async with running(Server(answer=replies(400))) as server:
        url = server.url.replace("//", "//me:secret@")
        async with engine_at(url) as engine:
            with pytest.raises(EngineError, match=f"at {server.url} refuses") as error:
                await text_of(engine)
            assert "secret" not in str(error.value)
            assert server.heads[0]["authorization"].startswith("Basic ")


async def test_nobody_there() -> None:
    async with engine_at("http://127.0.0.1:9") as engine:
        with pytest.raises(
            EngineError, match=r"at http://127\.0\.0\.1:9 does not answer: no connection.*running\?"
        ):
            await text_of(engine)


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "refuses the key.*MIDFILL_API_KEY"), (302, "only points elsewhere"), (400, "refuses the request.*bad")],
)
async def test_a_refusal_says_what_to_set(status: int, message: str) -> None:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        page(writer, status, b"bad", Location="https://elsewhere.example/")

    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        with pytest.raises(EngineError, match=message):
            await text_of(engine)
        assert len(server.asked) == 1


async def test_a_model_that_is_not_there_is_named_with_those_that_are() -> None:
    async with running(Server(models=("a", "b"))) as server, engine_at(server.url) as engine:
        with pytest.raises(ModelError, match=rf"has no model '{MODEL}'.*one of: a, b"):
            await text_of(engine)


async def test_of_hundreds_of_models_those_that_may_be_meant_are_named() -> None:
    models = (*(f"maker/model-{n}" for n in range(300)), "maker/qwen2.5-coder-7b-instruct")
    async with running(Server(models=models)) as server, engine_at(server.url) as engine:
        with pytest.raises(ModelError, match=r"one of: maker/qwen2.5-coder-7b-instruct, .* and 289 more\.$"):
            await text_of(engine)


async def test_a_llama_server_that_is_a_router_is_told_which_model() -> None:
    models = ("ggml-org/qwen2.5-coder-7b:Q8_0", "other")
    async with running(Server("llamacpp", models, fills("ok", text="content"))) as server:
        async with engine_at(server.url, model=models[0]) as engine:
            assert await text_of(engine) == "ok"
            assert server.asked[0]["model"] == models[0]
        async with engine_at(server.url, model="qwen2.5-coder-7b") as engine:
            with pytest.raises(ModelError, match=r"has no model 'qwen2.5-coder-7b'.*one of: ggml-org/"):
                await text_of(engine)
        server.models = ("the-only-one",)
        async with engine_at(server.url, model="qwen2.5-coder-7b") as engine:
            assert await text_of(engine) == "ok"
            assert server.asked[-1]["model"] == "the-only-one"


async def test_the_only_model_needs_no_name() -> None:
    async with (
        running(Server(answer=says("a"), models=("x",))) as server,
        engine_at(server.url, model="", family="qwen2.5-coder") as engine,
    ):
        assert await text_of(engine) == "a"
        assert server.asked[0]["model"] == "x"


async def test_odd_pages_are_no_reason_not_to_ask() -> None:
    pages = {"/api/version": 7, "/info": ["model_id"]}
    async with running(Server(pages=pages, answer=says("ok"))) as server, engine_at(server.url) as engine:
        assert await text_of(engine) == "ok"


async def test_another_page_is_no_inference_server() -> None:
    async with running(Server(pages={})) as server, engine_at(server.url + "/elsewhere") as engine:
        with pytest.raises(EngineError, match=r"no list of models.*Set midfill\.engine\.url"):
            await text_of(engine)


# -- cancelling, deadlines, fairness


async def test_a_cancel_reaches_the_server() -> None:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        await Stream(writer).event(event("one"))
        await asyncio.sleep(10)

    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        cancel = CancelToken()
        request = Request("complete", "m", PROMPT, 20)
        heard: list[Chunk] = []
        async with aclosing(engine.generate(request, cancel)) as chunks:
            async for chunk in chunks:
                heard.append(chunk)
                cancel.cancel()
        assert [chunk.finish for chunk in heard] == [None]
        await asyncio.wait_for(server.left.wait(), 2)


async def test_after_the_deadline_what_there_is_of_the_answer_is_all() -> None:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        await Stream(writer).event(event("one"))
        await asyncio.sleep(10)

    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        chunks = await chunks_of(engine, deadline_ms=150)
        assert [(chunk.text, chunk.finish) for chunk in chunks] == [("one", None), ("", "deadline")]
        await asyncio.wait_for(server.left.wait(), 2)


async def test_a_server_that_hangs_is_said_and_one_that_is_busy_with_us_is_not() -> None:
    async with running(Server(answer=silent)) as server, engine_at(server.url, in_flight=1) as engine:
        first = asyncio.ensure_future(chunks_of(engine, deadline_ms=200))
        await asyncio.sleep(0.05)
        # It waits for its turn.
        assert [chunk.finish for chunk in await chunks_of(engine, deadline_ms=50)] == ["deadline"]
        with pytest.raises(EngineError, match=r"has said nothing within 0\.2 s"):
            await first
        assert not engine.resting


async def test_no_more_at_once_than_the_setting_allows() -> None:
    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        await says("a")(server, writer)

    async with running(Server(answer=answer)) as server, engine_at(server.url, in_flight=2) as engine:
        answers = await asyncio.gather(*(text_of(engine) for _ in range(8)))
        assert answers == ["a"] * 8
        assert server.most_at_once == 2
        assert len({head["x-session-id"] for head in server.heads}) == 1


async def test_reading_ahead_takes_one_place_at_most() -> None:
    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        await says("a")(server, writer)

    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        await asyncio.gather(*(text_of(engine, when="idle", max_tokens=0) for _ in range(4)))
        assert server.most_at_once == 1


async def test_who_types_goes_before_what_is_read_ahead() -> None:
    """It ends then, since somebody who types will be elsewhere; and none begins before the answer is there."""
    asked = asyncio.Event()
    at_the_key: list[int] = []

    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        asked.set()
        if server.asked[-1]["max_tokens"] == 1:
            await asyncio.sleep(10)
        await asyncio.sleep(0.1)
        at_the_key.append(len(server.asked))
        await says("a")(server, writer)

    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        ahead = asyncio.ensure_future(chunks_of(engine, when="idle", max_tokens=0))
        await asyncio.wait_for(asked.wait(), 2)
        key = asyncio.ensure_future(text_of(engine))
        assert await asyncio.wait_for(ahead, 2) == []
        later = asyncio.ensure_future(chunks_of(engine, when="soon", max_tokens=0))
        assert await key == "a"
        await asyncio.wait_for(server.left.wait(), 2)
        # Until the answer was there, nothing but the first two.
        assert at_the_key == [2]
        while len(server.asked) < 3:
            await asyncio.sleep(0.01)
        later.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await later
        assert [each["max_tokens"] for each in server.asked] == [1, 20, 1]


async def test_an_edit_does_not_end_what_is_read_ahead() -> None:
    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        await says("a")(server, writer)

    async with running(Server(answer=answer)) as server, engine_at(server.url) as engine:
        ahead = asyncio.ensure_future(chunks_of(engine, when="soon", max_tokens=0))
        edit = asyncio.ensure_future(text_of(engine, role="edit"))
        assert (await ahead)[-1].finish is not None
        assert await edit == "a"


def reads(
    milliseconds_a_token: float, hold: asyncio.Event | None = None
) -> Callable[[Server, asyncio.StreamWriter], Awaitable[None]]:
    """A llama-server of slot 2 that has seen none of a prompt before, and writes to the end when it may."""

    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        stream = Stream(writer)
        tokens = len(server.asked[-1]["prompt"]) // 3
        timings = {"prompt_n": tokens, "prompt_ms": tokens * milliseconds_a_token}
        if server.asked[-1]["n_predict"]:
            await stream.event({"content": "x", "stop": False, "id_slot": 0, "timings": timings})
            await (hold.wait() if hold else asyncio.sleep(0.1))
        last = {"content": "", "stop": True, "stop_type": "eos", "id_slot": 2, "timings": timings}
        await stream.event(last)
        await stream.end()

    return answer


def llama_server(milliseconds_a_token: float, slots: Any = 4, hold: asyncio.Event | None = None) -> Server:
    pages = {} if slots is None else {"/props": {"total_slots": slots}}
    return Server("llamacpp", answer=reads(milliseconds_a_token, hold), pages=pages)


LONG = (Part("<|fim_prefix|>", control=True), Part("".join(f"line {n}\n" for n in range(400))))


@pytest.mark.parametrize(("milliseconds", "most"), [(5.0, 700), (0.05, 20_000)])
async def test_a_slow_server_reads_ahead_in_pieces(milliseconds: float, most: int) -> None:
    async with running(llama_server(milliseconds)) as server, engine_at(server.url) as engine:
        chunks = await chunks_of(engine, prompt=LONG, when="idle", max_tokens=0)
        asked = [each["prompt"] for each in server.asked]
        assert asked[-1] == "".join(part.text for part in LONG)
        assert all(later.startswith(sooner) for sooner, later in pairwise(asked))
        steps = [len(later) - len(sooner) for sooner, later in pairwise(("", *asked))]
        assert 0 < min(steps) <= max(steps) <= most
        assert (len(steps) > 5) == (most < 1000)
        # All go to one slot, wherever their beginnings are too.
        (slot,) = {each["id_slot"] for each in server.asked}
        assert 0 <= slot < 4
        assert chunks[-1].finish == "end"
        assert chunks[-1].usage.evaluated == sum(len(each) // 3 for each in asked)
        # What is there already is not read again.
        server.asked.clear()
        await chunks_of(engine, prompt=LONG, when="idle", max_tokens=0)
        assert len(server.asked) == 1


async def test_what_comes_after_a_suggestion_is_found_in_pieces_too() -> None:
    async with running(llama_server(5.0)) as server, engine_at(server.url) as engine:
        chunks = await chunks_of(engine, prompt=(*LONG, Part("wo")), when="soon", heal=True)
        *pieces, last = server.asked
        assert len(pieces) > 5
        assert {(each["n_predict"], "grammar" in each) for each in pieces} == {(0, False)}
        # The word is healed, in the slot where the rest has been read.
        assert (last["n_predict"], last["grammar"][:12]) == (20, 'root ::= "wo')
        assert {each["id_slot"] for each in server.asked} == {last["id_slot"]}
        assert "".join(chunk.text for chunk in chunks) == "x"
        assert chunks[-1].usage.evaluated == sum(len(each["prompt"]) // 3 for each in server.asked)


async def test_a_slow_server_reads_nothing_long_ahead_while_an_edit_runs() -> None:
    """It may be in the very slot, and what is read in one go would keep waiting whoever types."""
    hold = asyncio.Event()
    async with running(llama_server(5.0, hold=hold)) as server, engine_at(server.url) as engine:
        edit = asyncio.ensure_future(text_of(engine, role="edit"))
        while not server.asked:
            await asyncio.sleep(0.01)
        chunks = await chunks_of(engine, prompt=LONG, when="soon", max_tokens=0)
        # As if it had been cancelled: it is not there.
        assert chunks == []
        await chunks_of(engine, when="soon", max_tokens=0)
        hold.set()
        assert await edit == "x"
        assert [each["n_predict"] for each in server.asked] == [20, 0]


@pytest.mark.parametrize("slots", [None, 0, -1, "4", [4], 1e300, 1 << 60])
async def test_a_server_that_does_not_tell_its_slots_reads_ahead_at_once(slots: Any) -> None:
    async with running(llama_server(5.0, slots)) as server, engine_at(server.url) as engine:
        await chunks_of(engine, prompt=LONG, when="idle", max_tokens=0)
        (asked,) = server.asked
        assert "id_slot" not in asked


async def test_who_types_on_gets_the_slot_that_is_not_free_yet() -> None:
    hold = asyncio.Event()
    hold.set()
    async with running(llama_server(5.0, hold=hold)) as server, engine_at(server.url) as engine:
        await chunks_of(engine, prompt=LONG)
        hold.clear()
        cancel = CancelToken()
        request = Request("complete", "m", (*LONG, Part("x")), 20)
        async with aclosing(engine.generate(request, cancel)) as chunks:
            async for _ in chunks:
                cancel.cancel()
        hold.set()
        await chunks_of(engine, prompt=(*LONG, Part("xy")))
        await chunks_of(engine, prompt=(*LONG, Part("xyz")))
        assert [each.get("id_slot") for each in server.asked] == [None, None, 2, None]


# -- the key, and whom code may be sent to


async def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(elsewhere.KEY, "secret")
    async with running(Server(answer=says("a"))) as server, engine_at(server.url) as engine:
        await text_of(engine)
        assert server.heads[0]["authorization"] == "Bearer secret"


async def test_the_end_of_a_line_is_no_part_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(elsewhere.KEY, " secret\r\n")
    async with running(Server(answer=says("a"))) as server, engine_at(server.url) as engine:
        await text_of(engine)
        assert server.heads[0]["authorization"] == "Bearer secret"
        for wrong in ("sécret", "sec\nret"):
            monkeypatch.setenv(elsewhere.KEY, wrong)
            with pytest.raises(ModelError, match=r"letters that no key has: set MIDFILL_API_KEY") as error:
                await text_of(engine)
            assert "cret" not in str(error.value)


def test_code_goes_to_no_server_that_its_user_does_not_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIDFILL_CONFIG", str(tmp_path))
    backend = Backend("openai", "https://models.example/v1", MODEL)
    with pytest.raises(ModelError, match=r"run `midfill trust https://models\.example:443` once"):
        elsewhere.info(backend, "complete")
    with pytest.raises(ModelError, match="midfill trust"):
        elsewhere.place(backend, "complete")
    assert cli.main(["trust", "https://models.example/v1"]) == 0
    assert elsewhere.info(backend, "complete").family == "qwen2.5-coder"
    # Another port or scheme is another server.
    for url in ("http://models.example", "https://models.example:8443", "https://models.example.evil.example"):
        with pytest.raises(ModelError, match="midfill trust"):
            elsewhere.check(url)
    with pytest.raises(UsageError, match="no address"):
        elsewhere.trust("ftp://x")


def test_a_key_is_not_sent_for_all_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_CONFIG", str(tmp_path))
    monkeypatch.setenv(elsewhere.KEY, "secret")
    elsewhere.trust("http://models.example:8000")
    with pytest.raises(ModelError, match="use an https"):
        elsewhere.place(Backend("openai", "http://models.example:8000", MODEL), "complete")
    monkeypatch.delenv(elsewhere.KEY)
    with pytest.raises(ModelError, match="use an https"):
        elsewhere.place(Backend("openai", "http://me:secret@models.example:8000", MODEL), "complete")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "qwen2.5-coder"),
        ("qwen2.5-coder:1.5b-base", "qwen2.5-coder"),
        ("deepseek-ai/DeepSeek-Coder-V2-Lite-Base", "deepseek-coder-v2"),
        ("deepseek-coder:6.7b", "deepseek-coder"),
        ("codellama:13b-code", "codellama"),
        ("codellama/CodeLlama-34b-Instruct-hf", "codellama-python"),
        ("codellama/CodeLlama-70b-Instruct-hf", "codellama-70b"),
        ("google/codegemma-7b-it", "codegemma-it"),
        ("google/codegemma-2b", "codegemma"),
        ("ibm-granite/granite-8b-code-instruct-4k", "granite-code"),
        ("bigcode/starcoder2-15b", "starcoder2"),
        ("deepseek-ai/deepseek-coder-7b-base-v1.5", "deepseek-coder-v1.5"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3"),
        # They speak otherwise than what they were made from.
        ("NousResearch/Hermes-3-Llama-3.1-8B", ITS_SERVERS),
        ("Phind/Phind-CodeLlama-34B-v2", ITS_SERVERS),
        ("deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", ITS_SERVERS),
        ("bigcode/starcoder2-3b", "starcoder2"),
        ("WizardLMTeam/WizardCoder-33B-V1.1", "wizardcoder"),
        ("my-model", ITS_SERVERS),
        ("", None),
    ],
)
def test_the_family_of_a_model_elsewhere_is_told_by_its_name_or_set(name: str, family: str | None) -> None:
    backend = Backend("openai", "http://127.0.0.1:1", name)
    if family is None:
        with pytest.raises(ModelError, match=r"midfill\.engine\.family to one of"):
            elsewhere.info(backend, "complete")
    else:
        assert elsewhere.info(backend, "complete").family == family


@pytest.mark.parametrize("name", ["mistralai/Codestral-22B-v0.1", "bigcode/starcoder2-15b-instruct-v0.1"])
def test_a_model_that_has_no_words_of_ours_for_a_conversation_is_asked_in_the_servers(name: str) -> None:
    backend = Backend("openai", "http://127.0.0.1:1", name)
    assert elsewhere.info(backend, "complete").family in fim.FAMILIES
    assert elsewhere.info(backend, "edit").family == ITS_SERVERS


@pytest.mark.parametrize("name", ["", "phi-4"])
def test_a_model_by_its_template_is_asked_in_the_servers_words(name: str) -> None:
    backend = Backend("openai", "http://127.0.0.1:1", name, family="by-template")
    assert elsewhere.info(backend, "edit").family == ITS_SERVERS


def test_a_model_elsewhere_that_does_not_complete_is_said_with_the_setting_that_counts_there() -> None:
    info = elsewhere.info(Backend("openai", "http://127.0.0.1:1", "Qwen3-8B"), "complete")
    with pytest.raises(ModelError, match=r"Qwen3-8B at 127.*midfill\.engine\.model to a coder model"):
        fim.family(info.family, info.doubt)
    assert not elsewhere.info(Backend("openai", "http://127.0.0.1:1", "Qwen3-8B"), "edit").doubt


# -- settings, and falling back


def test_the_setting() -> None:
    config, problems = parse({"engine": {"kind": "openai", "url": "http://127.0.0.1:8080", "inFlight": 2}})
    assert not problems
    assert config.engine == Backend("openai", "http://127.0.0.1:8080", in_flight=2)
    assert parse({"engine": "embedded"}) == (Config(), [])
    for wrong in ("openai", 7, {"kind": "cloud"}, {"kind": "openai"}, {"url": 1}, {"addr": "x"}, {"inFlight": 0}):
        config, problems = parse({"engine": wrong})
        assert config.engine.kind == "embedded"
        assert len(problems) == 1 and problems[0].startswith("midfill.engine")


async def test_this_machine_answers_while_the_server_does_not() -> None:
    here = ScriptedEngine(["local"])
    backend = Backend("openai", "http://127.0.0.1:9", MODEL, fallback=True)
    there = OpenAIEngine(
        lambda role: elsewhere.info(backend, role), lambda role: elsewhere.place(backend, role), 0.01, 0.3, 0.5
    )
    falls = [False]
    engine = ChosenEngine(here, lambda: there, lambda: True, lambda: falls[0])
    for _ in range(2):
        with pytest.raises(MidfillError):
            await text_of(engine)
    falls[0] = True
    # The one that finds it out is answered here, as the prompt is the same; the next ones do not even ask.
    assert await text_of(engine) == "local"
    assert here.requests[0].model == "scripted-complete"
    assert there.resting
    assert engine.info("complete").name == "scripted-complete"
    assert await text_of(engine, prompt=(Part("x"),)) == "local"
    await asyncio.sleep(0.35)
    assert engine.info("complete").name.startswith(MODEL)
    await engine.close()
