"""What the replies of inference servers say, as far as HTTP and JSON go: events, errors, and half characters."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

# No answer is longer than this, whatever a server sends.
LONGEST = 1_000_000


async def events(body: AsyncIterable[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The JSON objects of a stream, as server-sent events or one a line, however the bytes are cut."""
    pending = b""
    async for data in body:
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            if event := _event(line):
                yield event
        if len(pending) > LONGEST:
            raise ValueError("a line has no end")
    if event := _event(pending):
        yield event


def _event(line: bytes) -> dict[str, Any] | None:
    line = line.strip().removeprefix(b"data:").strip()
    # Comments keep a connection alive, and other fields of an event say nothing that we need.
    if not line or line == b"[DONE]" or line.startswith((b":", b"event:", b"id:", b"retry:")):
        return None
    failed = line.startswith(b"error:")
    event = json.loads(line.removeprefix(b"error:"))
    if not isinstance(event, dict):
        raise ValueError("it is no object")
    return {"error": event} if failed else event


def error_in(content: Mapping[str, Any]) -> str:
    """What a server says of an error, in whichever words; empty where it says nothing of one."""
    error = content.get("error")
    if isinstance(error, dict):
        # An error within an error is one.
        return error_in(error) or str(error.get("message") or error)
    if content.get("object") == "error":
        error = content.get("message")
    return str(error or "")


def reason(body: bytes) -> str:
    """Why there is no answer, in one short line, by what came instead: the message of JSON, a page's title."""
    text = body[:20_000].decode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict):
            text = error_in(found) or str(found.get("detail") or found.get("message") or text)
    if "<html" in text.lower():
        title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        text = f"({title[1]})" if title else "(a page)"
    return " ".join(text.split())[:300]


def seconds(after: str) -> float:
    """The header Retry-After: seconds, or a date; 0 where it is neither."""
    with contextlib.suppress(ValueError, OverflowError):
        return max(0.0, float(after)) if after.isdigit() else _until(parsedate_to_datetime(after))
    return 0.0


def _until(date: datetime) -> float:
    return max(0.0, date.timestamp() - time.time())


def whole_characters(text: str) -> tuple[str, str]:
    """A text whose characters are whole, and the half of one at its end (JSON spells some in two halves)."""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    text = text.removesuffix(half)
    if text.isascii():
        return text, half
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"), half
