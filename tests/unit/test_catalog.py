"""The catalogue: what is known, where it lies, and that nothing unverified is ever called usable."""

import hashlib
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from midfill.errors import ModelCorrupt, ModelError, ModelMissing, UsageError
from midfill.models import catalog, families

CONTENT = b"weights" * 100
SMALL = catalog.Model(
    name="small",
    role="complete",
    family="qwen2.5-coder",
    licence="Apache-2.0",
    quantization="Q4_K_M",
    file="small.gguf",
    bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    context=32768,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("MIDFILL_MODELS", str(folder))
    return folder


def gguf(*, tensors: int = 0, **metadata: str | int | list[str]) -> bytes:
    """A GGUF header; `__` in a key stands for a dot."""

    def string(text: str) -> bytes:
        return struct.pack("<Q", len(text.encode())) + text.encode()

    def value(item: str | int | list[str]) -> bytes:
        if isinstance(item, str):
            return struct.pack("<I", 8) + string(item)
        if isinstance(item, int):
            return struct.pack("<II", 4, item)
        return struct.pack("<IIQ", 9, 8, len(item)) + b"".join(map(string, item))

    pairs = b"".join(string(key.replace("__", ".")) + value(item) for key, item in metadata.items())
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, len(metadata)) + pairs


FIM = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
CODER = gguf(
    tokenizer__ggml__tokens=["<s>", "de", "f", *FIM],
    general__architecture="qwen2",
    general__name="Qwen2.5 Coder 3B Instruct GGUF",
    general__license="other",
    qwen2__context_length=16384,
)


def write(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


# -- what is known


def test_built_in_models_are_the_two_defaults() -> None:
    assert [(m.name, m.role, m.file, m.bytes, m.sha256) for m in catalog.load()] == [
        (
            "qwen2.5-coder-0.5b-instruct",
            "complete",
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            491400064,
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        ),
        (
            "qwen2.5-coder-1.5b-instruct",
            "edit",
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            1117320768,
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        ),
    ]


def test_every_built_in_model_is_well_formed() -> None:
    for model in catalog.load():
        assert model.family in families.FAMILIES
        assert model.context == 32768
        assert model.hub
        wheels = model.wheels
        assert wheels is not None
        assert "{part}" in wheels.package
        assert (wheels.parts - 1) * wheels.part_bytes < model.bytes <= wheels.parts * wheels.part_bytes


def test_find_takes_a_role_or_a_name() -> None:
    assert catalog.find("edit") == catalog.find("qwen2.5-coder-1.5b-instruct")
    assert catalog.find("complete").name == "qwen2.5-coder-0.5b-instruct"


def test_find_lists_the_known_names_and_suggests_the_closest() -> None:
    with pytest.raises(UsageError) as error:
        catalog.find("qwen2.5-coder-1.5b-instrukt")
    assert "Did you mean qwen2.5-coder-1.5b-instruct?" in str(error.value)
    assert "Known: complete, edit, qwen2.5-coder-0.5b-instruct" in str(error.value)
    with pytest.raises(UsageError) as error:
        catalog.find("zzz")
    assert "Did you mean" not in str(error.value)


def test_models_dir_is_the_users_data_folder_unless_chosen(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    assert catalog.models_dir() == folder
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIDFILL_MODELS", "here")
    assert catalog.models_dir() == tmp_path / "here"
    monkeypatch.delenv("MIDFILL_MODELS")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda name, appauthor: f"/data/{name}")
    assert catalog.models_dir() == Path("/data/midfill/models")


# -- what may be used


def test_a_missing_model_says_how_to_fetch_it() -> None:
    with pytest.raises(ModelMissing, match="`midfill models fetch small`"):
        catalog.ensure_usable(SMALL)


def test_a_verified_file_is_not_hashed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(folder / SMALL.file, CONTENT)
    assert catalog.ensure_usable(SMALL) == file
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("hashed again"))
    assert catalog.ensure_usable(SMALL) == file


@pytest.mark.parametrize("other", [CONTENT[:-1] + b"!", CONTENT[:-1], CONTENT + b"!"])
def test_a_file_changed_after_its_stamp_is_caught_and_deleted(folder: Path, other: bytes) -> None:
    file = write(folder / SMALL.file, CONTENT)
    before = catalog.ensure_usable(SMALL).stat()
    write(file, other)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(ModelCorrupt, match="has been deleted: run `midfill models fetch small`"):
        catalog.ensure_usable(SMALL)
    assert list(folder.iterdir()) == []


def test_a_file_with_another_size_is_hashed_even_if_its_time_is_the_same(folder: Path) -> None:
    file = write(folder / SMALL.file, CONTENT)
    before = catalog.ensure_usable(SMALL).stat()
    write(file, CONTENT[:-1])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ModelCorrupt, match="699 of 700 bytes"):
        catalog.ensure_usable(SMALL)


def test_a_touched_file_is_hashed_and_stamped_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(folder / SMALL.file, CONTENT)
    catalog.ensure_usable(SMALL)
    os.utime(file, ns=(1, 1))
    assert catalog.ensure_usable(SMALL) == file
    monkeypatch.setattr(catalog, "verify", lambda _: pytest.fail("hashed again"))
    assert catalog.ensure_usable(SMALL) == file


def test_a_stamp_does_not_vouch_for_another_hash(folder: Path) -> None:
    write(folder / SMALL.file, CONTENT)
    catalog.ensure_usable(SMALL)
    with pytest.raises(ModelCorrupt, match="wrong SHA-256"):
        catalog.ensure_usable(replace(SMALL, sha256="0" * 64))


@pytest.mark.parametrize("stamp", [b"", b"[]", b"\xff", b"null"])
def test_a_damaged_stamp_counts_for_nothing(folder: Path, stamp: bytes) -> None:
    file = write(folder / SMALL.file, CONTENT)
    write(folder / "small.verified.json", stamp)
    assert catalog.ensure_usable(SMALL) == file
    write(folder / "small.verified.json", stamp)
    write(file, b"wrong")
    with pytest.raises(ModelCorrupt):
        catalog.ensure_usable(SMALL)


def test_verify_hashes_whatever_the_stamp_says(folder: Path) -> None:
    file = write(folder / SMALL.file, CONTENT)
    before = catalog.ensure_usable(SMALL).stat()
    write(file, CONTENT[:-1] + b"!")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ModelCorrupt):
        catalog.verify(SMALL)
    assert not file.exists()


# -- the user's own


def test_add_records_where_the_file_is_and_what_it_holds(tmp_path: Path) -> None:
    file = write(tmp_path / "my-coder-Q5_K_M.gguf", CODER)
    model = catalog.add("mine", file)
    assert model == catalog.Model(
        name="mine",
        role=None,
        family="qwen2.5-coder",
        licence="qwen-research",
        quantization="Q5_K_M",
        file=str(file),
        bytes=len(CODER),
        sha256=hashlib.sha256(CODER).hexdigest(),
        context=16384,
    )
    assert catalog.find("mine") == model
    assert catalog.ensure_usable(model) == file
    assert catalog.find("complete").name == "qwen2.5-coder-0.5b-instruct"


def test_the_model_added_last_for_a_role_is_its_default(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", CODER)
    catalog.add("one", file, role="complete")
    catalog.add("two", file, role="complete")
    assert catalog.find("complete").name == "two"
    catalog.add("one", file, role="complete")
    assert catalog.find("complete").name == "one"
    assert [model.name for model in catalog.load()[2:]] == ["two", "one"]


def test_a_users_own_file_is_never_deleted(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", CODER)
    model = catalog.add("mine", file)
    write(file, CODER + b"more")
    with pytest.raises(ModelCorrupt, match="has changed since it was added"):
        catalog.ensure_usable(model)
    assert file.read_bytes() == CODER + b"more"
    catalog.add("mine", file)
    assert catalog.ensure_usable(catalog.find("mine")) == file
    file.unlink()
    with pytest.raises(ModelMissing, match="is gone"):
        catalog.ensure_usable(catalog.find("mine"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04 a zip file", "does not begin with the letters GGUF"),
        (b"", "does not begin with the letters GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 99, 0, 0), "version 99"),
        (CODER[:-7], "cut off"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**63), "cut off"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63), "cut off"),
        (b"GGUF" + struct.pack("<IQQQIIQ", 3, 0, 1, 0, 9, 12, 2**61), "cut off"),
        (b"GGUF" + struct.pack("<IQQQI", 3, 0, 1, 0, 77), "unknown type 77"),
        (gguf(general__architecture="qwen2", general__name="Qwen2.5 Coder"), "has no vocabulary"),
        (
            gguf(general__architecture="mpt", general__name="Qwen2.5 Coder", tokenizer__ggml__tokens=["a"]),
            "with one of: wizardcoder-starcoder, ",
        ),
        (gguf(general__architecture="qwen2", tokenizer__ggml__tokens=FIM), "with one of: qwen2.5-coder."),
    ],
)
def test_add_refuses_what_is_not_a_supported_gguf(tmp_path: Path, content: bytes, reason: str) -> None:
    file = write(tmp_path / "m.gguf", content)
    with pytest.raises(UsageError) as error:
        catalog.add("mine", file)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert len(catalog.load()) == 2


def test_add_believes_the_user_about_the_family(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", gguf(general__architecture="qwen2", tokenizer__ggml__tokens=FIM))
    assert catalog.add("mine", file, family="qwen2.5-coder").family == "qwen2.5-coder"
    with pytest.raises(UsageError, match=r"Choose one of .*qwen2\.5-coder"):
        catalog.add("mine", file, family="gpt")
    with pytest.raises(UsageError, match="its vocabulary lacks <fim_prefix>"):
        catalog.add("mine", file, family="starcoder")


@pytest.mark.parametrize("name", ["edit", "qwen2.5-coder-0.5b-instruct", "", "../up", "a b", "-x"])
def test_add_refuses_names_that_are_taken_or_unfit(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "m.gguf", CODER)
    with pytest.raises(UsageError):
        catalog.add(name, file)


def test_add_says_when_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        catalog.add("mine", tmp_path / "absent.gguf")
    with pytest.raises(UsageError, match="Is a directory"):
        catalog.add("mine", tmp_path)


@pytest.mark.parametrize("content", ["{", "[1]", '[{"name": "x"}]', '{"a": 1}'])
def test_a_damaged_list_of_own_models_is_named(folder: Path, content: str) -> None:
    (folder / "models.json").write_text(content)
    with pytest.raises(ModelError, match=r"models\.json"):
        catalog.load()


# -- roles


@pytest.mark.parametrize(
    ("name", "role", "fits"),
    [
        ("Qwen2.5 Coder 1.5B Instruct", "edit", True),
        ("Qwen2.5 Coder 1.5B Instruct", "complete", True),
        ("Qwen2.5 Coder 1.5B Instruct", "explain", True),
        ("Qwen2.5 Coder 7B", "edit", False),
        ("Qwen2.5 Coder 7B", "explain", False),
        ("Qwen2.5 Coder 7B", "complete", True),
        ("Qwen2.5-Coder-base", "edit", False),
        ("Qwen2.5 7B Instruct", "complete", False),
        ("Qwen2.5 7B Instruct", "explain", True),
    ],
)
def test_doubts_a_model_whose_file_speaks_against_its_role(
    tmp_path: Path, name: str, role: str, fits: bool
) -> None:
    tokens = [*FIM, "<|im_start|>"]
    header = gguf(general__architecture="qwen2", general__name=name, tokenizer__ggml__tokens=tokens)
    # The name of the file says nothing.
    catalog.add("mine", write(tmp_path / "qwen2.5-coder-7b-instruct.gguf", header))
    doubt = catalog.doubt(catalog.find("mine"), role)
    assert (doubt == "") is fits
    if not fits:
        assert f"set midfill.models.{role}" in doubt
