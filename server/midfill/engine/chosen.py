"""The engine that the settings choose: this machine's, a server's, or the one in place of the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from midfill.engine.base import CancelToken, Chunk, Engine, Event, ModelInfo, ModelStatus, Request, Role
from midfill.errors import EngineError

if TYPE_CHECKING:
    # It brings an HTTP client, which most never need.
    from midfill.engine.openai import OpenAIEngine


class ChosenEngine:
    """`elsewhere` tells whether a server is asked, `fallback` whether this machine answers when it does not."""

    def __init__(
        self,
        here: Engine,
        there: Callable[[], OpenAIEngine],
        elsewhere: Callable[[], bool],
        fallback: Callable[[], bool],
    ) -> None:
        """`there` makes the server's engine, when it is asked for the first time."""
        self._here, self._make, self._elsewhere, self._fallback = here, there, elsewhere, fallback
        self._made: OpenAIEngine | None = None
        # The models of this machine that were named to someone who may still ask for them.
        self._local: set[str] = set()

    def info(self, role: Role) -> ModelInfo:
        if self._elsewhere() and not (self._fallback() and self._there.resting):
            return self._there.info(role)
        info = self._here.info(role)
        self._local.add(info.name)
        return info

    async def generate(self, request: Request, cancel: CancelToken) -> AsyncGenerator[Chunk, None]:
        if request.model in self._local or not self._elsewhere():
            async with aclosing(self._here.generate(request, cancel)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        begun = False
        try:
            async with aclosing(self._there.generate(request, cancel)) as chunks:
                async for chunk in chunks:
                    begun = True
                    yield chunk
        except EngineError:
            # Another family would not understand the prompt.
            if begun or not self._fallback():
                raise
            instead = self._here.info(request.role)
            if instead.family != self._there.info(request.role).family:
                raise
            asked = replace(request, model=instead.name)
            async with aclosing(self._here.generate(asked, cancel)) as chunks:
                async for chunk in chunks:
                    yield chunk

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        self._here.subscribe(listener)

    async def status(self) -> list[ModelStatus]:
        return await self._here.status()

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()
        await self._here.close()

    @property
    def _there(self) -> OpenAIEngine:
        if self._made is None:
            self._made = self._make()
        return self._made
