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
    old, new = split_lines(before), split_lines(after)
    # difflib.unified_diff ignores lines that are frequent in long files, and then finds far too much to differ.
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    lines = [f"--- a/{name}\n", f"+++ b/{name}\n"] if before != after else []
    for group in matcher.get_grouped_opcodes():
        (_, a, _, b, _), (_, _, a_end, _, b_end) = group[0], group[-1]
        lines.append(f"@@ -{_span(a, a_end)} +{_span(b, b_end)} @@\n")
        for kind, a, a_end, b, b_end in group:
            if kind == "equal":
                lines += [f" {line}" for line in old[a:a_end]]
            else:
                lines += [f"-{line}" for line in old[a:a_end]] + [f"+{line}" for line in new[b:b_end]]
    shown = []
    for line in lines:
        if not line.endswith("\n"):
            line += "\n\\ No newline at end of file\n"
        shown.append(_coloured(line) if colour else line)
    return "".join(shown)


def _span(start: int, end: int) -> str:
    """Lines as a unified diff names them: the first, from 1, and how many."""
    count = end - start
    return str(start + 1) if count == 1 else f"{start + (count > 0)},{count}"


def _coloured(line: str) -> str:
    colours = {"+": _GREEN, "-": _RED, "@": _CYAN}
    if line.startswith(("+++", "---")):
        return f"{_BOLD}{line.rstrip()}{_PLAIN}\n"
    return f"{colours[line[0]]}{line.rstrip()}{_PLAIN}\n" if line[0] in colours else line
