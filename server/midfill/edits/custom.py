"""Actions of the user's and the project's own: the file `.midfill.toml`, and the templates of its instructions.

    [[action]]
    name = "Comment the steps"
    on = "definition"
    instruction = "Put a comment above each step of `{{ name }}` that says why it is done."
    checks = ["comments"]

Such an action can only tell the model what to do with the code at hand: it names no model, no server and no
file, and its edit is verified like every other.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args
from urllib.parse import unquote

from midfill.document import Document
from midfill.edits import render
from midfill.edits.actions import ACTIONS, Action, Check, Kind, Target
from midfill.edits.work import Wish
from midfill.errors import EditRejected
from midfill.languages import language_for, languages
from midfill.syntax import definition_at, parameters

# How much there may be in one file.
MOST_ACTIONS, LONGEST_NAME, LONGEST_TEMPLATE = 50, 60, 4000

# What an action may work on.
PLACES = {
    "code": "a selection, or the definition around the cursor",
    "selection": "a selection",
    "definition": "the whole function or type around the cursor",
    "gap": "an empty body or a TODO",
    "diagnostic": "what a checker reports",
}
KEYS = ("name", "instruction", "kind", "languages", "on", "checks")
# What strangers might try to name, and people to find.
_FORBIDDEN = re.compile(
    r"url|server|engine|model|host|proxy|key|token|path|file|include|import|template|command|run|exec|shell|env",
    re.I,
)
VARIABLES = ("language", "name", "kind", "parameters", "selection", "file", "diagnostics")


@dataclass(frozen=True)
class Read:
    """The actions of one file by their ids, and what is wrong with it, a sentence each."""

    actions: Mapping[str, Action]
    problems: tuple[str, ...]


def parse(data: bytes, origin: str) -> Read:
    """Read a file of actions; `origin` is what messages call it. What is wrong is said, and the rest holds."""
    # The import takes 5 ms, and most users have no such file.
    import tomllib

    try:
        text = data.decode("utf-8")
        content = tomllib.loads(text)
    except UnicodeDecodeError:
        return Read({}, (f"{origin} is not in UTF-8, so its actions are not used.",))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        return Read({}, (f"{origin} is no TOML, so its actions are not used: {what}.",))
    lines = _Lines(text)
    problems = [
        f"{origin}, line {lines.of(key)}: {_unknown(key, ('action',))}. Actions begin with [[action]]."
        for key in content
        if key != "action"
    ]
    tables = content.get("action", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        return Read({}, (*problems, f"{origin}, line {lines.of('action')}: actions begin with [[action]]."))
    if len(tables) > MOST_ACTIONS:
        problems.append(f"{origin} has more than {MOST_ACTIONS} actions; only the first {MOST_ACTIONS} are used.")
    actions: dict[str, Action] = {}
    for number, table in enumerate(tables[:MOST_ACTIONS]):
        try:
            action = _action(table)
            if action.id in actions or action.id in ACTIONS:
                raise _Wrong("name", f"there is an action {table['name']!r} already; give this one another name")
            actions[action.id] = action
        except _Wrong as wrong:
            line = lines.of(wrong.key, number)
            line += wrong.line + (wrong.key == "instruction" and lines.text_starts_below(line))
            problems.append(f"{origin}, line {line}: {wrong}. This action is not used.")
    return Read(actions, tuple(problems))


async def instructed(action: Action, document: Document, wish: Wish) -> tuple[Action, Wish]:
    """The action with its template rendered for the code at hand. Raises `EditRejected`.

    The wish gets the template's own words, as those of a user: what they ask for may be done. What the code puts
    into a template, as the name of a function, asks for nothing.
    """
    variables = _variables(document.seen_at(wish.start, wish.end), wish)
    text, problem = await asyncio.to_thread(render.apart, "instruction", action.instruction, variables)
    if not problem and not text.strip():
        problem = "it writes nothing"
    if problem:
        raise EditRejected(f"The template of {action.title!r} cannot be used: {' '.join(problem.split())[:200]}.")
    words = re.sub(r"\{[{%#].*?[}%#]\}", " ", action.instruction, flags=re.DOTALL)
    return replace(action, instruction=text.strip()), replace(wish, instruction=words)


def _variables(document: Document, wish: Wish) -> dict[str, Any]:
    """What a template can say of the code. The code itself stands below the instruction anyway."""
    definition = definition_at(document, wish.start, wish.end)
    return {
        "language": document.language.name if document.language else "",
        "name": definition.name if definition else "",
        "kind": definition.kind if definition else "",
        "parameters": list(parameters(document, definition) or ()) if definition else [],
        "selection": document.text.slice(wish.start, wish.end),
        "file": unquote(document.uri.rpartition("/")[2]),
        "diagnostics": [problem.message for problem in wish.problems],
    }


class _Wrong(ValueError):
    """What is wrong with the key of an action; `line` counts from the one that the value begins at."""

    def __init__(self, key: str, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.key, self.line = key, line


def _action(table: Mapping[str, Any]) -> Action:
    """One action. Raises `_Wrong`."""
    for key in table:
        if key not in KEYS:
            raise _Wrong(key, _unknown(key, KEYS))
    name = _text(table, "name", LONGEST_NAME)
    if not name.isprintable():
        raise _Wrong("name", "a name is one line of printable letters")
    slug = re.sub(r"[\W_]+", "-", name.lower()).strip("-")
    if not slug:
        raise _Wrong("name", "a name needs letters or digits")
    source = _text(table, "instruction", LONGEST_TEMPLATE)
    for line, message in render.faults(source, VARIABLES):
        raise _Wrong("instruction", message, line - 1)
    on = _one_of(table, "on", tuple(PLACES), "code")
    kind = _one_of(table, "kind", get_args(Kind), "quickfix" if on == "diagnostic" else "refactor.rewrite")
    wanted = tuple(_known_language(each) for each in _list(table, "languages"))
    checks = tuple(_list(table, "checks"))
    for check in checks:
        if check not in get_args(Check):
            raise _Wrong("checks", f"there is no check {check!r}; there are {', '.join(get_args(Check))}")
    if "annotations" in checks and wanted != ("python",):
        raise _Wrong("checks", 'the check "annotations" knows Python only; set languages to ["python"]')
    return Action(
        slug,
        name,
        cast(Kind, kind),
        cast(Target, on),
        "rewrite",
        source,
        cast(tuple[Check, ...], checks),
        wanted,
        True,
    )


def _text(table: Mapping[str, Any], key: str, most: int) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(key, f"{key} must be a text" + ("" if key in table else ", and it is not there"))
    if len(value) > most:
        raise _Wrong(key, f"{key} has {len(value)} characters, more than {most}")
    return value


def _one_of(table: Mapping[str, Any], key: str, known: Collection[str], default: str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or value not in known:
        raise _Wrong(key, f"{key} must be one of {', '.join(known)}, not {value!r}")
    return value


def _list(table: Mapping[str, Any], key: str) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _Wrong(key, f"{key} must be a list of texts, not {value!r}")
    return value


def _known_language(name: str) -> str:
    known = {each.id for each in languages()}
    language = name if name in known else getattr(language_for(name, ""), "id", "")
    if not language:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(known))}"
        raise _Wrong("languages", f"there is no language {name!r}{hint}")
    return language


def _unknown(key: str, known: Collection[str]) -> str:
    """The message for a key that there is not."""
    if close := difflib.get_close_matches(key, known, n=1):
        return f"there is no {key!r}; did you mean {close[0]!r}"
    allowed = f"what may be set is {', '.join(known)}"
    if _FORBIDDEN.search(key):
        return (
            f"{key!r} may not be set here: an action names no model, no server, no program and no file; {allowed}"
        )
    return f"there is no {key!r}; {allowed}"


class _Lines:
    """Where the keys of a file stand, which its parser does not tell."""

    # So many lines are looked at; a text of an instruction may hold many that look like keys.
    _TRIES = 300

    def __init__(self, text: str) -> None:
        self._lines = text.replace("\r\n", "\n").split("\n")
        self._tries = self._TRIES

    def of(self, key: str, number: int | None = None) -> int:
        """The line, from 1, that sets a key of the file or of one of its actions; else where that begins."""
        first, last = 0, len(self._lines)
        if number is not None:
            headers = self._found(r"\[\[\s*action\s*\]\]", 0, last)
            first = headers[number] if number < len(headers) else 0
            last = headers[number + 1] if number + 1 < len(headers) else last
        name = rf"""["']?{re.escape(key)}["']?"""
        found = self._found(rf"(?:\[\[?\s*(?:action\s*\.\s*)?)?{name}\s*[=.\]]", first, last)
        return (found[0] if found else first) + 1

    def text_starts_below(self, line: int) -> bool:
        """Whether the text that a line (from 1) sets begins on the next one, as behind a lone triple quote."""
        return self._lines[line - 1].rstrip().endswith(('"""', "'''"))

    def _found(self, pattern: str, first: int, last: int) -> list[int]:
        """The lines that match and stand in no text: what is above them is complete."""
        import tomllib

        found = []
        for at in range(first, last):
            if re.match(rf"\s*{pattern}", self._lines[at]) and self._tries > 0:
                self._tries -= 1
                with contextlib.suppress(tomllib.TOMLDecodeError, RecursionError):
                    tomllib.loads("\n".join(self._lines[:at]))
                    found.append(at)
        return found
