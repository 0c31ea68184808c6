"""The context from other files: what is told, how much, and that it stays while the user types."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import buffer, indexed

from midfill.completion import context
from midfill.completion.context import Context, gather, imports_above
from midfill.document import Document
from midfill.index.symbols import Workspace

SHOP = """\
#- shop/__init__.py
from .cart import Cart
#- shop/cart.py
LIMIT = 100
class Cart(Base):
    owner: str
    def __init__(self, owner: str) -> None:
        self.items: list[str] = []
    def add(self, item: str, count: int = 1) -> None: ...
    def total(self) -> float: ...
    def _hidden(self): ...
def load(path: str, *, strict: bool = False) -> Cart:
    return Cart(path)
def unrelated(a, b): ...
#- shop/other.py
class Cart: ...
def load(wrong): ...
"""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path_factory.mktemp("cache")))


def told(
    workspace: Workspace,
    marked: str,
    path: str = "main.py",
    budget: int = 2000,
    previous: Context | None = None,
    others: list[tuple[str, Document]] | None = None,
) -> Context:
    before, _, after = marked.partition("‸")
    document = Document.open((workspace.root / path).as_uri(), None, 1, before + after)
    return gather(document, path, len(before.encode()), workspace, budget, others or (), previous)


def shown(found: Context) -> str:
    return "".join(f"#- {each.path}\n{each.text}" for each in found.fragments)


def test_imported_symbols_come_with_their_signatures(tmp_path: Path) -> None:
    workspace = indexed(tmp_path, SHOP)
    found = told(workspace, "from shop.cart import Cart, load, LIMIT\ncart = ‸\n")
    assert (
        shown(found)
        == """\
#- shop/cart.py
LIMIT = 100
class Cart(Base):
    owner: str
    def __init__(self, owner: str) -> None: ...
    items: list[str]
    def add(self, item: str, count: int = 1) -> None: ...
    def total(self) -> float: ...
def load(path: str, *, strict: bool = False) -> Cart: ...
"""
    )


def test_a_package_passes_on_what_its_modules_define(tmp_path: Path) -> None:
    workspace = indexed(tmp_path, SHOP)
    assert "#- shop/cart.py\nclass Cart" in shown(told(workspace, "from shop import Cart\ncart = ‸\n"))
    assert "#- shop/cart.py\nclass Cart" in shown(told(workspace, "import shop\ncart = shop.Cart(‸\n"))


@pytest.mark.parametrize(
    "code",
    [
        "from shop import cart\ncart.load(‸\n",
        "from shop import cart as c\nc.load(‸\n",
        "import shop.cart as c\nc.load(‸\n",
        "from shop.cart import load as read\nread(‸\n",
        "from shop.cart import *\nload(‸\n",
    ],
)
def test_modules_aliases_and_stars(tmp_path: Path, code: str) -> None:
    found = shown(told(indexed(tmp_path, SHOP), code))
    assert "def load(path: str" in found
    assert "wrong" not in found


PROJECTS = {
    "main.ts": (
        "#- src/cart.ts\nexport function load(path: string): Cart { return 1; }\n#- b.ts\nfunction load(no) {}\n",
        "import { load } from './src/cart';\nload(‸\n",
        "#- src/cart.ts\nexport function load(path: string): Cart;\n",
    ),
    "main.js": (
        "#- src/cart.js\nfunction load(path) { return 1; }\nmodule.exports = { load };\n",
        "const { load } = require('./src/cart');\nload(‸\n",
        "#- src/cart.js\nfunction load(path);\n",
    ),
    "main.go": (
        "#- util/load.go\npackage util\nfunc Load(path string) error { return nil }\n#- near.go\npackage main\n"
        "func near(a int) {}\n",
        'package main\nimport "example.com/shop/util"\nfunc main() {\n\tutil.Load(near(‸\n}\n',
        "#- util/load.go\nfunc Load(path string) error;\n#- near.go\nfunc near(a int);\n",
    ),
    "src/main.rs": (
        "#- src/cart.rs\npub struct Cart { pub n: u8 }\npub fn load(path: &str) -> Cart { todo!() }\n",
        "use crate::cart::{load, Cart};\nfn main() { load(‸ }\n",
        "#- src/cart.rs\npub struct Cart { pub n: u8 }\npub fn load(path: &str) -> Cart;\n",
    ),
    "src/lib.rs": (
        "#- src/cart.rs\npub fn load(path: &str) -> u8 { 1 }\n",
        "use crate::cart;\nfn main() { cart::load(‸ }\n",
        "#- src/cart.rs\npub fn load(path: &str) -> u8;\n",
    ),
    "src/a/Main.java": (
        "#- src/b/Cart.java\npackage b;\npublic class Cart { int n; }\n",
        "package a;\nimport b.Cart;\nclass Main { void f() { new Cart(‸ } }\n",
        "#- src/b/Cart.java\npublic class Cart { int n; }\n",
    ),
    "main.c": (
        "#- include/cart.h\nint load(const char *path);\nint unused(void);\n",
        '#include "cart.h"\nint main(void) { return load(‸ }\n',
        "#- include/cart.h\nint load(const char *path);\n",
    ),
    "main.cpp": (
        "#- include/cart.hpp\nnamespace shop { class Cart { int n; }; }\n",
        '#include "cart.hpp"\nint main() { shop::Cart ‸ }\n',
        "#- include/cart.hpp\nclass Cart { int n; }\n",
    ),
}


@pytest.mark.parametrize("path", PROJECTS)
def test_symbols_are_found_through_imports_in_every_language(tmp_path: Path, path: str) -> None:
    files, code, expected = PROJECTS[path]
    assert shown(told(indexed(tmp_path, files), code, path)) == expected


def test_what_the_file_defines_itself_is_not_told(tmp_path: Path) -> None:
    workspace = indexed(tmp_path, SHOP)
    found = shown(told(workspace, "from shop.cart import *\ndef load(mine): ...\nload(‸\n"))
    assert "load" not in found
    assert told(workspace, "x = ‸\n") == context.NOTHING
    assert told(workspace, "load(‸\n", "readme.unknown") == context.NOTHING


def test_unsaved_buffers_count(tmp_path: Path) -> None:
    workspace = indexed(tmp_path, SHOP, buffer(tmp_path, "shop/cart.py", "def load(fresh: int): ...\n"))
    assert "def load(fresh: int)" in shown(told(workspace, "from shop.cart import load\nload(‸\n"))


@pytest.mark.parametrize("budget", [0, 20, 80, 100, 200, 400])
def test_the_budget_holds_and_what_is_near_comes_first(tmp_path: Path, budget: int) -> None:
    far = "x = 1\n" * 600
    code = f"from shop.cart import Cart, load\n{far}load(‸)\n{far}Cart\n"
    found = told(indexed(tmp_path, SHOP), code, budget=budget)
    assert found.size <= budget
    assert ("def load" in shown(found)) == (budget >= 80)
    assert ("class Cart" in shown(found)) == (budget >= 100)


def test_secrets_are_dropped(tmp_path: Path) -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    files = f'#- keys.py\nKEY = "{key}"\ndef sign(text: str) -> str: ...\n'
    found = shown(told(indexed(tmp_path, files), "from keys import KEY, sign\nsign(‸\n"))
    assert "def sign" in found
    assert key not in found


def test_the_same_is_told_while_the_user_types(tmp_path: Path) -> None:
    workspace = indexed(tmp_path, SHOP)
    before = "from shop.cart import Cart, load, LIMIT, unrelated\n"
    known: Context | None = None
    line = "cart = load('a', strict=True).add('x', LIMIT)"
    for typed in range(len(line) + 1):
        found = told(workspace, f"{before}{line[:typed]}‸\n", previous=known)
        assert known is None or found is known
        known = found


def test_a_context_is_made_anew_when_too_much_is_missing(tmp_path: Path) -> None:
    workspace = indexed(tmp_path, SHOP)
    known = told(workspace, "from shop.cart import LIMIT\nLIMIT‸\n")
    one_more = told(workspace, "from shop.cart import LIMIT, load\nload(LIMIT‸\n", previous=known)
    assert one_more is known
    many = told(workspace, "from shop.cart import *\nload(LIMIT, unrelated, Cart‸\n", previous=known)
    assert "def load" in shown(many)
    # What there was no room for is no reason to begin anew.
    short = told(workspace, "from shop.cart import *\nload(LIMIT, unrelated, Cart‸\n", budget=50)
    again = told(workspace, "from shop.cart import *\nload(LIMIT, unrelated, Cart(‸\n", budget=50, previous=short)
    assert again is short
    assert told(workspace, "from shop.cart import LIMIT\nLIMIT‸\n", budget=10, previous=known).size <= 10


def test_the_order_follows_the_imports_and_not_the_cursor(tmp_path: Path) -> None:
    workspace = indexed(tmp_path, "#- b.py\ndef b(): ...\n#- a.py\ndef a(): ...\n")
    imports = "from b import b\nfrom a import a\n"
    far = "x = 1\n" * 600
    first = told(workspace, f"{imports}a(‸)\n{far}b()\n")
    second = told(workspace, f"{imports}a()\n{far}b(‸)\n")
    assert [each.path for each in first.fragments] == ["b.py", "a.py"]
    assert first == second


LIKE = "def price_of(order, tax_rate):\n    return order.amount * tax_rate + order.shipping\n"


def test_fragments_like_the_code_at_hand(tmp_path: Path) -> None:
    workspace = indexed(tmp_path)
    others = [
        ("orders.py", Document.open("file:///orders.py", None, 1, LIKE)),
        ("main.py", Document.open("file:///main.py", None, 1, LIKE)),
        ("orders.js", Document.open("file:///orders.js", None, 1, LIKE)),
        ("secrets.yaml", Document.open("file:///secrets.yaml", None, 1, LIKE)),
        ("key.py", Document.open("file:///key.py", None, 1, LIKE + 'KEY = "AKIA' + 'IOSFODNN7EXAMPLE"\n')),
        ("far.py", Document.open("file:///far.py", None, 1, "import os\nprint(os.getcwd())\n")),
    ]
    code = "def cost_of(order, tax_rate):\n    return order.amount * tax_rate‸ + order.shipping\n"
    assert shown(told(workspace, code, others=others)) == f"#- orders.py\n{LIKE}"
    assert told(workspace, code, others=others, budget=50) == context.NOTHING


def test_imports_that_a_window_leaves_out() -> None:
    text = "import os\nfrom a import (\n    b,\n)\nx = 1\nimport late\n"
    document = Document.open("file:///a.py", None, 1, text)
    assert imports_above(document, "a.py", 0) == ""
    assert imports_above(document, "a.py", text.index("x = 1")) == "import os\nfrom a import (\n    b,\n)\n"
    assert imports_above(document, "a.py", len(text)) == "import os\nfrom a import (\n    b,\n)\nimport late\n"
    assert imports_above(document, "a.py", len(text), most=15) == "import os\n"
