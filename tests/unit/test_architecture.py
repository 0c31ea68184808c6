"""The layers of ARCHITECTURE.md, enforced."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import midfill

ROOT = Path(midfill.__file__).parent
CORE = (
    "midfill.text",
    "midfill.errors",
    "midfill.config",
    "midfill.languages",
    "midfill.document",
    "midfill.syntax",
)

# What each layer may import besides the standard library and itself. The longest matching key counts.
ALLOWED = {
    "midfill.text": (),
    "midfill.errors": (),
    "midfill.config": (),
    "midfill.languages": ("tree_sitter",),
    "midfill.document": ("midfill.text", "midfill.languages", "tree_sitter"),
    "midfill.syntax": ("midfill.text", "midfill.languages", "midfill.document", "tree_sitter"),
    "midfill.engine": ("midfill.errors", "numpy"),
    "midfill.engine.llama": ("midfill.engine", "midfill.errors", "numpy", "llama_cpp"),
    "midfill.engine.runtime": ("midfill.errors", "platformdirs", "filelock"),
    "midfill.engine.wire": ("midfill.engine", "midfill.errors", "cattrs", "lsprotocol", "pygls"),
    "midfill.engine.server": ("midfill.engine", "midfill.errors", "httpx2"),
    "midfill.engine.host": ("midfill.engine", "midfill.errors", "pygls"),
    "midfill.engine.remote": ("midfill.engine", "midfill.errors"),
    "midfill.models": ("midfill.errors", "platformdirs", "huggingface_hub", "filelock"),
    "midfill.index": (*CORE, "tree_sitter", "pathspec", "detect_secrets", "platformdirs", "filelock"),
    "midfill.completion": (*CORE, "midfill.index", "midfill.engine.base"),
    "midfill.edits": (*CORE, "midfill.engine.base"),
    "midfill.edits.render": ("jinja2",),
    "midfill.stats": ("midfill.index.store",),
    "midfill.trust": ("midfill.errors", "platformdirs"),
    "midfill.lsp": (
        *CORE,
        "midfill.stats",
        "midfill.trust",
        "midfill.engine.base",
        "midfill.index",
        "midfill.completion",
        "midfill.edits",
        "lsprotocol",
        "pygls",
        "cattrs",
        "psutil",
    ),
    "midfill.lsp.web": ("midfill.lsp", "pygls", "websockets"),
}
# The composition root, the command line and what stands on them may import anything.
FREE = (
    "midfill.app",
    "midfill.bench",
    "midfill.cli",
    "midfill.client",
    "midfill.code_commands",
    "midfill.compare",
    "midfill.demo",
    "midfill.doctor",
    "midfill.elsewhere",
    "midfill.graphics",
    "midfill.inspection",
    "midfill.model_commands",
    "midfill.recommend",
    "midfill.report_commands",
    "midfill.serve_commands",
    "midfill.show",
    "midfill.terminal",
    "midfill.__main__",
)


def modules() -> list[str]:
    files = (path for path in ROOT.rglob("*.py") if "sample" not in path.parts)
    names = (".".join(("midfill", *path.relative_to(ROOT).with_suffix("").parts)) for path in files)
    return sorted(name.removesuffix(".__init__") for name in names)


def imports(module: str) -> set[str]:
    path = ROOT.joinpath(*module.split(".")[1:])
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(name: str, layer: str) -> bool:
    return name == layer or name.startswith(f"{layer}.")


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    if module == "midfill" or any(within(module, free) for free in FREE):
        return
    layers = [layer for layer in ALLOWED if within(module, layer)]
    assert layers, f"{module} belongs to no layer; add it to the table here and in ARCHITECTURE.md"
    layer = max(layers, key=len)
    own = layer if layer.count(".") == 1 else module
    for name in imports(module):
        if (
            name.split(".")[0] in sys.stdlib_module_names
            or name == "midfill"
            or within(name, "midfill.__version__")
        ):
            continue
        assert any(within(name, allowed) for allowed in (own, *ALLOWED[layer])), f"{module} may not import {name}"


def test_only_one_module_imports_llama_cpp() -> None:
    users = [module for module in modules() if any(within(name, "llama_cpp") for name in imports(module))]
    assert users == ["midfill.engine.llama"]


def test_the_table_names_existing_modules() -> None:
    known = modules()
    for layer in (*ALLOWED, *FREE):
        assert any(within(module, layer) for module in known), layer
