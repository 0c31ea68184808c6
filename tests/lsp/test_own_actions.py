"""The actions of `.midfill.toml` as an editor meets them: asked about, offered, made, and read again."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pytest_lsp import LanguageClient
from test_edit_commands import able
from test_server import FUNCTION, span, until

from conftest import Start, command, opened
from midfill import trust

OWN = '[[action]]\nname = "Log it"\non = "definition"\ninstruction = "Log {{ name }}."\nchecks = ["signature"]\n'
LOGGED = "def add(a, b):\n    print(a, b)\n    return a + b"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIDFILL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("MIDFILL_CONFIG", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop"


class Editor:
    """A client that answers every question of trust with one of the choices, or cannot be asked at all."""

    def __init__(self, client: LanguageClient, uri: str) -> None:
        self.client, self.uri = client, uri
        self.questions: list[str] = []

    async def offered(self) -> dict[str, types.CodeAction]:
        where = types.TextDocumentIdentifier(self.uri)
        context = types.CodeActionContext([], only=["refactor"])
        params = types.CodeActionParams(where, span(0, 5, 5), context)
        answer = await self.client.text_document_code_action_async(params)
        return {each.title: each for each in answer or () if isinstance(each, types.CodeAction)}

    async def has(self, title: str) -> bool:
        return title in await self.offered()

    async def comes(self, title: str, there: bool = True) -> None:
        for _ in range(100):
            if await self.has(title) is there:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{title} never {'came' if there else 'went'}")

    @property
    def said(self) -> list[str]:
        return [each.message for each in self.client.messages]


async def opening(
    start: Start,
    project: Path,
    answer: str | None = "Use them",
    settings: dict[str, Any] | None = None,
    answers: tuple[str, ...] = (LOGGED,),
    asks: bool = True,
) -> Editor:
    """An editor with the project's file open; it cannot `ask` its user, or gives this answer."""
    questions: list[str] = []

    def listen(client: LanguageClient) -> None:
        if asks:

            @client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
            def ask(params: types.ShowMessageRequestParams) -> types.MessageActionItem | None:
                questions.append(params.message)
                return types.MessageActionItem(answer) if answer else None

    client = await start(list(answers), able(), settings, root=project.as_uri(), listen=listen)
    editor = Editor(client, (project / "a.py").as_uri())
    editor.questions = questions
    opened(client, FUNCTION, uri=editor.uri)
    return editor


async def test_a_trusted_action_is_offered_and_made_like_the_built_in_ones(start: Start, project: Path) -> None:
    (project / trust.NAME).write_text(OWN)
    editor = await opening(start, project)
    await editor.comes("Midfill: Log it")
    assert len(editor.questions) == 1
    assert str(project / trust.NAME) in editor.questions[0]
    action = (await editor.offered())["Midfill: Log it"]
    assert (action.kind, action.is_preferred, action.edit) == (types.CodeActionKind.RefactorRewrite, None, None)
    resolved = await editor.client.code_action_resolve_async(action)
    assert resolved.data["result"]["reason"] is None
    assert resolved.edit is not None
    (edited,) = resolved.edit.document_changes or ()
    assert isinstance(edited, types.TextDocumentEdit)
    assert [each.new_text for each in edited.edits if isinstance(each, types.AnnotatedTextEdit)] == [
        "    print(a, b)\n"
    ]
    assert editor.said == []


async def test_it_has_the_tag_of_a_models_actions(start: Start, project: Path) -> None:
    (project / trust.NAME).write_text(OWN)
    trust.remember(OWN.encode(), project, "trusted")
    capabilities = able()
    assert capabilities.text_document is not None
    assert capabilities.text_document.code_action is not None
    capabilities.text_document.code_action.tag_support = types.CodeActionTagOptions(
        [types.CodeActionTag.LlmGenerated]
    )
    client = await start(["x"], capabilities, root=project.as_uri())
    editor = Editor(client, (project / "a.py").as_uri())
    opened(client, FUNCTION, uri=editor.uri)
    tags = (await editor.offered())["Midfill: Log it"].tags
    assert list(tags or ()) == [types.CodeActionTag.LlmGenerated]


async def test_what_is_trusted_already_is_not_asked_about(start: Start, project: Path) -> None:
    (project / trust.NAME).write_text(OWN)
    trust.remember(OWN.encode(), project, "trusted")
    editor = await opening(start, project)
    assert await editor.has("Midfill: Log it")
    assert editor.questions == []


async def test_a_change_is_asked_about_again(start: Start, project: Path) -> None:
    file = project / trust.NAME
    file.write_text(OWN)
    editor = await opening(start, project)
    await editor.comes("Midfill: Log it")
    file.write_text(OWN.replace("Log it", "Log all of it"))
    editor.client.workspace_did_change_watched_files(
        types.DidChangeWatchedFilesParams([types.FileEvent(file.as_uri(), types.FileChangeType.Changed)])
    )
    await editor.comes("Midfill: Log all of it")
    assert len(editor.questions) == 2
    assert not await editor.has("Midfill: Log it")
    # Back to what was trusted once, which needs no word, and no message either.
    file.write_text(OWN)
    await editor.comes("Midfill: Log it")
    file.unlink()
    await editor.comes("Midfill: Log it", there=False)
    assert len(editor.questions) == 2


@pytest.mark.parametrize("answer", ["Never", "Not now", None])
async def test_without_a_yes_nothing_of_it_is_used(start: Start, project: Path, answer: str | None) -> None:
    (project / trust.NAME).write_text(OWN + "[[[ wrong")
    editor = await opening(start, project, answer)
    await until(lambda: editor.questions)
    assert not await editor.has("Midfill: Log it")
    made = types.CodeAction("", data={"uri": editor.uri, "range": WHERE, "action": "log-it"})
    resolved = await editor.client.code_action_resolve_async(made)
    assert resolved.edit is None
    assert "no action 'log-it'" in resolved.data["result"]["reason"]
    # Nothing was even parsed.
    assert not any("TOML" in each for each in editor.said)
    # Who has said never is not asked by the next window; everybody else is.
    again = await opening(start, project, answer)
    await again.offered()
    await asyncio.sleep(0.1)
    assert len(again.questions) == (0 if answer == "Never" else 1)


WHERE = {"start": {"line": 0, "character": 5}, "end": {"line": 0, "character": 5}}


async def test_a_client_that_cannot_ask_is_told_how_to_trust(start: Start, project: Path) -> None:
    (project / trust.NAME).write_text(OWN)
    editor = await opening(start, project, asks=False)
    await until(lambda: editor.client.messages)
    assert f"run `midfill trust {project}`" in editor.said[0]
    assert await command(editor.client, "midfill.trust", folder="/elsewhere") == {
        "trusted": [],
        "reason": "There is no .midfill.toml at the top of /elsewhere.",
    }
    assert not await editor.has("Midfill: Log it")
    answer = await command(editor.client, "midfill.trust")
    assert answer == {"trusted": [str(project / trust.NAME)], "reason": None}
    assert await editor.has("Midfill: Log it")


async def test_the_command_lines_word_counts_for_a_server_that_runs(start: Start, project: Path) -> None:
    (project / trust.NAME).write_text(OWN)
    editor = await opening(start, project, None)
    await until(lambda: editor.questions)
    trust.remember(OWN.encode(), project, "trusted")
    await editor.comes("Midfill: Log it")


async def test_nothing_of_a_workspace_is_used_where_the_client_says_so(start: Start, project: Path) -> None:
    (project / trust.NAME).write_text(OWN)
    trust.remember(OWN.encode(), project, "trusted")
    (project.parent / "config" / trust.NAME).write_text(OWN.replace("Log it", "My own"))
    editor = await opening(start, project, settings={"projectActions": False})
    assert not await editor.has("Midfill: Log it")
    assert await editor.has("Midfill: My own")
    params = types.DidChangeConfigurationParams({"midfill": {"projectActions": True}})
    editor.client.workspace_did_change_configuration(params)
    assert await editor.has("Midfill: Log it")
    assert editor.questions == []


async def test_the_users_own_file_needs_no_word_and_is_read_again(start: Start, project: Path) -> None:
    file = project.parent / "config" / trust.NAME
    editor = await opening(start, project)
    assert not await editor.has("Midfill: Log it")
    file.write_text(OWN)
    assert await editor.has("Midfill: Log it")
    file.write_text(OWN + "model = 'x'\n")
    assert not await editor.has("Midfill: Log it")
    await until(lambda: editor.client.messages)
    assert "line 6: 'model' may not be set here" in editor.said[0]
    await editor.offered()
    assert len(editor.said) == 1
    assert editor.questions == []


@pytest.mark.parametrize("wrong", ["[[action", "\0", "action = 1\n", "link", "large", "folder", "pipe"])
async def test_the_built_in_actions_outlive_any_file(start: Start, project: Path, wrong: str) -> None:
    file = project / trust.NAME
    if wrong == "link":
        (project / "secret").write_text(OWN)
        file.symlink_to(project / "secret")
    elif wrong == "large":
        file.write_text("#" * 100_000)
    elif wrong == "folder":
        file.mkdir()
    elif wrong == "pipe":
        os.mkfifo(file)
    else:
        file.write_text(wrong)
    editor = await opening(start, project)
    assert await editor.has("Midfill: Add docstring")
    await until(lambda: editor.client.messages)
    assert str(file) in editor.said[0]
    assert not await editor.has("Midfill: Log it")
    assert len(editor.said) == 1


async def test_a_template_that_never_ends_does_not_stop_the_server(start: Start, project: Path) -> None:
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    text = OWN.replace("Log {{ name }}.", endless)
    (project / trust.NAME).write_text(text)
    trust.remember(text.encode(), project, "trusted")
    editor = await opening(start, project)
    action = (await editor.offered())["Midfill: Log it"]
    resolving = asyncio.ensure_future(editor.client.code_action_resolve_async(action))
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(editor.has("Midfill: Add docstring"), 2)
    resolved = await asyncio.wait_for(resolving, 20)
    assert resolved.edit is None
    assert "cannot be used: it takes too" in resolved.data["result"]["reason"]


async def test_a_projects_actions_are_for_its_own_files(start: Start, project: Path) -> None:
    (project / trust.NAME).write_text(OWN)
    editor = await opening(start, project)
    await editor.comes("Midfill: Log it")
    other = Editor(editor.client, (project.parent / "b.py").as_uri())
    opened(editor.client, FUNCTION, uri=other.uri)
    assert await other.has("Midfill: Add docstring")
    assert not await other.has("Midfill: Log it")
