"""`midfill models recommend`: which model for which role on this machine, how fast and how large, and why.

What decides is how fast the machine reads and writes tokens, which is measured with a small model, ten seconds at
most, and how much memory it has. Writing a token means reading all weights once, so its time grows with the bytes
of the model; reading a prompt is arithmetic, and grows with the parameters, but a mixture of experts has to fetch
almost all of them for it once. A model that is on this machine is measured itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from midfill import app, doctor
from midfill.config import Config, Models
from midfill.errors import MidfillError, ModelMissing
from midfill.models import catalog

if TYPE_CHECKING:
    from midfill.engine.llama import Device

# A line that is suggested while one types in a file that was read before: a token read, and so many written.
LINE_TOKENS, EDIT_TOKENS = 12, 150
# Tokens that are read in a new place of that file, before a line can be suggested there: the least that stands
# behind the cursor in a prompt.
PLACE_TOKENS = 100
# The longest that each may take, in milliseconds: a line as long as the setting latencyTargetMs says, and twice as
# long in a new place.
LINE_MS, PLACE_MS, EDIT_MS = 500, 1000, 15_000
# Tokens of context that memory is kept for, and the share of the memory that models may take.
CONTEXT, SHARE, GRAPHICS_SHARE = 8192, 0.5, 0.9
# Bytes that a model takes besides weights and cache.
OVERHEAD = 250_000_000
# With so much graphics memory, and if the smallest model reads so many tokens a second, a machine is a team's
# server. A desktop may have the memory, but not the speed.
SERVER_MEMORY, SERVER_RATE = 40_000_000_000, 10_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that can be recommended, in Q4_K_M, by the catalogue's name where it is there.

    `active`: billions of parameters that a token uses, in a mixture of experts not all that there are. `cache`:
    bytes of the KV cache a token.
    """

    name: str
    hub: str
    size: int
    active: float
    cache: int
    experts: bool = False

    @property
    def read(self) -> int:
        """Bytes of weights that are read for a token: in a mixture of experts those that it uses."""
        return int(self.active * 610_000_000) if self.experts else self.size

    @property
    def memory(self) -> int:
        return self.size + self.cache * CONTEXT + OVERHEAD


# From the model cards: size of the file, layers * KV heads * head size * 2 (keys, values) * 2 bytes. The smallest
# first. The 3B of Qwen2.5-Coder is left out, because its licence allows research only.
CODERS = (
    Candidate("qwen2.5-coder-0.5b-instruct", "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", 491_400_064, 0.49, 12_288),
    Candidate("qwen2.5-coder-1.5b-instruct", "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", 1_117_320_768, 1.54, 28_672),
    Candidate("qwen2.5-coder-7b-instruct", "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF", 4_683_073_536, 7.61, 57_344),
    Candidate("qwen2.5-coder-14b-instruct", "Qwen/Qwen2.5-Coder-14B-Instruct-GGUF", 8_988_110_976, 14.7, 196_608),
    Candidate(
        "qwen3-coder-30b-a3b-instruct",
        "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF",
        18_556_689_568,
        3.3,
        98_304,
        experts=True,
    ),
)
REFERENCE = CODERS[0]


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens a second."""

    evaluate: float
    generate: float


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes; `graphics` is that of all cards that llama.cpp can use, 0 without one."""

    cores: int
    memory: int
    graphics: int = 0
    card: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """A model for a role. Times in milliseconds: of a whole answer, and of reading 1,000 tokens in a new place."""

    role: str
    model: str
    quantization: str
    hub: str
    answer_ms: int
    cold_ms: int
    memory: int
    here: bool
    why: str


def machine() -> Machine:
    from midfill.engine import llama

    return of_devices(app.cores(), psutil.virtual_memory().total, llama.devices())


def of_devices(cores: int, memory: int, devices: Sequence[Device]) -> Machine:
    """Cards share a model's layers among them; one inside the processor is used where there is no other.

    A card without room for the smallest model does not count.
    """
    own = [device for device in devices if not device.shared]
    cards = own or sorted(devices, key=lambda device: device.memory)[-1:]
    graphics = sum(card.memory for card in cards)
    if graphics * GRAPHICS_SHARE < REFERENCE.memory:
        return Machine(cores, memory)
    return Machine(cores, memory, graphics, " and ".join(card.name for card in cards))


async def measured() -> dict[str, Rates]:
    """The rates of the default models that are here, by name. Raises `ModelMissing` without the smallest."""
    rates: dict[str, Rates] = {}
    for candidate in CODERS[:2]:
        try:
            catalog.present(catalog.find(candidate.name))
        except ModelMissing:
            if candidate is REFERENCE:
                raise
            continue
        engine = app.local_engine(lambda name=candidate.name: Config(models=Models(name, name)))  # type: ignore[misc]
        try:
            # The first run warms the machine up: pages of the file are read, and the clock rises.
            await doctor.usage_of(engine, "complete")
            usage = await doctor.usage_of(engine, "complete", fresh=True)
            rates[candidate.name] = Rates(
                usage.evaluated / usage.evaluate_ms * 1000, usage.generated / usage.generate_ms * 1000
            )
        finally:
            await engine.close()
    return rates


def predicted(candidate: Candidate, rates: Mapping[str, Rates]) -> Rates:
    """Measured, or from what was measured of the largest model that is here."""
    if candidate.name in rates:
        return rates[candidate.name]
    small, middle = CODERS[:2]
    if middle.name in rates:
        rate = rates[middle.name]
    else:
        # Half of what the smallest does is what any model does, such as choosing among 150,000 tokens.
        rate = Rates(
            rates[small.name].evaluate / (0.5 + 0.5 * middle.active / small.active),
            rates[small.name].generate / (0.5 + 0.5 * middle.read / small.read),
        )
    return Rates(rate.evaluate * middle.active / candidate.active, rate.generate * middle.read / candidate.read)


def recommend(where: Machine, rates: Mapping[str, Rates], here: frozenset[str] = frozenset()) -> list[Advice]:
    """The largest model for each role that is fast enough and for which there is room beside the other."""
    if where.graphics:
        room, kind = int(where.graphics * GRAPHICS_SHARE), f"the {where.graphics / 1e9:.0f} GB of {where.card}"
    else:
        room, kind = int(where.memory * SHARE), f"half of {where.memory / 1e9:.0f} GB of memory"
    complete = _best("complete", room - REFERENCE.memory, rates) or REFERENCE
    beside = _best("edit", room - complete.memory, rates) or complete
    # Those that complete follow instructions too, and one model for all roles takes its memory once.
    edit = max(beside, complete, key=CODERS.index)
    return [
        _advice("complete", complete, rates, here, kind, complete.memory <= room),
        _advice("edit", edit, rates, here, kind, edit.memory <= room),
        _advice("explain", edit, rates, here, kind, edit.memory <= room),
    ]


def _best(role: str, room: int, rates: Mapping[str, Rates]) -> Candidate | None:
    fitting = [each for each in CODERS if each.memory <= room and not _too_slow(role, each, rates)]
    return fitting[-1] if fitting else None


def _answer_ms(role: str, rate: Rates) -> float:
    return (LINE_TOKENS + 1 if role == "complete" else EDIT_TOKENS) / rate.generate * 1000


def _read_ms(candidate: Candidate, rate: Rates, tokens: int) -> float:
    """A prompt at once: arithmetic, and fetching all experts where a token of the answer fetches a few."""
    fetch = candidate.size / candidate.read / rate.generate if candidate.experts else 0.0
    return (tokens / rate.evaluate + fetch) * 1000


def _too_slow(role: str, candidate: Candidate, rates: Mapping[str, Rates]) -> str:
    """What takes too long, as the end of a sentence; empty if nothing does."""
    rate = predicted(candidate, rates)
    answer, most = _answer_ms(role, rate), LINE_MS if role == "complete" else EDIT_MS
    if answer > most:
        return f"would take {answer:.0f} ms, more than {most}"
    place = answer + _read_ms(candidate, rate, PLACE_TOKENS)
    if role == "complete" and place > PLACE_MS:
        return f"would take {place:.0f} ms in a new place, more than {PLACE_MS}"
    return ""


def _advice(
    role: str, candidate: Candidate, rates: Mapping[str, Rates], here: frozenset[str], kind: str, fits: bool
) -> Advice:
    rate = predicted(candidate, rates)
    answer = round(_answer_ms(role, rate))
    how = "measured" if candidate.name in rates else "expected from what a smaller model was measured at"
    what = f"a line of {LINE_TOKENS} tokens" if role == "complete" else f"an answer of {EDIT_TOKENS} tokens"
    larger = CODERS[CODERS.index(candidate) + 1 :]
    why = f"{what} takes {answer} ms ({how}), and it "
    why += f"fits into {kind}" if fits else f"is the smallest, though it takes more than {kind}"
    if larger:
        slow = _too_slow(role, larger[0], rates)
        why += f"; {larger[0].name} {slow}" if slow else f"; there is no room for {larger[0].name}"
    cold = round(_read_ms(candidate, rate, 1000))
    return Advice(
        role, candidate.name, "Q4_K_M", candidate.hub, answer, cold, candidate.memory, candidate.name in here, why
    )


def serves_a_team(where: Machine, rates: Mapping[str, Rates]) -> bool:
    return where.graphics >= SERVER_MEMORY and rates[REFERENCE.name].evaluate >= SERVER_RATE


def report(where: Machine, rates: Mapping[str, Rates], advice: list[Advice]) -> str:
    lines = [
        f"{where.cores} cores, {where.memory / 1e9:.0f} GB of memory, "
        + (f"{where.card} with {where.graphics / 1e9:.0f} GB" if where.graphics else "no usable graphics card")
    ]
    for each in advice:
        lines.append(f"{each.role:9} {each.model} {each.quantization}, {each.memory / 1e9:.1f} GB: {each.why}.")
        if not each.here:
            fetch = f"download it from https://huggingface.co/{each.hub}"
            lines.append(f"{'':9} It is not here: {fetch} and run `midfill models add {each.model} PATH.gguf`.")
    if serves_a_team(where, rates):
        lines.append("This machine can serve a team: see docs/scale.md for a server that all share.")
    return "\n".join(lines)


def as_json(where: Machine, rates: Mapping[str, Rates], advice: list[Advice]) -> dict[str, Any]:
    return {
        "machine": asdict(where),
        "measured": {name: asdict(rate) for name, rate in rates.items()},
        "roles": {each.role: asdict(each) for each in advice},
        "server": serves_a_team(where, rates),
    }


def use(advice: list[Advice]) -> Path:
    """Write what is recommended, and is here, to the user's settings. Raises `MidfillError`."""
    chosen = {each.role: each.model for each in advice if each.here}
    file = app.settings_file()
    settings = app.user_settings()
    settings["models"] = {**settings.get("models", {}), **chosen}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.{os.getpid()}.new")
        new.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        new.replace(file)
    except OSError as error:
        raise MidfillError(f"Cannot write {file}: {error.strerror}.") from None
    return file
