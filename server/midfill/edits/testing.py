"""Generated tests: where a project has its tests, in which framework, and what is added to which file."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from midfill.document import Document
from midfill.edits import imports, prompt, python, surroundings
from midfill.edits.scope import WHOLE, scope_of
from midfill.edits.work import Asking, Patch, Wish
from midfill.errors import EditRejected
from midfill.syntax import Definition, definition_at, definitions, error_count
from midfill.text import Edit, indent, indentation, is_blank

_TOKENS = 700
# Test files that are looked at to learn which framework a project has.
_SAMPLES = 5
TESTED = frozenset(("python", "javascript", "typescript", "tsx", "go", "rust"))

Read = Callable[[Path], Document | None]
"""The document of a path as the user has it, open or on disk; None where there is none."""


@dataclass(frozen=True)
class Framework:
    """How tests look: `ask` in words, `begun` the beginning of the first one, `test` what each is told by."""

    name: str
    ask: str
    begun: str
    test: re.Pattern[str]


_JS_TEST = re.compile(r"\b(?:it|test)(?:\.\w+)?\(")
FRAMEWORKS = {
    each.name: each
    for each in (
        Framework("pytest", "pytest functions with plain asserts", "def test_", re.compile(r"\bdef (test_\w+)")),
        Framework("unittest", "methods of a unittest.TestCase", "class ", re.compile(r"\bdef (test_\w+)")),
        Framework("vitest", "Vitest tests with describe, it and expect", "describe(", _JS_TEST),
        Framework("jest", "Jest tests with describe, it and expect", "describe(", _JS_TEST),
        Framework("node:test", "tests of node:test with assert", "test(", _JS_TEST),
        Framework(
            "go", "Go tests with the package testing, table-driven", "func Test", re.compile(r"\bfunc (Test\w+)")
        ),
        Framework(
            "rust", "Rust tests with #[test] and assert_eq!", "#[test]\nfn ", re.compile(r"test\][^{]*?\bfn (\w+)")
        ),
    )
}


@dataclass(frozen=True)
class Target:
    """The file that tests go to; `document` is empty where it is to be created. `header`: lines that it needs."""

    path: Path
    document: Document
    creates: bool
    framework: Framework
    header: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """Where a document is: its file, the folder of its project, and how other files are read."""

    path: Path
    root: Path
    read: Read


async def write_tests(document: Document, wish: Wish, asking: Asking, project: Project) -> tuple[Patch, Target]:
    """Tests for the definition around a place, as edits of their target. Raises `EditRejected`."""
    definition = definition_at(document, wish.start, wish.end)
    if definition is None or document.language is None or document.language.id not in TESTED:
        raise EditRejected("There is no function or class here that tests could be written for.")
    scope = scope_of(document, definition.start, definition.end, WHOLE)
    target = target_of(document, definition, project)
    language = document.language.id
    subject = (
        definition.name if definition.kind != "method" else f"{_owner(document, definition)}.{definition.name}"
    )
    present = sorted(set(_tests(target.document, target.framework)))
    turns = prompt.tests(
        scope.code,
        language,
        subject,
        target.framework.ask,
        present,
        surroundings.around(document, scope, wish.symbols),
    )
    header = "\n".join(target.header)
    begun = (
        f"```{language}\n{header}\n\n{target.framework.begun}"
        if header
        else f"```{language}\n{target.framework.begun}"
    )
    while True:
        written = await asking.answer(turns, begun, _TOKENS, ("\n```",), whole=False)
        body, lines = imports.taken_out(target.framework.begun + written.removesuffix(" …"), "")
        if language in ("javascript", "typescript", "tsx"):
            lines += re.findall(r"^import\b[^\n]*\bfrom\b[^\n]*$", body, re.MULTILINE)
            body = re.sub(r"^import\b[^\n]*\bfrom\b[^\n]*\n?", "", body, flags=re.MULTILINE)
        elif language == "go":
            lines += imports.known_in_go(body)
        patch = _patch(target, body, [*target.header, *lines])
        reason = _refused(target, patch, body, definition.name)
        if reason is None:
            return patch, target
        turns = asking.again(turns, f"{begun}{written}\n```", reason)


def target_of(document: Document, definition: Definition, project: Project) -> Target:
    """Where the tests of a definition belong. Raises `EditRejected` where it cannot be reached from a test."""
    assert document.language is not None
    path, root, read = project.path, project.root, project.read
    if document.language.id == "python":
        return _python(document, definition, root, path, read)
    if document.language.id == "go":
        package = re.search(r"^package\s+\w+", document.code, re.MULTILINE)
        found = path.with_name(f"{path.stem}_test.go")
        header = (package[0] if package else "package main", 'import "testing"')
        target = _target(found, read, FRAMEWORKS["go"], header)
        if outside := re.search(r"^package\s+(\w+_test)\b", target.document.code, re.MULTILINE):
            raise EditRejected(
                f"{found.name} is of the package `{outside[1]}`, which sees the code by an import only."
            )
        return target
    if document.language.id == "rust":
        module = next((each for each in definitions(document) if _holds(document, each, definition)), None)
        if module is not None:
            raise EditRejected(
                f"`{definition.name}` is inside of the module `{module.name}`; write tests in there."
            )
        if re.search(r"^(?:pub\S*\s+)?mod\s+tests\s*;", document.code, re.MULTILINE):
            raise EditRejected(
                "The tests of this file are in a file of their own (`mod tests;`); write them there."
            )
        return Target(path, document, False, FRAMEWORKS["rust"], ())
    return _javascript(document, definition, root, path, read)


def _holds(document: Document, module: Definition, definition: Definition) -> bool:
    """Whether a definition of Rust is a module around another one."""
    text = document.text.slice(module.start, module.name_start)
    return re.search(r"\bmod\s+$", text) is not None and module.start < definition.start <= module.end


# -- layouts ---------------------------------------------------------------------------------------------------


def _python(document: Document, definition: Definition, root: Path, path: Path, read: Read) -> Target:
    names = (f"test_{path.stem}.py", f"{path.stem}_test.py")
    folders = [folder / name for folder in _up(path.parent, root) for name in ("tests", "test")]
    folders = [folder for folder in folders if folder.is_dir()]
    beside = [path.with_name(name) for name in names]
    inside = [each for folder in folders for name in names for each in sorted(folder.rglob(name))[:1]]
    found = next((each for each in (*beside, *inside) if each.is_file()), None)
    if found is None:
        folder = folders[0] if folders else path.parent
        if (folder / "unit").is_dir():
            folder /= "unit"
        found = folder / names[0]
    samples = (
        [found]
        if found.is_file()
        else [*sorted(found.parent.glob("test_*.py")), *sorted(found.parent.glob("*_test.py"))]
    )
    texts = [str(other.text) for each in samples[:_SAMPLES] if (other := read(each)) is not None]
    unittest = any("unittest.TestCase" in text or "from unittest" in text for text in texts)
    pytest = any("pytest" in text or re.search(r"^(?:async )?def test_", text, re.MULTILINE) for text in texts)
    framework = FRAMEWORKS["unittest" if unittest and not pytest else "pytest"]
    module = _module(path, root)
    name = _owner(document, definition) if definition.kind == "method" else definition.name
    header = (*(("import unittest",) if framework.name == "unittest" else ()), f"from {module} import {name}")
    return _target(found, read, framework, header)


def _module(path: Path, root: Path) -> str:
    """How a test imports a file: from the top of its package, or from the root of the sources."""
    parts = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder != root.parent:
        parts.insert(0, folder.name)
        folder = folder.parent
    if len(parts) > 1 or folder == root:
        return ".".join(parts)
    try:
        between = list(folder.relative_to(root).parts)
    except ValueError:
        return ".".join(parts)
    return ".".join([*(between[1:] if between[:1] == ["src"] else between), *parts])


def _javascript(document: Document, definition: Definition, root: Path, path: Path, read: Read) -> Target:
    name = _owner(document, definition) if definition.kind == "method" else definition.name
    code = document.code
    exported = re.search(rf"\bexport\b[^\n;]*\b{re.escape(name)}\b|\bexports\b[^;]*\b{re.escape(name)}\b", code)
    if exported is None:
        raise EditRejected(f"`{name}` is not exported, so no test can import it; export it first.")
    suffix = path.suffix
    names = (f"{path.stem}.test{suffix}", f"{path.stem}.spec{suffix}")
    folders = [path.parent, path.parent / "__tests__"]
    folders += [folder / each for folder in _up(path.parent, root) for each in ("tests", "test", "__tests__")]
    found = next((folder / each for folder in folders for each in names if (folder / each).is_file()), None)
    if found is None:
        used = (folder for folder in folders[1:] if folder.is_dir() and any(folder.glob("*.test.*")))
        empty = path.parent / "__tests__"
        found = next(used, empty if empty.is_dir() else path.parent) / names[0]
    framework = FRAMEWORKS[_runner(path.parent, root, read)]
    common = not re.search(r"^\s*export\b", code, re.MULTILINE)
    place = _relative(path, found.parent)
    place = place if framework.name == "node:test" else place.removesuffix(suffix)
    default = re.search(rf"\bexport\s+default\b[^\n;]*\b{re.escape(name)}\b", code)
    what = name if default and not common else f"{{ {name} }}"
    own = f'const {what} = require("{place}");' if common else f'import {what} from "{place}";'
    runner = {
        "vitest": ('import { describe, expect, it } from "vitest";',),
        "jest": (),
        "node:test": (
            ('const test = require("node:test");', 'const assert = require("node:assert/strict");')
            if common
            else ('import test from "node:test";', 'import assert from "node:assert/strict";')
        ),
    }[framework.name]
    return _target(found, read, framework, (*runner, own))


def _runner(folder: Path, root: Path, read: Read) -> str:
    """The test runner that the nearest package.json names; Node's own where there is none."""
    for each in _up(folder, root):
        document = read(each / "package.json")
        if document is None:
            continue
        try:
            told = json.loads(str(document.text))
            named = {**told.get("dependencies", {}), **told.get("devDependencies", {})}
            script = str(told.get("scripts", {}).get("test", ""))
        except (ValueError, AttributeError, TypeError):
            continue
        for runner in ("vitest", "jest"):
            if runner in named or runner in script:
                return runner
    return "node:test"


def _relative(path: Path, folder: Path) -> str:
    """A path as an import in a file of `folder` names it."""
    relative = Path(os.path.relpath(path, folder)).as_posix()
    return relative if relative.startswith(".") else f"./{relative}"


def _up(folder: Path, root: Path) -> Iterator[Path]:
    """A folder and those around it, up to the root."""
    yield folder
    while folder != root and root in folder.parents:
        folder = folder.parent
        yield folder


def _target(path: Path, read: Read, framework: Framework, header: tuple[str, ...]) -> Target:
    document = read(path)
    if document is not None:
        return Target(path, document, False, framework, header)
    return Target(path, Document.open(path.as_uri(), None, 0, ""), True, framework, header)


def _owner(document: Document, definition: Definition) -> str:
    """The name of the type that a method is a member of."""
    around = [
        each
        for each in definitions(document, (definition.start, definition.end))
        if each.kind == "class" and each.start <= definition.start and definition.end <= each.end
    ]
    return max(around, key=lambda each: each.start).name if around else definition.name


# -- the edit --------------------------------------------------------------------------------------------------

_ATTRIBUTES = r"(?:#\[[^\n]*\]\s*)*"
_MOD = re.compile(rf"{_ATTRIBUTES}#\[cfg\((?:all\()?test\b[^\n]*\]\s*{_ATTRIBUTES}(?:pub\S*\s+)?mod\s+\w+\s*\{{")


def _patch(target: Target, body: str, lines: list[str]) -> Patch:
    document = target.document
    text = document.text
    newline = text.newline
    if target.framework.name == "pytest" and re.search(r"\bpytest\.", body):
        lines = ["import pytest", *lines]
    if target.framework.name == "rust":
        return _rust(target, body)
    code = body.strip("\n").replace("\n", newline) + newline
    if target.framework.name in ("vitest", "jest", "node:test"):
        lines = imports.lacking(document, lines)
    if target.creates:
        head = [*dict.fromkeys(lines)]
        start = newline.join([*head[:1], "", *head[1:]]) if target.framework.name == "go" else newline.join(head)
        gap = newline * (3 if target.framework.name in ("pytest", "unittest") else 2)
        return Patch((Edit(0, 0, start + gap + code),), (0, 0))
    wanted = [line for line in lines if not line.startswith("package ")]
    adding = imports.insertion(document, imports.lacking(document, wanted))
    end = len(text)
    if script := re.search(rb"^if __name__ == ", text.data, re.MULTILINE):
        # What runs the tests of a file stays its end.
        after = code + newline * 2
        return Patch((*adding, Edit(script.start(), script.start(), after)), (script.start(),) * 2, tuple(wanted))
    gap = newline * 2 if target.framework.name in ("pytest", "unittest") else newline
    gap = gap if text.data.endswith((b"\n", b"\r")) or not end else newline + gap
    return Patch((*adding, Edit(end, end, gap + code)), (end, end), tuple(wanted))


def _rust(target: Target, body: str) -> Patch:
    """Into the module of tests that the file has, or into one at its end."""
    document = target.document
    text = document.text
    newline = text.newline
    body = body.strip("\n")
    module = next((each for each in _test_modules(document)), None)
    if module is not None and module.body_end is not None:
        at = module.body_end - 1
        margin = indentation(text.line(text.line_of(module.start))) + "    "
        line = text.line_start(text.line_of(at))
        own = is_blank(text.slice(line, at))
        if not re.search(r"\buse\s+super\b", text.slice(module.start, module.end)):
            body = f"use super::*;\n\n{body}"
        code = newline + indent(body, margin).replace("\n", newline) + newline
        return Patch((Edit(line, line, code) if own else Edit(at, at, newline + code),), (at, at))
    module_code = "#[cfg(test)]\nmod tests {\n    use super::*;\n\n" + indent(body, "    ") + "\n}\n"
    end = len(text)
    gap = newline if text.data.endswith((b"\n", b"\r")) else newline * 2
    return Patch((Edit(end, end, gap + module_code.replace("\n", newline)),), (end, end))


def _test_modules(document: Document) -> Iterator[Definition]:
    for each in definitions(document):
        if each.kind == "class" and _MOD.match(document.text.slice(each.start, each.end)):
            yield each


def _tests(document: Document, framework: Framework) -> list[str]:
    return [found for found in framework.test.findall(document.code) if found.isidentifier()]


def _refused(target: Target, patch: Patch, body: str, name: str) -> str | None:
    before = target.document
    after = before.edited(patch.edits)
    if error_count(after) > error_count(before):
        return "The tests have a syntax error."
    if not target.framework.test.search(body):
        return f"The answer has no test; write {target.framework.ask}."
    if not re.search(rf"\b{re.escape(name)}\b", body):
        return f"The tests do not use `{name}`."
    old = Counter(_tests(before, target.framework))
    added = Counter(_tests(after, target.framework)) - old
    if twice := [each for each, count in added.items() if count > 1 or each in old]:
        return f"There is a test `{twice[0]}` already."
    defined = {each.name for each in definitions(after) if each.kind != "method"}
    if target.framework.name != "rust" and name in defined:
        return f"The answer defines `{name}` itself; it must test the one that is imported."
    return python.refused(before, after)
