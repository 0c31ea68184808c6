from __future__ import annotations

import pytest

from midfill.config import Config, parse


def test_takes_what_is_right() -> None:
    config, problems = parse({"multiline": False, "disabledLanguages": ["markdown"], "maxLineTokens": 20})
    assert not problems
    assert (config.multiline, config.disabled_languages, config.max_line_tokens) == (False, ("markdown",), 20)


def test_models_are_bound_to_roles_and_stand_in_for_each_other() -> None:
    config, problems = parse({"models": {"edit": "mine"}})
    assert not problems
    assert [config.models.of(role) for role in ("complete", "edit", "explain")] == ["complete", "mine", "mine"]
    config, _ = parse({"models": {"explain": "general"}})
    assert [config.models.of(role) for role in ("complete", "edit", "explain")] == ["complete", "edit", "general"]


def test_no_settings_mean_the_defaults() -> None:
    assert parse(None) == (Config(), [])
    assert parse({}) == (Config(), [])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"multilin": True}, "midfill.multilin: no such setting; did you mean multiline?"),
        ({"zzz": 1}, "midfill.zzz: no such setting"),
        ({"multiline": "yes"}, "midfill.multiline: must be true or false, not 'yes'"),
        ({"maxLineTokens": True}, "midfill.maxLineTokens: must be a whole number, not True"),
        ({"maxLineTokens": 0}, "midfill.maxLineTokens: must be from 1 to 512, not 0"),
        ({"disabledLanguages": "go"}, "midfill.disabledLanguages: must be a list of language names, not 'go'"),
        ({"models": "mine"}, 'midfill.models: must be an object like {"edit": "a model\'s name"}, not \'mine\''),
        ({"models": {"edt": "a"}}, "midfill.models: there is no role edt; the roles are complete, edit, explain"),
        ({"disabledLanguages": [1]}, "midfill.disabledLanguages: must be a list of language names, not [1]"),
    ],
)
def test_names_what_is_wrong_and_keeps_the_rest(settings: dict[str, object], problem: str) -> None:
    config, problems = parse({**settings, "completionWaitMs": 5})
    assert problems == [problem]
    assert config == Config(completion_wait_ms=5)


def test_settings_that_are_no_object_are_refused() -> None:
    config, problems = parse([1])
    assert config == Config()
    assert problems == ["midfill: the settings must be an object, not [1]"]
