"""What the model is told about other files: the symbols that the code at hand uses, and code that is like it.

All of it stands before the file's own code, so whatever changes here is read again together with that code. Hence
the order (what hangs on the imports first, what hangs on the cursor last), and hence a context is kept until the
code around the cursor uses several symbols that it does not tell of.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from midfill.document import Document
from midfill.index.deny import denied
from midfill.index.extract import Extract, Import, Symbol, extracted
from midfill.index.secrets import has_secret
from midfill.index.symbols import Symbols, distance, related, shares_scope
from midfill.syntax import definitions

# Bytes around the cursor that count as the code at hand.
NEAR_BEFORE, NEAR_AFTER = 1500, 500
# A context is made anew when the code at hand uses so many symbols that were not thought of, members aside.
MISSED = 3
# Members that are told of a type which the code at hand uses, and of one that only the file uses.
MEMBERS_NEAR, MEMBERS_FAR = 12, 4
# Lines of a fragment that is like the code at hand, how many there are at most, and how alike one must be: the
# share of identifiers that both have.
LINES, FRAGMENTS, ALIKE = 16, 2, 0.25
# Places edited lately that are told of at most, and the share of their identifiers that are in the code at hand.
EDITS, EDITS_ALIKE = 2, 0.4
# Bytes of imports that are shown of those which the window leaves out.
IMPORTS = 1000
# The parts of the budget that the edits and the fragments may take.
EDITS_SHARE, FRAGMENTS_SHARE = 0.3, 0.4


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of another file, as the model is to see it; `text` ends with a line end."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """Fragments in the order of the prompt, and the symbols that they tell of.

    `weighed` are also those that the code at hand used and that there was no room for: that they are missing is no
    reason to begin anew. `project` and `path` name the place of the file at hand, as the model is told; `imports`
    are those of it that the window leaves out.
    """

    fragments: tuple[Fragment, ...] = ()
    told: frozenset[Symbol] = frozenset()
    weighed: frozenset[Symbol] = frozenset()
    project: str = ""
    path: str = ""
    imports: str = ""

    @property
    def size(self) -> int:
        """Bytes, paths included."""
        return sum(_size(fragment) for fragment in self.fragments)


NOTHING = Context()


def gather(
    document: Document,
    path: str,
    cursor: int,
    symbols: Symbols,
    budget: int,
    others: Iterable[tuple[str, Document]] = (),
    previous: Context | None = None,
    edits: Iterable[Fragment] = (),
) -> Context:
    """The context for byte offset `cursor` of the file at `path`, of at most `budget` bytes.

    `others`: open documents with their paths, the latest first. `edits`: places edited lately, the latest first,
    none of them in sight of the cursor. `previous`: what the model has been told before, which is kept as long as
    it serves.
    """
    uses = _Uses.of(document, path, cursor)
    wanted = _wanted(uses, symbols)
    alike_edits = list(islice(_alike_edits(uses, edits), EDITS))
    if previous is not None and previous.size <= budget:
        new = [each for each in wanted if each.near and each.symbol not in previous.weighed]
        missed = sum(not _is_detail(each.symbol) for each in new)
        if missed < MISSED and all(_tells(previous, each) for each in alike_edits):
            return previous
    recent = list(_fitting(alike_edits, int(budget * EDITS_SHARE)))
    left = budget - sum(map(_size, recent))
    chosen = _within(left, [each for each in wanted if not has_secret(each.symbol.signature + each.symbol.doc)])
    told = _told(chosen)
    left = min(left - sum(map(_size, told)), int(budget * FRAGMENTS_SHARE))
    alike = _alike(uses, [(where, other) for where, other in others if where != path], left, recent)
    symbols_told = frozenset(each.symbol for each in chosen)
    weighed = symbols_told.union(each.symbol for each in wanted if each.near)
    # The latest edit comes last: it is most like what comes next, and nothing before it is read again for it.
    return Context((*told, *alike, *reversed(recent)), symbols_told, weighed)


@dataclass(frozen=True)
class _Uses:
    """The names that a file uses near the cursor, and the attributes that it uses anywhere, by owner too."""

    path: str
    extract: Extract
    near: frozenset[str]
    attributes: frozenset[str]
    attributes_of: dict[str, set[str]]

    @classmethod
    def of(cls, document: Document, path: str, cursor: int) -> _Uses:
        text = str(document.text)
        # The headers of the definitions around the cursor tell the types of what is used in them.
        around = (each for each in definitions(document, (cursor, cursor)) if each.start <= cursor <= each.end)
        heads = [document.text.slice(each.start, min(each.start + 200, each.end)) for each in around]
        near = document.text.slice(cursor - NEAR_BEFORE, cursor + NEAR_AFTER)
        attributes_of: dict[str, set[str]] = {}
        for name, attribute in _ATTRIBUTE.findall(text):
            attributes_of.setdefault(name, set()).add(attribute)
        return cls(
            path,
            extracted(document, path),
            frozenset(_IDENTIFIER.findall("\n".join([near, *heads]))),
            frozenset(_MEMBER.findall(text)),
            attributes_of,
        )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A symbol to tell of. `order` is the place of what brings it here; `near`: the code at hand uses it."""

    symbol: Symbol
    order: int
    near: bool


_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_ATTRIBUTE = re.compile(r"\b([^\W\d]\w*)(?:\.|::|->)([^\W\d]\w*)")
_MEMBER = re.compile(r"(?:\.|::|->)\s*([^\W\d]\w*)")


def _wanted(uses: _Uses, symbols: Symbols) -> list[_Wanted]:
    """The symbols that the file may use from others, the most useful ones first."""
    own = {symbol.name for symbol in uses.extract.symbols}
    imports = [each for each in uses.extract.imports if each.name not in own]
    names = {each.name for each in imports if each.name}
    names |= {name for each in imports for name in uses.attributes_of.get(_local(each), ())}
    names |= uses.near - own
    found: dict[str, list[Symbol]] = {}
    for symbol in symbols.named(names):
        if symbol.path != uses.path and not symbol.container and related(uses.path, symbol.path):
            found.setdefault(symbol.name, []).append(symbol)
    wanted: dict[Symbol, _Wanted] = {}

    def want(symbol: Symbol, order: int, near: bool) -> None:
        if symbol not in wanted:
            wanted[symbol] = _Wanted(symbol, order, near)

    for order, each in enumerate(imports):
        near = _local(each) in uses.near
        meant = _meant(uses.path, each.module, found.get(each.name or "", ()))
        for symbol in meant:
            want(symbol, order, near)
        if not meant:
            for name in sorted(uses.attributes_of.get(_local(each), ())):
                for symbol in _in_module(uses.path, each, found.get(name, ())):
                    want(symbol, order, near and name in uses.near)
    for name in sorted(uses.near - own):
        for symbol in _in_scope(uses.path, imports, found.get(name, ())):
            want(symbol, len(imports), True)
    for owner in list(wanted.values()):
        if owner.symbol.kind == "class" and not owner.symbol.signature.endswith("}"):
            for member in _members(uses, symbols, owner):
                want(member, owner.order, owner.near)
    return sorted(wanted.values(), key=lambda each: (not each.near, _is_detail(each.symbol)))


def _local(each: Import) -> str:
    """What the file calls an imported thing."""
    return each.alias or each.name or re.split(r"[./:]", each.module)[-1]


def _meant(path: str, module: str, found: Iterable[Symbol]) -> list[Symbol]:
    """The definition of a name imported from a module: of several the closest, with its overloads."""
    near = [(far, symbol) for symbol in found if (far := distance(module, path, symbol.path)) is not None]
    least = min((far, symbol.path) for far, symbol in near) if near else None
    return [symbol for far, symbol in near if (far, symbol.path) == least][:3]


def _in_module(path: str, each: Import, found: Iterable[Symbol]) -> list[Symbol]:
    """The definition of `name` where a file has `module.name` and imports the module."""
    if each.name is None:
        return _meant(path, each.module, found)
    joint = "" if each.module.endswith(".") else "::" if path.endswith(".rs") else "."
    return _meant(path, f"{each.module}{joint}{each.name}", found)


def _in_scope(path: str, imports: Collection[Import], found: Sequence[Symbol]) -> list[Symbol]:
    """The definition of a name that the file sees without naming it: of its package, of an included file."""
    near = [symbol for symbol in found if shares_scope(path, symbol.path)]
    if not near:
        modules = [each.module for each in imports if each.name == "*"]
        near = [symbol for symbol in found if any(distance(each, path, symbol.path) in (0, 2) for each in modules)]
    return near[:1]


def _members(uses: _Uses, symbols: Symbols, each: _Wanted) -> list[Symbol]:
    """The members of a type that the file may need: those whose names it uses, and how one is made."""
    members = symbols.members(each.symbol.path, each.symbol.name)
    used = [member for member in members if member.name in uses.attributes or member.name in _CONSTRUCTORS]
    if not each.near:
        return used[:MEMBERS_FAR]
    more = [member for member in members if member not in used and not member.name.startswith(("_", "#"))]
    chosen = [*used, *more][:MEMBERS_NEAR]
    return [member for member in members if member in chosen]


_CONSTRUCTORS = frozenset({"__init__", "constructor", "new"})


def _is_detail(symbol: Symbol) -> bool:
    """Whether a symbol matters less than others: a member, unless it tells how its type is made."""
    return bool(symbol.container) and symbol.name not in _CONSTRUCTORS


def _within(budget: int, wanted: Sequence[_Wanted]) -> list[_Wanted]:
    """The first that fit into the budget, in the order of the prompt."""
    chosen: list[_Wanted] = []
    paths: set[str] = set()
    left = budget
    for each in wanted:
        cost = len(_line(each.symbol).encode()) + (0 if each.symbol.path in paths else len(each.symbol.path) + 2)
        if cost <= left:
            chosen.append(each)
            paths.add(each.symbol.path)
            left -= cost
    first: dict[str, int] = {}
    for each in chosen:
        first[each.symbol.path] = min(each.order, first.get(each.symbol.path, each.order))
    return sorted(chosen, key=lambda each: (first[each.symbol.path], each.symbol.path, each.symbol.line))


def _told(chosen: Sequence[_Wanted]) -> list[Fragment]:
    """A fragment a file, with a line a symbol; members stand below their type."""
    lines: dict[str, list[str]] = {}
    for each in chosen:
        lines.setdefault(each.symbol.path, []).append(_line(each.symbol))
    return [Fragment(path, "".join(those)) for path, those in lines.items()]


def _line(symbol: Symbol) -> str:
    """A symbol as a stub of its language."""
    indent = "    " if symbol.container else ""
    code = "".join(f"{indent}{line}\n" for line in symbol.signature.split("\n"))[:-1]
    if symbol.path.endswith((".py", ".pyi")):
        if symbol.kind == "class":
            return f"{code}:\n"
        if symbol.kind in ("function", "method"):
            return f"{code}: ...\n"
    elif symbol.kind == "class" and not code.endswith(("}", ";")):
        return f"{code} {{\n"
    elif symbol.kind in ("function", "method") and not code.endswith(("}", ";")):
        return f"{code};\n"
    return f"{code}\n"


def _alike(
    uses: _Uses, others: Sequence[tuple[str, Document]], budget: int, edits: Sequence[Fragment]
) -> Iterator[Fragment]:
    """The fragments of other documents that have most identifiers in common with the code, `edits` aside."""
    scored = [
        (alike, path, text)
        for path, other in others
        if not denied(path) and related(uses.path, path)
        for text, names in _chunks(other)
        if (alike := len(uses.near & names) / max(len(uses.near | names), 1)) >= ALIKE
        and not any(each.path == path and _shares_lines(each.text, text) for each in edits)
    ]
    scored.sort(key=lambda each: -each[0])
    likest = (Fragment(path, text) for _, path, text in scored[:FRAGMENTS])
    return _fitting((each for each in likest if not has_secret(each.text)), budget)


def _fitting(fragments: Iterable[Fragment], budget: int) -> Iterator[Fragment]:
    """Those for which there is room, one after the other."""
    for each in fragments:
        if _size(each) <= budget:
            budget -= _size(each)
            yield each


def _alike_edits(uses: _Uses, edits: Iterable[Fragment]) -> Iterator[Fragment]:
    """The edits that have to do with the code at hand: it has a good part of their identifiers."""
    for each in edits:
        names = frozenset(_IDENTIFIER.findall(each.text))
        if not names or denied(each.path) or not related(uses.path, each.path) or has_secret(each.text):
            continue
        if len(uses.near & names) >= EDITS_ALIKE * len(names):
            yield each


def _shares_lines(edit: str, text: str) -> bool:
    lines = {line for line in edit.splitlines() if line.strip()}
    return 2 * len(lines.intersection(text.splitlines())) > len(lines)


def _tells(context: Context, edit: Fragment) -> bool:
    """Whether a context has an edit already, though perhaps as it was a few letters ago."""
    names = set(_IDENTIFIER.findall(edit.text))
    told = (set(_IDENTIFIER.findall(each.text)) for each in context.fragments if each.path == edit.path)
    return any(2 * len(names & those) > len(names) for those in told)


@lru_cache(maxsize=8)
def _chunks(document: Document) -> list[tuple[str, frozenset[str]]]:
    """Every `LINES` lines of a document, with their identifiers."""
    text = document.text
    starts = [text.line_start(line) for line in range(0, text.line_count, LINES)]
    chunks = (text.slice(start, end) for start, end in zip(starts, [*starts[1:], len(text)], strict=True))
    return [(f"{chunk.rstrip()}\n", frozenset(_IDENTIFIER.findall(chunk))) for chunk in chunks if chunk.strip()]


def _size(fragment: Fragment) -> int:
    return len(fragment.path.encode()) + len(fragment.text.encode()) + 2


def imports_above(document: Document, path: str, start: int, most: int = IMPORTS) -> str:
    """The imports that a window which begins at byte offset `start` leaves out; at most `most` bytes of them."""
    lines: list[str] = []
    for first, last in extracted(document, path).import_spans:
        line = f"{document.text.slice(first, last)}\n"
        most -= len(line)
        if last > start or most < 0:
            break
        lines.append(line)
    return "".join(lines)
