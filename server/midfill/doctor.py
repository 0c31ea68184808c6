"""`midfill doctor`: what is installed, what is missing, how fast this machine is, and what to do about it."""

from __future__ import annotations

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

import midfill
from midfill import graphics, trust
from midfill.app import local_engine
from midfill.config import Config
from midfill.edits import custom
from midfill.engine.base import CancelToken, Part, Request, Role, Usage
from midfill.errors import MidfillError
from midfill.models import catalog

# Below this a first suggestion in a cold file takes more than ten seconds.
SLOW_EVALUATION = 80.0
_SAMPLE = "def area(width: float, height: float) -> float:\n    return width * height\n\n\n" * 12


async def examine() -> dict[str, Any]:
    """All findings as JSON; `problems` lists what is wrong, each with what to do."""
    problems: list[dict[str, str]] = []
    memory = psutil.virtual_memory()
    findings: dict[str, Any] = {
        "midfill": midfill.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "engine": _engine(problems),
        "cores": {"physical": psutil.cpu_count(logical=False), "logical": psutil.cpu_count()},
        "memory": {"total": memory.total, "available": memory.available},
        # What explains is the model that edits, unless the user binds another.
        "models": [_model(role, problems) for role in ("complete", "edit")],
        "graphics": None,
        "problems": problems,
    }
    _look_at_actions(problems)
    if findings["engine"] is not None:
        findings["graphics"] = _graphics(findings["engine"]["llama-cpp-python"], problems)
    needed = sum(model["bytes"] for model in findings["models"] if model["usable"]) + 500_000_000
    if memory.available < needed:
        problems.append(
            _problem(
                f"Only {memory.available / 1e9:.1f} GB of memory are free.",
                "Close other programs, or choose a smaller model in midfill.models.",
            )
        )
    if findings["engine"] is not None:
        await _measure(findings, problems)
    return findings


def report(findings: dict[str, Any]) -> str:
    """The findings for a person."""
    engine, memory = findings["engine"], findings["memory"]
    built = f"llama-cpp-python {engine['llama-cpp-python']}: {engine['features']}" if engine else "missing"
    lines = [
        f"midfill   {findings['midfill']}, Python {findings['python']}, {findings['platform']}",
        f"engine    {built}",
        f"cores     {findings['cores']['physical']} physical, {findings['cores']['logical']} logical",
        f"memory    {memory['available'] / 1e9:.1f} of {memory['total'] / 1e9:.1f} GB free",
    ]
    if cards := findings["graphics"]:
        seen = ", ".join(card["name"] for card in cards["seen"]) or "none"
        lines.append(f"graphics  {seen}; llama.cpp is built for {', '.join(cards['backends'])}")
        lines += [f"{'':9} uses {name}" for name in cards["used"]]
        lines += [f"{'':9} {hint}" for hint in cards["hints"]]
    for model in findings["models"]:
        state = "its SHA-256 is right" if model["usable"] else "not usable"
        lines.append(
            f"{model['role']:9} {model['name']}, {model['bytes'] / 1e6:,.0f} MB: {state}; {model['path']}"
        )
        if speed := model.get("tokensPerSecond"):
            rates = f"evaluates {speed['evaluate']:.0f} and generates {speed['generate']:.0f} tokens a second"
            rates += f", {model['threads']} threads"
            lines.append(f"{'':9} {rates}")
    lines += [f"problem   {each['problem']} {each['advice']}".rstrip() for each in findings["problems"]]
    if not findings["problems"]:
        lines.append("all is well")
    return "\n".join(lines)


def _engine(problems: list[dict[str, str]]) -> dict[str, str] | None:
    try:
        from midfill.engine import llama

        return llama.build_info()
    except (ImportError, OSError) as error:
        problems.append(
            _problem(
                f"llama-cpp-python does not load: {error}.",
                "Run `pip install --force-reinstall llama-cpp-python`; it needs a C++ compiler.",
            )
        )
        return None


def _look_at_actions(problems: list[dict[str, str]]) -> None:
    """What is wrong with the user's file of actions, and with that of the folder at hand."""
    for folder, own in ((trust.config_dir(), True), (Path.cwd(), False)):
        path = folder / trust.NAME
        try:
            data = trust.read(path, own)
        except MidfillError as error:
            problems.append(_problem(str(error), ""))
            continue
        if data is not None and not own and trust.verdict(data) != "trusted":
            problems.append(
                _problem(f"The actions of {path} are not used.", f"To use them, run `midfill trust {folder}`.")
            )
        elif data is not None:
            problems.extend(_problem(each, "") for each in custom.parse(data, str(path)).problems)


def _graphics(version: str, problems: list[dict[str, str]]) -> dict[str, Any]:
    """The cards that there are, and what to do about those that llama.cpp's build cannot use."""
    from midfill.engine import llama

    backends, used = llama.backends(), [device.name for device in llama.devices()]
    seen = graphics.cards()
    hints = []
    for card in seen:
        wanted = graphics.advice(card, backends, used, version)
        if wanted and card.alone:
            problems.append(_problem(f"{card.name} is not used.", wanted))
        elif wanted:
            hints.append(f"{card.name} is not used, and may be no faster than the processor. To try: {wanted}")
    return {"seen": [asdict(card) for card in seen], "backends": backends, "used": used, "hints": hints}


def _model(role: Role, problems: list[dict[str, str]]) -> dict[str, Any]:
    model = catalog.find(role)
    try:
        catalog.verify(model)
        usable = True
    except MidfillError as error:
        problems.append(_problem(str(error), ""))
        usable = False
    return {
        "role": role,
        "name": model.name,
        "path": str(catalog.path(model)),
        "bytes": model.bytes,
        "sha256": model.sha256,
        "usable": usable,
    }


async def _measure(findings: dict[str, Any], problems: list[dict[str, str]]) -> None:
    """Run each usable model once and note its speed."""
    engine = local_engine(Config)
    try:
        for model in findings["models"]:
            if not model["usable"]:
                continue
            try:
                usage = await usage_of(engine, model["role"])
            except MidfillError as error:
                problems.append(_problem(str(error), ""))
                continue
            speed = {
                "evaluate": round(usage.evaluated / usage.evaluate_ms * 1000, 1),
                "generate": round(usage.generated / usage.generate_ms * 1000, 1),
            }
            model["tokensPerSecond"] = speed
            model["threads"] = next(
                status.threads for status in await engine.status() if status.name == model["name"]
            )
            if model["role"] == "complete" and speed["evaluate"] < SLOW_EVALUATION:
                problems.append(
                    _problem(
                        f"This machine evaluates only {speed['evaluate']:.0f} tokens a second.",
                        "Plug in the charger, close busy programs, or lower midfill.maxBlockTokens.",
                    )
                )
    finally:
        await engine.close()


async def usage_of(engine: Any, role: Role, fresh: bool = False) -> Usage:
    """What it costs to read some code and write 32 tokens; `fresh`: code that no session has read."""
    code = _SAMPLE.replace("area", "size") if fresh else _SAMPLE
    request = Request(role, engine.info(role).name, (Part(code),), max_tokens=32, drafts=False)
    usage = Usage()
    async for chunk in engine.generate(request, CancelToken()):
        usage = chunk.usage
    return usage


def _problem(problem: str, advice: str) -> dict[str, str]:
    return {"problem": problem, "advice": advice}
