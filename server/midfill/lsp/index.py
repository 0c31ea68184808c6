"""The indexes of the window's folders: started with it, kept up to date as files change.

The work is done by a process of the lowest priority, `midfill.index.build`; here it is only started, watched and
ended. One runs a folder at a time, and what changes meanwhile waits for the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from midfill.lsp.progress import Progress

if TYPE_CHECKING:
    from midfill.index.symbols import Workspace
    from midfill.lsp.server import Server

log = logging.getLogger(__name__)

# So many seconds after a change the index follows, because changes come in flocks.
PAUSE = 0.5
# Fewer files to read are over before a progress bar could be read.
WORTH_A_BAR = 100
# More changes than these, of a branch switched, are found quicker by looking at everything.
MOST_CHANGES = 500


class Indexes:
    """One index a folder. Nothing is indexed outside of the workspace, and neither is a home or a whole disk."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._folders: dict[Path, _Folder] = {}
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """The client may be spoken to from now on."""
        self._watching = asyncio.ensure_future(_watch(self._server))
        self.follow()

    def follow(self) -> None:
        """Start what the settings and the workspace ask for, end what they do not."""
        wanted: dict[Path, None] = {}
        if self._server.config.index:
            folders = self._server.workspace.folders
            uris = list(folders) or [self._server.workspace.root_uri or ""]
            wanted = {root: None for uri in uris if (root := _folder(uri)) is not None}
        for root in [root for root in self._folders if root not in wanted]:
            self._folders.pop(root).stop()
        for root in wanted:
            if root not in self._folders:
                self._folders[root] = _Folder(self._server, root)

    def changed(self, uri: str) -> None:
        """A file has changed on disk, has come or is gone."""
        for folder in self._folders.values():
            folder.changed(uri)

    def at(self, uri: str) -> tuple[Workspace, str] | None:
        """The innermost indexed folder that a document is in, and its path there."""
        from midfill.index.symbols import path_below

        found = [
            (folder, path) for root, folder in self._folders.items() if (path := path_below(root, uri)) is not None
        ]
        if not found:
            return None
        folder, path = min(found, key=lambda each: len(each[1]))
        folder.heal()
        return folder.workspace, path

    def stop(self) -> None:
        for folder in self._folders.values():
            folder.stop()
        self._folders.clear()
        if self._watching:
            self._watching.cancel()


class _Folder:
    """One folder, the process that may be at work on its index, and what that has to do next."""

    def __init__(self, server: Server, root: Path) -> None:
        from midfill.index.store import Reader, database
        from midfill.index.symbols import Workspace

        self.workspace = Workspace(root, Reader(database(root)), server.documents)
        self._server = server
        self._pending: set[str] | None = None
        self._task: asyncio.Task[None] | None = asyncio.ensure_future(self._update(0.0))
        self._again = False

    def changed(self, uri: str) -> None:
        from midfill.index.symbols import path_below

        path = path_below(self.workspace.root, uri)
        if path is None:
            return
        if path.rpartition("/")[2] == ".gitignore":
            self._pending = None
        elif self._pending is not None:
            self._pending.add(path)
        if self._pending is not None and len(self._pending) > MOST_CHANGES:
            self._pending = None
        self._soon()

    def heal(self) -> None:
        """Have an index that was found to be damaged made anew."""
        if self.workspace.reader.broken:
            self.workspace.reader.reopen()
            self._pending = None
            self._soon()

    def stop(self) -> None:
        if self._task:
            self._task.cancel()
        self._task = None
        self.workspace.reader.close()

    def _soon(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._update(PAUSE))
        else:
            self._again = True

    async def _update(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            self._again = False
            changed, self._pending = self._pending, set()
            await self._run(None if changed is None else sorted(changed))
            if not self._again:
                return
            pause = PAUSE

    async def _run(self, changed: list[str] | None) -> None:
        """Let a process bring the index up to date. What goes wrong costs only the context from other files."""
        root = self.workspace.root
        # -P: the folder may be a stranger's project, and no module of it must be imported.
        command = [sys.executable, "-P", "-m", "midfill.index.build", str(root)]
        pipe = asyncio.subprocess.PIPE
        options: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            import subprocess

            options = {"creationflags": subprocess.IDLE_PRIORITY_CLASS}
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, stderr=pipe, **options
            )
        except OSError as error:
            log.warning("%s cannot be indexed: %s", root.name, error)
            return
        bar: Progress | None = None
        try:
            assert process.stdin and process.stdout and process.stderr
            process.stdin.write(f"{json.dumps(changed)}\n".encode())
            async for line in process.stdout:
                step = json.loads(line)
                if bar is None and step["all"] >= WORTH_A_BAR:
                    self.workspace.reader.reopen()
                    bar = Progress(
                        self._server, f"Midfill: indexing {root.name}", on_cancel=lambda: _kill(process)
                    )
                if bar:
                    bar.report(f"{step['done']} of {step['all']} files", 100 * step["done"] // step["all"])
            said = await process.stderr.read()
            if await process.wait() > 0:
                log.warning("%s is not indexed: %s", root.name, said.decode("utf-8", "replace").strip())
        except (OSError, ValueError) as error:
            log.warning("%s is not indexed: %s", root.name, error)
        finally:
            _kill(process)
            await process.wait()
            if bar:
                bar.end()
            self.workspace.reader.reopen()


def register(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def did_save(params: types.DidSaveTextDocumentParams) -> None:
        server.index.changed(params.text_document.uri)
        server.own_actions.look()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def did_change_watched_files(params: types.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            server.index.changed(change.uri)
        server.own_actions.look()

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def did_change_workspace_folders(_: types.DidChangeWorkspaceFoldersParams) -> None:
        server.index.follow()
        server.own_actions.look()


async def _watch(server: Server) -> None:
    """Ask the client to tell of changes on disk, if it can."""
    workspace = server.client_capabilities.workspace
    watched = workspace.did_change_watched_files if workspace else None
    if watched is None or not watched.dynamic_registration:
        return
    from midfill.languages import languages

    suffixes = sorted({suffix.lstrip(".") for language in languages() for suffix in language.extensions})
    watchers = [
        types.FileSystemWatcher(f"**/*.{{{','.join(suffixes)}}}"),
        types.FileSystemWatcher("**/.gitignore"),
    ]
    options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
    registration = types.Registration("midfill-index", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
    # A client that cannot after all tells of what it saves.
    with contextlib.suppress(JsonRpcException):
        await server.client_register_capability_async(types.RegistrationParams([registration]))


def _folder(uri: str) -> Path | None:
    """The folder to index; None for one that is not there, a home, or one that homes are in."""
    from midfill.index.symbols import path_of

    root = path_of(uri)
    if root is None:
        return None
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        real = root.resolve()
        if real.is_dir() and not Path.home().resolve().is_relative_to(real) and real.parent != real:
            return root
    return None


def _kill(process: asyncio.subprocess.Process) -> None:
    # What it has written so far stays, and its helpers end with it.
    with contextlib.suppress(ProcessLookupError):
        process.kill()
