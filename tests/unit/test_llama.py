"""The engine on llama.cpp itself, with the real completion model."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from midfill.app import CONTEXT
from midfill.engine import llama
from midfill.engine.base import CancelToken, Chunk, ModelFile, ModelInfo, Part, Request, Usage
from midfill.engine.generate import Aborted, Piece, generate
from midfill.engine.llama import LlamaModel
from midfill.engine.threads import Threads
from midfill.models import catalog

pytestmark = pytest.mark.model

CODE = """\
class Stack:
    def __init__(self):
        self.items = []

    def push(self, item):
        self.items.append(item)

    def pop(self):
        return self.items.pop()

    def peek(self):
        return self.items[-1]

    def is_empty(self):
        return len(self.items) == 0


def first_word(text):
    return text.split()[0]


for number in range(10):
    print(number)
"""


def file(context: int = CONTEXT) -> ModelFile:
    entry = catalog.find("complete")
    return ModelFile(ModelInfo(entry.name, entry.family, context), catalog.present(entry))


@pytest.fixture(scope="module")
def model() -> Iterator[LlamaModel]:
    loaded = llama.load(file(), lambda _: None, Threads(2))
    yield loaded
    loaded.close()


def prompt(code: str, cursor: int) -> tuple[Part, ...]:
    anchor = code.rfind("\n", 0, max(cursor - 60, 1)) + 1
    return (
        Part("<|fim_prefix|>", control=True),
        Part(code[:anchor]),
        Part("<|fim_suffix|>", control=True),
        Part(code[code.find("\n", cursor) :]),
        Part("<|fim_middle|>", control=True),
        Part(code[anchor:cursor]),
    )


def request(cursor: int, code: str = CODE, tokens: int = 12, **options: object) -> Request:
    settings = {"heal": True, "stop": ("\n",), **options}
    return Request("complete", "", prompt(code, cursor), tokens, **settings)  # type: ignore[arg-type]


def answers(model: LlamaModel, asked: Request) -> list[str]:
    chunks: list[Chunk] = []
    generate(model, asked, Usage(), chunks.append)
    return ["".join(c.text for c in chunks if c.index == i) for i in range(asked.alternatives)]


def answer(model: LlamaModel, asked: Request) -> str:
    return answers(model, asked)[0]


def forget(model: LlamaModel) -> None:
    while model.sessions.drop_oldest():
        pass


def consistent(model: LlamaModel) -> None:
    """The KV cache holds exactly what the sessions say."""
    for session in model.sessions:
        last = model._llama.llama_memory_seq_pos_max(model._memory, session.id)
        assert last == len(session.tokens) - 1


def test_healing_allows_what_a_look_at_every_token_allows(model: LlamaModel) -> None:
    spellings = model.vocabulary.spelling
    chance = random.Random(7)
    texts = [s for s in spellings if s]
    rests = [
        b"retu",
        b" ",
        b"    ",
        b" self",
        b"\n\n  ",
        "é".encode(),
        "🦉".encode()[:2],
        "日本".encode(),
        b"\xff",
    ]
    rests += [token[: chance.randint(1, len(token))] for token in chance.choices(texts, k=60)]
    pairs = zip(chance.choices(texts, k=30), chance.choices(texts, k=30), strict=True)
    rests += [one + two[: chance.randint(0, len(two))] for one, two in pairs]
    for rest in rests:
        oracle = [i for i, s in enumerate(spellings) if s and (s.startswith(rest) or rest.startswith(s))]
        assert sorted(model.vocabulary.consistent_with(rest).tolist()) == oracle, rest


def test_after_aborts_at_random_points_the_next_completion_is_a_fresh_one(model: LlamaModel) -> None:
    chance = random.Random(11)
    cursors = [CODE.index(at) + len(at) for at in ("self.items.app", "return self.it", "text.spl", "print(num")]
    fresh = {}
    for cursor in cursors:
        forget(model)
        fresh[cursor] = answer(model, request(cursor))
    forget(model)
    aborted = 0
    for _ in range(300):
        cursor = chance.choice(cursors)
        # Another beginning each time, so that there is a prompt to evaluate when the abort comes.
        code = f"# {chance.random()}\n" + CODE
        cancel = CancelToken()
        timer = threading.Timer(chance.uniform(0, 0.25), cancel.cancel)
        timer.start()
        try:
            with model.abortable(cancel):
                generate(model, request(cursor + len(code) - len(CODE), code), Usage(), lambda _: None)
        except Aborted:
            aborted += 1
        timer.cancel()
        consistent(model)
    assert aborted > 100
    for cursor in cursors:
        assert answer(model, request(cursor)) == fresh[cursor]


def test_a_cancelled_evaluation_of_a_long_prompt_leaves_what_it_has_done(model: LlamaModel) -> None:
    forget(model)
    tokens = list(model.tokenize(Part(CODE * 20)))
    cancel = CancelToken()
    with pytest.raises(Aborted), model.abortable(cancel), model.sessions.hold(tokens) as (session, _):
        threading.Timer(0.5, cancel.cancel).start()
        model.evaluate([Piece(session, tokens)])
    consistent(model)
    assert session.tokens == tokens[: len(session.tokens)] != []


def test_shared_beginnings_answer_as_separate_ones(model: LlamaModel) -> None:
    forget(model)
    one, two = CODE.index("items.append") + 6, CODE.index("text.split") + 5
    expected = []
    for cursor in (one, two):
        forget(model)
        expected.append(answer(model, request(cursor)))
    assert [answer(model, request(cursor)) for cursor in (one, two, one, two)] == expected * 2
    assert len(model.sessions) >= 1
    consistent(model)


def test_alternatives_begin_with_the_greedy_answer(model: LlamaModel) -> None:
    asked = request(CODE.index("self.items.append"))
    several = answers(model, request(CODE.index("self.items.append"), alternatives=3))
    assert several[0] == answer(model, asked)
    assert len(set(several)) == 3
    consistent(model)


def test_drafts_change_the_answer_only_where_the_model_is_undecided(model: LlamaModel) -> None:
    """Logits differ by rounding with the size of a batch, so a tie may fall otherwise; nothing else may."""
    differ = 0
    for at in ("def push", "def peek", "def is_empty", "def first_word", "for number"):
        cursor = CODE.index(at)
        options = {"stop": (), "tokens": 40}
        model.payoff.length = lambda ground: 3  # type: ignore[method-assign]
        with_drafts = answer(model, request(cursor, **options))  # type: ignore[arg-type]
        without = answer(model, request(cursor, drafts=False, **options))  # type: ignore[arg-type]
        if with_drafts != without:
            differ += 1
            assert undecided(model, cursor, with_drafts, without), (with_drafts, without)
    assert differ <= 2


def undecided(model: LlamaModel, cursor: int, one: str, other: str) -> bool:
    """Whether, where two answers part, both ways are about as likely."""
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    tokens = [t for part in prompt(CODE, cursor) for t in model.tokenize(part)]
    tokens += model.tokenize(Part(one[:same]))
    with model.sessions.hold(tokens[:-1]) as (session, _):
        [[logits]] = model.evaluate([Piece(session, tokens[len(session.tokens) :])])
        first, second = np.sort(logits)[-1:-3:-1]
    return bool(first - second < 1.5)


def test_a_full_cache_lets_the_oldest_session_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama, "CACHE_BYTES", 0)
    small = llama.load(file(context=512), lambda _: None, Threads(2))
    try:
        prompts = [list(small.tokenize(Part(f"# {i}\n" + CODE * 2)))[:250] for i in range(4)]
        for tokens in prompts:
            with small.sessions.hold(tokens) as (session, _):
                small.evaluate([Piece(session, tokens[len(session.tokens) :])])
            consistent(small)
        assert len(small.sessions) == 2
    finally:
        small.close()


def test_an_interrupted_evaluation_is_done_again(model: LlamaModel) -> None:
    forget(model)
    tokens = list(model.tokenize(Part(CODE * 4)))
    paused = 0

    def pause() -> None:
        nonlocal paused
        paused += 1

    def interrupt() -> None:
        for _ in range(10):
            time.sleep(0.03)
            model.interrupt()

    model.pause = pause
    threading.Thread(target=interrupt).start()
    with model.abortable(CancelToken()), model.sessions.hold(tokens) as (session, _):
        model.evaluate([Piece(session, tokens)])
    assert session.tokens == tokens
    assert paused > len(tokens) // llama.BATCH + 1
    consistent(model)


@pytest.mark.parametrize("value", [0, 1])
def test_tells_whether_llama_cpp_would_use_tiles(value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told = f"CPU : SSE3 = 1 | AMX_INT8 = {value} | REPACK = 1 | ".encode()
    monkeypatch.setattr(llama, "_library", lambda: SimpleNamespace(llama_print_system_info=lambda: told))
    assert llama.has_tiles() == bool(value)
