"""The command line on bad input: one clear line, the right exit code, never a traceback. No model is needed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from midfill.cli import _parser, command, main


@pytest.fixture(autouse=True)
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path / "models"))


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_text("x = 1\nprint(é)\n", "utf-8")
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command that must fail; returns its exit code and its one line."""
    exit_code = main(list(arguments))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("midfill: ")
    assert err.count("\n") == 1
    return exit_code, err


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("{dir}/none.py:1:1", "There is no file"),
        ("{dir}:1:1", "cannot be read"),
        ("{file}", "is no FILE:LINE:COL"),
        ("{file}:1", "is no FILE:LINE:COL"),
        ("{file}:a:b", "is no FILE:LINE:COL"),
        ("{file}:0:1", "has lines 1 to 3, not 0"),
        ("{file}:4:1", "has lines 1 to 3, not 4"),
        ("{file}:1:7", "has columns 1 to 6, not 7"),
        ("{file}:2:10", "has columns 1 to 9, not 10"),
        ("{file}:1:0", "has columns 1 to 6, not 0"),
    ],
)
def test_complete_refuses_a_place_that_is_not(
    capsys: pytest.CaptureFixture[str], code: Path, place: str, message: str
) -> None:
    exit_code, err = refused(capsys, "complete", place.format(dir=code.parent, file=code))
    assert exit_code == 2
    assert message in err


def test_a_binary_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\x7fELF\0\1")
    assert "binary" in refused(capsys, "complete", f"{tmp_path / 'a.bin'}:1:1")[1]
    (tmp_path / "latin.txt").write_bytes("é".encode("latin-1"))
    assert "not UTF-8" in refused(capsys, "complete", f"{tmp_path / 'latin.txt'}:1:1")[1]


def test_a_huge_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with (tmp_path / "a.py").open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    assert "larger than 10 MB" in refused(capsys, "complete", f"{tmp_path / 'a.py'}:1:1")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["act", "paint", "{file}:1"], "no action 'paint'; choose one of docstring, refactor, implement"),
        (["act", "docstring", "{file}"], "is no FILE:START[-END]"),
        (["act", "docstring", "{file}:9"], "has lines 1 to 3, not 9"),
        (["act", "docstring", "{file}:2-9"], "has lines 1 to 3, not 9"),
        (["act", "docstring", "{file}:3-1"], "run backwards"),
        (["act", "fix", "{file}:1"], "needs --instruction"),
        (["models", "path", "complet"], "Did you mean complete?"),
        (["models", "fetch", "nothing"], "no model 'nothing'"),
        (["models", "add", "mine", "{file}"], "is not a usable GGUF model"),
        (["serve", "--tcp", "nowhere"], "no HOST:PORT"),
    ],
)
def test_refuses_a_senseless_request(
    capsys: pytest.CaptureFixture[str], code: Path, arguments: list[str], message: str
) -> None:
    exit_code, err = refused(capsys, *[argument.format(file=code) for argument in arguments])
    assert exit_code == 2
    assert message in err


@pytest.mark.parametrize(
    "arguments", [["complete", "{file}:1:1"], ["act", "docstring", "{file}:1"], ["demo"], ["models", "verify"]]
)
def test_says_how_to_get_a_missing_model(
    capsys: pytest.CaptureFixture[str], code: Path, arguments: list[str]
) -> None:
    assert main([argument.format(file=code) for argument in arguments]) == 1
    assert "run `midfill models fetch qwen2.5-coder-" in capsys.readouterr().err


def test_path_of_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["models", "path", "complete"]) == 1
    out, err = capsys.readouterr()
    assert out.strip() == str(tmp_path / "models" / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")
    assert "models fetch" in err


def test_lists_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["complete", "qwen2.5-coder-0.5b-instruct"],
        ["edit", "qwen2.5-coder-1.5b-instruct"],
    ]


def test_every_command_is_there() -> None:
    def commands(parser: argparse.ArgumentParser) -> Iterator[str]:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for each in action.choices.values():
                    yield from commands(each)
        if run := parser.get_default("run"):
            yield run

    found = [command(run) for run in commands(_parser())]
    assert len(set(found)) == len(found) > 15


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("midfill ")
