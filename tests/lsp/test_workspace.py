"""The index as an editor meets it: progress, cancelling, files that change, folders that come and go."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pytest_lsp import LanguageClient, make_test_lsp_client

from conftest import HERE, capabilities_of, explain, plain
from midfill.index.store import Reader, database
from midfill.lsp.index import _folder

Begin = Callable[..., Awaitable[LanguageClient]]


@pytest.fixture
async def begin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Begin]:
    """Start a server for these folders; `client.watchers` are the globs that it wants to be told of."""
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path_factory.mktemp("cache")))
    clients: list[LanguageClient] = []

    async def begun(
        *folders: Path, editor: str = "vscode_languageclient_10", root: Path | None = None, **settings: Any
    ) -> LanguageClient:
        client: Any = make_test_lsp_client()
        client.watchers = []

        @client.feature(types.CLIENT_REGISTER_CAPABILITY)
        def register(params: types.RegistrationParams) -> None:
            for each in params.registrations:
                client.watchers += [watcher["globPattern"] for watcher in plain(each.register_options)["watchers"]]

        clients.append(client)
        await client.start_io(sys.executable, str(HERE / "scripted_server.py"), json.dumps(["x"]))
        params = types.InitializeParams(capabilities_of(editor), initialization_options=settings)
        params.root_uri = root.as_uri() if root else None
        params.workspace_folders = [types.WorkspaceFolder(folder.as_uri(), folder.name) for folder in folders]
        await client.initialize_session(params)
        return client

    yield begun
    for client in clients:
        await client.shutdown_session()


def filled(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"m{number}.py").write_text(f"def f{number}(a, b): ...\n")
    return folder


def known(folder: Path, *names: str) -> set[str]:
    reader = Reader(database(folder))
    found = {symbol.name for symbol in reader.named(names)}
    reader.close()
    return found


async def until(condition: Callable[[], Any]) -> None:
    # The index is built in idle time only, of which a busy machine has little.
    for _ in range(12_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


def steps(client: LanguageClient) -> list[Any]:
    return [step for those in client.progress_reports.values() for step in those]


def tell(client: LanguageClient, path: Path, kind: types.FileChangeType) -> None:
    client.workspace_did_change_watched_files(
        types.DidChangeWatchedFilesParams([types.FileEvent(path.as_uri(), kind)])
    )


async def test_a_new_workspace_is_indexed_with_progress(begin: Begin, tmp_path: Path) -> None:
    folder = filled(tmp_path / "shop", 250)
    client = await begin(folder)
    await until(lambda: steps(client) and isinstance(steps(client)[-1], types.WorkDoneProgressEnd))
    first, *between, _ = steps(client)
    assert isinstance(first, types.WorkDoneProgressBegin)
    assert (first.title, first.cancellable) == ("Midfill: indexing shop", True)
    assert between[-1].message == "250 of 250 files"
    assert known(folder, "f0", "f249") == {"f0", "f249"}


async def test_a_small_workspace_needs_no_progress(begin: Begin, tmp_path: Path) -> None:
    folder = filled(tmp_path / "shop", 3)
    client = await begin(folder)
    await until(lambda: known(folder, "f2"))
    assert steps(client) == []


async def test_indexing_can_be_cancelled(begin: Begin, tmp_path: Path) -> None:
    folder = filled(tmp_path / "shop", 3000)
    client = await begin(folder)
    await until(lambda: steps(client))
    (token,) = client.progress_reports
    client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    await until(lambda: isinstance(steps(client)[-1], types.WorkDoneProgressEnd))
    names = [f"f{number}" for number in range(3000)]
    reached = known(folder, *names)
    await asyncio.sleep(0.3)
    assert known(folder, *names) == reached
    assert len(reached) < 3000
    # What changes is still followed, from where it was.
    (folder / "m1.py").write_text("def changed(): ...\n")
    tell(client, folder / "m1.py", types.FileChangeType.Changed)
    await until(lambda: known(folder, "changed"))


async def test_watched_files_are_followed(begin: Begin, tmp_path: Path) -> None:
    folder = filled(tmp_path / "shop", 3)
    client = await begin(folder)
    await until(lambda: known(folder, "f2"))
    await until(lambda: client.watchers)  # type: ignore[attr-defined]
    patterns = client.watchers  # type: ignore[attr-defined]
    assert "**/.gitignore" in patterns
    assert any(pattern.startswith("**/*.{") and "py" in pattern for pattern in patterns)
    (folder / "new.py").write_text("def new(): ...\n")
    (folder / "m0.py").unlink()
    tell(client, folder / "new.py", types.FileChangeType.Created)
    tell(client, folder / "m0.py", types.FileChangeType.Deleted)
    await until(lambda: known(folder, "f0", "f2", "new") == {"f2", "new"})
    (folder / ".gitignore").write_text("m*.py\n")
    tell(client, folder / ".gitignore", types.FileChangeType.Created)
    await until(lambda: known(folder, "f2", "new") == {"new"})


async def test_saved_files_are_followed(begin: Begin, tmp_path: Path) -> None:
    folder = filled(tmp_path / "shop", 3)
    client = await begin(folder, editor="neovim")
    await until(lambda: known(folder, "f2"))
    (folder / "m2.py").write_text("def saved(): ...\n")
    uri = (folder / "m2.py").as_uri()
    client.text_document_did_save(types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri)))
    await until(lambda: known(folder, "f2", "saved") == {"saved"})


async def test_folders_come_and_the_setting_goes(begin: Begin, tmp_path: Path) -> None:
    one, two = filled(tmp_path / "one", 2), filled(tmp_path / "two", 2)
    client = await begin(one, index=False)
    event = types.WorkspaceFoldersChangeEvent(added=[types.WorkspaceFolder(two.as_uri(), "two")], removed=[])
    client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(event))
    await asyncio.sleep(0.3)
    assert not database(one).exists() and not database(two).exists()
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"midfill": {"index": True}}))
    await until(lambda: known(one, "f1") and known(two, "f1"))


async def test_a_folder_that_is_removed_is_not_followed_any_more(begin: Begin, tmp_path: Path) -> None:
    one, two = filled(tmp_path / "one", 2), filled(tmp_path / "two", 2)
    client = await begin(one, two)
    await until(lambda: known(one, "f1") and known(two, "f1"))
    event = types.WorkspaceFoldersChangeEvent(added=[], removed=[types.WorkspaceFolder(one.as_uri(), "one")])
    client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(event))
    for folder in (one, two):
        (folder / "new.py").write_text("def new(a, b): ...\n")
        changed = types.FileEvent((folder / "new.py").as_uri(), types.FileChangeType.Created)
        client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([changed]))
    await until(lambda: known(two, "new"))
    assert not known(one, "new")


async def test_a_client_without_folders_has_its_root_indexed(begin: Begin, tmp_path: Path) -> None:
    root = filled(tmp_path / "shop", 2)
    await begin(root=root)
    await until(lambda: known(root, "f1"))


async def test_leaving_while_indexing(begin: Begin, tmp_path: Path) -> None:
    client = await begin(filled(tmp_path / "shop", 2000))
    await until(lambda: steps(client))


def test_only_folders_of_projects_are_indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "users" / "me"
    (home / "project").mkdir(parents=True)
    (home / "file").write_text("")
    monkeypatch.setenv("HOME", str(home))
    assert _folder((home / "project").as_uri()) == home / "project"
    for refused in (home, home.parent, Path("/"), home / "none", home / "file"):
        assert _folder(refused.as_uri()) is None
    assert _folder("untitled:1") is None and _folder("") is None and _folder("file:///a%00b") is None


async def test_the_model_is_told_of_what_was_edited_lately(begin: Begin, tmp_path: Path) -> None:
    folder = filled(tmp_path / "shop", 2)
    client = await begin(folder)
    here, there = ((folder / name).as_uri() for name in ("m0.py", "m1.py"))
    text = "def b(cart, item):\n    cart.add(item, "
    for uri, code in ((there, "def a(cart, item):\n    cart.add(item)\n"), (here, text)):
        item = types.TextDocumentItem(uri, "python", 1, code)
        client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    change = types.TextDocumentContentChangePartial(
        types.Range(types.Position(1, 17), types.Position(1, 17)), ", silent=True"
    )
    identifier = types.VersionedTextDocumentIdentifier(version=2, uri=there)
    client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [change]))
    params = types.InlineCompletionParams(
        types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked),
        types.TextDocumentIdentifier(here),
        types.Position(1, len("    cart.add(item, ")),
    )
    await client.text_document_inline_completion_async(params)
    explained = await explain(client, textDocument={"uri": here})
    told, _, rest = explained["prompt"]["text"].partition(text.partition("\n")[0])
    assert "def a(cart, item):\n    cart.add(item, silent=True)\n" in told, told
    assert rest


async def test_the_model_is_told_of_the_imports_that_its_window_leaves_out(begin: Begin, tmp_path: Path) -> None:
    folder = filled(tmp_path / "shop", 1)
    client = await begin(folder)
    uri = (folder / "long.py").as_uri()
    text = "import decimal\n\n" + "def f(a, b):\n    return a + b\n\n\n" * 600 + "x = "
    item = types.TextDocumentItem(uri, "python", 1, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    params = types.InlineCompletionParams(
        types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked),
        types.TextDocumentIdentifier(uri),
        types.Position(text.count("\n"), 4),
    )
    await client.text_document_inline_completion_async(params)
    explained = await explain(client, textDocument={"uri": uri})
    assert explained["prompt"]["text"].startswith("<|fim_prefix|>import decimal\ndef f(a, b):\n")
