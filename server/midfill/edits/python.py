"""What Python itself says of Python code: its compiler, its syntax tree, and ruff, where that is installed."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from midfill.document import Document
from midfill.edits import imports
from midfill.syntax import definitions
from midfill.text import Edit

# A fatal rule each: syntax, comparisons and tests that are always wrong, misplaced statements, undefined names.
_RUFF_RULES = "E9,F63,F7,F82"
_RUFF_SECONDS = 5


def refused(before: Document, after: Document) -> str | None:
    """What a Python file that was right before is not any more: compiled, and free of names that are nowhere."""
    if before.language is None or before.language.id != "python" or compile_error(before.code):
        return None
    if message := no_longer_compiles(before, after):
        return message
    unknown = (imports.unbound(after.code) or set()) - (imports.unbound(before.code) or set())
    if unknown:
        return f"The name `{min(unknown)}` is defined nowhere; define it, or use what there is."
    return _ruff_refused(before.code, after.code)


def compile_error(source: str) -> str | None:
    """What Python's compiler says against a file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "<edit>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return getattr(error, "msg", None) or str(error)
    return None


def no_longer_compiles(before: Document, after: Document) -> str | None:
    if before.language is None or before.language.id != "python" or compile_error(before.code):
        return None
    message = compile_error(after.code)
    return f"The code does not compile: {message}." if message else None


def more_than_annotations(before: Document, after: Document) -> str | None:
    if _without_annotations(before.code) != _without_annotations(after.code):
        return "The edit would change more than annotations."
    return None


def reannotated(before: Document, after: Document) -> str | None:
    """The annotations that there are stay; the code differs in annotations only."""
    for old, new in zip(_annotations(before.code), _annotations(after.code), strict=True):
        if old is not None and (new is None or ast.dump(old) != ast.dump(new)):
            return f"`{ast.unparse(old)}` is annotated already; keep it as it is."
    return None


def _without_annotations(code: str) -> str | None:
    """Python's tree of the code as text, as if nothing were annotated; None for code that does not parse."""
    try:
        tree = ast.parse(code)
        return ast.dump(_Bare().visit(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Bare(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = node.type_comment = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = node.type_comment = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = node.type_comment = None
        return self.generic_visit(node)


def _annotations(code: str) -> list[ast.expr | None]:
    """The annotation of each parameter and result in Python code that parses, None where there is none."""
    return [
        node.annotation if isinstance(node, ast.arg) else node.returns
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.arg | ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def unready(after: Document, edit: Edit) -> str | None:
    """An annotation is evaluated with its function, when a class around or below is not there yet."""
    if re.search(r"^from __future__ import [^\n]*\bannotations\b", after.code, re.MULTILINE):
        return None
    bare = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'|=[^,)]*", "", edit.text)
    words = set(re.findall(r"(?<![.\w])\w+", bare))
    for each in definitions(after):
        later = edit.start < each.start or (each.start <= edit.start <= each.end)
        if each.kind == "class" and later and each.name in words:
            return f"`{each.name}` is not there yet when the annotation is evaluated; write it in quotes."
    return None


def more_than_renamed(before: Document, after: Document, names: Mapping[str, str]) -> str | None:
    """What Python sees of differences besides the new names of variables; nothing where its code has an error."""
    try:
        old, new = ast.parse(before.code), ast.parse(after.code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(old):
        for name in ("id", "arg", "name", "rest"):
            is_variable = not isinstance(node, ast.keyword | ast.alias | ast.FunctionDef | ast.ClassDef)
            if is_variable and getattr(node, name, None) in names:
                setattr(node, name, names[getattr(node, name)])
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [names.get(each, each) for each in node.names]
    if ast.dump(old) != ast.dump(new):
        return "A variable's name must change everywhere, and nothing else may, such as an argument's keyword."
    return None


def _ruff_refused(before: str, after: str) -> str | None:
    """A fatal finding that was not there before. Optional: without ruff there is none."""
    if _ruff() is None or not (found := _ruff_findings(after)):
        return None
    new = Counter(found) - Counter(_ruff_findings(before))
    return f"A checker says: {next(iter(new))}." if new else None


@cache
def _ruff() -> str | None:
    """The checker, if the user has it: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("ruff")
    return str(beside) if beside.is_file() else shutil.which("ruff")


def _ruff_findings(source: str) -> list[str]:
    # Isolated: no configuration of the workspace is read, which may be a stranger's.
    command = [_ruff() or "", "check", "--isolated", "--no-cache", "--quiet", "--output-format=concise"]
    command += [f"--select={_RUFF_RULES}", "--stdin-filename=edit.py", "-"]
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=_RUFF_SECONDS)
    except (OSError, subprocess.SubprocessError, UnicodeEncodeError):
        return []
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return [line.split(": ", 1)[1] for line in lines if line.startswith("edit.py:") and ": " in line]
