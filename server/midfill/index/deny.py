"""The files that no model may see: those that are there to hold secrets."""

from __future__ import annotations

import re
from fnmatch import translate
from pathlib import PurePosixPath

_NAMES = (
    # Environments and settings with passwords.
    *(".env*", "*.env", ".envrc", ".netrc", "_netrc", ".npmrc", ".yarnrc*", ".pypirc", ".pgpass", ".my.cnf"),
    *(".htpasswd", ".git-credentials", ".dockercfg", ".dockerconfigjson", ".boto", ".s3cfg", "kubeconfig*"),
    # Keys, certificates and their stores.
    *("*.pem", "*.key", "*.pub", "*.ppk", "*.p8", "*.p12", "*.pfx", "*.pkcs12", "*.crt", "*.cer", "*.der"),
    *("*.csr", "*.jks", "*.keystore", "*.truststore", "*.bks", "*.gpg", "*.pgp", "*.asc", "*.ovpn", "*.kdbx"),
    *("*.kdb", "*.agilekeychain", "*.keychain", "*.age", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*"),
    # What tools write down about an infrastructure.
    *("*.tfstate", "*.tfstate.*", "*.tfvars", "*.tfvars.json", "*.tfplan", ".vault-token", "*.publishsettings"),
    *("service-account*.json", "service_account*.json", "client_secret*.json", "firebase-adminsdk*.json"),
)
_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".azure", ".gcloud", ".kube", ".docker", ".password-store"})
# `credentials.py` is code, `credentials`, `credentials.json` and `prod-secrets.yaml` are not.
_DATA = r"(?:.*[._-])?(?:credentials?|secrets?|passwords?)(?:[._-].*)?"
_DATA_SUFFIXES = r"(?:\.(?:json|ya?ml|toml|ini|cfg|conf|properties|xml|csv|tsv|txt|md|db|sqlite3?|enc|bak))"
_DENIED = re.compile(
    "|".join((*map(translate, _NAMES), rf"(?:{_DATA}{_DATA_SUFFIXES}+|(?:credentials?|secrets?|passwords?))\Z"))
)


def denied(path: str) -> bool:
    """Whether the name of a file, or of a folder on the way to it, says that it holds secrets.

    `path` may be relative or absolute, with `/` or `\\` between its parts.
    """
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return bool(parts) and (
        _DENIED.match(parts[-1].lower()) is not None or any(part.lower() in _FOLDERS for part in parts[:-1])
    )
