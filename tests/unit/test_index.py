"""The index of a workspace: which files, which symbols, what a name means, and that it heals."""

from __future__ import annotations

import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from projects import buffer, indexed, project

from midfill.document import Document
from midfill.index import build, files, symbols
from midfill.index.build import update
from midfill.index.deny import denied
from midfill.index.extract import Import, extract
from midfill.index.secrets import has_secret
from midfill.index.store import Reader, database
from midfill.index.symbols import distance, path_below, path_of, related


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MIDFILL_CACHE", str(folder))
    return folder


# -- what is denied --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *(".env", ".env.local", "a/b/.env.production", "prod.env", ".envrc", "server.pem", "a/tls.KEY", "x.crt"),
        *("id_rsa", "id_ed25519.pub", "store.jks", "a.p12", "terraform.tfstate", "terraform.tfstate.backup"),
        *("prod.tfvars", "credentials", "credentials.json", "aws-credentials.yaml", "secrets.yml", ".npmrc"),
        *("my_secret.toml", "passwords.txt", ".ssh/config", "home/.aws/config", ".netrc", "vault.kdbx"),
        *("C:\\work\\.env", "service-account-prod.json", "client_secret_1.json", ".git-credentials"),
    ],
)
def test_files_that_hold_secrets_are_denied(path: str) -> None:
    assert denied(path)


@pytest.mark.parametrize(
    "path",
    [
        *("environment.py", "credentials.py", "secrets.ts", "auth/password_reset.go", "keys.py", "tokens.rs"),
        *("package.json", "a/monkey.js", "docs/env.md", "src/certificate.py", "pem.c", "", "envelope.json"),
    ],
)
def test_code_is_not_denied(path: str) -> None:
    assert not denied(path)


# -- which files -----------------------------------------------------------------------------------------------


def paths(root: Path) -> list[str]:
    walked = sorted(file.path for file in files.walk(root))
    everything = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    assert walked == sorted(path for path in everything if files.found(root, path)), "walk and found disagree"
    return walked


def test_gitignore_is_respected_in_every_folder(tmp_path: Path) -> None:
    text = """\
#- .gitignore
/build/
*.gen.py
!keep.gen.py
#- a.py
#- a.gen.py
#- keep.gen.py
#- build/b.py
#- sub/build/c.py
#- sub/.gitignore
!a.gen.py
local.py
#- sub/a.gen.py
#- sub/local.py
#- local.py
#- .git/info/exclude
mine.py
#- mine.py
#- node_modules/x.js
#- readme.unknown
"""
    found = paths(project(tmp_path, text))
    assert found == ["a.py", "keep.gen.py", "local.py", "sub/a.gen.py", "sub/build/c.py"]


def test_large_binary_denied_and_linked_files_are_left_out(tmp_path: Path) -> None:
    project(tmp_path, "#- a.py\nx = 1\n#- .env\nA=1\n#- secrets.json\n{}\n")
    (tmp_path / "large.py").write_text("x = 1\n" * (files.LARGEST // 6 + 1))
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "binary.py").write_bytes(b"x = 1\0")
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'\n")
    found = [file.path for file in files.walk(tmp_path)]
    assert found == ["a.py", "binary.py", "latin.py"]
    assert [path for path in found if files.read(tmp_path, files.File(path, 0, 0)) is not None] == ["a.py"]


def test_a_folder_that_is_gone_is_empty(tmp_path: Path) -> None:
    assert list(files.walk(tmp_path / "none")) == []
    assert files.found(tmp_path / "none", "a/b.py") is None


# -- which symbols ---------------------------------------------------------------------------------------------

Row = tuple[str, str, str]
SAMPLES: dict[str, tuple[str, list[Row], list[Import]]] = {
    "a.py": (
        '''\
from .util import load as read, save
import os.path as p
from x import *
LIMIT = 3
@dataclass(frozen=True)
class Point(Base):
    """A place."""
    x: int = 0
    def __init__(self, y):
        self.y: int = y
        local = 1
    @property
    def size(
        self,
    ) -> int:  # type: ignore
        """How
        large."""
        def inner(): ...
def plain(a, *, b="x"):
    # A comment.
    return a
''',
        [
            ("", "LIMIT", "LIMIT = 3"),
            ("", "Point", "@dataclass(frozen=True)\nclass Point(Base)"),
            ("Point", "x", "x: int = 0"),
            ("Point", "__init__", "def __init__(self, y)"),
            ("Point", "y", "y: int"),
            ("Point", "size", "@property\ndef size(self) -> int"),
            ("", "plain", 'def plain(a, *, b="x")'),
        ],
        [
            Import(".util", "load", "read"),
            Import(".util", "save", None),
            Import("os.path", None, "p"),
            Import("x", "*", None),
        ],
    ),
    "a.ts": (
        """\
import def, { a, b as c } from './d';
import * as ns from '../ns';
export const LIMIT = 3;
export interface Shape { name: string; area(): number }
export type Id = string | number
/** Draws. */
export class Canvas<T> extends Base { private size = 1; draw(shape: Shape): void { const x = 1; } }
export const arrow = (x: number): number => { return x; };
""",
        [
            ("", "LIMIT", "export const LIMIT = 3"),
            ("", "Shape", "export interface Shape { name: string; area(): number }"),
            ("Shape", "name", "name: string"),
            ("Shape", "area", "area(): number"),
            ("", "Id", "export type Id = string | number"),
            (
                "",
                "Canvas",
                "export class Canvas<T> extends Base { private size = 1; draw(shape: Shape): void "
                "{ const x = 1; } }",
            ),
            ("Canvas", "size", "private size = 1"),
            ("Canvas", "draw", "draw(shape: Shape): void"),
            ("", "arrow", "export const arrow = (x: number): number =>"),
        ],
        [
            Import("./d", "def", None),
            Import("./d", "a", None),
            Import("./d", "b", "c"),
            Import("../ns", None, "ns"),
        ],
    ),
    "a.js": (
        "const { p } = require('./util'), fs = require('fs');\nexport class Foo { x = 1; get(a) { return a } }\n",
        [
            ("", "Foo", "export class Foo { x = 1; get(a) { return a } }"),
            ("Foo", "x", "x = 1"),
            ("Foo", "get", "get(a)"),
        ],
        [Import("./util", "p", None), Import("fs", None, "fs")],
    ),
    "a.go": (
        """\
package shop
import (
	"fmt"
	u "example.com/shop/util"
)
const Max = 3
type Item struct { Name string }
func (i *Item) Add(n int) error { return nil }
func New(name string,
	price float64) *Item { return nil }
""",
        [
            ("", "Max", "Max = 3"),
            ("", "Item", "type Item struct { Name string }"),
            ("Item", "Name", "Name string"),
            ("Item", "Add", "func (i *Item) Add(n int) error"),
            ("", "New", "func New(name string, price float64) *Item"),
        ],
        [Import("fmt", None, None), Import("example.com/shop/util", None, "u")],
    ),
    "a.rs": (
        """\
use crate::a::{b, d as e};
use std::fmt::Debug;
use super::util::*;
pub const X: usize = 3;
#[derive(Debug)]
pub struct Item { pub name: String }
impl Item {
    /// Next.
    pub fn next(&mut self) -> u8 { 1 }
}
""",
        [
            ("", "X", "pub const X: usize = 3"),
            ("", "Item", "pub struct Item { pub name: String }"),
            ("Item", "name", "pub name: String"),
            ("Item", "next", "pub fn next(&mut self) -> u8"),
        ],
        [
            Import("crate::a", "b", None),
            Import("crate::a", "d", "e"),
            Import("std::fmt", "Debug", None),
            Import("super::util", "*", None),
        ],
    ),
    "A.java": (
        """\
package com.x.y;
import com.x.z.Foo;
import com.x.w.*;
/** A thing. */
public class A extends Foo {
  private final int size = 3;
  @Override
  public int get(String name) { return someCallThatMakesThisBodyLongerThanWhatIsShown(name, 1, 2, 3, 4, 5, 6); }
  public int put(String name) { return someCallThatMakesThisBodyLongerThanWhatIsShown(name, 1, 2, 3, 4, 5, 6); }
}
""",
        [
            ("", "A", "public class A extends Foo"),
            ("A", "size", "private final int size = 3"),
            ("A", "get", "@Override\npublic int get(String name)"),
            ("A", "put", "public int put(String name)"),
        ],
        [Import("com.x.z", "Foo", None), Import("com.x.w", "*", None)],
    ),
    "a.hpp": (
        """\
#include "foo/bar.h"
#include <vector>
#define LIMIT 3
namespace ns {
class Foo { int get(int a) const; int size_; };
inline int Foo::get(int a) const { return a; }
}
static int
old(void) { return 1; }
""",
        [
            ("", "LIMIT", "#define LIMIT 3"),
            ("", "Foo", "class Foo { int get(int a) const; int size_; }"),
            ("Foo", "get", "int get(int a) const;"),
            ("Foo", "size_", "int size_"),
            ("Foo", "get", "inline int Foo::get(int a) const"),
            ("", "old", "static int old(void)"),
        ],
        [Import("foo/bar.h", "*", None), Import("vector", "*", None)],
    ),
    "a.c": (
        '#include "b.h"\ntypedef struct node { int x; } node_t;\nint n = 0;\nchar *name(int a) { return 0; }\n',
        [
            ("", "node", "struct node { int x; }"),
            ("node", "x", "int x"),
            ("", "node_t", "typedef struct node { int x; } node_t;"),
            ("", "n", "int n = 0"),
            ("", "name", "char *name(int a)"),
        ],
        [Import("b.h", "*", None)],
    ),
}


@pytest.mark.parametrize("path", SAMPLES)
def test_symbols_and_imports(path: str) -> None:
    text, symbols, imports = SAMPLES[path]
    found = extract(Document.open(path, None, 1, text), path)
    assert [(each.container, each.name, each.signature) for each in found.symbols] == symbols
    assert list(found.imports) == imports


def test_the_first_line_of_the_documentation() -> None:
    text, *_ = SAMPLES["a.py"]
    docs = {each.name: each.doc for each in extract(Document.open("a.py", None, 1, text), "a.py").symbols}
    assert (docs["Point"], docs["size"], docs["plain"]) == ("A place.", "How", "")
    text, *_ = SAMPLES["a.rs"]
    docs = {each.name: each.doc for each in extract(Document.open("a.rs", None, 1, text), "a.rs").symbols}
    assert docs["next"] == "Next."


def test_long_code_is_cut_and_broken_code_is_no_trouble() -> None:
    text = (
        f"def f({', '.join(f'argument{i}' for i in range(100))}): ...\nX = '{'a' * 500}'\nclass (\ndef g(x): ...\n"
    )
    found = extract(Document.open("a.py", None, 1, text), "a.py").symbols
    assert all(len(each.signature) <= 240 for each in found)
    assert {"f", "X"} <= {each.name for each in found}
    assert extract(Document.open("a.unknown", None, 1, text), "a.unknown").symbols == ()


# -- what a name means -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "importer", "path", "expected"),
    [
        ("shop.cart", "main.py", "shop/cart.py", 0),
        ("shop.cart", "main.py", "src/shop/cart.py", 0),
        ("shop.cart", "main.py", "shop/cart/__init__.py", 0),
        ("shop", "main.py", "shop/cart/items.py", 1),
        ("shop.cart", "main.py", "other/cart.py", 2),
        ("shop.cart", "main.py", "shop/order.py", None),
        (".", "shop/main.py", "shop/cart.py", 1),
        (".cart", "shop/main.py", "shop/cart.py", 0),
        (".cart", "shop/main.py", "other/cart.py", None),
        ("..cart", "shop/a/main.py", "shop/cart.py", 0),
        ("./cart", "src/main.ts", "src/cart.ts", 0),
        ("./cart", "src/main.ts", "src/cart/index.ts", 0),
        ("../lib/cart.js", "src/main.ts", "lib/cart.ts", 0),
        ("@/lib/cart", "src/main.ts", "src/lib/cart.ts", 0),
        ("example.com/shop/internal/util", "main.go", "internal/util/strings.go", 0),
        ("fmt", "main.go", "internal/util/strings.go", None),
        ("crate::a::b", "src/main.rs", "src/a/b.rs", 0),
        ("crate::a", "src/main.rs", "src/a/mod.rs", 0),
        ("crate", "src/main.rs", "src/lib.rs", 1),
        ("com.x.y", "src/com/x/z/B.java", "src/com/x/y/A.java", 1),
        ("foo/bar.h", "src/main.c", "include/foo/bar.h", 0),
        ("bar.h", "src/main.c", "src/bar.c", 0),
    ],
)
def test_modules_and_files(module: str, importer: str, path: str, expected: int | None) -> None:
    assert distance(module, importer, path) == expected


def test_languages_that_can_use_each_other() -> None:
    assert related("a.ts", "b.js") and related("a.cpp", "b.h") and related("a.py", "b.py")
    assert not related("a.py", "b.js")


def test_paths_below_a_folder(tmp_path: Path) -> None:
    assert path_below(tmp_path, (tmp_path / "a b" / "ü.py").as_uri()) == "a b/ü.py"
    assert path_below(tmp_path, "file:///elsewhere/a.py") is None
    assert path_below(tmp_path, "untitled:Untitled-1") is None


def test_the_drive_in_an_uri_as_vs_code_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        windows = pytest.importorskip("nturl2path")
    monkeypatch.setattr(symbols, "url2pathname", windows.url2pathname)
    assert str(path_of("file:///c%3A/a%20b/shop.py")).lower() == r"c:\a b\shop.py"
    assert str(path_of("file:///C:/a%20b/shop.py")).lower() == r"c:\a b\shop.py"


def test_open_buffers_are_laid_over_the_index(tmp_path: Path) -> None:
    opened: dict[str, Document] = {}
    workspace = indexed(tmp_path, "#- a.py\nclass A:\n    def old(self): ...\n#- b.py\ndef b(): ...\n", opened)
    assert [each.name for each in workspace.members("a.py", "A")] == ["old"]
    opened.update(buffer(tmp_path, "a.py", "class A:\n    def new(self): ...\n"))
    opened.update(buffer(tmp_path, "unsaved.py", "def fresh(): ...\n"))
    opened.update(buffer(tmp_path, ".env", "def hidden(): ...\n"))
    assert [each.name for each in workspace.members("a.py", "A")] == ["new"]
    assert workspace.named(["old"]) == []
    assert [each.path for each in workspace.named(["b", "fresh", "hidden"])] == ["b.py", "unsaved.py"]
    opened.clear()
    assert [each.name for each in workspace.members("a.py", "A")] == ["old"]


# -- building --------------------------------------------------------------------------------------------------


def names(root: Path, *wanted: str) -> list[str]:
    reader = Reader(database(root))
    found = sorted(f"{each.path}:{each.name}" for each in reader.named(wanted))
    reader.close()
    return found


def test_only_what_has_changed_is_read_again(tmp_path: Path) -> None:
    project(tmp_path, "#- a.py\ndef a(): ...\n#- b.py\ndef b(): ...\n#- c.py\ndef c(): ...\n")
    assert update(tmp_path) == 3
    assert update(tmp_path) == 0
    (tmp_path / "a.py").write_text("def aa(): ...\n")
    (tmp_path / "b.py").unlink()
    project(tmp_path, "#- d/e.py\ndef e(): ...\n")
    assert update(tmp_path) == 2
    assert names(tmp_path, "a", "aa", "b", "c", "e") == ["a.py:aa", "c.py:c", "d/e.py:e"]


def test_a_change_of_the_time_alone_is_one(tmp_path: Path) -> None:
    project(tmp_path, "#- a.py\ndef a(): ...\n")
    update(tmp_path)
    (tmp_path / "a.py").write_text("def z(): ...\n")
    os.utime(tmp_path / "a.py", ns=(1, 1))
    assert update(tmp_path) == 1
    assert names(tmp_path, "a", "z") == ["a.py:z"]


def test_named_changes_are_all_that_is_looked_at(tmp_path: Path) -> None:
    project(tmp_path, "#- a.py\ndef a(): ...\n#- b.py\ndef b(): ...\n#- c.py\ndef c(): ...\n")
    update(tmp_path)
    project(tmp_path, "#- a.py\ndef aa(): ...\n#- c.py\ndef cc(): ...\n#- .env\nA=1\n#- new.py\ndef new(): ...\n")
    (tmp_path / "b.py").unlink()
    assert update(tmp_path, ["a.py", "b.py", "new.py", ".env", "none/x.py"]) == 2
    assert names(tmp_path, "aa", "b", "c", "cc", "new") == ["a.py:aa", "c.py:c", "new.py:new"]


def test_many_files_are_read_by_helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "WORTH_HELPERS", 10)
    monkeypatch.setattr(build, "BATCH", 4)
    project(tmp_path, "".join(f"#- p{i}/m.py\ndef f{i}(): ...\n" for i in range(30)))
    steps: list[tuple[int, int]] = []
    assert update(tmp_path, progress=lambda done, all: steps.append((done, all))) == 30
    assert steps[-1] == (30, 30) and len(steps) == 8
    assert len(names(tmp_path, *(f"f{i}" for i in range(30)))) == 30


def test_a_file_that_kills_a_helper_costs_its_batch_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        """A connection to a helper that dies of the file `bad.py`."""

        def __init__(self) -> None:
            self.ours, self.theirs = build.multiprocessing.Pipe()

        def fileno(self) -> int:
            return self.ours.fileno()

        def send(self, batch: Any) -> None:
            if any(file.path == "bad.py" for file in batch):
                self.theirs.close()
            else:
                self.theirs.send(build._symbols_of(tmp_path, batch))

        def recv(self) -> Any:
            return self.ours.recv()

        def close(self) -> None:
            self.ours.close()

    monkeypatch.setattr(build, "WORTH_HELPERS", 1)
    monkeypatch.setattr(build, "BATCH", 1)
    monkeypatch.setattr(build, "_helper", lambda _: Dying())
    project(tmp_path, "#- a.py\ndef a(): ...\n#- bad.py\ndef bad(): ...\n#- c.py\ndef c(): ...\n")
    assert update(tmp_path) == 3
    assert names(tmp_path, "a", "bad", "c") == ["a.py:a", "c.py:c"]
    assert update(tmp_path) == 0


def garbage(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def torn(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def overwritten(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(bytes(data))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (x)")
    connection.close()


def of_another_version(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def without_tables(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE symbol")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "damage", [garbage, torn, overwritten, empty, foreign, of_another_version, without_tables, Path.unlink]
)
def test_a_damaged_index_is_made_anew_without_a_word(tmp_path: Path, damage: Any) -> None:
    project(tmp_path, "".join(f"#- m{i}.py\ndef f{i}(a, b, c): ...\ndef g{i}(a, b, c): ...\n" for i in range(60)))
    assert update(tmp_path) == 60
    damage(database(tmp_path))
    reader = Reader(database(tmp_path))
    assert reader.named(["f7"]) == [] or damage is torn
    reader.close()
    # Even an update of one file finds that the rest is gone.
    assert update(tmp_path, ["m1.py"]) == 60
    assert names(tmp_path, "f7", "g59") == ["m59.py:g59", "m7.py:f7"]


def test_a_reader_tells_of_damage_and_finds_the_new_index(tmp_path: Path) -> None:
    workspace = indexed(tmp_path, "#- a.py\ndef a(): ...\n")
    reader = workspace.reader
    reader.reopen()
    garbage(database(tmp_path))
    assert (reader.named(["a"]), reader.broken) == ([], True)
    update(tmp_path)
    reader.reopen()
    assert [each.path for each in reader.named(["a"])] == ["a.py"]
    assert not reader.broken


def test_a_reader_that_comes_first_waits_for_nothing(tmp_path: Path) -> None:
    reader = Reader(database(tmp_path))
    assert (reader.named(["a"]), reader.broken) == ([], False)


def test_the_index_belongs_to_its_user(tmp_path: Path) -> None:
    indexed(tmp_path, "#- a.py\ndef a(): ...\n")
    assert database(tmp_path).stat().st_mode & 0o077 == 0
    assert database(tmp_path).parent.stat().st_mode & 0o077 == 0


def run(root: Path, said: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "midfill.index.build", str(root)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(said)
        process.stdin.flush()
        out, err = process.stdout.read(), process.stderr.read()
        process.stdin.close()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def test_the_process_tells_its_steps(tmp_path: Path) -> None:
    project(tmp_path, "#- a.py\ndef a(): ...\n#- b.py\ndef b(): ...\n")
    done = run(tmp_path, "null\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"done": 2, "all": 2}]
    assert run(tmp_path, '["a.py"]\n').stdout == ""


def test_the_process_says_why_there_can_be_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path / "file"))
    done = run(tmp_path, "null\n")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and done.stderr


def test_the_process_ends_with_its_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    monkeypatch.setattr(os, "_exit", ended.append)
    build._end_with_stdin()
    assert ended == [1]


# -- secrets ---------------------------------------------------------------------------------------------------


# Put together here, so that no scanner takes this file for a leak.
KEYS = {
    "aws": 'KEY = "' + "AKIA" + "IOSFODNN7EXAMPLE" + '"',
    "github": "token = '" + "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789" + "'",
    "private": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "keyword": 'password = "hunter2' + 'hunter2"',
    "url": "URL = 'postgres://user:" + "s3cret@host/db'",
    "random": 'X = "' + "8a7d9f3c1b5e2a4d6c8f0b1e3d5a7c9e" + '"',
}


@pytest.mark.parametrize("kind", KEYS)
def test_secrets_are_found(kind: str) -> None:
    assert has_secret(f"def f(a: int) -> str: ...\n{KEYS[kind]}\n")


def test_code_is_no_secret_and_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a secret was sent for verification")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    has_secret.cache_clear()
    assert not has_secret('def f(password: str, token: str | None = None, mode="utf-8") -> dict[str, int]: ...\n')
    assert all(has_secret(key) for key in KEYS.values())
