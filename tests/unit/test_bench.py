"""The benchmark: its keystrokes, its figures and its bars. The servers it measures are measured elsewhere."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import midfill
from midfill import cli
from midfill.bench import report
from midfill.bench.edit import Edited, choose, show, summary
from midfill.bench.figures import Memory, PeerSample, Sample, bars, decode_step, percentile, rows
from midfill.bench.peer import Peer, request
from midfill.bench.script import TYPED, Key, script
from midfill.bench.typing import Plan, default_paths
from midfill.errors import EngineError, UsageError
from midfill.text import Edit, Encoding, Text

PYTHON = (Path(midfill.__file__).parent / "completion" / "window.py").read_text("utf-8")
ITSELF = Path(__file__).read_text("utf-8")
GO = """package main

import "fmt"

type point struct {
\tx, y int
}

func (p point) String() string {
\t// It's a pair: [x, y).
\tif p.x < 0 {
\t\treturn fmt.Sprintf("(%d, %d)", p.x, p.y)

\t}
\treturn fmt.Sprint([]string{
\t\t"a",
\t\t"b)",
\t})
}
"""
RUST = """fn first<'a>(words: &'a [&'a str], mark: char) -> Option<&'a str> {
    let found = words.iter().find(|word| word.contains(mark) || word.starts_with('"'));
    match found {
        Some(word) => Some(word),
        None => {
            println!("nothing \\"{}\\" here: ]", mark);
            None
        }
    }
}
"""
TYPESCRIPT = (
    "export function greet(name: string) {\r\n  const été = `→ ${name}`;\r\n\r\n  return [été, { name }];\r\n}\r\n"
)
ODD = "a\n  b(\n\n  )\n   \n\tc('\U0001f40d', \"'\")  \n(\n"
FLAT = "one\ntwo three\n"


def replay(texts: list[str], keys: list[Key]) -> list[str]:
    """The files after the keystrokes. Every position must be one that the file has."""
    buffers = [Text.of(text) for text in texts]
    for key in keys:
        text = buffers[key.file]
        start, end = (text.offset(at, Encoding.UTF32) for at in (key.start, key.end))
        assert text.position(start, Encoding.UTF32) == key.start
        assert text.position(end, Encoding.UTF32) == key.end
        text = buffers[key.file] = text.replace(Edit(start, end, key.text))
        assert text.position(text.offset(key.cursor, Encoding.UTF32), Encoding.UTF32) == key.cursor
    return [str(text) for text in buffers]


@pytest.mark.parametrize("seed", range(40))
def test_after_the_script_every_file_is_as_it_was(seed: int) -> None:
    texts = [PYTHON, ITSELF, GO, RUST, TYPESCRIPT, ODD, FLAT]
    assert replay(texts, script(texts, 1000, seed)) == texts


def test_the_script_follows_from_its_seed() -> None:
    texts = [PYTHON, GO]
    assert script(texts, 300, 1) == script(texts, 300, 1)
    assert script(texts, 300, 1) != script(texts, 300, 2)


def test_the_script_has_every_kind_of_key() -> None:
    keys = script([PYTHON, GO, RUST], 900, 0)
    kinds = Counter(key.kind for key in keys)
    assert set(kinds) == {"cold", "jump", "cut", *TYPED}
    assert kinds["cold"] == 3
    assert kinds["type"] > len(keys) / 2
    assert 0.1 < sum(key.hurried for key in keys) / len(keys) < 0.3
    assert 900 <= len(keys) < 1500


def test_a_switch_is_a_character_in_another_file_than_the_key_before() -> None:
    keys = script([PYTHON, GO, RUST], 900, 0)
    for before, key in pairwise(keys):
        assert (key.kind == "switch") == (key.file != before.file and key.kind != "cold")
        if key.kind == "switch":
            assert not key.hurried and len(key.text) <= 2


def test_a_file_without_text_cannot_be_typed() -> None:
    with pytest.raises(ValueError, match="no line"):
        script(["\n\n"], 10, 0)


def sample(ms: float | None = 100.0, *, peer_ms: float | None = None, **others: Any) -> Sample:
    """A key that asked the model: 1 token evaluated, 10 generated in 90 ms."""
    values: dict[str, Any] = {
        "kind": "type",
        "file": "a.py",
        "line": 3,
        "hurried": ms is None,
        "outcome": "shown",
        "reason": None,
        "source": "model",
        "shown": 20,
        "prompt": 500,
        "evaluated": 1,
        "generated": 10,
        "drafted": 0,
        "accepted": 0,
        "queue_ms": 0.0,
        "evaluate_ms": 5.0,
        "generate_ms": 90.0,
    }
    peer = PeerSample(peer_ms, 200, 24, 700.0, 300.0) if peer_ms else None
    return Sample(**{**values, **others}, ms=ms, peer=peer)


def test_percentiles_are_by_nearest_rank() -> None:
    assert percentile([], 50) is None
    assert percentile([3, 1, 2], 50) == 2
    assert percentile(range(1, 101), 95) == 95
    assert percentile([7], 99) == 7


def test_a_decode_step_comes_from_long_answers_without_drafts() -> None:
    drafted = sample(generate_ms=30.0, drafted=8, accepted=1)
    short = sample(generated=2, generate_ms=2.0)
    assert decode_step([sample(), sample(generate_ms=110.0), sample(generate_ms=500.0), drafted, short]) == 11.0
    assert decode_step([sample(generate_ms=81.0, drafted=8, accepted=1)]) == 9.0
    assert decode_step([short]) is None


def measured(samples: list[Sample], memory: Memory | None = None) -> dict[str, float | None]:
    return {bar.name: bar.measured for bar in bars(samples, memory)}


def test_the_bars_stand_on_the_keys_that_asked_both_models() -> None:
    samples = [
        sample(100.0, peer_ms=1000.0),
        sample(300.0, peer_ms=2000.0, kind="newline"),
        sample(4.0, peer_ms=1000.0, source="typeThrough", prompt=0, evaluated=0),
        sample(9000.0, peer_ms=9000.0, kind="cold", evaluated=900),
        sample(None, outcome="cancelled", reason="superseded"),
    ]
    figures = measured(samples)
    assert figures["time to suggestion / peer's, p50"] == 0.1
    assert figures["time to suggestion / peer's, p95"] == 0.15
    assert figures["the same after a new line, p95"] == 0.15
    assert figures["prompt tokens evaluated, p95"] == 1
    assert figures["time to suggestion / decoding alone, p50"] == pytest.approx(100 / 90)
    assert figures["ms beside the engine's own, p95"] == 205.0
    assert figures["switching to a warm file / staying, p50"] is None
    assert figures["memory of a second window, MB"] is None


def test_a_bar_says_whether_it_was_met() -> None:
    samples = [sample(100.0), sample(150.0, kind="switch")]
    verdicts = {bar.name: bar.verdict for bar in bars(samples, Memory({}, 60_000_000))}
    assert verdicts["memory of a second window, MB"] == "PASS"
    assert verdicts["switching to a warm file / staying, p50"] == "MISSED"
    assert verdicts["time to suggestion / peer's, p50"] == "not measured"


def test_a_row_tells_a_kind_and_the_last_one_all_that_is_typed() -> None:
    samples = [
        sample(100.0),
        sample(2.0, source="cache", prompt=0, generated=0),
        sample(None, outcome="cancelled", generated=4),
        sample(5000.0, kind="jump"),
    ]
    table = {row.kind: row for row in rows(samples)}
    assert set(table) == {"jump", "type", "all typed"}
    assert table["type"].without_model == 0.5
    assert table["type"].ms == (2.0, 100.0, 100.0)
    assert table["type"].thrown_away == 4
    assert table["all typed"].keys == 3


def test_the_report_prints_every_bar_and_the_json_every_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples, memory = [sample(peer_ms=900.0), sample(None)], Memory({"serve": 50_000_000}, 40_000_000)
    report.show(samples, memory)
    printed = capsys.readouterr().out
    assert "PASS" in printed and "serve 50 MB" in printed
    report.write_json(tmp_path / "out.json", report.as_json(samples, memory, {"seed": 3}))
    content = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert content["about"]["seed"] == 3
    assert [key["ms"] for key in content["keys"]] == [100.0, None]
    assert len(content["bars"]) == 11
    with pytest.raises(UsageError, match="cannot be written"):
        report.write_json(tmp_path / "none" / "out.json", content)


def test_the_peer_gets_whole_lines_around_the_line_that_is_typed() -> None:
    lines = [f"line {number}" for number in range(500)]
    lines[300] = "    x = f()"
    sent = request("\n".join(lines), 300, 10)
    assert sent["input_prefix"] == "\n".join(lines[44:300]) + "\n"
    assert sent["prompt"] == "    x = f("
    assert sent["input_suffix"] == "\n".join([")", *lines[301:365]]) + "\n"
    assert sent["n_indent"] == 4


def test_for_the_peer_a_line_of_white_space_is_empty() -> None:
    sent = request("a:\n    \nb", 1, 4)
    assert (sent["input_prefix"], sent["prompt"], sent["input_suffix"], sent["n_indent"]) == (
        "a:\n",
        "",
        "\nb\n",
        0,
    )


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Something that answers as llama-server does, and the requests it got."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({"status": "ok"})

        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            timings = {"prompt_n": 12, "predicted_n": 5, "prompt_ms": 30.5, "predicted_ms": 100.0}
            self._answer({"content": "x"} if "broken" in asked[-1]["prompt"] else {"timings": timings})

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _answer(self, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", asked
        httpd.shutdown()
        thread.join()


def test_the_peer_is_asked_as_llama_vim_asks(server: tuple[str, list[dict[str, Any]]]) -> None:
    url, asked = server
    with Peer(url) as peer:
        answer = peer.ask("def f():\n    ret\n", 1, 7)
        assert (answer.evaluated, answer.generated, answer.evaluate_ms, answer.generate_ms) == (12, 5, 30.5, 100.0)
        assert answer.ms > 0
        with pytest.raises(EngineError, match="does not answer as"):
            peer.ask("broken", 0, 6)
    assert asked[0]["prompt"] == "    ret"
    assert (asked[0]["n_predict"], asked[0]["cache_prompt"]) == (24, True)


@pytest.mark.parametrize("url", ["127.0.0.1:8012", "ftp://127.0.0.1"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        Peer(url)


def test_a_peer_that_is_not_there() -> None:
    with pytest.raises(EngineError, match="No llama-server answers at"):
        Peer("http://127.0.0.1:1")


def test_a_plan_that_cannot_be_carried_out() -> None:
    with pytest.raises(UsageError, match="--keys"):
        Plan(default_paths(), keys=0)
    with pytest.raises(UsageError, match="--gap"):
        Plan(default_paths(), gap=float("nan"))


def edited(case: int, drafts: bool, ms: float, text: str = "x", **others: Any) -> Edited:
    values = {"attempts": 1, "reason": None, "generated": 50, "drafted": 40, "accepted": 30}
    return Edited(case=case, drafts=drafts, ms=ms, text=text, **{**values, **others})


def test_the_edits_are_of_functions_of_moderate_length() -> None:
    for path in default_paths():
        cases = choose(path, 0)
        assert cases == choose(path, 0)
        assert {case.action for case in cases} == {"docstring", "refactor"}
        lines = path.read_text("utf-8").splitlines()
        assert all(case.name in lines[case.where.line] for case in cases)


def test_edits_are_compared_with_and_without_drafts(capsys: pytest.CaptureFixture[str]) -> None:
    cases = choose(default_paths()[0], 0)
    edits = [
        *(edited(index, True, 600.0) for index in range(len(cases))),
        *(edited(index, False, 1000.0, "y" if index == 0 else "x") for index in range(len(cases))),
    ]
    figures = summary(cases, edits)
    assert (figures["medianRatio"], figures["same"]) == (0.6, len(cases) - 1)
    show(figures)
    printed = capsys.readouterr().out
    assert "Time with drafts / without, median: 0.60" in printed
    assert "30 of 40" in printed


def test_a_picture_needs_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'midfill\[bench\]'"):
        report.require_plot()


def test_the_command_line_names_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "typing", "--keys", "0"]) == 2
    assert "--keys must be 1 or more" in capsys.readouterr().err
