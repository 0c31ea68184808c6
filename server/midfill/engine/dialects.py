"""What the inference servers understand: a row for each kind of server; pure functions to JSON and back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from midfill.engine.base import ITS_SERVERS, Finish, ModelInfo, Part, Request, Usage

# How much of a word is asked for anew, in characters; each token of it costs a step.
LOOK_BACK = 24

CHAT = "/v1/chat/completions"
# A space of no width, which makes text of what spells a control token.
APART = "\u200b"

_WORD = re.compile(r"[ \t]*\w*\Z")
# What spells a control token in many families, for a model of which nothing is known.
_CONTROL = re.compile(r"<[|｜][^<>\n]{1,40}[|｜]>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<fim_\w+>")


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked: the text of the prompt, and what the answer must begin with (healing).

    `suffix` is the text behind the cursor, where the server itself makes a prompt of both.
    """

    request: Request
    info: ModelInfo
    model: str
    prompt: str
    rest: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A piece of an answer. `usage`, `finish`, and the `slot` it comes from, as far as the server tells them."""

    text: str
    logprob: float = 0.0
    usage: Usage | None = None
    finish: Finish | None = None
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """A kind of server. `path` begins at the server's root; `heals`: the server can be held to what is typed.

    `owner` is what stands in `owned_by` of its list of models, `probe` a path that only this server answers, and a
    key of that answer. `hole` is the body that asks for a hole whose prompt the server makes, at `hole_path`, or
    `path`. `goes_on`: what makes the server go on with an answer that is begun for it; None where it does not.
    `slots`: a path, and a key of its answer, that tell how many slots it has (`engine/slots.py`), one of which a
    request may name. Such a server evaluates a long prompt in one go.
    """

    name: str
    path: str
    body: Callable[[Ask], dict[str, Any]]
    read: Callable[[Mapping[str, Any]], Answer]
    heals: bool = False
    owner: str = ""
    probe: tuple[str, str] = ("", "")
    hole: Callable[[Ask], dict[str, Any]] | None = None
    hole_path: str = ""
    goes_on: Mapping[str, Any] | None = None
    slots: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Way:
    """A request on its way. The answer begins with `rest` again (healing), or with `begun` (in a conversation).

    `goes_on`: the server should go on with `begun`, and may say it again all the same. `slot`: where it should put
    the prompt; None: it chooses.
    """

    path: str
    body: dict[str, Any]
    read: Callable[[Mapping[str, Any]], Answer]
    rest: str = ""
    begun: str = ""
    goes_on: bool = False
    slot: int | None = None

    def named(self, slot: int | None) -> dict[str, Any]:
        """The body, which asks for a slot if there is one."""
        return self.body if slot is None else {**self.body, "id_slot": slot}

    def part(self, prompt: str) -> Way:
        """A part of the prompt, to be evaluated by a server with slots, which writes nothing then."""
        body = {key: value for key, value in self.body.items() if key != "grammar"}
        return replace(self, body={**body, "prompt": prompt, "n_predict": 0}, rest="")


def way(dialect: Dialect, request: Request, info: ModelInfo, model: str, talks_only: bool) -> Way | None:
    """How a server is asked; None for a hole that it would have to make the prompt of, and cannot.

    A prompt of ours is the better way: it is anchored, keeps the beginning of an answer, and code cannot steer it.
    """
    if request.said is not None and (talks_only or info.family == ITS_SERVERS):
        body = _chat_body(dialect, request, model)
        goes_on = dialect.goes_on is not None
        return Way(CHAT, body, _chat_read, begun=request.said.begun, goes_on=goes_on)
    if info.family == ITS_SERVERS:
        if dialect.hole is None:
            return None
        prefix, suffix = (_harmless(part.text, _CONTROL) for part in request.prompt if not part.control)
        ask = Ask(request, info, model, prefix, suffix=suffix)
        return Way(dialect.hole_path or dialect.path, dialect.hole(ask), dialect.read)
    ask = prepare(request, info, model, dialect.heals)
    return Way(dialect.path, dialect.body(ask), dialect.read, rest=ask.rest)


def prepare(request: Request, info: ModelInfo, model: str, heals: bool) -> Ask:
    """The prompt as text. What spells a control token is pulled apart, as servers read them in any text."""
    controls = {part.text for part in request.prompt if part.control} | set(info.stops)
    spelled = [re.escape(text) for text in sorted(controls, key=len, reverse=True) if len(text) > 3]
    pattern = re.compile("|".join(spelled)) if spelled else None
    prompt = "".join(part.text if part.control else _harmless(part.text, pattern) for part in request.prompt)
    rest = _unfinished(request.prompt[-1]) if heals and request.heal and request.max_tokens else ""
    return Ask(request, info, model, prompt[: len(prompt) - len(rest)], rest)


def _harmless(text: str, control: re.Pattern[str] | None) -> str:
    return control.sub(lambda found: f"{found[0][0]}{APART}{found[0][1:]}", text) if control else text


def _unfinished(part: Part) -> str:
    """The word that a prompt ends in, with the blanks before it, which no tokenizer cuts where a cursor does."""
    if part.control:
        return ""
    found = _WORD.search(part.text, max(0, len(part.text) - LOOK_BACK))
    return found[0] if found else ""


def _llama_body(ask: Ask) -> dict[str, Any]:
    request = ask.request
    body: dict[str, Any] = {
        # As a router it has several.
        "model": ask.model,
        "prompt": ask.prompt,
        "n_predict": request.max_tokens,
        "stop": list(request.stop),
        "temperature": 0.0,
        "repeat_penalty": 1.0,
        "n_probs": 1,
        "cache_prompt": True,
        "stream": True,
        # An answer is often left when enough of it is there, and what it cost is to be known then.
        "timings_per_token": True,
    }
    if ask.rest:
        body["grammar"] = f"root ::= {json.dumps(ask.rest)} [^\\x00]*"
    return body


def _llama_read(event: Mapping[str, Any]) -> Answer:
    probabilities = event.get("completion_probabilities") or []
    answer = Answer(event.get("content", ""), sum(each.get("logprob") or 0.0 for each in probabilities))
    if not (timings := event.get("timings")):
        return answer
    usage = Usage(
        prompt=timings.get("cache_n", 0) + timings.get("prompt_n", 0),
        evaluated=timings.get("prompt_n", 0),
        generated=timings.get("predicted_n", 0),
        evaluate_ms=timings.get("prompt_ms", 0.0),
        generate_ms=timings.get("predicted_ms", 0.0),
    )
    finishes: dict[str, Finish] = {"word": "stop", "limit": "length"}
    if not event.get("stop"):
        return replace(answer, usage=usage)
    # Only the last event tells the slot; before, the field is there and says nothing.
    slot = event.get("id_slot")
    finish = finishes.get(str(event.get("stop_type")), "end")
    return replace(answer, usage=usage, finish=finish, slot=slot if isinstance(slot, int) else None)


def _infill_body(ask: Ask) -> dict[str, Any]:
    return {**_llama_body(ask), "prompt": "", "input_prefix": ask.prompt, "input_suffix": ask.suffix}


def _openai_body(ask: Ask) -> dict[str, Any]:
    request = ask.request
    return {
        "model": ask.model,
        "prompt": ask.prompt,
        # No server takes 0; one token is what reading a prompt ahead costs.
        "max_tokens": request.max_tokens or 1,
        "stop": [*request.stop, *ask.info.stops][:4],
        "temperature": 0,
        "logprobs": 1,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _suffix_body(ask: Ask) -> dict[str, Any]:
    return {**_openai_body(ask), "suffix": ask.suffix}


def _chat_body(dialect: Dialect, request: Request, model: str) -> dict[str, Any]:
    """Speakers and their words; the beginning of the answer last, or as a wish where no server goes on with it."""
    assert request.said is not None
    messages = [{"role": speaker, "content": _harmless(text, _CONTROL)} for speaker, text in request.said.turns]
    begun = request.said.begun
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "max_tokens": request.max_tokens or 1,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if begun and dialect.goes_on is not None:
        messages.append({"role": "assistant", "content": begun})
        body |= dialect.goes_on
    elif begun:
        messages[-1]["content"] += f"\n\nBegin your answer with exactly this, and go on from there:\n{begun}"
        # What it says again has tokens, too.
        body["max_tokens"] += len(begun) // 2 + 20
    return body


def _chat_read(event: Mapping[str, Any]) -> Answer:
    choice = (event.get("choices") or [{}])[0]
    text = (choice.get("delta") or {}).get("content") or ""
    return replace(_openai_read({**event, "choices": [{**choice, "text": text, "logprobs": None}]}), text=text)


def _vllm_body(ask: Ask) -> dict[str, Any]:
    # Control tokens that end nothing there are left in the text, where we see them.
    body = {**_openai_body(ask), "skip_special_tokens": False}
    body["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
    if ask.rest:
        body["structured_outputs"] = {"regex": _begins_with(ask.rest)}
    return body


def _sglang_body(ask: Ask) -> dict[str, Any]:
    body = {**_openai_body(ask), "skip_special_tokens": False}
    return {**body, **({"regex": _begins_with(ask.rest)} if ask.rest else {})}


def _begins_with(rest: str) -> str:
    """A pattern of any text that begins with `rest`, in which only blanks and letters are: nothing to escape."""
    return rest + r"[\s\S]*"


def _openai_read(event: Mapping[str, Any]) -> Answer:
    usage = None
    if told := event.get("usage"):
        cached = (told.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        prompt = told.get("prompt_tokens") or 0
        usage = Usage(prompt, prompt - cached, told.get("completion_tokens") or 0)
    choices = event.get("choices") or [{}]
    choice = choices[0]
    logprobs = (choice.get("logprobs") or {}).get("token_logprobs") or []
    reasons: dict[str, Finish] = {"length": "length", "stop": "stop"}
    finish = reasons.get(choice["finish_reason"], "end") if choice.get("finish_reason") else None
    return Answer(choice.get("text") or "", sum(each or 0.0 for each in logprobs), usage, finish)


def _ollama_body(ask: Ask) -> dict[str, Any]:
    # Without `raw` Ollama puts the prompt into the model's chat template.
    options = {
        "num_predict": ask.request.max_tokens or 1,
        "temperature": 0,
        "stop": [*ask.request.stop, *ask.info.stops],
        "num_ctx": ask.info.context,
    }
    return {"model": ask.model, "prompt": ask.prompt, "raw": True, "stream": True, "options": options}


def _ollama_hole(ask: Ask) -> dict[str, Any]:
    return {**_ollama_body(ask), "raw": False, "suffix": ask.suffix}


def _ollama_read(event: Mapping[str, Any]) -> Answer:
    answer = Answer(event.get("response", ""))
    if not event.get("done"):
        return answer
    prompt = event.get("prompt_eval_count", 0)
    usage = Usage(
        prompt,
        prompt,
        event.get("eval_count", 0),
        evaluate_ms=event.get("prompt_eval_duration", 0) / 1e6,
        generate_ms=event.get("eval_duration", 0) / 1e6,
    )
    return replace(answer, usage=usage, finish="length" if event.get("done_reason") == "length" else "stop")


# What all three take whose templates are the models' own: the answer is begun, so there is no place to think in.
_AT_ONCE = {"chat_template_kwargs": {"enable_thinking": False}}
# vLLM and SGLang, "Chat API": an answer that is begun is gone on with.
_GOES_ON = {"continue_final_message": True, "add_generation_prompt": False, **_AT_ONCE}

# The first that fits is taken; the last fits any server.
DIALECTS = (
    # llama.cpp, tools/server/README.md: POST /completion, POST /infill.
    Dialect(
        "llama-server",
        "/completion",
        _llama_body,
        _llama_read,
        heals=True,
        owner="llamacpp",
        hole=_infill_body,
        hole_path="/infill",
        goes_on=_AT_ONCE,
        slots=("/props", "total_slots"),
    ),
    # vLLM, "OpenAI-Compatible Server" and "Structured Outputs". It refuses a suffix.
    Dialect("vLLM", "/v1/completions", _vllm_body, _openai_read, heals=True, owner="vllm", goes_on=_GOES_ON),
    # SGLang, "OpenAI APIs - Completions": its own parameter `regex`.
    Dialect(
        "SGLang",
        "/v1/completions",
        _sglang_body,
        _openai_read,
        heals=True,
        owner="sglang",
        hole=_suffix_body,
        goes_on=_GOES_ON,
    ),
    # Ollama, docs/api.md: "Generate a completion", "raw mode" and "with suffix". It goes on with what an assistant
    # said last.
    Dialect(
        "Ollama",
        "/api/generate",
        _ollama_body,
        _ollama_read,
        owner="library",
        probe=("/api/version", "version"),
        hole=_ollama_hole,
        goes_on={},
    ),
    # Text Generation Inference, "Messages API"; its /info tells the model.
    Dialect("TGI", "/v1/completions", _openai_body, _openai_read, probe=("/info", "model_id"), hole=_suffix_body),
    Dialect(
        "LM Studio", "/v1/completions", _openai_body, _openai_read, owner="organization_owner", hole=_suffix_body
    ),
    Dialect("OpenAI-compatible", "/v1/completions", _openai_body, _openai_read, hole=_suffix_body),
)
