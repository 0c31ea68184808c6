"""One inference server: what it is, how it does, and how much is asked of it at once.

What the server is, its list of models tells; `engine/dialects.py` knows what each kind understands. After several
failures in a row it is left alone for a while, and requests fail at once with the one message that says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx2 as httpx

from midfill.engine.base import ITS_SERVERS, ModelInfo, Part, Request, Usage
from midfill.engine.dialects import APART, DIALECTS, Answer, Dialect, Way, way
from midfill.engine.pieces import Beginning, Ends
from midfill.engine.replies import LONGEST, error_in, events, reason, seconds, whole_characters
from midfill.engine.slots import Slots, common
from midfill.errors import EngineError, ModelError

log = logging.getLogger(__name__)

# Seconds: to reach the server, and between two pieces of an answer, the first of which takes a whole evaluation.
CONNECT, READ = 5.0, 60.0
# After so many failures in a row the server is left alone for so many seconds. It gets the time that it asks
# for: up to `SOON` a request waits, and up to `LONGEST_REST` the server is left alone.
FAILURES, REST, SOON, LONGEST_REST = 3, 15.0, 10.0, 300.0
# So many names of models are shown; some servers have hundreds.
SHOWN = 12
# What is read ahead goes to a server that evaluates a prompt in one go in pieces of about so many seconds, as who
# types meanwhile has to wait for one; in characters, the first one and the smallest.
PIECE_SECONDS, PIECE, SMALLEST = 0.25, 500, 150
# A server that says it has more slots is mistaken.
MOST = 10_000
# An evaluation of fewer tokens tells little of how fast a server reads; a token has about so many characters.
LONG, CHARACTERS = 32, 3.3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is and what is asked of it. `model` may be empty where it has one model only."""

    url: str
    model: str
    key: str | None = None
    in_flight: int = 4

    @property
    def shown(self) -> str:
        """The address without a user and a password that may be in it."""
        return re.sub("//[^/]*@", "//", self.url)


class Busy(Exception):
    """The server cannot answer now, but may soon.

    `after`: seconds that it asks for; `hint`: what the user can do.
    """

    def __init__(self, reason: str, after: float = 0.0, hint: str = "Is it running?") -> None:
        super().__init__(reason)
        self.after, self.hint = after, hint


class NotNow(Exception):
    """What nobody waits for had better not be asked now."""


# A path may be missing because of the model, which is another matter: it may be one for conversations only.
_GONE = re.compile(r"model\b.*\bnot (exist|found|loaded|available)|(no such|unknown) model", re.IGNORECASE)


class _NoSuchPage(Exception):
    """The server knows no such path; in its own words, if it says so."""


# A hole that nothing but what stands behind it tells, and that the smallest coder models fill without a doubt.
_SEEN = "quokka"
_HOLE = ("for ", f" in {_SEEN}s:\n    print({_SEEN}.name, {_SEEN}.age)\n")


class Server:
    """One server: what it is, how it does, and how much is asked of it at once."""

    def __init__(self, place: Place, session: str, rest: float, patience: float) -> None:
        headers = {"X-Session-Id": session, **({"Authorization": f"Bearer {place.key}"} if place.key else {})}
        self.place = place
        # Certificates are verified, and no proxy or password of the environment is used by chance.
        self.client = httpx.AsyncClient(
            base_url=place.url.rstrip("/").removesuffix("/v1"),
            headers=headers,
            timeout=httpx.Timeout(patience, connect=CONNECT),
            trust_env=False,
            follow_redirects=False,
        )
        self._turns = asyncio.Semaphore(place.in_flight)
        self._ahead = asyncio.Semaphore(1)
        # What runs though nobody waits for it; how many requests of somebody who types run; whether none does.
        self._unhurried: asyncio.Task[Any] | None = None
        self._typing, self._quiet = 0, asyncio.Event()
        self._quiet.set()
        self._slots = Slots()
        self._piece = PIECE
        self._kind: asyncio.Lock = asyncio.Lock()
        self._dialect: Dialect | None = None
        # Whether it has nothing but conversations; and why it fills no holes by itself, "" if it does.
        self._talks_only = False
        self._lacks: str | None = None
        self._model = place.model
        self._rest, self._failures, self._until, self._reason = rest, 0, 0.0, ""

    @property
    def resting(self) -> bool:
        return time.monotonic() < self._until

    def check(self) -> None:
        if self.resting:
            raise EngineError(self._reason)

    def works(self) -> None:
        self._failures = 0

    def failed(self, busy: Busy) -> EngineError:
        self._failures += 1
        self._reason = f"The inference server at {self.place.shown} does not answer: {busy}. {busy.hint}"
        if busy.after > SOON:
            self._until = time.monotonic() + min(busy.after, LONGEST_REST)
        if self._failures >= FAILURES:
            self._until = max(self._until, time.monotonic() + self._rest)
            # What comes back may be another server, or have another model.
            self._dialect = self._lacks = None
            self._talks_only = False
        return EngineError(self._reason)

    def late(self, milliseconds: float | None) -> EngineError:
        """Nothing came in time. Another request may well be in time, so that this is no failure to count."""
        given = f"{(milliseconds or 0) / 1000:.1f} s"
        return EngineError(
            f"The inference server at {self.place.shown} has said nothing within {given}. Is it running, and fast "
            "enough for the model?"
        )

    @contextlib.asynccontextmanager
    async def turn(self, request: Request) -> AsyncIterator[None]:
        """Wait for a free place.

        What nobody waits for takes one at most, and none while somebody who types does: it ends then.
        """
        if request.when != "now":
            async with self._ahead:
                await self._quiet.wait()
                self._unhurried = asyncio.current_task()
                try:
                    async with self._turns:
                        yield
                finally:
                    self._unhurried = None
            return
        types = request.role == "complete"
        if types and self._unhurried:
            self._unhurried.cancel()
        if types:
            self._quiet.clear()
        self._typing += types
        try:
            async with self._turns:
                yield
        finally:
            self._typing -= types
            if not self._typing:
                self._quiet.set()

    async def answers(self, request: Request, info: ModelInfo) -> AsyncGenerator[Answer, None]:
        """Raises `Busy`, `EngineError`, or `ModelError` for what this server cannot do."""
        dialect = await self._known()
        if info.family == ITS_SERVERS and request.said is None:
            await self._fills_holes(dialect, info)
        async with contextlib.aclosing(self._whole(dialect, request, info)) as answers:
            async for answer in answers:
                yield answer

    async def _whole(self, dialect: Dialect, request: Request, info: ModelInfo) -> AsyncGenerator[Answer, None]:
        """The answer, in a conversation where the server knows nothing else."""
        asked = way(dialect, request, info, self._model, self._talks_only)
        if asked is None:
            raise ModelError(f"{dialect.name} makes no prompt for a hole")
        read = self._cut if request.when == "now" else self._read
        try:
            async with contextlib.aclosing(read(asked, request, info)) as answers:
                async for answer in answers:
                    yield answer
        except _NoSuchPage as page:
            if _GONE.search(str(page)):
                # Another model has taken its place: what is there is asked for anew.
                self._dialect = None
                raise ModelError(
                    f"The inference server at {self.place.shown} says: {str(page).rstrip('.')}. "
                    "Set midfill.engine.model to one that it has."
                ) from None
            if self._talks_only or request.said is None:
                raise ModelError(
                    f"The inference server at {self.place.shown} has no {asked.path}, so it cannot do this; one "
                    "that only holds conversations can edit. Set midfill.engine.url to another for the rest."
                ) from None
            self._talks_only = True
            async with contextlib.aclosing(self._whole(dialect, request, info)) as answers:
                async for answer in answers:
                    yield answer

    async def _fills_holes(self, dialect: Dialect, info: ModelInfo) -> None:
        """Raises `ModelError` unless the server reads what stands behind a hole, too; it is tried once."""
        async with self._kind:
            if self._lacks is None:
                request = Request("complete", info.name, (Part(_HOLE[0]), Part(_HOLE[1])), 12)
                try:
                    answers = [answer.text async for answer in self._whole(dialect, request, info)]
                    seen = _SEEN in "".join(answers)
                    self._lacks = "" if seen else "it does not look at what stands behind the cursor"
                except (EngineError, ModelError) as error:
                    self._lacks = str(error).rstrip(".")
        if self._lacks:
            raise ModelError(
                f"The server at {self.place.shown} cannot fill holes by itself: {self._lacks}. If Midfill knows "
                f"the family of the model {self._model} (docs/models.md), set it as midfill.engine.family."
            )

    async def _read(self, asked: Way, request: Request, info: ModelInfo) -> AsyncGenerator[Answer, None]:
        """What nobody waits for: a long prompt in pieces, each of them the prompt up to a place further on.

        Raises `NotNow` where that would be long, and the slot for it is not known, as while an edit runs.
        """
        prompt = str(asked.body.get("prompt", ""))
        end = len(prompt)
        if self._slots.total:
            slot = self._slots.place(prompt)
            end = self._slots.known(prompt, slot)
            if len(prompt) - end > self._piece:
                if slot is None:
                    raise NotNow
                # Otherwise the server may choose.
                asked = replace(asked, slot=slot)
        evaluated, evaluate_ms = 0, 0.0
        while len(prompt) - end > self._piece:
            end += self._piece
            *_, last = [each async for each in self._cut(asked.part(prompt[:end]), request, info)]
            if last.usage:
                evaluated, evaluate_ms = evaluated + last.usage.evaluated, evaluate_ms + last.usage.evaluate_ms
        async with contextlib.aclosing(self._cut(asked, request, info)) as answers:
            async for answer in answers:
                if usage := answer.usage:
                    usage = replace(usage, evaluated=evaluated + usage.evaluated)
                    answer = replace(answer, usage=replace(usage, evaluate_ms=evaluate_ms + usage.evaluate_ms))
                yield answer

    async def _cut(self, asked: Way, request: Request, info: ModelInfo) -> AsyncGenerator[Answer, None]:
        """The answer without what it says again at its beginning, up to the first stop."""
        beginning, ends = Beginning(asked.begun, asked.goes_on), Ends((*request.stop, *info.stops))
        # What was put into the prompt to pull control tokens apart is not to come back.
        ours = not any(APART in part.text for part in request.prompt)
        last = Answer("")
        async with contextlib.aclosing(self._pieces(asked)) as pieces:
            async for answer in pieces:
                text = ends.take(beginning.take(answer.text))
                if ends.found is not None:
                    # Hanging up ends it there, too.
                    yield replace(answer, text=text, finish="stop" if ends.found in request.stop else "end")
                    return
                last = replace(answer, usage=answer.usage or last.usage, finish=answer.finish or last.finish)
                yield replace(answer, text=text.replace(APART, "") if ours else text, finish=None)
        text = ends.take(beginning.rest())
        finish = last.finish if ends.found is None else "stop"
        yield Answer(text + ends.rest(), usage=last.usage, finish=finish)

    async def _pieces(self, asked: Way) -> AsyncGenerator[Answer, None]:
        rest, length, half, silent = asked.rest, 0, "", True
        prompt = str(asked.body.get("prompt", ""))
        with self._slots.visit(prompt, asked.slot) as visit, _said_plainly(self.place):
            async with self.client.stream("POST", asked.path, json=asked.named(visit.named)) as response:
                if response.status_code in (404, 405, 501):
                    raise _NoSuchPage(reason(await response.aread()))
                await self._refused(response)
                async for event in events(response.aiter_bytes()):
                    silent = False
                    if message := error_in(event):
                        raise EngineError(
                            f"The inference server at {self.place.shown} says: {message.rstrip('.')}."
                        )
                    answer = asked.read(event)
                    visit.heard, visit.told = True, answer.slot
                    self._saw(answer.usage)
                    text, half = whole_characters(half + answer.text)
                    answer = replace(answer, text=text)
                    # What was typed already comes again, and is no news.
                    known = len(rest) if answer.text.startswith(rest) else common(rest, answer.text)
                    rest = rest[known:]
                    length += len(answer.text)
                    if length > LONGEST:
                        raise EngineError(f"The inference server at {self.place.shown} does not stop.")
                    yield Answer(answer.text[known:], answer.logprob, answer.usage, answer.finish)
                if silent:
                    raise ValueError("there is nothing in its answer")

    def _saw(self, usage: Usage | None) -> None:
        """How fast the server reads decides on the pieces of what is read ahead."""
        if usage and usage.evaluated >= LONG and usage.evaluate_ms > 0:
            tokens = usage.evaluated / usage.evaluate_ms * 1000 * PIECE_SECONDS
            self._piece = max(int(tokens * CHARACTERS), SMALLEST)

    async def _known(self) -> Dialect:
        """What kind of server this is; it is asked once."""
        async with self._kind:
            if self._dialect is None:
                with _said_plainly(self.place):
                    self._dialect = await self._detected()
                log.info("%s is %s, and is asked for %s", self.place.shown, self._dialect.name, self._model)
            return self._dialect

    async def _detected(self) -> Dialect:
        response = await self.client.get("/v1/models")
        if response.status_code == 404:
            raise EngineError(
                f"{self.place.shown} is no inference server: it has no list of models (/v1/models). Set "
                "midfill.engine.url to the address of one."
            )
        await self._refused(response)
        try:
            models = [entry for entry in response.json()["data"] if isinstance(entry, dict)]
        except (ValueError, KeyError, TypeError):
            raise EngineError(
                f"{self.place.shown} is no inference server: what it calls /v1/models is no list of models. Set "
                "midfill.engine.url to the address of one."
            ) from None
        names = [str(model.get("id")) for model in models]
        owners = {str(model.get("owned_by")) for model in models}
        dialect = next((each for each in DIALECTS if each.owner and each.owner in owners), None)
        for each in DIALECTS if dialect is None else ():
            if each.probe[0] and await self._answers(*each.probe):
                dialect = each
                break
        dialect = dialect or DIALECTS[-1]
        if dialect.slots[0]:
            self._slots = Slots(await self._total(*dialect.slots))
        # A llama-server with one model does not mind what it is called; as a router it has several.
        alone = len(names) == 1 and (dialect.name == "llama-server" or not self.place.model)
        if not alone and self.place.model not in names:
            wanted = f"has no model {self.place.model!r}" if self.place.model else "has several models"
            raise ModelError(
                f"The inference server at {self.place.shown} {wanted}. Set midfill.engine.model to "
                f"{_choice(self.place.model, names)}."
            )
        self._model = names[0] if alone else self.place.model
        return dialect

    async def _answers(self, path: str, key: str) -> bool:
        response = await self.client.get(path)
        with contextlib.suppress(ValueError, TypeError):
            return response.status_code == 200 and key in response.json()
        return False

    async def _total(self, path: str, key: str) -> int:
        """How many slots there are; 0 if the server does not tell, or no number that can be."""
        response = await self.client.get(path)
        with contextlib.suppress(ValueError, TypeError, KeyError):
            total = response.json()[key]
            return total if isinstance(total, int) and 0 < total <= MOST else 0
        return 0

    async def _refused(self, response: httpx.Response) -> None:
        """Raises `Busy` or `EngineError` for a status that is no success."""
        status, url = response.status_code, self.place.shown
        if status == 200:
            return
        told = reason(await response.aread())
        if status in (429, 500, 502, 503, 504):
            hint = "It has too much to do; midfill.engine.inFlight can ask less." if status == 429 else ""
            after = seconds(response.headers.get("Retry-After", ""))
            raise Busy(f"it answers {status} {told}".rstrip(". "), after, hint or "Its own log may tell why.")
        if status in (401, 403):
            raise EngineError(f"The inference server at {url} refuses the key ({status}): set MIDFILL_API_KEY.")
        if 300 <= status < 400:
            raise EngineError(
                f"{url} only points elsewhere ({status}): set midfill.engine.url to the server itself."
            )
        raise EngineError(
            f"The inference server at {url} refuses the request ({status}): {told or 'it does not say why'}"
        )


def _choice(wanted: str, names: Sequence[str]) -> str:
    """What to set instead: the names that are most like it first, and no more than can be read."""
    if not names:
        return "one that it has; none is loaded there"
    shown = [*dict.fromkeys((*difflib.get_close_matches(wanted, names, n=3, cutoff=0.5), *names))][:SHOWN]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"one of: {', '.join(shown)}{more}"


@contextlib.contextmanager
def _said_plainly(place: Place) -> Iterator[None]:
    """Turn what can go wrong on the way into `Busy` or `EngineError`."""
    try:
        yield
    except httpx.ConnectError as error:
        raise Busy(f"no connection ({error})") from error
    except httpx.TimeoutException as error:
        raise Busy("it takes too long") from error
    except httpx.TransportError as error:
        raise Busy(f"the connection broke ({error or type(error).__name__})") from error
    except (httpx.DecodingError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise EngineError(
            f"{place.shown} does not answer as an inference server does: {error}. Is midfill.engine.url the "
            "address of one?"
        ) from error
