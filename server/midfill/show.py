"""For a terminal: a suggestion as an editor would show it, and a diff."""

from __future__ import annotations

import difflib

from midfill.document import Document
from midfill.text import split_lines

_DIM, _BOLD, _RED, _GREEN, _CYAN, _PLAIN = "\x1b[2;36m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"


def ghost(document: Document, at: int, suggestion: str, colour: bool, around: int = 3) -> str:
    """The lines around byte offset `at`, numbered, with the suggestion dimmed (or in «») in its place."""
    text = document.text
    line = text.line_of(at)
    first, last = max(line - around, 0), min(line + around, text.line_count - 1)
    before = text.slice(text.line_start(first), at)
    after = text.slice(at, text.line_end(last))
    opening, closing = (_DIM, _PLAIN) if colour else ("«", "»")
    ghostly = "\n".join(f"{opening}{part}{closing}" if part else "" for part in suggestion.splitlines())
    lines = f"{before}{ghostly}{after}".replace("\r\n", "\n").split("\n")
    # A suggestion's further lines have no numbers, as they are not in the file yet.
    new = range(line - first + 1, line - first + 1 + suggestion.count("\n"))
    numbers = iter(range(first + 1, first + 1 + len(lines)))
    return "\n".join(f"{'' if i in new else next(numbers):>5} {shown}" for i, shown in enumerate(lines))


def diff(before: str, after: str, name: str, colour: bool) -> str:
    """A unified diff of two texts."""
    lines = difflib.unified_diff(split_lines(before), split_lines(after), f"a/{name}", f"b/{name}")
    shown = []
    for line in lines:
        if not line.endswith("\n"):
            line += "\n\\ No newline at end of file\n"
        shown.append(_coloured(line) if colour else line)
    return "".join(shown)


def _coloured(line: str) -> str:
    colours = {"+": _GREEN, "-": _RED, "@": _CYAN}
    if line.startswith(("+++", "---")):
        return f"{_BOLD}{line.rstrip()}{_PLAIN}\n"
    return f"{colours[line[0]]}{line.rstrip()}{_PLAIN}\n" if line[0] in colours else line
