"""Which models there are, where their files lie, and whether a file may be used.

A file is used only when its SHA-256 is the catalogue's. Hashing a gigabyte takes seconds, so a file that
passed gets a stamp in the models folder; the stamp counts as long as the file's size and modification time
stay as they were.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import re
import tomllib
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import platformdirs

from midfill.errors import ModelCorrupt, ModelError, ModelMissing, UsageError
from midfill.models import detection, families, gguf

Role = Literal["complete", "edit"]


@dataclass(frozen=True, slots=True)
class Wheels:
    """A model cut into data wheels: `package` with `{part}` from 1 to `parts`.

    Each part has `part_bytes` bytes, except that the last has the rest.
    """

    package: str
    version: str
    parts: int
    part_bytes: int


@dataclass(frozen=True, slots=True)
class Model:
    """One model file. `bytes` is its size, `context` how many tokens the model can handle.

    `role` is the role whose default it is; without one it is used only by name. `file` is a name inside the
    models folder, or for a file of the user's own an absolute path: such a file has no sources and is never
    deleted. `roles` are what it is fit for; `template` is the chat template in the file of a user's own model,
    with the texts of the tokens that begin and end a text.
    """

    name: str
    role: Role | None
    family: str
    licence: str
    quantization: str
    file: str
    bytes: int
    sha256: str
    context: int
    hub: str = ""
    wheels: Wheels | None = None
    roles: tuple[str, ...] = ("complete", "edit")
    template: str = ""
    begin: str = ""
    end: str = ""

    @property
    def is_users_own(self) -> bool:
        return Path(self.file).is_absolute()


def load() -> tuple[Model, ...]:
    """Every model: the built-in ones, then those the user added. Raises `ModelError`."""
    return (*_built_in(), *_added())


def find(role_or_name: str) -> Model:
    """The model of that name, or the default of that role: the user's last one, else the built-in one.

    Raises `UsageError`, which lists the known names, or `ModelError`.
    """
    models = load()
    for model in reversed(models):
        if role_or_name in (model.name, model.role):
            return model
    known = [*get_args(Role), *(model.name for model in models)]
    close = difflib.get_close_matches(role_or_name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(f"There is no model {role_or_name!r}.{hint} Known: {', '.join(known)}.")


def doubt(model: Model, role: str) -> str:
    """Why a model does not fit a role, as a sentence for the user; empty where nothing speaks against it."""
    # What can edit code can explain it.
    if role in model.roles or (role == "explain" and "edit" in model.roles):
        return ""
    lacks = {
        "complete": "does not know how to complete in the middle of code",
        "edit": "was not made to follow instructions for code",
        "explain": "does not follow instructions",
    }[role]
    return f"The model {model.name} {lacks}; set midfill.models.{role} to {families.recommended(role)}."


def models_dir() -> Path:
    """The folder of the model files: `MIDFILL_MODELS`, else in the user's data folder. It need not exist."""
    if chosen := os.environ.get("MIDFILL_MODELS"):
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_data_dir("midfill", appauthor=False)) / "models"


def path(model: Model) -> Path:
    """Where the model's file is, or would be."""
    return models_dir() / model.file


def present(model: Model) -> Path:
    """The path of a file that is there, whether right or not. Costs no more than a look. Raises `ModelMissing`."""
    file = path(model)
    if not file.exists():
        raise _missing(model)
    return file


def require(*roles: Role) -> None:
    """Raises `ModelMissing` where the default model of a role is not on this machine."""
    for role in roles:
        present(find(role))


def ensure_usable(model: Model) -> Path:
    """The path of a file whose SHA-256 is right; hashes only a file that changed since it was last verified.

    Raises `ModelMissing` or `ModelCorrupt`, as `verify` does.
    """
    file = path(model)
    with contextlib.suppress(OSError, ValueError):
        if json.loads(_stamp(model).read_text()) == _stamp_content(model, file.stat()):
            return file
    return verify(model)


def verify(model: Model) -> Path:
    """Hash the file, whatever its stamp says, and return its path.

    Raises `ModelMissing`, or `ModelCorrupt` after deleting the wrong file, unless it is the user's own.
    """
    file = path(model)
    fetch = f"run `midfill models fetch {model.name}`"
    add = f"run `midfill models add {model.name} PATH.gguf`"
    try:
        with file.open("rb") as stream:
            # The state before reading: a change while we read makes the stamp invalid, not the file valid.
            status = os.fstat(stream.fileno())
            actual = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise _missing(model) from None
    except OSError as error:
        raise ModelError(f"Cannot read the model {model.name}: {file}: {error.strerror}.") from None
    if actual == model.sha256 and status.st_size == model.bytes:
        # In a models folder that we may not write, the file is just hashed again next time.
        with contextlib.suppress(OSError):
            _write(_stamp(model), _stamp_content(model, status))
        return file
    with contextlib.suppress(OSError):
        _stamp(model).unlink(missing_ok=True)
    if model.is_users_own:
        raise ModelCorrupt(f"{file} has changed since it was added as {model.name}. If that is right, {add}.")
    found = f"{status.st_size:,} of {model.bytes:,} bytes" if status.st_size != model.bytes else "wrong SHA-256"
    try:
        file.unlink()
    except OSError as error:
        raise ModelCorrupt(f"{file} is corrupt ({found}). Delete it ({error.strerror}) and {fetch}.") from None
    raise ModelCorrupt(f"{file} was corrupt ({found}) and has been deleted: {fetch}.")


def add(name: str, file: Path, *, role: Role | None = None, family: str | None = None) -> Model:
    """Take a GGUF file of the user's own into the catalogue; the file stays where it is.

    With a `role` it becomes that role's default. `family` is needed where the file does not tell. An earlier
    model of the same name is replaced, a built-in one is not. Raises `UsageError`, or `ModelError` when the models
    folder cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise UsageError(f"{name!r} cannot name a model: use letters, digits, dots, dashes and underscores.")
    if name in get_args(Role) or any(model.name == name for model in _built_in()):
        raise UsageError(f"The name {name} is taken by Midfill itself: choose another.")
    file = Path(os.path.expanduser(file)).resolve()
    metadata, vocabulary = gguf.header(file)
    try:
        with file.open("rb") as stream:
            status = os.fstat(stream.fileno())
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror}.") from None
    found = detection.detect(metadata, vocabulary, family)
    quantization = re.search(r"(?i)\b(i?q[1-8][a-z0-9_]*|b?f16|f32)\b", file.stem)
    template, begin, end = gguf.template(metadata, vocabulary)
    model = Model(
        name=name,
        role=role,
        family=found.family.name,
        licence=gguf.licence(metadata) or found.licence,
        quantization=quantization[0].upper() if quantization else "unknown",
        file=str(file),
        bytes=status.st_size,
        sha256=sha256,
        context=gguf.context(metadata) or found.family.context,
        roles=found.roles,
        template=template,
        begin=begin,
        end=end,
    )
    # The last one added comes last, whether its name is new or not: `find` prefers it for its role.
    models = [*(other for other in _added() if other.name != name), model]
    try:
        models_dir().mkdir(parents=True, exist_ok=True)
        _write(models_dir() / "models.json", [_as_entry(model) for model in models])
        _write(_stamp(model), _stamp_content(model, status))
    except OSError as error:
        raise ModelError(
            f"Cannot write in {models_dir()}: {error.strerror}. MIDFILL_MODELS can name another folder."
        ) from None
    return model


def _missing(model: Model) -> ModelMissing:
    if model.is_users_own:
        return ModelMissing(
            f"The file of {model.name} is gone: {path(model)}. Put it back, or run "
            f"`midfill models add {model.name} PATH.gguf`."
        )
    return ModelMissing(f"The model {model.name} is not on this machine: run `midfill models fetch {model.name}`.")


@cache
def _built_in() -> tuple[Model, ...]:
    entries = tomllib.loads(Path(__file__).with_name("catalog.toml").read_text("utf-8"))["model"]
    return tuple(Model(**{**entry, "wheels": Wheels(**entry["wheels"])}) for entry in entries)


def _added() -> tuple[Model, ...]:
    file = models_dir() / "models.json"
    try:
        return tuple(_from_entry(entry) for entry in json.loads(file.read_text("utf-8")))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError):
        raise ModelError(
            f"Cannot read the list of your own models, {file}. Delete it and `midfill models add` them again."
        ) from None


def _from_entry(entry: dict[str, Any]) -> Model:
    model = Model(**entry)
    return replace(model, roles=tuple(model.roles))


def _as_entry(model: Model) -> dict[str, Any]:
    return {key: value for key, value in asdict(model).items() if key not in ("hub", "wheels")}


def _stamp(model: Model) -> Path:
    return models_dir() / f"{model.name}.verified.json"


def _stamp_content(model: Model, status: os.stat_result) -> dict[str, Any]:
    return {
        "file": str(path(model)),
        "sha256": model.sha256,
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }


def _write(file: Path, content: Any) -> None:
    """Replace `file` by `content` as JSON at once, so that no reader finds half of it."""
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    new.replace(file)
