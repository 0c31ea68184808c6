"""The graphics cards of a machine: which there are, which llama.cpp can use, and what build uses the others."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Maker = Literal["NVIDIA", "AMD", "Intel", "Apple"]

_VENDORS: dict[str, Maker] = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
# A card of its own has so many bytes of memory; one inside the processor sets less aside.
_CARD = 3_000_000_000


@dataclass(frozen=True, slots=True)
class Card:
    """`alone`: a card with memory of its own, or Apple's; others share the processor's, and are seldom faster."""

    maker: Maker
    name: str
    alone: bool


@dataclass(frozen=True, slots=True)
class Build:
    """How llama.cpp is built for a card: a CMake option, and what must be installed before.

    `tool` is a program that is there when it is; `environment` what the shell must be told besides.
    """

    backend: str
    option: str
    tool: str = ""
    install: str = ""
    environment: str = ""


# llama.cpp, docs/build.md. `backend` is what llama.cpp calls what was built.
_CUDA = Build(
    "CUDA",
    "-DGGML_CUDA=on",
    "nvcc",
    "NVIDIA's CUDA toolkit (Debian: apt-get install nvidia-cuda-toolkit)",
)
_HIP = Build(
    "ROCm",
    "-DGGML_HIP=on",
    "hipconfig",
    "AMD's ROCm",
    'HIPCXX="$(hipconfig -l)/clang" HIP_PATH="$(hipconfig -R)" ',
)
_VULKAN = Build(
    "Vulkan",
    "-DGGML_VULKAN=on",
    "glslc",
    "Vulkan's SDK (Debian: apt-get install libvulkan-dev glslc spirv-headers)",
)
_METAL = Build("MTL", "-DGGML_METAL=on")
_BUILDS: dict[Maker, tuple[Build, ...]] = {
    "NVIDIA": (_CUDA, _VULKAN),
    "AMD": (_HIP, _VULKAN),
    "Intel": (_VULKAN,),
    "Apple": (_METAL,),
}


def _output(command: Sequence[str]) -> str:
    """What a program prints; nothing where it is not there or fails."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
    return ""


def cards(
    root: Path = Path("/"),
    output: Callable[[Sequence[str]], str] = _output,
    system: str = platform.system(),
    machine: str = platform.machine(),
) -> list[Card]:
    """The cards of this machine, whether llama.cpp can use them or not. The arguments stand for the machine."""
    if system == "Darwin":
        chip = output(["sysctl", "-n", "machdep.cpu.brand_string"]).strip()
        # Python for Intel tells of another processor than there is.
        apple = machine == "arm64" or chip.startswith("Apple")
        return [Card("Apple", f"{chip or 'Apple'} graphics", True)] if apple else []
    names = output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]).strip()
    found = [Card("NVIDIA", name.strip(), True) for name in names.splitlines() if name.strip()]
    for device in sorted(root.glob("sys/class/drm/card[0-9]*/device")):
        maker = _VENDORS.get(_told(device / "vendor"))
        if maker is None or (maker == "NVIDIA" and names):
            continue
        memory = _told(device / "mem_info_vram_total")
        alone = maker == "NVIDIA" or (memory.isdigit() and int(memory) >= _CARD)
        name = _told(device / "product_name") or f"{maker} graphics {_told(device / 'device')}".strip()
        if (card := Card(maker, name, alone)) not in found:
            found.append(card)
    return found


def _told(file: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return file.read_text("utf-8").strip()
    return ""


def advice(
    card: Card,
    backends: Sequence[str],
    usable: Sequence[str],
    version: str,
    which: Callable[[str], str | None] = shutil.which,
    machine: str = platform.machine(),
) -> str | None:
    """What to do so that llama.cpp uses a card, in sentences; None where it does.

    `backends` are those of the build, `usable` the cards that it finds, `version` is that of llama-cpp-python.
    """
    builds = _BUILDS[card.maker]
    built = next((build.backend for build in builds if build.backend in backends), None)
    if built and usable:
        return None
    if built:
        return f"llama.cpp is built for {built} but finds no card: install or update the card's driver."
    if card.maker == "Apple" and machine != "arm64":
        return (
            "This Python is made for Intel and cannot use Metal. Install Python for Apple silicon "
            "(`brew install python`), and Midfill with that."
        )
    # What is prepared for goes first, and then what is the least work.
    ready = next((build for build in builds if not build.tool or which(build.tool)), None)
    build = ready or (builds[0] if card.maker == "NVIDIA" else builds[-1])
    words = "Run" if ready else f"Install {build.install}. Then run"
    return f"{words} `{command(build, version)}`, and after that `midfill host --stop`."


def command(build: Build, version: str, windows: bool = os.name == "nt") -> str:
    """The command that builds llama.cpp anew, for the environment that Midfill runs in."""
    pip = f"-m pip install --force-reinstall --no-deps --no-cache-dir llama-cpp-python=={version}"
    if windows:
        return f'$env:CMAKE_ARGS="{build.option}"; & "{sys.executable}" {pip}'
    return f'{build.environment}CMAKE_ARGS="{build.option}" {sys.executable} {pip}'
