"""What must be true before code is sent to a server: that the user trusts it, and that nobody can read the key.

Settings may come from a workspace, which may be a stranger's, and an editor does not say which do. So a server
that is not this machine is asked only if its user has once said `midfill trust URL`, which is kept in the user's
own folder.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from midfill.config import Backend
from midfill.engine.base import ITS_SERVERS, ModelInfo, Role
from midfill.errors import ModelError, UsageError
from midfill.models import families
from midfill.trust import config_dir

if TYPE_CHECKING:
    from midfill.engine.server import Place

KEY = "MIDFILL_API_KEY"


def info(backend: Backend, role: Role) -> ModelInfo:
    """The model of a role on the server. Raises `ModelError`, which says what to set."""
    check(backend.url)
    name = _model(backend, role)
    row = families.named(backend.family) if backend.family else families.of_name(name)
    host = urlsplit(backend.url).netloc.rpartition("@")[2]
    unknown = row is None or (role != "complete" and row.roles == ("complete",))
    if row is families.BY_TEMPLATE or (name and unknown):
        # The server may know how its model is asked, and has the template.
        return ModelInfo(f"{name}@{host}", ITS_SERVERS, backend.context, continues=False)
    if row is None:
        raise ModelError(
            f"The family of the model at {_origin(backend.url)} is not known, as none is named. Set "
            "midfill.engine.model to what the server calls it, or midfill.engine.family to one of "
            f"{', '.join(families.FAMILIES)}."
        )
    doubt = (
        f"The model {name or row.name} at {host} does not know how to complete in the middle of code; set "
        f"midfill.engine.model to {families.recommended('complete')}."
        if role == "complete" and "complete" not in row.roles
        else ""
    )
    return ModelInfo(f"{name or row.name}@{host}", row.name, backend.context, stops=row.stops, doubt=doubt)


def place(backend: Backend, role: Role) -> Place:
    """Where to ask. Raises `ModelError` for a server that is not trusted."""
    from midfill.engine.server import Place

    check(backend.url)
    key = _key(backend.url)
    address = urlsplit(backend.url)
    if (key or address.password) and address.scheme == "http" and not _is_here(backend.url):
        raise ModelError(
            f"The key for {_origin(backend.url)} would be sent for all to read: use an https:// address."
        )
    if key and not (key.isascii() and key.isprintable()):
        raise ModelError(f"The key for {_origin(backend.url)} has letters that no key has: set {KEY} anew.")
    return Place(backend.url, _model(backend, role), key, backend.in_flight)


def check(url: str) -> None:
    """Raises `ModelError` for what is no address, or of a server that the user has not said to trust."""
    origin = _origin(url)
    if not _is_here(url) and origin not in trusted():
        raise ModelError(
            f"Code would be sent to {origin}, which is not this machine. If that is what you want, run "
            f"`midfill trust {origin}` once; else remove midfill.engine from the settings."
        )


def trust(url: str) -> str:
    """Keep that the user trusts a server; returns what is kept. Raises `UsageError`."""
    try:
        origin = _origin(url)
    except ModelError as error:
        raise UsageError(str(error)) from None
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        if origin not in trusted():
            lines.write(f"{origin}\n")
    return origin


def trusted() -> set[str]:
    """The servers that the user trusts, as `scheme://host:port`."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return set(_file().read_text("utf-8").split())
    return set()


def _file() -> Path:
    return config_dir() / "trusted-servers"


def _model(backend: Backend, role: Role) -> str:
    return backend.model if role == "complete" else backend.edit_model or backend.model


def _origin(url: str) -> str:
    with contextlib.suppress(ValueError):
        address = urlsplit(url)
        if address.scheme in ("http", "https") and address.hostname:
            port = address.port or {"http": 80, "https": 443}[address.scheme]
            return f"{address.scheme}://{address.hostname}:{port}"
    raise ModelError(
        f"{url!r} is no address of a server; set midfill.engine.url to one like http://127.0.0.1:8080."
    )


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _key(url: str) -> str | None:
    # A key that comes out of a file often has the line's end.
    return (os.environ.get(KEY) or _from_keyring(_origin(url)) or "").strip() or None


@cache
def _from_keyring(origin: str) -> str | None:
    """The password that the user's keyring has for the service "midfill"; asked once, as it may ask the user."""
    try:
        import keyring
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password("midfill", origin)
        return found
    except Exception:
        # A keyring without a backend, or locked, is no keyring.
        return None
