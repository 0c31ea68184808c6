"""What must hold before a user sees an edit. Each check returns the reason for a refusal, or None."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from midfill.document import Document
from midfill.edits import imports, python
from midfill.edits.actions import Check
from midfill.edits.scope import Scope
from midfill.syntax import Definition, Token, code_tokens, definitions, doc_of, error_count, parameters
from midfill.text import Edit, is_blank

_NOUNS = r"(?:code|function|method|class|implementation|logic|body|lines|methods|functions|component)"
_BEGINS = r"(?:^|(?<=\s))(?:(?:#|//|\{?/\*|--)\s*(?:\.\.\.|…)?|\.\.\.|…)\s*[\[(<]?(?:the )?"
_COMMENT = r"(?:#|//|/\*|--)"
_PLACEHOLDER = re.compile(
    rf"{_BEGINS}(?:rest|remainder|remaining|existing|unchanged)[\w ]*\b{_NOUNS}\b[^\n]*$"
    # A comment may well speak of another function, if it says something about it.
    rf"|{_BEGINS}(?:other|same|previous|original)[\w ]*\b{_NOUNS}\b"
    r"(?:\W*|[^\n]*\b(?:here|remains?|stays?|unchanged|same|before|above)\b[^\n]*)$"
    rf"|^\s*{_COMMENT}\s*(?:\.\.\.|…)[^\n]*$"
    rf"|^\s*{_COMMENT}\s*[\[(]?(?:same as (?:before|in the original)|unchanged|no changes?)\b\W*$"
    rf"|{_COMMENT}[^\n]*\b(?:omitted|elided|truncated|abbreviated|left out|skipped) (?:for|here)\b[^\n]*$"
    rf"|^\s*{_COMMENT}\s*(?:your|add|insert|put)\b[^\n]*\b(?:code|implementation|logic) (?:goes )?here\b.*$"
    rf"|{_COMMENT}[^\n]*(?:(?:其余|剩余|其他|其它|原有|现有)[^\n]*(?:代码|不变|逻辑|实现)|代码(?:省略|不变)|保持不变"
    r"|(?:残り|既存)の[^\n]*(?:コード|処理|実装)|(?:나머지|기존)[^\n]*코드|(?:остальн|оставш|существующ)\w*[^\n]*код"
    r"|(?:rest des|restlich\w*|übrig\w*|bestehend\w*)[^\n]*code|resto del? |código existente|reste du code"
    r"|code existant|codice esistente)[^\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_MAY_ADD = re.compile(
    r"\b(?:add|create|extract|split|move|import|helper|function|method|class|module|type|interface|constant)\w*\b",
    re.IGNORECASE,
)
_MAY_EMPTY = re.compile(
    r"\b(?:unused|unreachable|redundant|unnecessary|remove|delete|drop|never (?:used|read|accessed))",
    re.IGNORECASE,
)
_MAY_DROP = re.compile(r"\b(?:rename|remove|delete|drop|inline|merge|replace|split)\w*\b", re.IGNORECASE)
# Words of an instruction that speaks of how a definition is used from elsewhere.
_OF_SIGNATURE = re.compile(
    r"\b(?:param\w*|arg\w*|signature|option\w*|accept\w*|tak(?:e|es|ing)|pass\w*|receiv\w*|default\w*|input\w*"
    r"|keyword\w*|renam\w*|async\w*|await\w*|coroutine\w*|static\w*|public|private|protected|export\w*|variadic)\b",
    re.IGNORECASE,
)
# Words of an instruction that speaks of what stands before a definition's name, or of other definitions.
_OF_HEAD = re.compile(
    r"decorat|cache|memo|propert|deprecat|overrid|overload|abstract|generic|template|context ?manager"
    r"|\b(?:helper|extract|split|class|module|interface|constant|import|const|inline|doc)"
    r"|\b(?:async|await|coroutine|static|public|private|protected|export|unsafe|extern|virtual)",
    re.IGNORECASE,
)
_OF_TYPES = re.compile(r"\b(?:typ|return|result|nullable|optional|void|error)", re.IGNORECASE)
_OF_STUBS = re.compile(r"\b(?:stub|empty|abstract|placeholder|no-?op|todo|interface|protocol)", re.IGNORECASE)
_EMPTY = re.compile(
    r"(?:pass|\.\.\.|raise NotImplementedError(?: \(.*\))?|(?:todo|unimplemented) !.*"
    r"|throw new (?:\w*NotImplemented\w*|Error) \( .*(?:implement|todo).*|panic \( .*(?:implement|todo).*"
    r"|[{};() ])*",
    re.IGNORECASE | re.DOTALL,
)
_KEYWORD = re.compile(r"\b(?:def|fn|fun|func|function)\s+$")
_MODIFIERS = frozenset(
    (
        "async",
        "export",
        "pub",
        "public",
        "private",
        "protected",
        "static",
        "abstract",
        "unsafe",
        "suspend",
        "virtual",
    )
)
_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)
_MARKERS = re.compile(
    r"^(?:<{5,}|={5,}|>{5,})(?: (?:SEARCH|REPLACE))?\s*$|<[|｜][\w▁]+[|｜]>"
    r"|<(?:fim_(?:prefix|suffix|middle|pad)|start_of_turn|end_of_turn|file_sep|repo_name)>",
    re.MULTILINE,
)
# Lines. What is shorter may shrink as it likes.
_SHORT = 6


@dataclass(frozen=True)
class Rules:
    """What an answer must hold to. `instruction`: the user's own words, which may ask for what is refused else."""

    checks: Collection[Check] = ()
    instruction: str = ""
    completes: bool = False
    """Whether a body that has nothing in it must get something."""

    def asks(self, pattern: re.Pattern[str]) -> bool:
        return pattern.search(self.instruction) is not None

    def names(self, name: str) -> bool:
        """Whether the instruction speaks of a definition by its name."""
        return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", self.instruction) is not None


def refused(before: Document, scope: Scope, code: str, rules: Rules, added: Sequence[str] = ()) -> str | None:
    """Check a rewritten scope; `code` is the model's, without the scope's indentation, `added` are imports."""
    if not code.strip() and (scope.definition is not None or not rules.asks(_MAY_EMPTY)):
        return "The answer is empty."
    if code.strip() == scope.code.strip() and not imports.serve(added, code):
        return "The code is unchanged."
    if _FENCE.search(code) and not _FENCE.search(scope.code):
        return "The answer holds a code fence inside the code."
    for pattern in (_PLACEHOLDER, _MARKERS):
        for match in pattern.finditer(code):
            if match[0].strip() not in scope.code:
                what = "leaves code out" if pattern is _PLACEHOLDER else "holds a mark that is no code"
                return f"The answer {what}: `{match[0].strip()}`."
    edit = Edit(scope.start, scope.end, scope.restored(code))
    after = before.edited([edit])
    if error_count(after) > error_count(before):
        return "The code has a syntax error."
    if message := python.no_longer_compiles(before, after):
        return message
    return (
        _vanished(before, after, scope, rules)
        or _repeated(before, after, scope)
        or _doubled(before, after, scope)
        or _emptied(before, after, scope, rules)
        or _strayed(before, after, scope, rules)
        or _signature_changed(before, after, scope, rules)
        or next(filter(None, (_CHECKS[check](before, after, scope) for check in rules.checks)), None)
        or _with_imports_refused(before, before.edited(imports.together(before, edit, added)))
    )


def head_to_keep(document: Document, scope: Scope, rules: Rules) -> str:
    """How the answer must begin: a definition's code up to its name or, when it may be renamed, to before it.

    Empty when the scope is not one function, or when the instruction may be about what stands there. Many
    languages write a type before the name.
    """
    definition = scope.definition
    if definition is None or definition.kind == "class" or rules.asks(_OF_HEAD) or "adds" in rules.checks:
        return ""
    text = document.text
    before = text.slice(scope.start, definition.name_start)
    if rules.asks(_OF_TYPES) and not _KEYWORD.search(before):
        return ""
    renamed = rules.asks(_MAY_DROP) or rules.names(definition.name)
    head = before.rstrip() if renamed else before + text.slice(definition.name_start, definition.name_end)
    bare = "\n".join(line.removeprefix(scope.indentation) for line in head.splitlines())
    return bare if scope.code.startswith(bare) else ""


def _with_imports_refused(before: Document, after: Document) -> str | None:
    if error_count(after) > error_count(before):
        return "The imports have a syntax error."
    return python.refused(before, after)


def docstring_refused(before: Document, definition: Definition, edit: Edit) -> str | None:
    """Prove on the syntax tree that an edit changes nothing but the definition's documentation."""
    after = before.edited([edit])
    if error_count(after) > error_count(before):
        return "The documentation breaks the syntax."
    moved = len(after.text) - len(before.text)
    name_start = definition.name_start + (moved if edit.start <= definition.name_start else 0)
    documented = next((each for each in definitions(after) if each.name_start == name_start), None)
    new_doc = doc_of(after, documented) if documented else None
    if new_doc is None:
        return "The documentation is not recognised as such."
    old_doc = doc_of(before, definition)
    if code_tokens(before, [old_doc] if old_doc else []) != code_tokens(after, [new_doc]):
        return "The edit would change code, not only documentation."
    return None


def annotations_refused(before: Document, edit: Edit, added: Sequence[str]) -> str | None:
    """Prove, by Python's own tree, that a new header differs from the old one in annotations only."""
    after = before.edited([edit])
    if error_count(after) > error_count(before):
        return "The code has a syntax error."
    return (
        python.more_than_annotations(before, after)
        or python.reannotated(before, after)
        or python.unready(after, edit)
        or python.refused(before, before.edited(imports.together(before, edit, added)))
    )


def deletes_much(scope: Scope, code: str, share: int) -> bool:
    """Whether more than `share` percent of the lines would be gone, so that a user should look at it first."""
    old, new = (sum(not is_blank(line) for line in text.split("\n")) for text in (scope.code, code))
    return old >= _SHORT and (old - new) * 100 > share * old


def _end(before: Document, after: Document, scope: Scope) -> int:
    """Where the scope ends in the edited document."""
    return scope.end + len(after.text) - len(before.text)


def _inside(document: Document, start: int, end: int) -> list[Definition]:
    return [each for each in definitions(document, (start, end)) if start <= each.name_start < end]


def _vanished(before: Document, after: Document, scope: Scope, rules: Rules) -> str | None:
    """A definition may go only when the instruction speaks of it or of renaming or removing."""
    if rules.asks(_MAY_DROP):
        return None
    kept = Counter(each.name for each in definitions(after))
    had = Counter(each.name for each in definitions(before))
    for definition in definitions(before):
        name = definition.name
        inside = scope.start <= definition.start and definition.end <= scope.end
        # Overloads share a name: each of them must stay.
        if inside and kept[name] < had[name] and not rules.names(name):
            return f"The definition `{name}` is gone."
    return None


def _repeated(before: Document, after: Document, scope: Scope) -> str | None:
    """Models like to write again what they saw or guess elsewhere: a name of the file may not be defined anew."""
    end = _end(before, after, scope)
    outside = {
        d.name
        for d in definitions(before)
        if not scope.start <= d.name_start < scope.end and (d.kind != "method" or d.start < scope.start < d.end)
    }
    inside = {d.name for d in _inside(before, scope.start, scope.end)}
    for definition in _inside(after, scope.start, end):
        name = definition.name
        if name not in inside and name in outside and definition.kind != "method":
            return f"The answer defines `{name}` again, which the file has already."
    return None


def _doubled(before: Document, after: Document, scope: Scope) -> str | None:
    """Given some lines, models like to go on with those that follow, or to begin with the one above."""
    text = before.text
    old, new = (
        [line.rstrip() for line in document.text.slice(scope.start, end).splitlines() if not is_blank(line)]
        for document, end in ((before, scope.end), (after, _end(before, after, scope)))
    )
    if scope.definition is not None or not old or not new:
        return None
    above = next(filter(str.strip, reversed(text.slice(0, scope.start).splitlines())), "").rstrip()
    below = next(filter(str.strip, text.slice(scope.end, scope.end + 1000).splitlines()), "").rstrip()
    for line, was, now in ((above, old[0], new[0]), (below, old[-1], new[-1])):
        if line == now != was and len(re.findall(r"\w", line)) > 2 and line not in old:
            return f"The answer repeats `{line.strip()}`, which stands next to this code already."
    return None


def _emptied(before: Document, after: Document, scope: Scope, rules: Rules) -> str | None:
    """A body that does something may not become one that does nothing."""
    if rules.asks(_MAY_DROP) or rules.asks(_OF_STUBS):
        return None
    now = {each.name: each for each in _inside(after, scope.start, _end(before, after, scope))}
    for each in _inside(before, scope.start, scope.end):
        if each.name not in now or not is_empty(after, now[each.name]):
            continue
        if not is_empty(before, each) or (rules.completes and each == scope.definition):
            return f"The answer leaves `{each.name}` without code."
    return None


def is_empty(document: Document, definition: Definition) -> bool:
    """Whether a function's body has nothing in it, or only says that something is to do."""
    if definition.kind == "class" or definition.body_start is None or definition.body_end is None:
        return False
    if definition.body_end - definition.body_start > 2000:
        return False
    doc = doc_of(document, definition)
    skip = [(0, definition.body_start), *([doc] if doc else []), (definition.body_end, len(document.text))]
    body = b" ".join(token.text for token in code_tokens(document, skip) if token.text)
    return _EMPTY.fullmatch(body.decode("utf-8", "replace").strip()) is not None


def _strayed(before: Document, after: Document, scope: Scope, rules: Rules) -> str | None:
    """Asked to change one definition, the model may not put imports and helpers around it, unless told to."""
    if scope.definition is None or before.tree is None or rules.asks(_MAY_ADD) or "adds" in rules.checks:
        return None
    end = _end(before, after, scope)
    outer = [d for d in definitions(after, (scope.start, end)) if scope.start <= d.start and d.end <= end]
    kept = next((d for d in outer if d.name == scope.definition.name), None)
    around = [(d.start, d.end) for d in outer if d is kept]
    inside = code_tokens(after, [(0, scope.start), *around, (end, len(after.text))])
    if kept is not None and any(token.text.strip(b";,") for token in inside):
        return f"Put nothing before or after `{kept.name}`, neither imports nor helpers; change only its own code."
    return None


def _signature_changed(before: Document, after: Document, scope: Scope, rules: Rules) -> str | None:
    """What others call or see of a definition stays, unless the user asks: its parameters and its modifiers."""
    if "signature" not in rules.checks and rules.asks(_OF_SIGNATURE):
        return None
    old = _outermost(_inside(before, scope.start, scope.end))
    new = _outermost(_inside(after, scope.start, _end(before, after, scope)))
    names = Counter(each.name for each in new)
    for each in old:
        now = next((other for other in new if other.name == each.name), None)
        if now is None or names[each.name] > 1 or rules.names(each.name):
            continue
        had, has = parameters(before, each), parameters(after, now)
        if had != has:
            return (
                f"The parameters of `{each.name}` changed; they must stay ({', '.join(had or ['as they are'])})."
            )
        if changed := _modifiers(before, each) ^ _modifiers(after, now):
            return f"`{each.name}` must stay as it is for its callers, but `{min(changed)}` came or went."
    return None


def _outermost(found: Sequence[Definition]) -> list[Definition]:
    """Functions and the members of types; what is inside of a function is nobody else's."""
    functions = [each for each in found if each.kind != "class"]
    return [
        each
        for each in found
        if not any(other.start <= each.start and each.end < other.end for other in functions if other is not each)
    ]


def _modifiers(document: Document, definition: Definition) -> set[str]:
    line = document.text.slice(definition.start, definition.name_start)
    return set(re.findall(r"[a-z]+", line.rpartition("\n")[2])) & _MODIFIERS


def _comments_only(before: Document, after: Document, scope: Scope) -> str | None:
    skip_before, skip_after = (
        [doc for each in definitions(document) if (doc := doc_of(document, each))] for document in (before, after)
    )
    if code_tokens(before, skip_before) != code_tokens(after, skip_after):
        return "The edit would change code, not only comments."
    return None


def _names_only(before: Document, after: Document, scope: Scope) -> str | None:
    """Only names that are used nowhere else in the file, and no attributes, may differ, each in one way."""
    old, new = (_leaves(document) for document in (before, after))
    if [each.kind for each in old] != [each.kind for each in new]:
        return "The edit would change more than names."
    renamed: dict[bytes, bytes] = {}
    strings: list[tuple[Token, Token]] = []
    whole = before.language.string_nodes if before.language else frozenset()
    previous = b""
    for was, now in zip(old, new, strict=True):
        if was.text != now.text and was.kind in whole:
            strings.append((was, now))
        elif was.text != now.text:
            if was.kind.startswith(("shorthand", "property", "field")):
                return f"`{_shown(was)}` names a property, which may not be renamed."
            if "identifier" not in was.kind and was.kind != "name":
                return f"The edit would change more than names: `{_shown(was)}` became `{_shown(now)}`."
            if previous in (b".", b"->", b"::") or renamed.setdefault(was.text, now.text) != now.text:
                return f"`{_shown(was)}` may not be renamed here."
        previous = was.text
    for was, now in strings:
        if now.text not in (was.text, _renamed_inside(was.text, renamed)):
            return f"The edit would change more than names: `{_shown(was)}` became `{_shown(now)}`."
    words = Counter(re.findall(rb"\w+", before.text.data[: scope.start] + b" " + before.text.data[scope.end :]))
    had = {each.text for each in old}
    for name, other in renamed.items():
        if words[name]:
            return f"`{name.decode('utf-8', 'replace')}` is used outside of the selection too."
        if other in had or list(renamed.values()).count(other) > 1:
            return f"`{other.decode('utf-8', 'replace')}` is a name already."
    names = {name.decode("utf-8", "replace"): other.decode("utf-8", "replace") for name, other in renamed.items()}
    is_python = before.language is not None and before.language.id == "python"
    return python.more_than_renamed(before, after, names) if is_python else None


def _renamed_inside(string: bytes, renamed: Mapping[bytes, bytes]) -> bytes:
    """A string whose interpolations, if it may have any, have the new names."""
    if re.match(rb"[rR]?[fF][rR]?[\"']", string):
        inside = re.compile(rb"(?<!\{)\{[^{}]*\}(?!\})")
    elif string.startswith(b"`"):
        inside = re.compile(rb"\$\{[^{}]*\}")
    else:
        return string

    def new(match: re.Match[bytes]) -> bytes:
        return re.sub(rb"(?<![.\w])\w+", lambda word: renamed.get(word[0], word[0]), match[0])

    return inside.sub(new, string)


def _leaves(document: Document) -> list[Token]:
    return [token for token in code_tokens(document) if token.text]


def _shown(token: Token) -> str:
    return token.text.decode("utf-8", "replace")


def _adds(before: Document, after: Document, scope: Scope) -> str | None:
    had = {each.name for each in definitions(before)}
    new = [each for each in _inside(after, scope.start, _end(before, after, scope)) if each.name not in had]
    for each in new:
        body = after.text.slice(each.end, len(after.text)) + after.text.slice(0, each.start)
        if re.search(rf"\b{re.escape(each.name)}\b", body):
            return None
    return f"The new function `{new[0].name}` is not called." if new else "The answer has no new function."


def _nothing(before: Document, after: Document, scope: Scope) -> str | None:
    """The signature is looked at for every edit; the check only makes it strict."""
    return None


def _annotations_only(before: Document, after: Document, scope: Scope) -> str | None:
    """Of Python code, whose own tree says so."""
    return python.more_than_annotations(before, after)


def _parses(before: Document, after: Document, scope: Scope) -> str | None:
    """No new error is there in any edit; this lets none remain."""
    return "The file has a syntax error." if error_count(after) else None


_CHECKS = {
    "signature": _nothing,
    "comments": _comments_only,
    "names": _names_only,
    "adds": _adds,
    "annotations": _annotations_only,
    "parses": _parses,
}
