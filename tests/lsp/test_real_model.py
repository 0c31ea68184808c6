"""The real server and the real models on real files: what must hold, not what a model happens to say."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from midfill.client import Editor, editor
from midfill.document import Document
from midfill.models import catalog
from midfill.syntax import error_count
from midfill.text import Encoding, Position, Range

pytestmark = pytest.mark.model
on_the_window = pytest.mark.asyncio(loop_scope="module")

DECODER = Path(json.__file__).with_name("decoder.py")
ARGPARSE = Path(__import__("argparse").__file__)

TYPESCRIPT = """\
interface User {
  name: string;
  age: number;
}

export function oldest(users: User[]): User | undefined {
  let result: User | undefined;
  for (const user of users) {
    if (result === undefined || user.age > result.age) {
      result = user;
    }
  }
  return result;
}
"""
GO = """\
package shop

func Total(prices []int, tax int) int {
	sum := 0
	for _, price := range prices {
		sum += price
	}
	return sum + tax
}
"""


@pytest.fixture(scope="module", autouse=True)
def models() -> None:
    for role in ("complete", "edit"):
        catalog.present(catalog.find(role))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def window() -> AsyncIterator[Editor]:
    """One server for all tests, so that each model is loaded once."""
    async with editor(DECODER.parent) as started:
        yield started


def place(document: Document, text: str) -> Position:
    """The position behind the first occurrence of a text."""
    return document.text.position(str(document.text).index(text) + len(text), Encoding.UTF32)


@contextmanager
def forgotten(window: Editor, document: Document) -> Iterator[None]:
    """Close the document when done, since the next test opens the same file."""
    try:
        yield
    finally:
        identifier = types.TextDocumentIdentifier(document.uri)
        window.client.text_document_did_close(types.DidCloseTextDocumentParams(identifier))


@pytest.mark.parametrize(
    "behind",
    [
        "def JSONObject(s_and_end, strict, ",
        "        pairs = ",
        "            raise JSONDecodeError(",
        "    def decode(self, s, _w=WHITESPACE.match):\n",
    ],
)
@on_the_window
async def test_a_suggestion_fits_where_it_stands(window: Editor, behind: str) -> None:
    """The rest of the line is taken away, as if it was not yet typed."""
    source = DECODER.read_text("utf-8")
    at = source.find(behind) + len(behind)
    assert at >= len(behind), f"{DECODER} has changed; choose another place"
    document = window.open(DECODER, source[:at] + source[source.index("\n", at) :])
    with forgotten(window, document):
        cursor = document.text.position(at, Encoding.UTF32)
        items = await window.complete(document, cursor)
        explained = await window.explain(document)
        assert explained["outcome"] == ("shown" if items else "rejected")
        assert (explained["reason"] is None) == bool(items)
        for item in items:
            here = types.Position(cursor.line, cursor.character)
            assert item.range == types.Range(here, here)
            assert "<|" not in str(item.insert_text)
        if items:
            assert explained["text"] == items[0].insert_text


@on_the_window
async def test_typing_on_evaluates_a_few_tokens_only(window: Editor) -> None:
    source = DECODER.read_text("utf-8")
    behind = "            end += 1\n"
    at = source.index(behind) + len(behind)
    document = window.open(DECODER, source)
    with forgotten(window, document):
        cursor = document.text.position(at, Encoding.UTF32)
        evaluated = []
        for letter in "        if nextchar == '":
            document = window.type(document, cursor, cursor, letter)
            cursor = Position(cursor.line, cursor.character + 1)
            await window.complete(document, cursor)
            evaluated.append((await window.explain(document))["prompt"]["evaluated"])
        assert evaluated[0] > 100
        # The healed tokens of a word are evaluated again, and so is what the model wrote and was not typed.
        assert sorted(evaluated[1:])[len(evaluated) // 2] <= 4
        assert max(evaluated[1:]) <= 24


@on_the_window
async def test_the_cache_gives_what_a_fresh_context_gives(window: Editor) -> None:
    source = "import json\n\n\ndef load(path):\n    with open(path) as f:\n        return json."
    path = DECODER.with_name("fresh.py")
    document = window.open(path, source)
    with forgotten(window, document):
        at = document.text.position(len(source), Encoding.UTF32)
        first, *_ = await window.complete(document, at)
    # Other prompts have been in the cache since.
    other = window.open(path, "def total(prices):\n    return sum(")
    with forgotten(window, other):
        await window.complete(other, Position(1, 15))
    again = window.open(path, source)
    with forgotten(window, again):
        second, *_ = await window.complete(again, at)
        assert (await window.explain(again))["source"] == "model"
    assert second.insert_text == first.insert_text


@on_the_window
async def test_cancelling_answers_and_the_next_completion_is_made(window: Editor) -> None:
    # That the cache is as it should be after an abort is proved in tests/unit/test_llama.py.
    source = ARGPARSE.read_text("utf-8")
    path = DECODER.with_name("cancelled.py")
    places = ("def add_argument(", "def parse_args(", "def format_help(", "def add_subparsers(")
    for delay, place in zip((0.02, 0.15, 0.4, 0.8), places, strict=True):
        document = window.open(path, source[: source.index(place)])
        with forgotten(window, document):
            cursor = document.text.position(len(document.text), Encoding.UTF32)
            params = types.InlineCompletionParams(
                types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked),
                types.TextDocumentIdentifier(document.uri),
                types.Position(cursor.line, cursor.character),
            )
            waiting = window.client.protocol.send_request(
                types.TEXT_DOCUMENT_INLINE_COMPLETION, params, msg_id=f"cancel-{delay}"
            )
            await asyncio.sleep(delay)
            window.client.cancel_request(types.CancelParams(f"cancel-{delay}"))
            with pytest.raises(JsonRpcException):
                await asyncio.wait_for(asyncio.wrap_future(waiting), 10)
            assert await window.complete(document, cursor)


async def resolved(window: Editor, document: Document, at: Position, action: str, **options: Any) -> Any:
    """The result of an action at a place, and the text after it."""
    offered = await window.actions(document, Range(at, at), options.pop("problems", ()))
    chosen = next(each for each in offered if each.data and each.data["action"] == action)
    answer = await window.resolve(chosen, options.pop("instruction", ""))
    assert answer.data is not None
    result = answer.data["result"]
    edits = window.edits_of(answer)
    assert bool(edits) == (result["reason"] is None)
    return result, str(window.apply(document, edits).text)


def without_docstrings(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            node.body[:1] = [] if len(node.body) > 1 else [ast.Pass()]
    return ast.dump(tree)


@pytest.mark.parametrize("name", ["_decode_uXXXX", "JSONArray", "JSONDecodeError", "decode"])
@on_the_window
async def test_a_docstring_edit_preserves_the_code(window: Editor, name: str) -> None:
    source = DECODER.read_text("utf-8")
    document = window.open(DECODER, source)
    with forgotten(window, document):
        kind = "class" if name == "JSONDecodeError" else "def"
        result, after = await resolved(window, document, place(document, f"{kind} {name}"), "docstring")
        assert result["reason"] is None
        assert after != source
        assert without_docstrings(after) == without_docstrings(source)


@pytest.mark.parametrize(
    ("file", "source", "at", "mark"), [("a.ts", TYPESCRIPT, "oldest", " * "), ("a.go", GO, "Total", "// Total")]
)
@on_the_window
async def test_documents_other_languages(window: Editor, file: str, source: str, at: str, mark: str) -> None:
    document = window.open(DECODER.with_name(file), source)
    with forgotten(window, document):
        result, after = await resolved(window, document, place(document, f" {at}"), "docstring")
        assert result["reason"] is None
        new = [line for line in after.splitlines() if line not in source.splitlines()]
        assert any(line.startswith(mark) for line in new)
        assert "\n".join(line for line in after.splitlines() if line not in new) + "\n" == source


@on_the_window
async def test_a_refactoring_parses_and_stays_in_its_scope(window: Editor) -> None:
    document = window.open(DECODER.with_name("b.ts"), TYPESCRIPT)
    with forgotten(window, document):
        instruction = "Use users.reduce instead of the loop."
        result, after = await resolved(
            window, document, place(document, "oldest"), "refactor", instruction=instruction
        )
        assert result["reason"] is None
        assert error_count(Document.open("file:///b.ts", None, 1, after)) == 0
        assert after.startswith(TYPESCRIPT[: TYPESCRIPT.index("export")])
        assert "reduce" in after


@on_the_window
async def test_fixes_a_diagnostic(window: Editor) -> None:
    source = "def area(width, height):\n    return width * heigth\n\n\nprint(area(2, 3))\n"
    document = window.open(DECODER.with_name("c.py"), source)
    with forgotten(window, document):
        at = place(document, "width * ")
        where = Range(at, Position(at.line, at.character + 6))
        offered = await window.actions(document, where, [(where, "undefined name 'heigth'")])
        fix = next(each for each in offered if each.data and each.data["action"] == "fix")
        answer = await window.resolve(fix)
        after = str(window.apply(document, window.edits_of(answer)).text)
        assert after == source.replace("heigth", "height")


def test_the_doctor_measures_the_models() -> None:
    command = [sys.executable, "-m", "midfill", "doctor", "--json"]
    findings = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    assert [model["role"] for model in findings["models"]] == ["complete", "edit"]
    for model in findings["models"]:
        assert model["usable"]
        assert min(model["tokensPerSecond"].values()) > 0
    assert "CPU" in findings["engine"]["features"]


def test_the_command_line_prints_what_it_promises(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("import math\n\n\ndef area(radius):\n    return math.\n", "utf-8")

    def run(*arguments: str) -> Any:
        command = [sys.executable, "-m", "midfill", *arguments, "--json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    completed = run("complete", f"{path}:5:17")
    assert set(completed) == {"items", "explain"}
    item, *_ = completed["items"]
    assert item["range"] == {"start": {"line": 4, "character": 16}, "end": {"line": 4, "character": 16}}
    assert item["insertText"] == completed["explain"]["text"] != ""
    path.write_text("def area(width, height):\n    return width * height\n", "utf-8")
    acted = run("act", "docstring", f"{path}:1")
    assert {"edits", "text", "attempts", "reason", "millis"} <= set(acted)
    assert acted["reason"] is None
    assert '"""' in acted["text"]
    assert path.read_text("utf-8").count('"""') == 0
