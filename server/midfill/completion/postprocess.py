"""From what the model wrote to what the editor shows: small pure functions on text with \\n line ends."""

from __future__ import annotations

from collections.abc import Callable

from midfill.completion.trigger import Block, closer, columns
from midfill.text import indentation, is_blank

_PAIRS = {")": "(", "]": "[", "}": "{"}
_QUOTES = "\"'`"


def block_end(written: str, block: Block, after: str, goes_on: Callable[[str], bool]) -> int | None:
    """Where a block is over, as an index into `written`, or None while it may go on. Looks at whole lines only.

    A block ends before a line that is less indented, before the line that stands behind the cursor already, and
    at the first blank line, unless it `goes_on(text so far)`, as in a docstring.
    """
    following = next((line for line in after.split("\n")[1:] if not is_blank(line)), None)
    at = 0
    begun = False
    for number, line in enumerate(written.split("\n")[:-1]):
        if number == 0:
            line = block.start + line
        if is_blank(line):
            if begun and not goes_on(written[:at]):
                return max(at - 1, 0)
        elif number > 0 or not block.start.strip():
            closes = _closes(line, block, following)
            if closes:
                return at + len(written[at:].split("\n", 1)[0])
            outside = columns(indentation(line)) < block.floor and not goes_on(written[:at])
            if outside or line.rstrip() == (following or "").rstrip():
                return max(at - 1, 0)
            begun = True
        at = written.index("\n", at) + 1
    return None


def _closes(line: str, block: Block, following: str | None) -> bool:
    """What closes a block just outside of it belongs to it, unless it stands behind the cursor already."""
    mark = closer(line)
    return mark is not None and columns(indentation(line)) == block.floor - 1 and mark != closer(following or "")


def fitted(suggestion: str, tail: str) -> tuple[str, int]:
    """Fit a line to the text behind the cursor; the second value is how many bytes of that it replaces.

    `print(` `name)` `)` gives `name`; but `print(` `f(x)` `)` stays, since its bracket closes one of its own.
    `print(` `name)[0]` `)` stays too, and replaces the closer, which it brings itself. Where more than closers
    stands there, a suggestion ends before it closes the same bracket: `f(` `a) -> int:` `) -> float:` gives `a`.
    """
    tail = tail.rstrip()
    for length in range(min(len(tail), len(suggestion)), 0, -1):
        kept = suggestion[: len(suggestion) - length]
        if suggestion.endswith(tail[:length]) and unclosed(kept) <= unclosed(suggestion):
            return kept, 0
    if tail.strip("".join(_PAIRS) + _QUOTES + ";,: ") and (over := _over(suggestion, tail)) is not None:
        return suggestion[:over].rstrip(), 0
    return suggestion, len(tail[: _brought(suggestion, tail)].encode("utf-8", "surrogatepass"))


def _over(suggestion: str, tail: str) -> int | None:
    """Where a suggestion closes what the first character of `tail`, a bracket, closes already."""
    depth = 0
    for at, character in enumerate(suggestion):
        if character in _PAIRS.values():
            depth += 1
        elif character in _PAIRS:
            if depth == 0:
                return at if character == tail[0] else None
            depth -= 1
    return None


def is_closer(text: bytes) -> bool:
    """Whether there is text, and all of it is closers such as an editor inserts by itself."""
    return bool(text) and not text.strip(("".join(_PAIRS) + _QUOTES).encode())


def _brought(suggestion: str, tail: str) -> int:
    """How many characters of `tail`, closers from its first character on, a suggestion closes itself."""
    depth = count = 0
    for character in suggestion:
        if count == len(tail) or not (tail[count] in _PAIRS or tail[count] in _QUOTES):
            break
        if depth == 0 and character == tail[count]:
            count += 1
        elif character in _PAIRS.values():
            depth += 1
        elif character in _PAIRS:
            depth -= 1
    return count


def without_following_lines(suggestion: str, before: str, after: str) -> str:
    """Cut lines at the end of a suggestion that repeat the lines behind the cursor's.

    `before` is what stands before the cursor on its line.
    """
    following = [line.rstrip() for line in after.split("\n")[1:]]
    while following and is_blank(following[0]):
        following.pop(0)
    lines = (before + suggestion).split("\n")
    for length in range(min(len(lines), len(following)), 0, -1):
        if [line.rstrip() for line in lines[-length:]] == following[:length]:
            if length == len(lines):
                return "" if is_blank(before) else suggestion
            return "\n".join(lines[:-length])[len(before) :].rstrip()
    return suggestion


def unclosed(code: str) -> int:
    """How many brackets are opened and not closed."""
    stack: list[str] = []
    for character in code:
        if character in _PAIRS.values():
            stack.append(character)
        elif stack and stack[-1] == _PAIRS.get(character):
            stack.pop()
    return len(stack)


def without_last_line(suggestion: str) -> str:
    """Drop the last of several lines, which the token limit may have cut in two."""
    return suggestion.rsplit("\n", 1)[0] if "\n" in suggestion.lstrip("\n") else suggestion


def soundest(suggestion: str, errors: Callable[[str], int], most: int) -> str:
    """The lines from the start that leave the fewest errors, as many as there are of these.

    If they leave more errors than `most`, the lines up to the first with code.
    """
    lines = suggestion.split("\n")
    best, fewest = "", most
    for count in range(len(lines), 0, -1):
        candidate = "\n".join(lines[:count]).rstrip()
        if candidate.strip() and ((found := errors(candidate)) < fewest or (found == fewest and not best)):
            best, fewest = candidate, found
            if found == 0:
                break
    first = next((number for number, line in enumerate(lines) if not is_blank(line)), 0)
    return best or "\n".join(lines[: first + 1])
