"""Generated tests: the file that they go to, the framework that they are written in, and what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from edited import selected
from scripted import ScriptedEngine

from midfill.config import Config
from midfill.document import Document
from midfill.edits import Project, Result, Wish, resolve
from midfill.engine.base import CancelToken


def run(
    root: Path, path: str, marked: str, *answers: str, **files: str
) -> tuple[Result, Document, ScriptedEngine]:
    """Ask for tests of the definition at the mark, in a project of `files` (`__` is a slash, `_dot_` a dot)."""
    for name, text in files.items():
        file = root / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    bare, start, end = selected(marked, path)
    source = root / path
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(str(bare.text), "utf-8")
    document = Document.open(source.as_uri(), None, 1, str(bare.text))

    def read(file: Path) -> Document | None:
        return Document.open(file.as_uri(), None, 0, file.read_text("utf-8")) if file.is_file() else None

    engine = ScriptedEngine(answers)
    wish = Wish("tests", start, end)
    project = Project(source, root, read)
    result = asyncio.run(resolve(document, wish, Config(), engine, CancelToken(), project=project))
    return result, document, engine


def written(root: Path, path: str, marked: str, answer: str, **files: str) -> tuple[str, str]:
    """The path of the file with the tests, below the root, and its text."""
    result, document, _ = run(root, path, marked, answer, **files)
    assert result.reason is None
    target = result.target.document if result.target else document
    place = result.target.path if result.target else root / path
    return place.relative_to(root).as_posix(), str(target.edited(result.edits).text)


ADD = "def add(a, b):‸\n    return a + b\n"
PYTEST = "add():\n    assert add(1, 2) == 3\n"


def test_a_new_pytest_file_where_the_tests_are(tmp_path: Path) -> None:
    place, text = written(
        tmp_path,
        "shop/prices.py",
        ADD,
        PYTEST,
        tests__unit__test_other_dot_py="def test_x():\n    pass\n",
    )
    assert place == "tests/unit/test_prices.py"
    assert text == "from shop.prices import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"


@pytest.mark.parametrize(
    ("path", "inits", "module"),
    [
        ("prices.py", (), "prices"),
        ("src/shop/prices.py", ("src/shop",), "shop.prices"),
        ("src/shop/prices.py", (), "shop.prices"),
        ("server/shop/deep/prices.py", ("server/shop", "server/shop/deep"), "shop.deep.prices"),
        ("lib/prices.py", (), "lib.prices"),
    ],
)
def test_the_import_is_that_of_the_package(tmp_path: Path, path: str, inits: tuple[str, ...], module: str) -> None:
    for folder in inits:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "__init__.py").write_text("")
    _, text = written(tmp_path, path, ADD, PYTEST)
    assert text.startswith(f"from {module} import add\n")


def test_tests_are_added_to_the_file_that_there_is(tmp_path: Path) -> None:
    existing = "import math\n\nfrom prices import sub\n\n\ndef test_sub():\n    assert sub(2, 1) == 1\n"
    answer = (
        "add():\n    with pytest.raises(TypeError):\n        add(1, None)\n    assert math.isclose(add(1, 2), 3)\n"
    )
    place, text = written(tmp_path, "prices.py", ADD, answer, tests__test_prices_dot_py=existing)
    assert place == "tests/test_prices.py"
    assert text == (
        "import math\n\nfrom prices import sub\nimport pytest\nfrom prices import add\n\n\n"
        "def test_sub():\n    assert sub(2, 1) == 1\n\n\n"
        "def test_add():\n    with pytest.raises(TypeError):\n        add(1, None)\n"
        "    assert math.isclose(add(1, 2), 3)\n"
    )


def test_a_project_of_unittest_gets_a_test_case(tmp_path: Path) -> None:
    other = "import unittest\n\n\nclass TestX(unittest.TestCase):\n    def test_x(self):\n        pass\n"
    answer = "TestAdd(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n"
    place, text = written(tmp_path, "prices.py", ADD, answer, tests__test_other_dot_py=other)
    assert place == "tests/test_prices.py"
    assert text == f"import unittest\nfrom prices import add\n\n\nclass {answer}"


def test_a_method_is_tested_through_its_class(tmp_path: Path) -> None:
    marked = "class Shop:\n    def total(self):‸\n        return 1\n"
    _, text = written(tmp_path, "shop.py", marked, "total():\n    assert Shop().total() == 1\n")
    assert text.startswith("from shop import Shop\n")


EXPORTED = "export function add(a: number, b: number) {‸\n  return a + b;\n}\n"
EXPECT = '"add", () => {\n  it("adds", () => {\n    expect(add(1, 2)).toBe(3);\n  });\n});\n'


@pytest.mark.parametrize(
    ("package", "path", "source", "answer", "place", "head"),
    [
        ('{"devDependencies": {"vitest": "^1"}}', "src/prices.ts", EXPORTED, EXPECT, "src/prices.test.ts",
         'import { describe, expect, it } from "vitest";\nimport { add } from "./prices";\n\ndescribe('),
        ('{"devDependencies": {"jest": "^29"}}', "src/prices.js", EXPORTED.replace(": number", ""), EXPECT,
         "src/prices.test.js", 'import { add } from "./prices";\n\ndescribe('),
        ('{"scripts": {"test": "node --test"}}', "prices.js",
         "function add(a, b) {‸\n  return a + b;\n}\nmodule.exports = { add };\n",
         '"adds", () => {\n  assert.equal(add(1, 2), 3);\n});\n', "prices.test.js",
         'const test = require("node:test");\nconst assert = require("node:assert/strict");\n'
         'const { add } = require("./prices.js");\n\ntest('),
        ("not json", "prices.ts", EXPORTED, '"adds", () => {\n  assert.equal(add(1, 2), 3);\n});\n',
         "prices.test.ts",
         'import test from "node:test";\nimport assert from "node:assert/strict";\n'
         'import { add } from "./prices.ts";\n\ntest('),
    ],
)  # fmt: skip
def test_javascript_is_tested_by_what_the_package_names(
    tmp_path: Path, package: str, path: str, source: str, answer: str, place: str, head: str
) -> None:
    found, text = written(tmp_path, path, source, answer, package_dot_json=package)
    assert found == place
    assert text.startswith(head)


def test_javascript_tests_go_where_such_tests_are(tmp_path: Path) -> None:
    place, text = written(
        tmp_path, "src/prices.ts", EXPORTED, EXPECT, package_dot_json='{"devDependencies": {"vitest": "1"}}',
        tests__other_dot_test_dot_ts="",
    )  # fmt: skip
    assert place == "tests/prices.test.ts"
    assert 'from "../src/prices";' in text


def test_what_is_not_exported_cannot_be_tested(tmp_path: Path) -> None:
    result, _, engine = run(tmp_path, "prices.ts", EXPORTED.removeprefix("export "), EXPECT)
    assert result.reason == "`add` is not exported, so no test can import it; export it first."
    assert engine.requests == []


def test_go_tests_stand_beside_the_file(tmp_path: Path) -> None:
    source = "package shop\n\nfunc Add(a, b int) int {‸\n\treturn a + b\n}\n"
    answer = "Add(t *testing.T) {\n\tif Add(1, 2) != 3 {\n\t\tt.Fail()\n\t}\n}\n"
    place, text = written(tmp_path, "shop/prices.go", source, answer)
    assert place == "shop/prices_test.go"
    assert text == f'package shop\n\nimport "testing"\n\nfunc Test{answer}'
    place, text = written(
        tmp_path, "shop/prices.go", source, answer,
        shop__prices_test_dot_go='package shop\n\nimport "testing"\n\nfunc TestSub(t *testing.T) {}\n',
    )  # fmt: skip
    assert text == f'package shop\n\nimport "testing"\n\nfunc TestSub(t *testing.T) {{}}\n\nfunc Test{answer}'


def test_rust_tests_stand_in_the_file(tmp_path: Path) -> None:
    source = "fn add(a: u8) -> u8 {‸\n    a\n}\n"
    answer = "adds() {\n    assert_eq!(add(1), 1);\n}\n"
    place, text = written(tmp_path, "src/lib.rs", source, answer)
    assert place == "src/lib.rs"
    module = (
        "\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn adds() {\n"
        "        assert_eq!(add(1), 1);\n    }\n}\n"
    )
    assert text == source.replace("‸", "") + module
    _, text = written(tmp_path, "src/lib.rs", source + module, answer.replace("adds", "adds_again"))
    assert text.endswith(
        "        assert_eq!(add(1), 1);\n    }\n\n    #[test]\n    fn adds_again() {\n"
        "        assert_eq!(add(1), 1);\n    }\n}\n"
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("add():\n    assert add(1, 2) ==\n", "syntax error"),
        ("add():\n    assert 1 + 2 == 3\n", "do not use `add`"),
        ("old():\n    assert add(1, 2) == 3\n", "a test `test_old` already"),
        (
            "add():\n    assert add(1, 2) == 3\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
            "`test_add` already",
        ),
        ("add():\n    assert add(1, 2) == 3\n\n\ndef add(a, b):\n    return 3\n", "defines `add` itself"),
        ("add():\n    assert add(1, 2) == three\n", "`three` is defined nowhere"),
    ],
)
def test_tests_that_test_nothing_are_refused(tmp_path: Path, answer: str, reason: str) -> None:
    existing = "from prices import old\n\n\ndef test_old():\n    assert old() == 1\n"
    result, _, engine = run(tmp_path, "prices.py", ADD, answer, test_prices_dot_py=existing)
    assert result.reason is not None
    assert reason in result.reason
    assert len(engine.requests) == 3
    assert "There are tests already: test_old" in "".join(part.text for part in engine.requests[0].prompt)


def test_an_unsaved_file_has_no_place_for_tests() -> None:
    document, start, end = selected(ADD, "a.py")
    engine = ScriptedEngine([PYTEST])
    result = asyncio.run(resolve(document, Wish("tests", start, end), Config(), engine, CancelToken()))
    assert result.reason is not None
    assert "save it first" in result.reason


VITEST = '"f", () => {\n  it("works", () => {\n    expect(f(1)).toBe(1);\n  });\n});\n'
PACKAGE = '{"devDependencies": {"vitest": "1"}}'


def test_nothing_is_imported_twice_in_javascript(tmp_path: Path) -> None:
    code = "export function f(a) {‸\n  return a;\n}\n"
    there = "import { it, describe, expect } from 'vitest';\nimport { f, g } from './a.js';\n"
    _, text = written(
        tmp_path,
        "a.js",
        code,
        f"{VITEST}\nimport {{ f }} from './a';\n",
        package_dot_json=PACKAGE,
        a_dot_test_dot_js=there,
    )
    assert text == f"{there}\ndescribe({VITEST}"
    common = "function f(a) {‸\n  return a;\n}\nmodule.exports = { f };\n"
    there = "const { f, g: h } = require('./b');\n"
    _, text = written(tmp_path, "b.js", common, VITEST, b_dot_test_dot_js=there)
    assert text.count("require") == 1


def test_go_tests_import_what_they_use(tmp_path: Path) -> None:
    answer = "F(t *testing.T) {\n\tif !reflect.DeepEqual(F(1), 1) {\n\t\tt.Fail()\n\t}\n}\n"
    _, text = written(tmp_path, "a.go", "package a\n\nfunc F(x int) int {‸\n\treturn x\n}\n", answer)
    assert text.startswith('package a\n\nimport "testing"\nimport "reflect"\n\nfunc TestF(')


def test_go_tests_of_another_package_are_left_to_the_user(tmp_path: Path) -> None:
    there = "package a_test\n"
    result, _, engine = run(tmp_path, "a.go", "package a\n\nfunc F() {‸}\n", "F()", **{"a_test.go": there})
    assert result.reason is not None
    assert "`a_test`" in result.reason
    assert engine.requests == []


RUST = "pub fn f(x: u8) -> u8 {‸\n    x\n}\n\n"
RUST_TEST = "f_works() {\n    assert_eq!(f(1), 1);\n}\n"


@pytest.mark.parametrize("head", ["#[cfg(test)]\n#[allow(x)]\n", "#[allow(x)]\n#[cfg(all(test, y))]\npub "])
def test_a_module_of_tests_with_attributes_is_found(tmp_path: Path, head: str) -> None:
    _, text = written(tmp_path, "a.rs", f"{RUST}{head}mod tests {{\n    #[test]\n    fn g() {{}}\n}}\n", RUST_TEST)
    assert text.count("mod tests") == 1
    assert text.count("use super::*;") == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (f"{RUST}#[cfg(test)]\nmod tests;\n", "a file of their own"),
        ("mod m {\n    pub fn f() {‸}\n}\n", "inside of the module `m`"),
    ],
)
def test_where_rust_tests_would_not_see_the_code_there_are_none(tmp_path: Path, code: str, reason: str) -> None:
    result, _, _ = run(tmp_path, "a.rs", code, RUST_TEST)
    assert reason in (result.reason or "")


def test_what_runs_a_file_of_tests_stays_its_end(tmp_path: Path) -> None:
    case = "import unittest\n\nfrom a import add\n\n\nclass A(unittest.TestCase): ...\n\n\n"
    there = f'{case}if __name__ == "__main__":\n    unittest.main()\n'
    answer = "TestAdd(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n"
    _, text = written(tmp_path, "a.py", ADD, answer, tests__test_a_dot_py=there)
    assert text.index("class TestAdd") < text.index("if __name__")
