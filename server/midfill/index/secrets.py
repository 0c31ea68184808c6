"""Whether a text holds a secret, by the patterns of detect-secrets. Nothing is verified, so nothing is sent.

The plugins are asked for their matches only: what verifies a secret with its issuer is another method of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any


@lru_cache(maxsize=4096)
def has_secret(text: str) -> bool:
    """Whether any line looks like it holds a key, a token or a password. The first call takes 0.1 s."""
    lines = text.splitlines()
    return any(finds(line) for finds in _detectors() for line in lines)


@cache
def _detectors() -> tuple[Callable[[str], bool], ...]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin

    types: list[Any] = list(get_mapping_from_secret_type_to_class().values())
    plugins = [plugin() for plugin in types]
    random = [plugin for plugin in plugins if isinstance(plugin, HighEntropyStringsPlugin)]
    others = [plugin for plugin in plugins if plugin not in random]

    def looks_random(line: str) -> bool:
        found = ((plugin, text) for plugin in random for text in plugin.analyze_string(line))
        return any(plugin.calculate_shannon_entropy(text) > plugin.entropy_limit for plugin, text in found)

    def finds(matches: Callable[[str], Iterable[str]]) -> Callable[[str], bool]:
        return lambda line: any(matches(line))

    return (looks_random, *(finds(plugin.analyze_string) for plugin in others))
