"""What must hold before a user sees an edit. Each check returns the reason for a refusal, or None."""

from __future__ import annotations

import re
import warnings

from midfill.document import Document
from midfill.edits.scope import Scope
from midfill.syntax import Definition, code_tokens, definitions, doc_of, error_count
from midfill.text import Edit

_PLACEHOLDER = re.compile(
    r"^\s*(?:#|//|/\*|--)?\s*(?:\.\.\.|…)?\s*\(?(?:the )?(?:rest|remainder|remaining|existing|other|same|previous)"
    r"[\w ]*\b(?:code|function|method|class|implementation|logic|body|lines)\b[^\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_MAY_ADD = re.compile(
    r"\b(?:add|create|extract|split|move|import|helper|function|method|class|module|type|interface|constant)\w*\b",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^\s*```", re.MULTILINE)


def refused(before: Document, scope: Scope, code: str, instruction: str) -> str | None:
    """Check a rewritten scope; `code` is the model's, without the scope's indentation."""
    if not code.strip():
        return "The answer is empty."
    if code.strip() == scope.code.strip():
        return "The code is unchanged."
    if _FENCE.search(code) and not _FENCE.search(scope.code):
        return "The answer holds a code fence inside the code."
    for placeholder in _PLACEHOLDER.findall(code):
        if placeholder not in scope.code:
            return f"The answer leaves code out: `{placeholder.strip()}`."
    after = before.edited([Edit(scope.start, scope.end, scope.restored(code))])
    if error_count(after) > error_count(before):
        return "The code has a syntax error."
    if message := _python_error(before, after):
        return f"The code does not compile: {message}."
    return (
        _vanished(before, after, scope, instruction)
        or _repeated(before, after, scope)
        or _strayed(before, after, scope, instruction)
    )


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


def _vanished(before: Document, after: Document, scope: Scope, instruction: str) -> str | None:
    """A definition may go only when the instruction speaks of it or of renaming or removing."""
    if re.search(r"\b(?:rename|remove|delete|inline|merge|replace|split)\b", instruction, re.IGNORECASE):
        return None
    kept = {d.name for d in definitions(after)}
    for definition in definitions(before):
        inside = scope.start <= definition.start and definition.end <= scope.end
        if inside and definition.name not in kept and definition.name not in instruction:
            return f"The definition `{definition.name}` is gone."
    return None


def _repeated(before: Document, after: Document, scope: Scope) -> str | None:
    """Models like to write again what they saw or guess elsewhere: a name of the file may not be defined anew."""
    end = scope.end + len(after.text) - len(before.text)
    outside = {
        d.name for d in definitions(before) if d.kind != "method" and not scope.start <= d.name_start < scope.end
    }
    inside = {d.name for d in definitions(before) if scope.start <= d.name_start < scope.end}
    for definition in definitions(after):
        name = definition.name
        new = scope.start <= definition.name_start < end and name not in inside
        if new and name in outside and definition.kind != "method":
            return f"The answer defines `{name}` again, which the file has already."
    return None


def _strayed(before: Document, after: Document, scope: Scope, instruction: str) -> str | None:
    """Asked to change one definition, the model may not put imports and helpers around it, unless told to."""
    if scope.definition is None or before.tree is None or _MAY_ADD.search(instruction):
        return None
    end = scope.end + len(after.text) - len(before.text)
    outer = [d for d in definitions(after, (scope.start, end)) if scope.start <= d.start and d.end <= end]
    kept = next((d for d in outer if d.name == scope.definition.name), None)
    around = [(d.start, d.end) for d in outer if d is kept]
    inside = code_tokens(after, [(0, scope.start), *around, (end, len(after.text))])
    if kept is not None and any(token.text.strip(b";,") for token in inside):
        return f"Put nothing before or after `{kept.name}`, neither imports nor helpers; change only its own code."
    return None


def _python_error(before: Document, after: Document) -> str | None:
    """The compiler's complaint about a Python file that compiled before."""
    if before.language is None or before.language.id != "python":
        return None
    return None if _compile(before.code) else _compile(after.code)


def _compile(source: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "<edit>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return getattr(error, "msg", None) or str(error)
    return None
