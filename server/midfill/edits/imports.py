"""Imports that an edit needs: taken out of the answer, added once, and put where the file has its imports."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Iterable, Sequence
from functools import cache

from midfill.document import Document
from midfill.text import Edit, is_blank

# One line that imports, in the languages at hand.
_IMPORT = re.compile(
    r"(?:import\b(?!\s*\()|from\b.+\bimport\b(?!\s*\($)|use\b.*;|using\s+(?:static\s+|namespace\s+)?[\w.:]+(?:\s*=.*)?;|#\s*include\b"
    r"|(?:const|let|var)\b.*\brequire\(.*\);?\s*$|require\b)"
)
# The first of several lines that import.
_OPENS = re.compile(r"(?:import|from)\b[^;'\"]*[({]\s*$")
# What may stand before the first import of a file.
_BEFORE = re.compile(
    r"""(?:package\b|namespace\b.*;|#!|[rRuU]?(?:\"{3}|'{3})|["']use strict["']|#pragma\b|<\?php)"""
)


def taken_out(code: str, old: str) -> tuple[str, list[str]]:
    """The code without the imports that it begins with, and those; none that the old code has.

    An answer that is nothing but imports leaves old code that is no import as it is.
    """
    lines = code.split("\n")
    taken: list[str] = []
    first = 0
    for at, line in enumerate(lines):
        if at < first or is_blank(line):
            continue
        end = at + 1
        if _OPENS.match(line):
            end = next((each + 1 for each in range(at, len(lines)) if lines[each][:1] in (")", "}")), end)
        found = " ".join(each.strip() for each in lines[at:end])
        if line == "import (":
            # Go's, of which each needs a line or a statement.
            taken += [f"import {each.strip()}" for each in lines[at + 1 : end - 1] if not is_blank(each)]
        elif _IMPORT.match(found) and found not in old:
            taken.append(found)
        else:
            break
        first = end
    rest = "\n".join(lines[first:]).lstrip("\n")
    if not is_blank(rest):
        return rest, taken
    return (old, taken) if taken and not is_blank(old) and not _IMPORT.match(old.lstrip()) else (code, [])


def serve(lines: Iterable[str], code: str) -> bool:
    """Whether code uses a name that import lines have; of C's headers none can be told."""
    words = set(re.findall(r"\w+", code))
    return any(line.startswith("#") or words & set(re.findall(r"\w+", line)) for line in lines)


def lacking(document: Document, lines: Iterable[str]) -> list[str]:
    """The imports among `lines` that the document has not."""
    if document.language is not None and document.language.id == "python":
        return _lacking_in_python(document.code, lines)
    if document.language is not None and document.language.id in ("javascript", "typescript", "tsx"):
        lines = _unbound_in_javascript(document.code, lines)
    have = {line.strip().rstrip(";") for line in document.code.splitlines()}
    new: dict[str, None] = {}
    for line in lines:
        bare = line.strip().rstrip(";")
        listed = bare.removeprefix("import ").strip()
        if bare not in have and listed not in have:
            new[line] = None
    return list(new)


def known_in_go(code: str) -> list[str]:
    """Imports of the packages of Go's standard library that code uses as `name.Exported`."""
    used = dict.fromkeys(re.findall(r"(?<![.\w\"])([a-z]\w*)\.[A-Z]", code))
    return [
        f'import "{_IN_GO[name]}"' for name in used if name in _IN_GO and not re.search(rf"\b{name}\s*:?=", code)
    ]


_GO = """bufio bytes cmp context errors fmt io maps math os reflect regexp slices sort strconv strings sync time
unicode path/filepath encoding/json net/http net/http/httptest"""
_IN_GO = {path.rpartition("/")[2]: path for path in _GO.split()}
_BOUND = re.compile(
    r"^(?:import\s+(?:type\s+)?([^;'\"]*?)\s*from\b|(?:const|let|var)\s+([^=;]*?)\s*=\s*require\()", re.MULTILINE
)


def _unbound_in_javascript(code: str, lines: Iterable[str]) -> list[str]:
    """Import lines without the names that the code imports already, which would be an error."""
    clauses = ["".join(clause) for clause in _BOUND.findall(code)]
    have = {name for clause in clauses for name in re.findall(r"(\w+)\s*(?:[,}]|$)", clause)}
    new: list[str] = []
    for line in lines:
        listed = re.match(r"((?:import\s+(?:type\s+)?|const\s+))\{([^}]*)\}(.*)", line)
        default = re.match(r"(?:import\s+(\w+)\s+from\b|const\s+(\w+)\s*=)", line)
        if listed:
            names = [each.strip() for each in listed[2].split(",") if each.strip()]
            kept = [each for each in names if re.split(r"[\s:]+", each)[-1] not in have]
            have.update(re.split(r"[\s:]+", each)[-1] for each in kept)
            if kept:
                new.append(line if kept == names else f"{listed[1]}{{ {', '.join(kept)} }}{listed[3]}")
        elif not default or (default[1] or default[2]) not in have:
            new.append(line)
    return new


def known(names: Iterable[str], code: str) -> list[str]:
    """Imports from Python's standard library for names that nothing defines, where `code` surely means those."""
    return [
        f"from {_HOMES[name]} import {name}" if name in _HOMES else f"import {name}"
        for name in sorted(names)
        if name in _HOMES or (name in _MODULES and not re.search(rf"(?<!\.)\b{name}\b(?!\.)", code))
    ]


def unbound(code: str) -> set[str] | None:
    """The names that Python code uses and that nothing in it defines anywhere; None where that cannot be told."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    used: set[str] = set()
    bound: set[str] = set(_BUILTINS)
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name):
                bound.add(name)
            case ast.ImportFrom(names=[ast.alias(name="*"), *_]):
                return None
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                bound.update((alias.asname or alias.name).split(".")[0] for alias in aliases)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                bound.add(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                bound.update(names)
        # Python 3.12's type parameters; older versions have no such nodes.
        bound.update(each.name for each in getattr(node, "type_params", ()))
    return used - bound


def unloaded(code: str) -> set[str]:
    """Modules of Python's standard library that code reaches through their package, and that it does not import.

    `import urllib` alone does not make `urllib.parse` be there.
    """
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    imported = {
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names if not alias.asname
    }
    loaded = imported | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    packages = {name.partition(".")[0] for name in imported}
    reached = {
        (node.value.id, node.attr)
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in packages
    }
    missing = {(package, name) for package, name in reached if f"{package}.{name}" not in loaded}
    return {f"{package}.{name}" for package, name in missing if name in _modules_in(package)}


@cache
def _modules_in(package: str) -> frozenset[str]:
    """The modules of a package of the standard library, which is not imported for that."""
    spec = importlib.util.find_spec(package) if package in sys.stdlib_module_names else None
    places = spec.submodule_search_locations if spec else None
    return frozenset(module.name for module in pkgutil.iter_modules(places)) if places else frozenset()


def insertion(document: Document, lines: Sequence[str]) -> list[Edit]:
    """The edit that adds import lines behind those that the file has, or at its beginning; none for no lines."""
    if not lines:
        return []
    at, first = _place(document)
    text = document.text
    newline = text.newline
    block = "".join(f"{line}{newline}" for line in lines)
    if at > 0 and text.data[at - 1 : at] not in (b"\n", b"\r"):
        block = newline + block
    if first and not is_blank(text.line(text.line_of(at))):
        block += newline
    if first and at > 0 and not is_blank(text.line(text.line_of(at) - 1)):
        block = newline + block
    return [Edit(at, at, block)]


def together(document: Document, edit: Edit, lines: Sequence[str]) -> list[Edit]:
    """An edit with the imports that it needs: in its own text, where that is where the file has its imports."""
    added = insertion(document.edited([edit]), lines)
    if not added:
        return [edit]
    (new,) = added
    text = edit.text.encode("utf-8", "surrogatepass")
    end = edit.start + len(text)
    if new.start <= edit.start:
        return [new, edit]
    if new.start >= end:
        at = new.start - end + edit.end
        return [edit, Edit(at, at, new.text)]
    at = new.start - edit.start
    whole = text[:at] + new.text.encode("utf-8", "surrogatepass") + text[at:]
    return [Edit(edit.start, edit.end, whole.decode("utf-8", "surrogatepass"))]


_BUILTINS = {*dir(builtins), "__file__", "__path__", "__class__", "__module__", "__qualname__", "__annotations__"}
# Names that mean one thing wherever they are used without a definition.
_HOMES = {
    name: module
    for module, names in {
        "typing": "Any Optional Union Literal TypeVar Generic Protocol NamedTuple TypedDict Final ClassVar cast "
        "overload List Dict Set Tuple FrozenSet Type TypeAlias Self",
        "collections.abc": "Callable Iterable Iterator Generator Sequence Mapping MutableMapping Hashable "
        "Awaitable Coroutine AsyncIterator AsyncIterable AsyncGenerator Collection Sized MutableSequence "
        "MutableSet",
        "collections": "defaultdict Counter deque OrderedDict ChainMap namedtuple",
        "dataclasses": "dataclass asdict",
        "functools": "partial lru_cache wraps cached_property reduce",
        "contextlib": "contextmanager suppress",
        "enum": "Enum IntEnum StrEnum",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "pathlib": "Path",
    }.items()
    for name in names.split()
}
# Modules that are used as `name.attribute`.
# fmt: off
_MODULES = frozenset({
    "abc", "argparse", "asyncio", "base64", "bisect", "collections", "contextlib", "copy", "csv", "datetime",
    "enum", "functools", "hashlib", "heapq", "inspect", "io", "itertools", "json", "logging", "math",
    "operator", "os", "pathlib", "random", "re", "shutil", "statistics", "string", "struct", "subprocess",
    "sys", "tempfile", "textwrap", "threading", "time", "traceback", "types", "typing", "uuid", "warnings",
})
# fmt: on


def _lacking_in_python(source: str, lines: Iterable[str]) -> list[str]:
    have: set[tuple[str | None, str, str | None]] = set()
    try:
        for node in ast.parse(source).body:
            have.update(_imported(node))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [line for line in dict.fromkeys(lines) if line not in source]
    new: dict[str, None] = {}
    for line in lines:
        try:
            wanted = [each for node in ast.parse(line).body for each in _imported(node)]
        except SyntaxError:
            continue
        missing = [each for each in wanted if each not in have]
        have.update(missing)
        if not missing:
            continue
        aliases = ", ".join(name + (f" as {alias}" if alias else "") for _, name, alias in missing)
        module = missing[0][0]
        new[f"from {module} import {aliases}" if module is not None else f"import {aliases}"] = None
    return list(new)


def _imported(node: ast.stmt) -> list[tuple[str | None, str, str | None]]:
    if isinstance(node, ast.Import):
        return [(None, alias.name, alias.asname) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        return [(module, alias.name, alias.asname) for alias in node.names]
    return []


def _place(document: Document) -> tuple[int, bool]:
    """Where imports are added, and whether they are the file's first."""
    text = document.text
    at = document.part[0] if document.part else 0
    first = leading = True
    for node in document.tree.root_node.children if document.tree else ():
        head = text.slice(node.start_byte, min(node.start_byte + 200, node.end_byte))
        behind = text.line_start(text.line_of(node.end_byte - 1) + 1) if node.end_byte else 0
        if _IMPORT.match(head) or head.startswith("import"):
            at, first = behind, False
        elif leading and first and (_BEFORE.match(head) or _stands_alone(document, node.type, behind)):
            at = behind
        elif not _BEFORE.match(head):
            leading = False
            if not first:
                break
    return min(at, document.end), first


def _stands_alone(document: Document, kind: str, behind: int) -> bool:
    """Whether a comment is the file's and not that of what follows."""
    if document.language is None or (kind not in document.language.comment_nodes and "attribute" not in kind):
        return False
    return is_blank(document.text.line(document.text.line_of(behind))) and behind < document.end
