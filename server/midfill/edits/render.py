"""Renders one chat template: JSON on standard input, text on standard output.

A model file is not to be trusted, and its template is code. So this is a script of its own, which `edits/chat.py`
runs in a process with little time and memory, and the template runs in Jinja's sandbox, which lets it reach
nothing.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from datetime import datetime
from typing import Any, NoReturn

SECONDS, BYTES = 2, 1_000_000_000


class Refused(Exception):
    """The template itself says that it cannot render these messages."""


def render(source: str, variables: dict[str, Any]) -> str:
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
    try:
        text = render(task["source"], task["variables"])
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}")
        return 1
    sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
