"""The actions of `.midfill.toml`: the user's own, and those of a project whose file the user has said to trust."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from midfill import trust
from midfill.edits import custom
from midfill.edits.actions import ACTIONS, Action
from midfill.errors import UsageError
from midfill.index.symbols import path_of

if TYPE_CHECKING:
    from midfill.lsp.server import Server

USE, NEVER, NOT_NOW = "Use them", "Never", "Not now"
Stamp = tuple[int, int, int] | None


@dataclass
class _File:
    """One file of actions, as it was when it was last looked at; `stamps` tell whether it is so still."""

    path: Path
    own: bool
    stamps: tuple[Stamp, Stamp] | None = None
    actions: Mapping[str, Action] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class OwnActions:
    """What may be used of the files of actions, which are looked at again whenever someone asks: a `stat` each.

    Nothing of a project's file is parsed before it is trusted.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._user = _File(trust.config_dir() / trust.NAME, own=True)
        self._projects: dict[Path, _File] = {}
        self._asked: set[bytes] = set()
        self._asking: set[asyncio.Task[None]] = set()

    def of(self, uri: str) -> dict[str, Action]:
        """The actions for a document by their ids: the built-in ones, the user's, and its projects'."""
        self._follow()
        path = path_of(uri)
        projects = [file for root, file in self._projects.items() if path and root in path.parents]
        found: dict[str, Action] = {}
        for file in (*sorted(projects, key=lambda each: len(each.path.parts)), self._user):
            self._look(file)
            found |= file.actions
        return {**ACTIONS, **found}

    def look(self) -> None:
        """Look at all files now, and ask about those of which nothing was said."""
        self._follow()
        for file in (self._user, *self._projects.values()):
            self._look(file)

    @property
    def problems(self) -> list[str]:
        """What is wrong with the files, a sentence each."""
        return [problem for file in (self._user, *self._projects.values()) for problem in file.problems]

    def trust(self, folder: str | None) -> list[str]:
        """The user says that the projects' files may be used, or that of one folder. Raises `UsageError`."""
        self._follow()
        done = []
        for root, file in self._projects.items():
            if folder in (None, root.as_uri(), os.fspath(root)) and (data := trust.read(file.path, own=False)):
                trust.remember(data, file.path, "trusted")
                done.append(os.fspath(file.path))
        if not done:
            raise UsageError(f"There is no {trust.NAME} at the top of {folder or 'the workspace'}.")
        self.look()
        return done

    def stop(self) -> None:
        for task in self._asking:
            task.cancel()

    def _follow(self) -> None:
        """One file for each folder of the workspace, where the settings want them."""
        workspace = self._server.workspace
        uris = list(workspace.folders) or [workspace.root_uri or ""]
        roots = [root for uri in uris if (root := path_of(uri))] if self._server.config.project_actions else []
        self._projects = {
            root: self._projects.get(root) or _File(root / trust.NAME, own=False) for root in dict.fromkeys(roots)
        }

    def _look(self, file: _File) -> None:
        stamps = (_stamp(file.path), None if file.own else _stamp(trust.said_file()))
        if stamps == file.stamps:
            return
        file.stamps, file.actions, file.problems = stamps, {}, ()
        try:
            data = trust.read(file.path, file.own) if stamps[0] else None
        except UsageError as error:
            file.problems = (str(error),)
            data = None
        if data is not None and (file.own or trust.verdict(data) == "trusted"):
            read = custom.parse(data, os.fspath(file.path))
            file.actions, file.problems = read.actions, read.problems
        elif data is not None and trust.verdict(data) is None:
            self._ask(file.path, data)
        for problem in file.problems:
            self._server.say(problem, types.MessageType.Warning)

    def _ask(self, path: Path, data: bytes) -> None:
        """Ask once in this window whether a file may be used."""
        if data in self._asked:
            return
        self._asked.add(data)
        task = asyncio.ensure_future(self._answered(path, data))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _answered(self, path: Path, data: bytes) -> None:
        question = (
            f"{path.parent.name} has actions of its own for Midfill, in {path}. They tell the model what to do "
            "with your code. Look at that file first; use them?"
        )
        choices = [types.MessageActionItem(each) for each in (USE, NOT_NOW, NEVER)]
        try:
            answer = await self._server.window_show_message_request_async(
                types.ShowMessageRequestParams(types.MessageType.Info, question, choices)
            )
        except JsonRpcException:
            # A client that cannot ask.
            self._server.say(
                f"{path} has actions for Midfill. If you want to use them, run `midfill trust {path.parent}`.",
                types.MessageType.Info,
            )
            return
        if answer is None or answer.title not in (USE, NEVER):
            return
        try:
            trust.remember(data, path, "trusted" if answer.title == USE else "refused")
        except UsageError as error:
            self._server.say(str(error))
        self.look()


def register(server: Server) -> None:
    @server.command("midfill.trust")
    def trust_actions(*requests: Any) -> dict[str, Any]:
        """`{folder?}`, a path or URI: use the actions of the workspace's `.midfill.toml` as they are now."""
        folder = next((each.get("folder") for each in requests if isinstance(each, dict)), None)
        try:
            return {"trusted": server.own_actions.trust(folder), "reason": None}
        except UsageError as error:
            server.say(str(error), types.MessageType.Warning)
            return {"trusted": [], "reason": str(error)}


def _stamp(path: Path) -> Stamp:
    """What changes with a file; None where there is none. A link counts itself, and what it leads to."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0) if path.is_symlink() else None
    return status.st_mtime_ns, status.st_size, status.st_ino
