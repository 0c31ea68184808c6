"""From what the model wrote to what the editor shows: small pure functions on text with \\n line ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from midfill.completion.trigger import Block, closer
from midfill.text import TAB, columns, indentation, is_blank

_PAIRS = {")": "(", "]": "[", "}": "{"}
_QUOTES = "\"'`"
_CLOSING = "".join(_PAIRS)
_CLOSERS = _CLOSING + _QUOTES
_SEPARATORS = ";,: "
_CHARACTER = re.compile(r"\\.|.")
_ARROW = re.compile("[-=]>")
# Lines that do not lead onto the code right below by then never will.
_LEADING = 8


def block_end(written: str, block: Block, after: str, goes_on: Callable[[str, bool], bool]) -> int | None:
    """Where a block is over, as an index into `written`, or None while it may go on. Looks at whole lines only.

    A block ends before a line that is less indented, before the line that stands behind the cursor already (where
    it begins with that one, only if the next one follows, too), and at the first blank line if that is the rule,
    unless it `goes_on(text so far, whether the line is blank)`, as in a docstring.
    """
    below = [line.rstrip() for line in after.split("\n")[1:] if not is_blank(line)]
    following = next(iter(below), None)
    at = repeated = 0
    begun = False
    floor, until = block.floor, block.until
    for number, line in enumerate(written.split("\n")[:-1]):
        if number == _LEADING and until == "below":
            return max(at - 1, 0)
        if number == 0:
            line = block.start + line
        if is_blank(line):
            if begun and until == "blank" and not goes_on(written[:at], True):
                return max(at - 1, 0)
        elif number > 0 or not block.start.strip():
            closes = _closes(line, block, following)
            if closes:
                return at + len(written[at:].split("\n", 1)[0])
            if not begun and block.free and columns(indentation(line)) < floor:
                floor = columns(indentation(line))
                # What begins in the first column is no part of the block above.
                until = until if floor else "blank"
            if columns(indentation(line)) < floor and not goes_on(written[:at], False):
                return max(at - 1, 0)
            if repeated and below[1:2] in ([], [line.rstrip()]):
                return 0
            repeated = not begun and line.rstrip() == following
            if begun and line.rstrip() == following:
                return max(at - 1, 0)
            begun = True
        at = written.index("\n", at) + 1
    return None


def _closes(line: str, block: Block, following: str | None) -> bool:
    """What closes a block just outside of it belongs to it, unless it stands behind the cursor already."""
    mark = closer(line)
    return mark is not None and columns(indentation(line)) == block.floor - 1 and mark != closer(following or "")


def parted(block: str, start: str) -> tuple[str, str]:
    """A block between closers that stand behind the cursor, and the line with closers that it ends with itself.

    That line has no indentation, and is empty where there is none.
    """
    body, _, last = block.rpartition("\n")
    own = closer(last) is not None and columns(indentation(last)) <= columns(indentation(start))
    return (body, last.strip()) if own else (block, "")


def fitted(suggestion: str, tail: str) -> tuple[str, int]:
    """Fit a line to the text behind the cursor; the second value is how many bytes of that it replaces.

    `print(` `name)` `)` gives `name`; but `print(` `f(x)` `)` stays, since its bracket closes one of its own.
    `print(` `name)[0]` `)` stays too, and replaces the closer, which it brings itself; `print("` `%d", x);` `");`
    replaces also what follows that. Where more than closers stands there, a suggestion ends before it closes the
    same bracket: `f(` `a) -> int:` `) -> float:` gives `a`.
    """
    return next(fits(suggestion, tail))


def fits(suggestion: str, tail: str, before: str = "") -> Iterator[tuple[str, int]]:
    """The ways to fit a line to the text behind the cursor, as `fitted` does; the likeliest first.

    `before` is what stands before the cursor on its line.
    """
    tail = tail.rstrip()
    unpaired = _unpaired(before + suggestion + tail)
    for length in range(min(len(tail), len(suggestion)), 0, -1):
        kept = suggestion[: len(suggestion) - length]
        if _repeats(suggestion, tail, length) and _unpaired(before + kept + tail) <= unpaired:
            yield kept, 0
    brought = _brought(suggestion, tail)
    whole = suggestion, len(tail[:brought].encode("utf-8", "surrogatepass"))
    if brought == len(tail):
        yield whole
    if tail.strip(_CLOSERS + _SEPARATORS) and (over := _over(suggestion, tail)) is not None:
        kept = suggestion[:over]
        yield kept.rstrip() if tail[0].isspace() else kept, 0
    if brought < len(tail):
        yield whole


def _repeats(suggestion: str, tail: str, length: int) -> bool:
    """Whether a suggestion ends with so many characters of `tail`, from its first on, and not by chance.

    All of the tail, or closers, or whole words do not stand there by chance; `package e` `xpo` has no overlap.
    """
    if not suggestion.endswith(tail[:length]):
        return False
    overlap, before, behind = tail[:length], suggestion[: len(suggestion) - length], tail[length:]
    if not behind or not overlap.strip(_CLOSERS + _SEPARATORS):
        return True
    halves = re.search(r"\w$", before) and re.match(r"\w", overlap)
    halves = halves or (re.search(r"\w$", overlap) and re.match(r"\w", behind))
    return not halves and re.search(r"\w", overlap) is not None


def joined(suggestion: str, tail: str) -> str:
    """A line without white space at its end, but for what parts it from the text behind the cursor."""
    stripped = suggestion.rstrip()
    parted = tail[:1] and not tail[0].isspace() and tail[0] not in _CLOSING + _SEPARATORS
    return suggestion if parted and not suggestion.endswith("\n") else stripped


def _over(suggestion: str, tail: str) -> int | None:
    """Where a suggestion closes what the first character of `tail`, a bracket or a quote, closes already."""
    closer = tail.lstrip()[:1]
    if closer and closer in _QUOTES:
        if not _closes_string(closer, tail):
            return None
        # What is escaped closes nothing.
        return next((each.start() for each in _CHARACTER.finditer(suggestion) if each[0] == closer), None)
    # Between other brackets these two are less and greater.
    pairs = {">": "<"} if closer == ">" else _PAIRS
    depth = 0
    for at, character in enumerate(_ARROW.sub("  ", suggestion)):
        if character in pairs.values():
            depth += 1
        elif character in pairs:
            if depth == 0:
                return at if character == closer else None
            depth -= 1
    return None


def _closes_string(quote: str, tail: str) -> bool:
    """Whether the first such quote of a text is the end of a string: without a partner behind it."""
    return tail.count(quote) % 2 == 1


def _closes_first(tail: str) -> bool:
    """Whether the first character of a text closes something that was opened before."""
    if tail[:1] in tuple(_QUOTES):
        return _closes_string(tail[0], tail)
    return tail[:1] in tuple(_CLOSING)


def is_closer(text: bytes) -> bool:
    """Whether there is text, and all of it is closers such as an editor inserts by itself."""
    return bool(text) and not text.strip(_CLOSERS.encode())


def _brought(suggestion: str, tail: str) -> int:
    """How many characters of `tail`, from its first on, a suggestion brings itself.

    They are closers, or all of it where the suggestion goes on to the same end.
    """
    depth = at = count = end = 0
    for number, character in enumerate(suggestion):
        following = tail[at : at + 1]
        if following.isspace():
            # An editor can show only what contains all that it replaces.
            at += character == following
        elif not _closes_first(tail[at:]):
            break
        elif depth == 0 and character == following:
            at = count = at + 1
            end = number + 1
            continue
        depth += (character in _PAIRS.values()) - (character in _PAIRS)
    return len(tail) if count and suggestion[end:].endswith(tail[count:]) else count


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


def indented_like(suggestion: str, line: str) -> str:
    """Behind its first line a suggestion is indented as a line is that has tabs or spaces only."""
    known = set(indentation(line))

    def alike(each: str) -> str:
        used = indentation(each)
        if len(known) != 1 or not used or known & set(used):
            return each
        width = columns(used)
        return (" " * width if known == {" "} else "\t" * (width // TAB) + " " * (width % TAB)) + each[len(used) :]

    first, *others = suggestion.split("\n")
    return "\n".join([first, *map(alike, others)])


def unclosed(code: str) -> int:
    """How many brackets are opened and not closed."""
    return len(_left_open(code))


def _unpaired(code: str) -> int:
    """How many brackets have no partner."""
    opened = _left_open(code)
    return 2 * len(opened) + sum(map(code.count, _PAIRS)) - sum(map(code.count, _PAIRS.values()))


def _left_open(code: str) -> list[str]:
    stack: list[str] = []
    for character in code:
        if character in _PAIRS.values():
            stack.append(character)
        elif stack and stack[-1] == _PAIRS.get(character):
            stack.pop()
    return stack


def without_last_line(suggestion: str) -> str:
    """Drop the last of several lines, which the token limit may have cut in two."""
    return suggestion.rsplit("\n", 1)[0] if "\n" in suggestion.lstrip("\n") else suggestion


def soundest(suggestion: str, errors: Callable[[str], int], most: int, brief: bool = False) -> str:
    """Of the beginnings in whole lines that leave the fewest errors the longest, or the shortest if `brief`.

    None of them if they leave more than `most`.
    """
    best, fewest = "", most + 1
    for candidate in _first_lines(suggestion) if brief else reversed(_first_lines(suggestion)):
        if (found := errors(candidate)) < fewest:
            best, fewest = candidate, found
            if found == 0:
                break
    return best


def _first_lines(suggestion: str) -> list[str]:
    """The first line with code, the first two, and so on."""
    lines = suggestion.split("\n")
    found = ("\n".join(lines[:count]).rstrip() for count in range(1, len(lines) + 1))
    return list(dict.fromkeys(candidate for candidate in found if candidate.strip()))


def leads_onto(rest: str, after: str) -> bool:
    """Whether the model went on, behind what was taken of it, with the line of code below the cursor's."""
    following = next((line.strip() for line in after.split("\n")[1:] if not is_blank(line)), "")
    went_on = next((line.strip() for line in rest.split("\n") if not is_blank(line)), "")
    return bool(following) and went_on == following and closer(following) is None


def beginnings(line: str, tail: str) -> Iterator[str]:
    """What begins a line and ends with a word or a closer, the longer ones first; half of it at least.

    None makes one word with the text behind the cursor.
    """
    ends = [
        match.end() for match in re.finditer(r"[)\]}\"'`;]" if re.match(r"\w", tail) else r"\w+|[)\]}\"'`;]", line)
    ]
    return (line[:end] for end in reversed(ends) if len(line) / 2 <= end < len(line))


def closers(code: str) -> str:
    """What closes the brackets that code leaves open."""
    closer_of = {opener: closer for closer, opener in _PAIRS.items()}
    return "".join(closer_of[bracket] for bracket in reversed(_left_open(code)))
