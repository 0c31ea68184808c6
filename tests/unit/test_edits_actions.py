"""Each action of the table: what it asks, what it lets through, and what it refuses."""

from __future__ import annotations

import asyncio

import pytest
from edited import edit, refusal, run, selected
from scripted import ScriptedEngine

from midfill.config import Config
from midfill.document import Document
from midfill.edits import ACTIONS, Problem, Wish, instruction_of, propose, rebased, resolve
from midfill.edits.blocks import applied
from midfill.edits.diff import joined
from midfill.edits.imports import insertion, lacking, taken_out, unloaded
from midfill.engine.base import CancelToken
from midfill.errors import EditRejected
from midfill.text import Edit

LOOP = "def f(xs, n):\n«    r = []\n    for x in xs:\n        r.append(x + n)\n»    return r\n"


def test_every_action_has_what_its_form_needs() -> None:
    for action in ACTIONS.values():
        own_words = action.on == "diagnostic" or action.id == "refactor"
        assert (action.form == "rewrite" and not own_words) == bool(action.instruction), action.id


# -- implementing ----------------------------------------------------------------------------------------------


def test_implements_an_empty_body() -> None:
    edit(
        'def add(a: int, b: int) -> int:\n    """The sum."""\n    ...‸\n',
        "implement",
        'def add(a: int, b: int) -> int:\n    """The sum."""\n    return a + b',
        after='def add(a: int, b: int) -> int:\n    """The sum."""\n    return a + b\n',
    )


@pytest.mark.parametrize(
    ("path", "marked", "is_gap"),
    [
        ("a.go", "package a\n\nfunc F() int {‸\n\t// later\n}\n", True),
        ("a.go", 'package a\n\nfunc F() int {‸\n\tpanic("not implemented")\n}\n', True),
        ("a.go", 'package a\n\nfunc F() int {‸\n\tpanic("no such file")\n}\n', False),
        ("a.rs", "fn f() -> i32 {‸\n    todo!()\n}\n", True),
        ("a.ts", "function f(): number {‸\n  throw new Error('Not implemented');\n}\n", True),
        ("a.ts", "function f(): number {‸\n  return 1; // TODO: more\n}\n", False),
        ("a.ts", "function f(): number {\n  return 1; // TODO: m‸ore\n}\n", True),
        ("a.py", "def f():\n    x = 'TODO‸'\n", False),
        ("a.py", "class A:‸\n    ...\n", False),
    ],
)
def test_a_gap_is_an_empty_body_or_a_to_do(path: str, marked: str, is_gap: bool) -> None:
    document, start, end = selected(marked, path)
    assert ("implement" in [offer.action.id for offer in propose(document, start, end, [])]) is is_gap


# -- extracting ------------------------------------------------------------------------------------------------


def test_extracts_a_function_next_to_the_code_and_calls_it() -> None:
    extracted = (
        "def f(xs, n):\n    return shifted(xs, n)\n\n\n"
        "def shifted(xs, n):\n    r = []\n    for x in xs:\n        r.append(x + n)\n    return r"
    )
    result, document, engine = run(LOOP, "extract", extracted)
    assert result.reason is None
    assert str(document.edited(result.edits).text) == extracted + "\n"
    prompt = "".join(part.text for part in engine.requests[0].prompt)
    assert "The marked lines:\n\n```python\n    r = []\n" in prompt


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("def f(xs, n):\n    return [x + n for x in xs]", "no new function"),
        ("def f(xs, n):\n    return [x + n for x in xs]\n\n\ndef g(x):\n    return x", "`g` is not called"),
        ("def f(xs):\n    return g(xs)\n\n\ndef g(xs):\n    return xs", "parameters of `f`"),
    ],
)
def test_an_extraction_that_extracts_nothing_is_refused(answer: str, reason: str) -> None:
    assert reason in refusal(LOOP, "extract", answer)


# -- renaming --------------------------------------------------------------------------------------------------

RENAMED = "def f(xs):\n«    r = []\n    for x in xs:\n        r.append(x)\n    return r\n»\ny = 1\n"


def test_renames_local_variables() -> None:
    edit(
        RENAMED,
        "rename",
        "copied = []\nfor item in xs:\n    copied.append(item)\nreturn copied",
        after="def f(xs):\n    copied = []\n    for item in xs:\n        copied.append(item)\n    return copied\n"
        "\ny = 1\n",
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("copied = list(xs)\nreturn copied", "more than names"),
        ("copied = []\nfor x in xs:\n    copied.append(x)\nreturn r", "must change everywhere"),
        ("y = []\nfor x in xs:\n    y.append(x)\nreturn xs", "may not be renamed"),
        ("r = []\nfor x in xs:\n    r.push(x)\nreturn r", "`append` may not be renamed"),
        ("r = []\nfor x in items:\n    r.append(x)\nreturn r", "`xs` is used outside"),
        ("xs = []\nfor x in xs:\n    xs.append(x)\nreturn xs", "`xs` is a name already"),
        ("x = []\nfor r in xs:\n    x.append(r)\nreturn x", "is a name already"),
    ],
)
def test_renaming_changes_names_alone(answer: str, reason: str) -> None:
    import re

    assert re.search(reason, refusal(RENAMED, "rename", answer))


@pytest.mark.parametrize(
    ("path", "marked", "answer", "after"),
    [
        ("a.py", "def f():\n«    x = 1\n    g(f'{x} of {{x}}', 'x')\n»    return\n",
         "total = 1\ng(f'{total} of {{x}}', 'x')",
         "def f():\n    total = 1\n    g(f'{total} of {{x}}', 'x')\n    return\n"),
        ("a.js", "function f() {\n«  const x = 1;\n  g(`${x} x ${o.x}`);\n»}\n",
         "const total = 1;\ng(`${total} x ${o.x}`);",
         "function f() {\n  const total = 1;\n  g(`${total} x ${o.x}`);\n}\n"),
    ],
)  # fmt: skip
def test_renames_in_what_a_string_interpolates(path: str, marked: str, answer: str, after: str) -> None:
    edit(marked, "rename", answer, after=after, path=path)


@pytest.mark.parametrize(
    ("path", "marked", "answer", "reason"),
    [
        ("a.py", "def f():\n«    x = 1\n    g(x=x)\n»    return\n", "total = 1\ng(total=total)", "keyword"),
        ("a.py", "def f():\n«    x = 1\n    g(f'{x=}')\n»    return\n", "y = 1\ng(f'{y=}')", "nothing else"),
        ("a.py", "def f():\n«    x = 1\n    g('{x}', x)\n»    return\n", "all = 1\ng('{all}', all)", "more than"),
        ("a.js", "function f() {\n«  const x = 1;\n  g({ x });\n»}\n", "const y = 1;\ng({ y });", "a property"),
    ],
)  # fmt: skip
def test_what_others_call_by_its_name_is_not_renamed(path: str, marked: str, answer: str, reason: str) -> None:
    assert reason in refusal(marked, "rename", answer, path=path)


# -- annotating ------------------------------------------------------------------------------------------------


def test_annotates_the_signature_and_nothing_else() -> None:
    edit(
        "@cache\nasync def f(a, *rest, b=1):  # keep\n    re‸turn a\n",
        "annotate",
        "a: int, *rest: str, b: int = 1) -> int",
        after="@cache\nasync def f(a: int, *rest: str, b: int = 1) -> int:  # keep\n    return a\n",
    )


def test_annotates_a_method_over_several_lines_with_windows_line_ends() -> None:
    edit(
        "class A:\r\n    def f(\r\n        self,\r\n        a,  # one\r\n    ):‸\r\n        return a\r\n",
        "annotate",
        "\n    self,\n    a: int,  # one\n) -> int:\n    return 'evil'",
        after="class A:\r\n    def f(\r\n        self,\r\n        a: int,  # one\r\n    ) -> int:\r\n"
        "        return a\r\n",
    )


def test_annotations_import_what_they_need_once() -> None:
    edit(
        '"""Doc."""\n\nfrom typing import Any\n\n\ndef f(a, b):‸\n    return a\n',
        "annotate",
        "a: Any, b: Callable[[int], str]) -> Any",
        after='"""Doc."""\n\nfrom typing import Any\nfrom collections.abc import Callable\n\n\n'
        "def f(a: Any, b: Callable[[int], str]) -> Any:\n    return a\n",
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("a: int, c: int) -> int", "more than annotations"),
        ("a: int, b: int = 2) -> int", "more than annotations"),
        ("a: int, b: Matrix) -> int", "`Matrix` is defined nowhere"),
        ("a: int, b: int", "no complete signature"),
        ("a: int, b: int) -> int int", "syntax"),
        ("a, b)", "all the annotations"),
    ],
)
def test_an_annotation_that_is_more_or_less_is_refused(answer: str, reason: str) -> None:
    assert reason in refusal("def f(a, b):‸\n    return a\n", "annotate", answer)


@pytest.mark.parametrize(
    ("marked", "answer", "reason"),
    [
        ("def f(a: int, b) -> str:‸\n    return a\n", "a, b: int) -> str", "`int` is annotated already"),
        ("def f(a: int, b) -> str:‸\n    return a\n", "a: int, b: int) -> int", "`str` is annotated already"),
        ("class A:\n    def f(self, a):‸\n        return self\n", "self, a: int) -> A", "write it in quotes"),
        ("def f(a):‸\n    return B()\n\n\nclass B: ...\n", "a: int) -> B", "write it in quotes"),
    ],
)
def test_annotations_that_are_there_stay_and_new_ones_can_be_evaluated(
    marked: str, answer: str, reason: str
) -> None:
    assert reason in refusal(marked, "annotate", answer)


def test_annotates_beside_colons_and_hashes_in_strings() -> None:
    edit(
        "def f(a, b='):', c='#x'):‸\n    return a\n",
        "annotate",
        "a: int, b: str = '):', c: str = \"#x\") -> int",
        after="def f(a: int, b: str = '):', c: str = \"#x\") -> int:\n    return a\n",
    )
    edit(
        "class A:\n    def f(self, a):‸\n        return self\n",
        "annotate",
        'self, a: int) -> "A"',
        after='class A:\n    def f(self, a: int) -> "A":\n        return self\n',
    )


def test_annotates_javascript_by_jsdoc() -> None:
    edit(
        "function f(a) {‸\n  return a;\n}\n",
        "annotate",
        " Returns a.\n * @param {number} a\n * @returns {number}\n ",
        after="/**\n * Returns a.\n * @param {number} a\n * @returns {number}\n */\n"
        "function f(a) {\n  return a;\n}\n",
        path="a.js",
    )


def test_what_is_annotated_is_not_offered_for_it() -> None:
    for marked, offered in [
        ("def f(a: int) -> int:‸\n    return a\n", False),
        ("def f(a: int, *b) -> int:‸\n    return a\n", True),
        ("def f(a: int):‸\n    return a\n", True),
        ("class A:‸\n    x = 1\n", False),
    ]:
        document, start, end = selected(marked, "a.py")
        assert ("annotate" in [o.action.id for o in propose(document, start, end, [])]) is offered, marked


# -- diagnostics -----------------------------------------------------------------------------------------------


def test_diagnostics_of_one_place_are_mended_together() -> None:
    document, _, _ = selected("a = b + c\nd = e\n", "a.py")
    problems = [Problem(4, 5, "no b"), Problem(14, 15, "no e"), Problem(8, 9, "no c")]
    offers = [offer for offer in propose(document, 0, 0, problems) if offer.action.id == "fix"]
    assert [(offer.title, [problem.message for problem in offer.problems]) for offer in offers] == [
        ("Midfill: Fix: no b (and 1 more)", ["no b", "no c"]),
        ("Midfill: Fix: no e", ["no e"]),
    ]


def test_a_long_message_is_cut_in_the_title() -> None:
    document, start, end = selected("a = b‸\n", "a.py")
    (offer,) = propose(document, start, end, [Problem(0, 5, "no " * 90)])
    assert len(offer.title) < 80


def test_a_problem_in_a_huge_function_is_mended_near_its_place() -> None:
    body = "".join(f"    x{i} = {i}\n" for i in range(1000))
    near = "\n".join(f"    x{i} = {i}".strip() for i in range(480, 521))
    marked = f"def f():\n{body}".replace("    x500 = 500\n", "    x500 = «oops»\n")
    result, document, engine = run(marked, "fix", near, problems=("undefined name 'oops'",))
    assert result.reason is None
    assert str(document.edited(result.edits).text) == f"def f():\n{body}"
    prompt = "".join(part.text for part in engine.requests[0].prompt)
    assert "x490 = 490" in prompt
    assert "x10 = 10" not in prompt


# -- imports ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "before", "line", "after"),
    [
        ("a.py", "x = 1\n", "import os", "import os\n\nx = 1\n"),
        ("a.py", "#!/usr/bin/env python\n\n# Licence.\n\nx = 1\n", "import os",
         "#!/usr/bin/env python\n\n# Licence.\n\nimport os\n\nx = 1\n"),
        ("a.py", '"""Doc."""\nx = 1\n', "import os", '"""Doc."""\n\nimport os\n\nx = 1\n'),
        ("a.py", "import re\nfrom a import (\n    b,\n)\n\nx = 1\nimport late\n", "import os",
         "import re\nfrom a import (\n    b,\n)\nimport os\n\nx = 1\nimport late\n"),
        ("a.py", "# about f\ndef f(): ...\n", "import os", "import os\n\n# about f\ndef f(): ...\n"),
        ("a.py", "import re\r\n\r\nx = 1\r\n", "import os", "import re\r\nimport os\r\n\r\nx = 1\r\n"),
        ("a.go", 'package a\n\nimport "fmt"\n\nfunc F() {}\n', 'import "os"',
         'package a\n\nimport "fmt"\nimport "os"\n\nfunc F() {}\n'),
        ("a.go", "package a\n\nfunc F() {}\n", 'import "os"', 'package a\n\nimport "os"\n\nfunc F() {}\n'),
        ("a.rs", "#![allow(x)]\n\nuse std::fs;\n\nfn f() {}\n", "use std::io;",
         "#![allow(x)]\n\nuse std::fs;\nuse std::io;\n\nfn f() {}\n"),
        ("a.ts", 'import a from "a";\n\nfunction f() {}\n', 'import b from "b";',
         'import a from "a";\nimport b from "b";\n\nfunction f() {}\n'),
        ("a.js", '"use strict";\nconst a = require("a");\nf();\n', 'const b = require("b");',
         '"use strict";\nconst a = require("a");\nconst b = require("b");\nf();\n'),
    ],
)  # fmt: skip
def test_an_import_goes_where_the_imports_are(path: str, before: str, line: str, after: str) -> None:
    document, _, _ = selected(before, path)
    assert str(document.edited(insertion(document, [line])).text) == after


def test_no_import_is_added_twice() -> None:
    document, _, _ = selected("import os\nfrom re import sub\n", "a.py")
    assert lacking(document, ["import os", "from re import sub, match", "import os as o", "import io"]) == [
        "from re import match",
        "import os as o",
        "import io",
    ]
    document, _, _ = selected('package a\n\nimport (\n\t"os"\n)\n', "a.go")
    assert lacking(document, ['import "os"', 'import "io"']) == ['import "io"']


def test_imports_before_the_answer_go_to_the_top_of_the_file() -> None:
    edit(
        "import re\n\n\ndef f(x):‸\n    return x\n",
        "refactor",
        "import re\nimport os\n\n\ndef f(x):\n    return re.sub('a', os.name, x)",
        after="import re\nimport os\n\n\ndef f(x):\n    return re.sub('a', os.name, x)\n",
    )
    assert taken_out("import os", "") == ("import os", [])


@pytest.mark.parametrize(
    ("path", "before", "answer", "after"),
    [
        ("a.py", "def f(a):‸\n    return a\n",
         "from typing import (\n    Any,\n)\n\ndef f(a) -> Any:\n    return a",
         "from typing import Any\n\ndef f(a) -> Any:\n    return a\n"),
        ("a.ts", "import { a } from './a';\n\nfunction f() {‸\n  a();\n}\n",
         "import {\n  a,\n  b,\n} from './a';\n\nfunction f() {\n  b();\n}",
         "import { a } from './a';\nimport { b } from './a';\n\nfunction f() {\n  b();\n}\n"),
        ("a.go", "package a\n\nimport \"fmt\"\n\nfunc F() {‸\n\tfmt.Println()\n}\n",
         "import (\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc F() {\n\tfmt.Println(os.Args)\n}",
         "package a\n\nimport \"fmt\"\nimport \"os\"\n\nfunc F() {\n\tfmt.Println(os.Args)\n}\n"),
        ("a.cs", "class B\n{\n    void F()\n    {\n«        var s = Open();\n»        Read(s);\n    }\n}\n",
         "using var s = Open();",
         "class B\n{\n    void F()\n    {\n        using var s = Open();\n        Read(s);\n    }\n}\n"),
    ],
)  # fmt: skip
def test_imports_over_several_lines_and_of_names_that_are_there(
    path: str, before: str, answer: str, after: str
) -> None:
    edit(before, "refactor", answer, after=after, path=path, instruction="use it")


def test_imports_go_into_the_scope_when_the_files_imports_are_in_it() -> None:
    edit(
        "«import re\n\n\ndef f(x):\n    return re.sub('a', 'b', x)\n»\ny = 1\n",
        "refactor",
        "import os\nimport re\n\n\ndef f(x):\n    return re.sub(os.name, json.dumps(x), x)",
        after="import re\nimport os\nimport json\n\n\ndef f(x):\n    return re.sub(os.name, json.dumps(x), x)\n"
        "\ny = 1\n",
    )
    edit(
        "«import re\n\n\ndef f(x):\n    return re.sub('a', 'b', x)\n»\ny = 1\n",
        "refactor",
        "def f(x):\n    return re.sub('a', 'c', x)",
        after="import re\n\ndef f(x):\n    return re.sub('a', 'c', x)\n\ny = 1\n",
    )


def test_a_module_that_its_package_does_not_load_is_imported() -> None:
    edit(
        "import urllib\n\n\ndef f(x):‸\n    return urllib.urlencode(x)\n",
        "refactor",
        "def f(x):\n    return urllib.parse.urlencode(x)",
        instruction="Make it work with Python 3.",
        after="import urllib\nimport urllib.parse\n\n\ndef f(x):\n    return urllib.parse.urlencode(x)\n",
    )
    # What is there is not touched, and neither is what no module is.
    assert unloaded("import urllib.parse, os\nurllib.parse.quote\nos.path.join\nurllib.nothing") == set()
    assert unloaded("import urllib as u, mine\nu.parse\nmine.parse\nurllib.parse") == set()
    assert unloaded("import logging, xml\nlogging.handlers.x\nxml.etree") == {"logging.handlers", "xml.etree"}
    assert unloaded("from urllib.parse import quote\nimport urllib\nurllib.parse.quote") == set()


def test_a_module_that_the_answer_needs_is_imported() -> None:
    edit(
        "def f(x):‸\n    return x\n",
        "logging",
        "def f(x):\n    logging.info('f')\n    return x",
        after="import logging\n\ndef f(x):\n    logging.info('f')\n    return x\n",
    )


# -- notes -----------------------------------------------------------------------------------------------------

ITERATIVE = "def f(n):\n    return 1"


@pytest.mark.parametrize(
    ("path", "marked", "answer", "after"),
    [
        ("a.py", "# midfill: make this iterative\ndef f(n):‸\n    return n\n", ITERATIVE, f"{ITERATIVE}\n"),
        ("a.py", "# midfill: make th‸is iterative\n\ndef f(n):\n    return n\n", ITERATIVE, f"\n{ITERATIVE}\n"),
        ("a.py", "«# midfill: make this iterative\ndef f(n):\n    return n\n»", ITERATIVE, f"{ITERATIVE}\n"),
        ("a.py", "x = 1\n# midfill: make this iterative\n«y = 2\n»z = 3\n", "y = 4", "x = 1\ny = 4\nz = 3\n"),
        ("a.py", "def g():\n    # midfill: make this iterative‸\n    y = 2\n", "def g():\n    y = 3",
         "def g():\n    y = 3\n"),
        ("a.go", "package a\n\n// midfill: make this iterative\nfunc F() {‸\n}\n", "func F() {\n\tg()\n}",
         "package a\n\nfunc F() {\n\tg()\n}\n"),
        ("a.ts", "class A {\r\n  /* midfill: make this iterative */\r\n  m() {‸}\r\n}\r\n", "m() {\n  g();\n}",
         "class A {\r\n  m() {\r\n    g();\r\n  }\r\n}\r\n"),
    ],
)  # fmt: skip
def test_a_comment_tells_what_to_do_and_goes(path: str, marked: str, answer: str, after: str) -> None:
    document, start, end = selected(marked, path)
    titles = [offer.title for offer in propose(document, start, end, [])]
    assert "Midfill: make this iterative" in titles
    result, document, engine = run(marked, "refactor", answer, path=path)
    assert result.reason is None
    assert str(document.edited(result.edits).text) == after
    assert "make this iterative\n\n```" in "".join(part.text for part in engine.requests[0].prompt)


@pytest.mark.parametrize(
    ("marked", "given", "told"),
    [
        ("# midfill: one\ndef f(n):‸\n    return n\n", " two\n", "two"),
        ("# midfill: one\ndef f(n):‸\n    return n\n", "", "one"),
        ("# midfill: one\nx = 1\n«y = 2\n»", "", ""),
    ],
)
def test_which_instruction_is_the_users(marked: str, given: str, told: str) -> None:
    document, start, end = selected(marked, "a.py")
    assert instruction_of(document, Wish("refactor", start, end, given)) == told


def test_what_the_user_says_counts_more_than_a_comment() -> None:
    _, _, engine = run("# midfill: one\ndef f(n):‸\n    return n\n", "refactor", ITERATIVE, instruction="two")
    assert "two\n\n```" in "".join(part.text for part in engine.requests[0].prompt)


def test_the_last_instruction_is_offered_again() -> None:
    document, start, end = selected("def f(n):‸\n    return n\n", "a.py")
    offers = propose(document, start, end, [], last="make it iterative")
    assert [(each.title, each.instruction, each.asks) for each in offers if each.action.id == "refactor"] == [
        ("Midfill: Refactor with AI...", "", True),
        ("Midfill: Again: make it iterative", "make it iterative", False),
    ]


# -- blocks ----------------------------------------------------------------------------------------------------

BLOCK = "<<<<<<< SEARCH\n{}=======\n{}>>>>>>> REPLACE\n"


def block(search: str, replace: str) -> str:
    return BLOCK.format(search, replace)


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (block("b\n", "B\n"), "a\nB\n    c\na\n"),
        (block("b\n", "B\n") + "and\n" + block("    c\n", ""), "a\nB\na\n"),
        (block("c\n", "d\n    e\n"), "a\nb\n    d\n        e\na\n"),
        (block("b  \n", "B\n"), "a\nB\n    c\na\n"),
    ],
)
def test_blocks_are_applied(answer: str, after: str) -> None:
    assert applied("a\nb\n    c\na\n", answer) == after


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("b\n", "no complete"),
        ("<<<<<<< SEARCH\nb\n=======\nB\n", "no complete"),
        (block("a\n", "A\n"), "fits at 2 places"),
        (block("z\n", "A\n"), "No such lines are in the code: `z`"),
        (block("\n", "A\n"), "searches for nothing"),
    ],
)
def test_a_block_that_does_not_fit_is_refused(answer: str, reason: str) -> None:
    with pytest.raises(EditRejected, match=reason):
        applied("a\nb\n    c\na\n", answer)


def test_large_code_is_changed_by_blocks() -> None:
    body = "".join(f"    value_{i} = {i}\n" for i in range(400))
    answer = "    value_7 = 7\n=======\n    value_7 = 8\n>>>>>>> REPLACE\n"
    result, document, engine = run(f"def f():‸\n{body}", "refactor", answer, instruction="one more")
    assert result.reason is None
    assert str(document.edited(result.edits).text) == f"def f():\n{body}".replace("value_7 = 7", "value_7 = 8")
    assert engine.requests[0].prompt[-1].text == "<<<<<<< SEARCH\n"


# -- what the model is told ------------------------------------------------------------------------------------


SHOP = (
    "class Shop(Base):\n    def price(self, item):\n        return 1\n\n"
    "    def total(self):‸\n        return 2\n\n\ndef other():\n    pass\n"
)


def told(action: str, answer: str, marked: str = SHOP) -> str:
    """The prompt of the first request."""
    document, start, end = selected(marked, "a.py")
    engine = ScriptedEngine([answer])
    wish = Wish(action, start, end, "x", symbols="def fetch(url: str) -> bytes: ...\n" + "y" * 2000)
    result = asyncio.run(resolve(document, wish, Config(), engine, CancelToken()))
    assert result.reason is None
    return "".join(part.text for part in engine.requests[0].prompt)


def test_a_long_method_is_shown_with_its_class_and_with_other_files() -> None:
    long = SHOP.replace("return 2\n", "return 2\n" + "        x = 1\n" * 500)
    prompt = told("refactor", "    return 2\n=======\n    return 3\n>>>>>>> REPLACE", long)
    assert "class Shop(Base):\n    def price(self, item):\n```" in prompt
    assert "def fetch(url: str) -> bytes: ...\n```" in prompt
    assert "yyy" not in prompt
    assert "def other" not in prompt


def test_a_method_is_rewritten_without_its_class_which_would_be_written_too() -> None:
    prompt = told("refactor", "def total(self):\n    return 3")
    assert "Shop" not in prompt
    assert "def fetch(url: str) -> bytes: ...\n```" in prompt


@pytest.mark.parametrize(
    ("path", "marked", "instruction", "head"),
    [
        ("a.py", "class A:\n    @cached\n    async def f(self):‸\n        return 1\n", "Be quick.",
         "@cached\nasync def f"),
        ("a.py", "def f(a):‸\n    return a\n", "Add types.", "def f"),
        ("a.py", "def f(a):‸\n    return a\n", "Rename `f` to g.", "def"),
        ("a.py", "def f(a):‸\n    return a\n", "Cache its results.", ""),
        ("a.py", "def f(a):‸\n    return a\n", "Move the loop to a helper.", ""),
        ("a.py", "x = 1‸\n", "Be quick.", ""),
        ("a.go", "package a\n\nfunc (s *Shop) total() int {‸\n\treturn 1\n}\n", "Be quick.",
         "func (s *Shop) total"),
        ("a.java", "class A {\r\n  @Override\r\n  public int f() {‸\r\n    return 1;\r\n  }\r\n}\r\n", "Be quick.",
         "@Override\npublic int f"),
        ("a.java", "class A {\n  public int f() {‸\n    return 1;\n  }\n}\n", "Return a long.", ""),
        ("a.ts", "class A {\n\tf(a) {‸\n\t\treturn a;\n\t}\n}\n", "Be quick.", "f"),
    ],
)  # fmt: skip
def test_a_rewrite_begins_as_the_code_does(path: str, marked: str, instruction: str, head: str) -> None:
    document, start, end = selected(marked, path)
    engine = ScriptedEngine([RuntimeError("enough")], continues=True)
    with pytest.raises(RuntimeError, match="enough"):
        asyncio.run(resolve(document, Wish("refactor", start, end, instruction), Config(), engine, CancelToken()))
    language = document.language
    assert language is not None
    prompt = "".join(part.text for part in engine.requests[0].prompt)
    assert prompt.endswith(f"```{language.id}\n{head}")


@pytest.mark.parametrize(
    ("action", "instruction", "problems", "changes"),
    [
        ("refactor", "Be quick.", (), True),
        ("refactor", "", (), False),
        ("simplify", "", (), False),
        ("errors", "", (), False),
        ("fix", "", ("it is wrong",), True),
    ],
)
def test_only_what_is_asked_for_in_words_has_to_change_the_code(
    action: str, instruction: str, problems: tuple[str, ...], changes: bool
) -> None:
    source = "def f(a):\n    return a\n"
    marked = f"«{source}»" if action == "simplify" else source.replace(":", ":‸", 1)
    options = {"instruction": instruction, "problems": problems}
    _, _, engine = run(marked, action, "def f(a):\n    return a or 1", **options)  # type: ignore[arg-type]
    assert engine.requests[0].avoid == (source if changes else "")


def test_what_the_model_goes_on_with_is_put_behind_the_beginning() -> None:
    document, start, end = selected("class A:\n    def f(self):‸\n        return 1\n", "a.py")
    engine = ScriptedEngine(["(self):\n    return 2\n```"], continues=True)
    wish = Wish("refactor", start, end, "Return 2.")
    result = asyncio.run(resolve(document, wish, Config(), engine, CancelToken()))
    assert str(document.edited(result.edits).text) == "class A:\n    def f(self):\n        return 2\n"


# -- delivery --------------------------------------------------------------------------------------------------


def test_edits_that_touch_are_sent_as_one() -> None:
    document = Document.open("file:///a.py", None, 1, "import urllib\n\nx = 1\n")
    edits = [
        Edit(0, 0, "import urllib.parse\n"),
        Edit(0, 14, ""),
        Edit(15, 21, "x = 2\n"),
        Edit(21, 21, "y = 3\n"),
    ]
    assert joined(edits) == [Edit(0, 14, "import urllib.parse\n"), Edit(15, 21, "x = 2\ny = 3\n")]
    assert document.edited(joined(edits)).code == document.edited(edits).code
    assert joined(reversed(edits[1:])) == joined(edits[1:])
    assert joined([]) == []


@pytest.mark.parametrize(
    ("newer", "after"),
    [
        ("import re\n\n\ndef f(x):\n    return x\n\n\ny = 2\n", "import re\nimport os\n\n\nNEW\n\n\ny = 2\n"),
        ("import re\n\n# é new\n\ndef f(x):\n    return x\n\n\ny = 1\n",
         "import re\nimport os\n\n# é new\n\nNEW\n\n\ny = 1\n"),
        ("import os\n\n\ndef f(x):\n    return x\n\n\ny = 1\n", "import os\n\n\nNEW\n\n\ny = 1\n"),
        ("import re\n# a\n\n\ndef f(x):\n    return x\n\n\ny = 2\n",
         "import re\nimport os\n# a\n\n\nNEW\n\n\ny = 2\n"),
        ("import re\n\n\ndef f(x):\n    return x + 1\n\n\ny = 1\n", None),
        ("import re\n\n\ny = 1\n", None),
    ],
)  # fmt: skip
def test_an_edit_follows_what_the_user_types_elsewhere(newer: str, after: str | None) -> None:
    new = "def f(x):\n    return os.name"
    marked = "import re\n\n\ndef f(x):‸\n    return x\n\n\ny = 1\n"
    result, document, _ = run(marked, "refactor", f"import os\n\n{new}")
    assert result.patch is not None
    changed, _, _ = selected(newer, "a.py")
    edits = rebased(document, changed, result.patch)
    assert (edits is None) == (after is None)
    if edits is not None and after is not None:
        assert str(changed.edited(edits).text) == after.replace("NEW", new)


def test_an_import_comes_once_when_the_user_types_meanwhile() -> None:
    answer = "import os\n\ndef f(a):\n    return os.name"
    result, document, _ = run("def f(a):‸\n    return a\n\n\nx = 1\n", "refactor", answer)
    newer = Document.open(document.uri, None, 2, f"{document.text}y = 2\n")
    assert result.patch is not None
    edits = rebased(document, newer, result.patch)
    assert edits is not None
    assert str(newer.edited(edits).text) == f"{answer}\n\n\nx = 1\ny = 2\n"


def test_an_edit_that_deletes_much_asks_first() -> None:
    long = "def f(x):‸\n" + "".join(f"    print({i})\n" for i in range(9)) + "    return x\n"
    short = "def f(x):\n    return x"
    result, _, _ = run(long, "refactor", short)
    assert result.confirm
    result, _, _ = run(long, "refactor", short, config=Config(confirm_deletions=90))
    assert not result.confirm
    result, _, _ = run("def f(x):‸\n    y = x\n    return y\n", "refactor", short)
    assert not result.confirm


def test_there_is_no_second_attempt_when_the_time_is_over() -> None:
    document, start, end = selected("def f(n):‸\n    return n\n", "a.py")
    engine = ScriptedEngine(["<slow>("])
    config = Config(edit_seconds=0)
    result = asyncio.run(resolve(document, Wish("refactor", start, end), config, engine, CancelToken()))
    assert (result.attempts, len(engine.requests)) == (1, 1)
    assert result.reason is not None
    assert "no time for another attempt" in result.reason


def test_progress_tells_tokens_and_the_share_done() -> None:
    heard: list[tuple[str, int, float]] = []
    document, start, end = selected("def f(n):‸\n    return n\n", "a.py")
    engine = ScriptedEngine(["(", "def f(n):\n    return 2"])

    def report(message: str, tokens: int, fraction: float) -> None:
        heard.append((message, tokens, fraction))

    asyncio.run(resolve(document, Wish("refactor", start, end), Config(), engine, CancelToken(), report))
    assert heard[0] == ("Reading", 0, 0.0)
    assert ("Trying again (2)", 0, 0.0) in heard
    assert all(0 <= fraction <= 1 for _, _, fraction in heard)
    assert heard[-1][1] > 0
