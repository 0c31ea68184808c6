"""Every family: how it is told from a file, and its prompts to the letter and to the token."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ggufs import USER_DEFINED, tiny, vocabulary, write

from midfill import app, cli, inspection
from midfill.completion import fim
from midfill.completion.context import Context, Fragment
from midfill.edits import chat
from midfill.engine import llama
from midfill.engine.base import ModelInfo, Part, Template
from midfill.errors import ModelError, UsageError
from midfill.models import catalog, detection, families, gguf

QWEN = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
QWEN += ["<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"]
STAR = ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<gh_stars>"]
DEEPSEEK = ["<｜end▁of▁sentence｜>", "<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>", "<|EOT|>"]
LLAMA = ["▁<PRE>", "▁<MID>", "▁<SUF>", "▁<EOT>"]
SEED = ["<[end▁of▁sentence]>", "<[fim-suffix]>", "<[fim-prefix]>", "<[fim-middle]>"]
GEMMA = ["<bos>", "<eos>", *QWEN[3:6], "<|file_separator|>", "<start_of_turn>", "<end_of_turn>"]
LLAMA3 = ["<|end_of_text|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
SMOL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

PSM = "{0}def f({1}\n    pass\n{2}"
SPM = "{1}\n    pass\n{0}def f({2}"
QWEN_PROMPT = PSM.format("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
STAR_PROMPT = PSM.format("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
DEEPSEEK_PROMPT = PSM.format("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>")

# architecture, name in the metadata, control tokens -> row, roles, form, prompt, stop tokens
MADE: list[tuple[str, str, list[str], str, list[str], str | None, str, list[str]]] = [
    *(
        ("qwen2", name, QWEN, "qwen2.5-coder", roles, "PSM", QWEN_PROMPT, [*QWEN[:1], *QWEN[2:4], *QWEN[5:]])
        for name, roles in (
            ("Qwen2.5 Coder 7B Instruct", ["complete", "edit"]),
            ("Qwen2.5-Coder-7B", ["complete"]),
            ("qwen2.5-coder-0.5b-base", ["complete"]),
        )
    ),
    (
        "qwen3moe",
        "Qwen3-Coder-30B-A3B-Instruct",
        QWEN,
        "qwen3-coder",
        ["complete", "edit"],
        "PSM",
        QWEN_PROMPT,
        [*QWEN[:1], *QWEN[2:4], *QWEN[5:]],
    ),
    (
        "qwen2",
        "Qwen2.5 7B Instruct",
        QWEN,
        "qwen2.5",
        ["edit", "explain"],
        None,
        "",
        ["<|endoftext|>", "<|im_end|>"],
    ),
    ("qwen3", "Qwen3-8B", QWEN, "qwen3", ["edit", "explain"], None, "", ["<|endoftext|>", "<|im_end|>"]),
    ("qwen3", "Qwen3-8B-Base", QWEN, "qwen3", [], None, "", ["<|endoftext|>", "<|im_end|>"]),
    (
        "llama",
        "deepseek-coder-6.7b-instruct",
        DEEPSEEK,
        "deepseek-coder",
        ["complete", "edit"],
        "PSM",
        DEEPSEEK_PROMPT,
        ["<｜end▁of▁sentence｜>", "<|EOT|>"],
    ),
    (
        "deepseek2",
        "DeepSeek-Coder-V2-Lite-Base",
        DEEPSEEK[:4],
        "deepseek-coder-v2",
        ["complete"],
        "PSM",
        DEEPSEEK_PROMPT,
        ["<｜end▁of▁sentence｜>"],
    ),
    (
        "llama",
        "WizardCoder-33B-V1.1",
        DEEPSEEK,
        "wizardcoder-deepseek",
        ["complete", "edit"],
        "PSM",
        DEEPSEEK_PROMPT,
        ["<｜end▁of▁sentence｜>", "<|EOT|>"],
    ),
    (
        "starcoder",
        "WizardCoder 15B V1.0",
        [*STAR, "<reponame>"],
        "wizardcoder-starcoder",
        ["complete", "edit"],
        "PSM",
        STAR_PROMPT,
        ["<|endoftext|>"],
    ),
    ("starcoder", "starcoder", STAR, "starcoder", ["complete"], "PSM", STAR_PROMPT, ["<|endoftext|>"]),
    ("starcoder", "granite-20b-code-base", STAR, "granite-code", ["complete"], "PSM", STAR_PROMPT, STAR[:1]),
    ("llama", "Granite 3b Code Base", STAR, "granite-code", ["complete"], "PSM", STAR_PROMPT, STAR[:1]),
    ("stablelm", "stable-code-3b", STAR, "stablecode", ["complete"], "PSM", STAR_PROMPT, STAR[:1]),
    (
        "starcoder2",
        "starcoder2-3b",
        [*STAR[:4], "<repo_name>", "<file_sep>"],
        "starcoder2",
        ["complete"],
        "PSM",
        STAR_PROMPT,
        ["<|endoftext|>", "<file_sep>"],
    ),
    ("refact", "Refact", STAR, "refact", ["complete"], "PSM", STAR_PROMPT, STAR[:1]),
    # Made from a general model, and not trained to fill holes.
    (
        "llama",
        "Deepseek Coder 7b Instruct v1.5",
        DEEPSEEK,
        "deepseek-coder-v1.5",
        ["edit"],
        None,
        "",
        ["<｜end▁of▁sentence｜>", "<|EOT|>"],
    ),
    (
        "llama",
        "Mellum-4b-base",
        STAR,
        "mellum",
        ["complete"],
        "SPM",
        SPM.format("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        ["<|endoftext|>", "<filename>"],
    ),
    (
        "llama",
        "Seed-Coder-8B-Base",
        SEED,
        "seed-coder",
        ["complete"],
        "SPM",
        SPM.format("<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>"),
        SEED,
    ),
    (
        "llama",
        "Meta Llama 3.1 8B Instruct",
        LLAMA3,
        "llama-3",
        ["edit", "explain"],
        None,
        "",
        [LLAMA3[0], LLAMA3[4]],
    ),
    ("llama", "SmolLM2 135M Instruct", SMOL, "smollm2", ["explain"], None, "", ["<|endoftext|>", "<|im_end|>"]),
]

# The same, of SentencePiece's vocabularies, which have the tokens <s> and </s>.
PIECES: list[tuple[str, str, list[str], str, list[str], str | None, str, list[str]]] = [
    (
        "llama",
        "CodeLlama-7b-hf",
        LLAMA,
        "codellama",
        ["complete"],
        "PSM",
        PSM.format("▁<PRE>", "▁<SUF>", "▁<MID>"),
        ["</s>", "▁<EOT>"],
    ),
    ("llama", "codellama_codellama-34b-instruct-hf", [], "codellama-python", ["edit"], None, "", ["</s>"]),
    ("llama", "CodeLlama-70b-Instruct-hf", ["<step>"], "codellama-70b", ["edit"], None, "", ["</s>", "<step>"]),
    # Its vocabulary has the tokens, but it was not trained to fill holes.
    ("llama", "CodeLlama-7b-Python-hf", LLAMA, "codellama-python", [], None, "", ["</s>"]),
    ("llama", "WizardCoder-Python-13B-V1.0", [], "wizardcoder", ["edit"], None, "", ["</s>"]),
    (
        "llama",
        "WizardCoder-Python-7B-V1.0",
        LLAMA,
        "wizardcoder-codellama",
        ["complete", "edit"],
        "PSM",
        PSM.format("▁<PRE>", "▁<SUF>", "▁<MID>"),
        ["</s>", "▁<EOT>"],
    ),
    (
        "llama",
        "Codestral-22B-v0.1",
        ["[INST]", "[/INST]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]"],
        "codestral",
        ["complete"],
        "SPM",
        SPM.format("[PREFIX]", "[SUFFIX]", ""),
        ["</s>"],
    ),
    ("gemma", "codegemma-2b", GEMMA, "codegemma", ["complete"], "PSM", QWEN_PROMPT, ["</s>", *GEMMA[1:6]]),
    (
        "gemma",
        "Codegemma 1.1 7b It",
        GEMMA,
        "codegemma-it",
        ["edit"],
        None,
        "",
        ["</s>", "<eos>", "<end_of_turn>"],
    ),
    ("gemma3", "gemma-3-270m-it", GEMMA[-2:], "gemma-3", ["explain"], None, "", ["</s>", "<end_of_turn>"]),
]


@pytest.mark.parametrize(
    ("case", "sentencepiece"),
    [*((case, False) for case in MADE), *((case, True) for case in PIECES)],
    ids=[case[1] for case in (*MADE, *PIECES)],
)
def test_inspect_tells_a_family_and_its_prompt(tmp_path: Path, case: Any, sentencepiece: bool) -> None:
    architecture, name, control, row, roles, form, prompt, stops = case
    # Gemma's SentencePiece puts no space in front of a text.
    spaced = sentencepiece and not architecture.startswith("gemma")
    options: dict[str, Any] = {"tokenizer__ggml__add_space_prefix": spaced} if sentencepiece else {}
    file = write(
        tmp_path / "file.gguf", architecture, name, control, sentencepiece, ARCH__context_length=4096, **options
    )
    found = inspection.inspect(file)
    assert found["family"] == families.FAMILIES[row].called
    assert found["roles"] == roles
    assert found["context"] == 4096
    assert found["licence"] in (families.FAMILIES[row].licence, "llama3.1")
    assert found["fim"]["form"] == form
    assert found["fim"]["stop"] == sorted(found["fim"]["stop"])
    assert sorted(text(file, token) for token in found["fim"]["stop"]) == sorted(stops)
    if form is None:
        assert found["fim"]["example"] is None
        return
    example = found["fim"]["example"]
    assert (example["prefix"], example["suffix"], example["prompt"]) == ("def f(", "\n    pass\n", prompt)
    spelled = "".join(text(file, token) for token in example["tokens"])
    # SentencePiece begins with <s>, and puts a space in front of the prefix and of nothing else.
    golden = prompt.replace("def", " def", spaced).replace(" ", "▁") if sentencepiece else prompt
    assert spelled.removeprefix("<s>") == golden
    assert spelled.startswith("<s>") is sentencepiece


def text(file: Path, token: int) -> str:
    """What a token spells: control tokens their name, bytes the byte."""
    _, vocabulary = gguf.header(file)
    (spelling,) = [spelling for spelling, number in vocabulary.items() if number == token]
    plain = {"<0x0A>": "\n", "Ċ": "\n", "Ġ": " "}
    return plain.get(spelling, spelling)


# family, roles, context, tokens of the prompt, stops; from the tokenizers of the real models.
REAL: list[tuple[str, str | None, list[str], list[int], list[int]]] = [
    (
        "deepseek-coder",
        "deepseek-coder",
        ["complete", "edit"],
        [32013, 32016, 1551, 267, 7, 32015, 185, 315, 1445, 185, 32017],
        [32014, 32021],
    ),
    ("starcoder", "starcoder2", ["complete"], [1, 610, 315, 45, 3, 303, 3119, 222, 2], [0, 6]),
    ("refact", "refact", ["complete"], [1, 589, 296, 26, 3, 284, 3097, 203, 2], [0]),
    ("qwen2", "qwen2", ["edit", "explain"], [], [151643, 151645]),
    ("llama-bpe", "llama-3", ["edit", "explain"], [], [128001, 128009]),
    ("gemma-4", "gemma-4", ["explain"], [], [1, 106]),
    ("llama-spm", None, [], [], [2]),
    ("gpt-2", None, [], [], [50256]),
]


@pytest.mark.parametrize(("name", "family", "roles", "tokens", "stop"), REAL, ids=[case[0] for case in REAL])
def test_inspect_with_the_real_vocabularies(
    name: str, family: str | None, roles: list[str], tokens: list[int], stop: list[int]
) -> None:
    found = inspection.inspect(vocabulary(name))
    assert (found["family"], found["roles"], found["fim"]["stop"]) == (family, roles, stop)
    assert (found["fim"]["example"] or {"tokens": []})["tokens"] == tokens
    if family is None:
        assert "set the family, by `--family` with one of: " in found["problems"][0].replace("Set", "set")


def test_what_a_family_cannot_be_told_from_is_believed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "qwen2.5-coder-7b-instruct.gguf", "qwen2", "D:\\models", QWEN)
    assert cli.main(["models", "inspect", str(file), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["family"] is None
    assert "with one of: qwen2.5-coder, qwen2.5." in found["problems"][0]
    assert cli.main(["models", "inspect", str(file), "--json", "--family", "qwen2.5-coder"]) == 0
    assert json.loads(capsys.readouterr().out)["roles"] == ["complete", "edit"]
    with pytest.raises(UsageError, match="its vocabulary lacks <fim_prefix>"):
        inspection.inspect(file, "starcoder")


@pytest.mark.parametrize(
    ("options", "roles"),
    [
        ({}, ["complete", "edit"]),
        ({"tokenizer__ggml__eos_token_id": 260}, ["complete", "edit"]),
        ({"general__size_label": "7B", "general__name": "Qwen2.5 Coder 7B"}, ["complete"]),
        ({"general__name": "Qwen2.5 Coder 7B", "tokenizer__ggml__eos_token_id": 260}, ["complete", "edit"]),
        ({"general__finetune": "Base", "tokenizer__ggml__eos_token_id": 260}, ["complete"]),
    ],
    ids=["nothing", "its texts end with a turn", "a size", "a size, and ends with a turn", "base"],
)
def test_what_tells_a_model_that_follows_instructions(
    tmp_path: Path, options: dict[str, Any], roles: list[str]
) -> None:
    options = {"general__basename": "Qwen2.5-Coder", **options}
    file = write(tmp_path / "m.gguf", "qwen2", "My Model", QWEN, **options)
    found = inspection.inspect(file)
    assert (found["family"], found["roles"]) == ("qwen2.5-coder", roles)
    doubtful = any("does not tell whether the model follows" in problem for problem in found["problems"])
    assert doubtful is (options == {"general__basename": "Qwen2.5-Coder"})


@pytest.mark.parametrize(
    ("options", "licence"),
    [
        ({}, "qwen-research"),
        ({"general__license": "mit"}, "mit"),
        ({"general__license": "other", "general__license__name": "my-licence"}, "my-licence"),
        ({"general__license": "other"}, "qwen-research"),
    ],
    ids=str,
)
def test_a_licence_is_the_files_own_or_that_of_the_models_size(
    tmp_path: Path, options: dict[str, Any], licence: str
) -> None:
    file = write(tmp_path / "m.gguf", "qwen2", "Qwen2.5 Coder 3B Instruct", QWEN, **options)
    assert inspection.inspect(file)["licence"] == licence


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"tokenizer__ggml__fim_pre_token_id": 5}, "fim_pre_token_id is 5, but <|fim_prefix|> is token 261"),
        ({"tokenizer__ggml__middle_token_id": 9999}, "middle_token_id is 9999, but <|fim_middle|> is token 262"),
        ({"tokenizer__ggml__fim_pre_token_id": "x"}, "has wrong type str"),
        ({"ARCH__context_length": 0}, "does not tell its context; 32,768 tokens"),
        ({"ARCH__context_length": "much"}, "does not tell its context; 32,768 tokens"),
        ({"tokenizer__chat_template": "{% for"}, "chat template in the model's file cannot be used"),
        ({"split__count": 3}, "The model is in 3 files"),
        ({"tokenizer__ggml__model": "unheard-of"}, "llama.cpp cannot load the file"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_odd_in_a_file_is_said_and_the_rest_is_right(
    tmp_path: Path, options: dict[str, Any], problem: str
) -> None:
    file = write(tmp_path / "m.gguf", "qwen2", "Qwen2.5 Coder 7B Instruct", QWEN, **options)
    found = inspection.inspect(file)
    assert any(problem in each for each in found["problems"])
    assert (found["family"], found["roles"]) == ("qwen2.5-coder", ["complete", "edit"])
    assert (found["context"], found["chat"]["template"]) == (32768, "builtin")
    assert found["fim"]["example"]["prompt"] == QWEN_PROMPT
    assert found["fim"]["stop"] == [258, 260, 261, 263, 264, 265, 266]


def test_a_token_out_of_the_vocabulary_ends_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", "qwen2", "Qwen2.5 Coder 7B", QWEN, tokenizer__ggml__eot_token_id=99_999_999)
    assert inspection.inspect(file)["fim"]["stop"] == [258, 260, 261, 263, 264, 265, 266]


def test_a_vocabulary_that_llama_cpp_crashes_on_crashes_nothing_else(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", "qwen2", "Qwen2.5 Coder 7B Instruct", [*QWEN, QWEN[3]])
    found = inspection.inspect(file)
    assert found["family"] == "qwen2.5-coder"
    assert any("it crashes (" in problem for problem in found["problems"])


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_weights_that_are_cut_off_are_noticed(tmp_path: Path, kept: float) -> None:
    file = tiny(tmp_path / "m.gguf", "qwen2", "Qwen2.5 Coder 7B Instruct", QWEN)
    assert not inspection.inspect(file)["problems"]
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * kept)])
    found = inspection.inspect(file)
    assert found["family"] == "qwen2.5-coder"
    assert any("corrupted or incomplete" in problem for problem in found["problems"])


def test_names_that_are_no_utf_8_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", "qwen2", "Qwen2.5 Coder 7B Instruct", QWEN)
    file.write_bytes(file.read_bytes().replace(b"7B Instruct", b"\xff\xfe Instruct"))
    assert inspection.inspect(file)["family"] == "qwen2.5-coder"


def test_a_model_of_no_family_is_refused_with_what_could_be_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "starcoder2-3b.gguf", "bert", "bge", [])
    assert cli.main(["models", "inspect", str(file), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["family"], found["roles"], found["fim"]["form"]) == (None, [], None)
    assert "control tokens of none" in found["problems"][0]
    assert ", ".join(families.FAMILIES) in found["problems"][0]


PHI = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
_SAID = "{{ '<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n' }}"
PHI_TEMPLATE = f"{{% for m in messages %}}{_SAID}{{% endfor %}}{{{{ '<|assistant|>\\n' }}}}"


def test_any_model_with_a_chat_template_follows_it_if_its_user_says_so(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", "phi3", "Phi 4", PHI, tokenizer__chat_template=PHI_TEMPLATE)
    refused = inspection.inspect(file)
    assert (refused["family"], refused["roles"]) == (None, [])
    assert "`--family by-template` if it follows instructions" in refused["problems"][0]
    found = inspection.inspect(file, "by-template")
    assert (found["family"], found["roles"]) == ("by-template", ["edit", "explain"])
    assert found["chat"]["template"] == "file"
    assert found["chat"]["example"]["prompt"] == (
        f"<|system|>\n{inspection.SYSTEM}<|end|>\n<|user|>\n{inspection.USER}<|end|>\n<|assistant|>\n"
    )
    bare = write(tmp_path / "bare.gguf", "phi3", "Phi 4", PHI)
    blank = write(tmp_path / "blank.gguf", "phi3", "Phi 4", PHI, tokenizer__chat_template=" ")
    for each in (bare, blank):
        with pytest.raises(UsageError, match="has no chat template"):
            inspection.inspect(each, "by-template")
    assert "by-template" not in inspection.inspect(bare)["problems"][0]
    # Its maker says that it does not.
    base = write(tmp_path / "base.gguf", "phi3", "Phi 4 Base", PHI, tokenizer__chat_template=PHI_TEMPLATE)
    assert inspection.inspect(base, "by-template")["roles"] == []


def test_a_model_by_its_template_is_in_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path))
    file = write(tmp_path / "m.gguf", "phi3", "Phi 4", PHI, tokenizer__chat_template=PHI_TEMPLATE)
    model = catalog.add("phi", file, role="edit", family="by-template")
    assert catalog.find("edit") == model
    info = app._locate("phi").info
    assert info.family == "by-template"
    assert flat(chat.conversation(info, TURNS, "begun")).endswith("<|assistant|>\nbegun")
    assert "does not know how to complete" in catalog.doubt(model, "complete")


@pytest.mark.parametrize("path", ["~no-such-user/m.gguf", "/", ""])
def test_what_is_no_file_is_said(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["inspect", path], ["add", "mine", path]):
        assert cli.main(["models", *command]) == 2
        assert capsys.readouterr().err.startswith("midfill: Cannot read ")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["words", "json"])
def test_a_file_is_told_of_where_the_output_can_spell_little(tmp_path: Path, options: list[str]) -> None:
    """As on Windows, where the output goes into a file."""
    licence = "mit\n\x1b[31mfamily   lie"
    file = write(tmp_path / "m.gguf", "llama", "deepseek-coder-6.7b-base", DEEPSEEK, general__license=licence)
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(
        [sys.executable, "-m", "midfill", "models", "inspect", str(file), *options],
        env=environment,
        capture_output=True,
        check=True,
    )
    assert b"\x1b" not in done.stdout
    if options:
        found = json.loads(done.stdout)
        assert found["fim"]["example"]["prompt"] == DEEPSEEK_PROMPT
        assert found["licence"] == "mit [31mfamily lie"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "does not begin with the letters GGUF"),
        (b"GGUF\x03\0", "cut off"),
        (b"GGUF\0\0\0\x03" + bytes(16), "big-endian"),
        (b"version https://git-lfs.github.com/spec/v1", "does not begin with the letters GGUF"),
    ],
)
def test_what_is_no_gguf_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, reason: str
) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(content)
    assert cli.main(["models", "inspect", str(file), "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and reason in captured.err


def test_a_code_llama_without_its_tokens_is_for_editing_only(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", "llama", "CodeLlama-34B-Instruct", [], sentencepiece=True)
    assert inspection.inspect(file)["roles"] == ["edit"]


@pytest.mark.parametrize(
    ("architecture", "name", "control"),
    [
        ("qwen2", "CodeQwen1.5 7B Chat", [*SMOL, *STAR[1:4]]),
        ("qwen2", "Qwen1.5 7B Chat", SMOL),
        ("qwen3", "Foobar 8B Coder", QWEN),
        ("qwen3", "Foobar 8B", QWEN),
        ("qwen2", "DeepSeek R1 Distill Qwen 7B", ["<｜User｜>", "<｜Assistant｜>", *QWEN[3:]]),
        ("llama", "Yi Coder 9B Chat", [*SMOL, *STAR[1:4]]),
        ("llama", "Mistral 7B Instruct v0.3", ["[INST]", "[/INST]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]"]),
        ("llama", "OpenCoder 8B Instruct", SMOL),
        ("phi3", "Phi 4", [*SMOL, *QWEN[3:]]),
        ("granite", "Granite 3.3 8b Instruct", STAR),
        ("deepseek2", "DeepSeek V2 Lite Chat", DEEPSEEK[:4]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_that_only_looks_like_a_family_is_refused(
    architecture: str, name: str, control: list[str]
) -> None:
    metadata = {"general.architecture": architecture, "general.name": name, "tokenizer.chat_template": "x"}
    with pytest.raises(UsageError, match=r"may be of none that Midfill knows.*`--family` with one of: "):
        detection.detect(metadata, {token: n for n, token in enumerate(control)})


def test_words_of_two_names_make_no_family() -> None:
    metadata = {"general.architecture": "qwen2", "general.name": "My Qwen2.5", "general.basename": "Coder-Free"}
    assert detection.detect(metadata, {token: n for n, token in enumerate(QWEN)}).family.name == "qwen2.5"


@pytest.mark.parametrize(
    ("architecture", "options", "reason"),
    [
        ("llama", {"general.type": "adapter", "general.name": "codellama lora"}, r"no model.*\(adapter\)"),
        ("clip", {"general.type": "mmproj"}, r"no model.*\(mmproj\)"),
        ("clip", {}, r"no model.*\(clip\)"),
        ("qwen3", {"qwen3.pooling_type": 3, "general.name": "Qwen3 Something"}, "compares texts"),
        ("qwen3", {"general.name": "Qwen3 Reranker 0.6B"}, "compares texts"),
        ("", {"split.no": 1, "split.count": 3}, "part 2 of 3.*name the first"),
        ("llama", {"general.name": "WizardCoder"}, "no vocabulary"),
    ],
)
def test_what_holds_no_model_that_writes_is_refused_whatever_it_is_called(
    architecture: str, options: dict[str, Any], reason: str
) -> None:
    metadata = {"general.architecture": architecture, "general.name": "Qwen2.5-Coder 7B", **options}
    vocabulary = {} if "no" in reason else {token: n for n, token in enumerate(QWEN)}
    for family in (None, "qwen2.5-coder"):
        with pytest.raises(UsageError, match=reason):
            detection.detect(metadata, vocabulary, family)


def test_a_recurrent_model_does_not_complete_when_it_is_added(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", "qwen3next", "Qwen3-Coder-Next", QWEN)
    assert detection.detect(*gguf.header(file)).roles == ("edit",)


def test_a_recurrent_model_does_not_complete(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", "qwen3next", "Qwen3-Coder-Next", QWEN)
    found = inspection.inspect(file)
    assert "complete" not in found["roles"]
    assert any("recurrent" in problem for problem in found["problems"])


@pytest.mark.parametrize("name", fim.FAMILIES)
def test_every_row_of_the_table_is_whole(name: str) -> None:
    row = families.FAMILIES[name]
    form = fim.FAMILIES[name]
    assert "complete" in row.roles
    # A model is told by the very tokens that its prompt is made of.
    assert {form.prefix, form.suffix, form.middle} - {""} <= {*row.needs}


def test_the_tables_speak_of_the_same_families() -> None:
    assert {name for name, row in families.FAMILIES.items() if "complete" in row.roles} == {*fim.FAMILIES}
    instructed = {name for name, row in families.FAMILIES.items() if {"edit", "explain"} & {*row.roles}}
    assert instructed == {*chat.CHATS}


@pytest.mark.parametrize("name", fim.FAMILIES)
def test_what_is_typed_is_only_ever_appended(name: str) -> None:
    form = fim.FAMILIES[name]

    def flat(typed: str) -> str:
        context = Context((Fragment("b.py", "B = 1\n"),), project="p", path="a.py")
        return "".join(part.text for part in fim.prompt(form, "before\n", typed, "after\n", context))

    assert flat("x = f(") == flat("x = ") + "f("
    assert flat("x = ").endswith("x = ")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "qwen2.5-coder",
            "<|repo_name|>p\n<|file_sep|>b.py\nB = 1\n<|file_sep|>a.py\n"
            "<|fim_prefix|>before\n<|fim_suffix|>after\n<|fim_middle|>x",
        ),
        (
            "starcoder2",
            "<repo_name>p<file_sep>b.py\nB = 1\n<file_sep><fim_prefix>a.py\nbefore\n"
            "<fim_suffix>after\n<fim_middle>x",
        ),
        (
            "deepseek-coder",
            "<｜fim▁begin｜>#b.py\nB = 1\n#a.py\nbefore\n<｜fim▁hole｜>after\n<｜fim▁end｜>x",
        ),
        ("mellum", "<filename>b.py\nB = 1\n<filename>a.py\n<fim_suffix>after\n<fim_prefix>before\n<fim_middle>x"),
        ("codestral", "[SUFFIX]after\n[PREFIX]+++++ b.py\nB = 1\n+++++ a.py\nbefore\nx"),
        ("codellama", "▁<PRE>before\n▁<SUF>after\n▁<MID>x"),
    ],
)
def test_other_files_in_the_words_of_the_family(name: str, expected: str) -> None:
    context = Context((Fragment("b.py", "B = 1\n"),), project="p", path="a.py")
    parts = fim.prompt(fim.FAMILIES[name], "before\n", "x", "after\n", context)
    assert "".join(part.text for part in parts) == expected


def test_code_is_never_a_control_token(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", "qwen2", "Qwen2.5 Coder 7B", QWEN)
    with llama.vocabulary(file) as tokenizer:
        parts = fim.prompt(fim.FAMILIES["qwen2.5-coder"], "<|fim_middle|>", "", "<|endoftext|>")
        special = [token for token in tokenizer.prompt(parts) if token >= 258]
        assert [text(file, token) for token in special] == ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]


@pytest.mark.parametrize(
    ("name", "control", "code"),
    [
        ("deepseek-coder-6.7b-base", DEEPSEEK, "a<|EOT|>b<｜fim▁hole｜>c<|EOT|>"),
        ("Seed-Coder-8B-Base", SEED, "a<[fim-middle]>b<[end▁of▁sentence]>"),
        ("Mellum-4b-base", STAR, "usage: a <filename> b <fim_middle>"),
    ],
)
def test_code_is_never_a_control_token_even_where_the_file_calls_them_words(
    tmp_path: Path, name: str, control: list[str], code: str
) -> None:
    file = write(tmp_path / "m.gguf", "llama", name, control, kind=USER_DEFINED)
    row = detection.detect(*gguf.header(file)).family
    with llama.vocabulary(file, row.stops) as tokenizer:
        parts = fim.prompt(fim.FAMILIES[row.name], code, "", "")
        special = [text(file, token) for token in tokenizer.prompt(parts) if token >= 258]
        form = fim.FAMILIES[row.name]
        assert sorted(special) == sorted([form.prefix, form.suffix, form.middle])
        spelled = [text(file, token) for token in tokenizer.tokenize(Part(code))]
        assert "".join(spelled).replace("Ġ", " ") == "".join(
            text(file, token) for char in code for token in tokenizer.tokenize(Part(char))
        )


# -- chat

TURNS = [
    chat.Turn("system", "Sys"),
    chat.Turn("user", "Hello"),
    chat.Turn("assistant", "Hi"),
    chat.Turn("user", "U"),
]


def flat(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts)


@pytest.mark.parametrize(
    ("family", "start"),
    [
        (
            "qwen2.5-coder",
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
        ),
        ("qwen3-coder", "<|im_start|>user\nx<|im_end|>\n"),
        (
            "smollm2",
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>",
        ),
    ],
)
def test_the_family_knows_what_its_system_says_where_nobody_does(family: str, start: str) -> None:
    """As the templates in the files of Qwen2.5-Coder, Qwen3-Coder and SmolLM2 do."""
    parts = chat.conversation(ModelInfo("m", family, 4096), [chat.Turn("user", "x")], "")
    assert "".join(part.text for part in parts).startswith(start)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        (
            "qwen2.5-coder",
            "<|im_start|>system\nSys<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi<|im_end|>\n"
            "<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n",
        ),
        ("codellama", "[INST] <<SYS>>\nSys\n<</SYS>>\n\nHello [/INST] Hi </s><s>[INST] U [/INST]"),
        # Qwen3's template with enable_thinking=False.
        (
            "qwen3",
            "<|im_start|>system\nSys<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi<|im_end|>\n"
            "<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
        (
            "deepseek-coder-v2",
            "Sys\n\nUser: Hello\n\nAssistant: Hi<｜end▁of▁sentence｜>User: U\n\nAssistant:",
        ),
        (
            "codellama-70b",
            "Source: system\n\n Sys <step> Source: user\n\n Hello <step> Source: assistant\n"
            "Destination: user\n\n Hi <step> Source: user\n\n U <step> Source: assistant\nDestination: user\n\n ",
        ),
        (
            "deepseek-coder",
            "Sys\n### Instruction:\nHello\n### Response:\nHi\n<|EOT|>\n### Instruction:\nU\n### Response:\n",
        ),
        (
            "wizardcoder",
            "Below is an instruction that describes a task. Write a response that appropriately completes the "
            "request.\n\n### Instruction:\nSys\n\nHello\n\n### Response:Hi\n\n"
            "### Instruction:\nU\n\n### Response:",
        ),
        (
            "llama-3",
            "<|start_header_id|>system<|end_header_id|>\n\nSys<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
            "Hello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (
            "gemma-3",
            "<start_of_turn>user\nSys\n\nHello<end_of_turn>\n<start_of_turn>model\nHi<end_of_turn>\n"
            "<start_of_turn>user\nU<end_of_turn>\n<start_of_turn>model\n",
        ),
    ],
)
def test_a_conversation_in_the_words_of_the_family(family: str, expected: str) -> None:
    parts = chat.conversation(ModelInfo("m", family, 4096), TURNS, "")
    assert flat(parts) == expected
    assert [part.text.lstrip() for part in parts if not part.control] == ["Sys", "Hello", "Hi", "U", ""]


def test_an_answer_that_is_begun_has_before_it_what_every_answer_has() -> None:
    turn = [chat.Turn("user", "U")]
    assert flat(chat.conversation(ModelInfo("m", "codellama", 1), turn, "```")) == "<s>[INST] U [/INST] ```"
    assert flat(chat.conversation(ModelInfo("m", "codellama", 1), turn, "")) == "<s>[INST] U [/INST]"
    assert flat(chat.conversation(ModelInfo("m", "deepseek-coder-v2", 1), turn, "x")).endswith("Assistant: x")


def test_a_space_before_what_is_said_is_part_of_its_first_word(tmp_path: Path) -> None:
    """As in the tokens of Code Llama's "[INST] def", where nothing is cut."""
    file = write(tmp_path / "m.gguf", "llama", "CodeLlama-7b-Instruct-hf", LLAMA, sentencepiece=True)
    parts = chat.conversation(ModelInfo("m", "codellama", 4096), [chat.Turn("user", "def")], "")
    with llama.vocabulary(file) as tokenizer:
        assert "▁def" in [text(file, token) for token in tokenizer.prompt(parts)]
    assert flat(parts) == "<s>[INST] def [/INST]"


CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'}}"
    "{{ message['content'] + '<|im_end|>\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
NO_SYSTEM = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "<{{ message['role'] }}>{{ message['content'] | trim }}{{ eos_token }}{% endfor %}"
)


def templated(source: str) -> ModelInfo:
    return ModelInfo("m", "unheard-of", 4096, template=Template(source, "<s>", "</s>"))


@pytest.mark.parametrize("source", [CHATML, "{%- generation -%}" + CHATML + "{% endgeneration %}"])
def test_the_files_own_template_goes_first(source: str) -> None:
    assert flat(chat.conversation(templated(source), TURNS, "begun")) == flat(
        chat.conversation(ModelInfo("m", "qwen2.5-coder", 4096), TURNS, "begun")
    )


def test_a_template_that_knows_no_system_gets_its_words_with_the_users() -> None:
    parts = chat.conversation(templated(NO_SYSTEM), TURNS, "")
    assert flat(parts) == "<s><user>Sys\n\nHello</s><assistant>Hi</s><user>U</s>"
    assert [part.text for part in parts if not part.control] == ["Sys", "Hello", "Hi", "U", ""]


@pytest.mark.parametrize(
    ("asks", "begun"),
    [
        ("<think>\n", "<think>\n\n</think>\n\n"),
        ("<think>", "<think>\n\n</think>\n\n"),
        ("<seed:think>", "<seed:think>\n\n</seed:think>\n\n"),
        ("<think>\n\n</think>\n\n", "<think>\n\n</think>\n\n"),
        ("", ""),
    ],
)
def test_an_answer_that_is_begun_is_no_part_of_the_thinking(asks: str, begun: str) -> None:
    """As in the templates of Qwen3-Thinking, DeepSeek-R1 and Seed-OSS, which ask for thinking whatever is told."""
    source = CHATML.replace("assistant\n", f"assistant\n{asks}")
    assert flat(chat.conversation(templated(source), TURNS, "```python\n")).endswith(
        f"<|im_start|>assistant\n{begun}```python\n"
    )


def test_the_familys_own_marks_stand_in_for_a_template_that_fails() -> None:
    broken = ModelInfo("m", "qwen2.5-coder", 4096, template=Template("{% for"))
    whole = ModelInfo("m", "qwen2.5-coder", 4096)
    assert chat.conversation(broken, TURNS, "") == chat.conversation(whole, TURNS, "")


def reference(source: str, turns: Sequence[chat.Turn], begin: str, end: str) -> str:
    """As the documentation of chat templates says that they are rendered, with nothing of ours."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    messages = [{"role": turn.speaker, "content": turn.text} for turn in turns]
    return environment.from_string(source).render(
        messages=messages, add_generation_prompt=True, bos_token=begin, eos_token=end
    )


@pytest.mark.parametrize("turns", [TURNS[1:2], TURNS[:2], TURNS, TURNS[1:]], ids=len)
@pytest.mark.parametrize("name", ["qwen2", "command-r", "phi-3", "qwen35"])
def test_the_templates_of_real_files_are_rendered_as_the_reference_does(
    name: str, turns: Sequence[chat.Turn]
) -> None:
    source, begin, end = gguf.template(*gguf.header(vocabulary(name)))
    info = ModelInfo("m", "", 4096, template=Template(source, begin, end))
    expected = reference(source, turns, begin, end)
    if "Sys" not in expected and turns[0].speaker == "system":
        # Phi-3's leaves a system's words out.
        merged = [chat.Turn("user", f"Sys\n\n{turns[1].text}"), *turns[2:]]
        expected = reference(source, merged, begin, end)
    assert flat(chat.conversation(info, turns, "")) == expected


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for", "unexpected 'end of template'"),
        ("{{ messages[0].content }}", "it leaves out what is said"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "it takes too "),
        ("{{ 'x' * 9999999999 }}", "MemoryError"),
        ("{% include '/etc/passwd' %}", "no loader"),
        ("x" * 200_000, "too long"),
    ],
)
def test_a_bad_template_is_refused_with_the_reason(source: str, reason: str) -> None:
    with pytest.raises(ModelError, match=r"chat template in the model's file cannot be used") as error:
        chat.conversation(templated(source), TURNS, "")
    assert reason in str(error.value)


def test_a_family_that_follows_no_instructions_says_what_to_choose() -> None:
    with pytest.raises(ModelError, match=r"cannot edit code.*qwen2\.5-coder"):
        chat.conversation(ModelInfo("m", "starcoder2", 4096), TURNS, "")


def test_the_documentation_has_every_row() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
    for row in families.FAMILIES.values():
        form = fim.FAMILIES.get(row.name)
        told = (row.called, f"`{row.name}`", ", ".join(row.roles), form.form if form else "-", f"{row.context:,}")
        assert f"| {' | '.join(told)} |" in documented
        assert f"[{row.file}](https://huggingface.co/{row.hub})" in documented
