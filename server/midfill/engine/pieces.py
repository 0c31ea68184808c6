"""What is cut from an answer that a server sends in pieces: its beginning said again, and what follows its end."""

from __future__ import annotations

import re
from collections.abc import Sequence

_FENCE = r"`{3,}[^\n]*\n"
# What a model thinks before it answers, where its server leaves that in the answer.
_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)


class Ends:
    """Cuts a text before the first of some strings, however its pieces are cut.

    Servers take four strings at most, and leave control tokens out of the text or put them in, as they like.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = [string for string in strings if string]
        self._held = ""
        self.found: str | None = None

    def take(self, piece: str) -> str:
        """What is sure to be part of the text. After the end, nothing is."""
        if self.found is not None:
            return ""
        text = self._held + piece
        places = [(text.find(string), string) for string in self._strings if string in text]
        if places:
            place, self.found = min(places)
            self._held = ""
            return text[:place]
        held = max((_begun(text, string) for string in self._strings), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """What was held back in case that an end followed."""
        held, self._held = self._held, ""
        return held


def _begun(text: str, string: str) -> int:
    """How many characters of `string` the end of `text` may be the beginning of."""
    most = min(len(string) - 1, len(text))
    return next((n for n in range(most, 0, -1) if text.endswith(string[:n])), 0)


class Beginning:
    """Drops what a model says again of the beginning of its answer, and any words before that.

    `goes_on`: it should go on with the beginning, so that nothing is dropped but the very same, said first.
    """

    def __init__(self, begun: str, goes_on: bool = False) -> None:
        self._begun, self._goes_on, self._text, self._found = begun, goes_on, "", False
        self._thought = False
        # As it was asked for, but for blanks and what a fence is said to hold.
        words = [_FENCE if word.startswith("```") else re.escape(word) for word in begun.split()]
        end = r"[ \t]*\n" if begun.endswith("\n") and words[-1] != _FENCE else ""
        self._pattern = re.compile(r"\s*".join(words) + end)

    def take(self, piece: str) -> str:
        """What follows the beginning, once it was there; nothing before."""
        if self._found or not self._begun:
            return piece
        self._text += piece
        if self._thinks():
            return ""
        if not self._goes_on:
            return self._after(self._pattern)
        if len(self._text) < len(self._begun) and self._begun.startswith(self._text):
            return ""
        self._found = True
        return self._text.removeprefix(self._begun)

    def rest(self) -> str:
        """The answer of a model that did not begin as it should; as little before the code as can be told."""
        if self._found or not self._begun or self._thinks():
            return ""
        if self._goes_on:
            return self._text
        last = self._begun.rstrip().rpartition("\n")[2].strip()
        for pattern in (re.escape(last) if len(last) >= 3 else None, f"^{_FENCE}"):
            if pattern and (text := self._after(re.compile(pattern, re.MULTILINE))):
                return text
        return self._text

    def _thinks(self) -> bool:
        """Whether there is nothing but thinking yet. It is dropped when it ends, and the blank lines behind it."""
        if thought := _THOUGHT.match(self._text):
            self._text, self._thought = self._text[thought.end() :], True
        if self._thought:
            self._text = self._text.lstrip("\n")
            return not self._text
        text = self._text.lstrip()
        return text.startswith("<think>") or (text != "" and "<think>".startswith(text))

    def _after(self, pattern: re.Pattern[str]) -> str:
        found = pattern.search(self._text)
        self._found = found is not None
        return self._text[found.end() :] if found else ""
