"""Templates of strangers: a model file's for conversations, and the instruction of an action in a `.midfill.toml`.

A template is code. So it is rendered in Jinja's sandbox, without a loader, by a process of its own with little
time and memory (`apart`): this file is also the script that the process runs, JSON on standard input, text on
standard output.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

Kind = Literal["chat", "instruction"]

# Of the process: seconds of the processor and bytes of memory, and how long it may take on a busy machine.
SECONDS, BYTES, PATIENCE = 2, 1_000_000_000, 60
# Characters of an instruction that is rendered.
LONGEST = 8000
# What an instruction may use. A filter that is not here could reach attributes by their name.
FILTERS = (
    *("capitalize", "default", "first", "indent", "int", "join", "last", "length", "list", "lower", "replace"),
    *("reverse", "sort", "string", "title", "trim", "truncate", "unique", "upper", "wordcount"),
)


class Refused(Exception):
    """The template itself says that it cannot render this, or it may not."""


def apart(kind: Kind, source: str, variables: dict[str, Any]) -> tuple[str, str]:
    """Render in a process of its own: the text, or "" and the reason why there is none."""
    task = json.dumps({"kind": kind, "source": source, "variables": variables})
    # -I: nothing of the working folder or the environment takes part.
    command = [sys.executable, "-I", str(Path(__file__))]
    try:
        done = subprocess.run(command, input=task.encode(), capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return "", "it takes too much time or memory"
    except OSError as error:
        return "", str(error)
    if done.returncode:
        return "", done.stderr.decode("utf-8", "replace").strip() or "it takes too much time or memory"
    return done.stdout.decode("utf-8", "surrogatepass"), ""


def faults(source: str, known: Collection[str]) -> list[tuple[int, str]]:
    """What is wrong with the template of an instruction, each at a line of it; nothing of it is run.

    `known` are the names of the variables that it is rendered with.
    """
    from jinja2 import TemplateSyntaxError, nodes

    environment = _strict()
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        return [(error.lineno, error.message or "the template is wrong")]
    except RecursionError:
        return [(1, "the template is nested too deeply")]
    made = {each.name for each in tree.find_all(nodes.Name) if each.ctx != "load"}
    made |= {each.name for each in tree.find_all(nodes.Macro)} | {"loop", "caller", "varargs", "kwargs"}
    names = (*sorted(known), *environment.globals)
    found: list[tuple[int, str]] = []
    for node in tree.find_all(nodes.Node):
        message = ""
        if isinstance(node, (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            message = f"a template cannot read other files, and so there is no {type(node).__name__.lower()}"
        elif isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in {*made, *names}:
            message = f"there is no {node.name!r}; there are {', '.join(names)}"
        elif isinstance(node, nodes.Filter) and node.name not in environment.filters:
            message = f"there is no filter {node.name!r}; there are {', '.join(FILTERS)}"
        elif isinstance(node, nodes.Test) and node.name not in environment.tests:
            message = f"there is no test {node.name!r}"
        elif (hidden := _hidden(node)) is not None:
            message = f"a template cannot reach {hidden!r}"
        if message:
            found.append((node.lineno, message))
    return found


def _hidden(node: Any) -> str | None:
    """The name of an attribute that is no business of a template."""
    from jinja2 import nodes

    name = node.attr if isinstance(node, nodes.Getattr) else None
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        name = node.arg.value
    return name if isinstance(name, str) and name.startswith("_") else None


def _strict() -> ImmutableSandboxedEnvironment:
    """For instructions: what is not there is an error, and little is there."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    # The sandbox's own range, which is no longer than a hundred thousand.
    environment.globals = {"range": environment.globals["range"]}
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    return environment


def _instruction(source: str, variables: dict[str, Any]) -> str:
    written: list[str] = []
    size = 0
    for piece in _strict().from_string(source).generate(**variables):
        written.append(piece)
        size += len(piece)
        if size > LONGEST:
            raise Refused(f"it writes more than {LONGEST} characters")
    return "".join(written)


def _chat(source: str, variables: dict[str, Any]) -> str:
    """What transformers' `apply_chat_template` gives; raises `Refused`, or what Jinja raises."""
    from jinja2 import Undefined
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> NoReturn:
        raise Refused(message)

    class Silent(Undefined):
        """Templates look at tools and other things that there are not."""

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], undefined=Silent
    )
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda layout: datetime.now().strftime(layout)
    # transformers' own tag, which marks what a model is trained on and writes nothing.
    source = re.sub(r"\{%-?\s*(end)?generation\s*-?%\}", "", source)
    return environment.from_string(source).render(**variables)


def main() -> int:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    task = json.loads(sys.stdin.buffer.read())
    render = _instruction if task["kind"] == "instruction" else _chat
    try:
        text = render(task["source"], task["variables"])
    except Refused as refusal:
        sys.stderr.write(str(refusal))
        return 1
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}")
        return 1
    sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
