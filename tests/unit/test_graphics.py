"""What `midfill doctor` says to people with graphics cards, on machines that only the tests know."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from midfill import doctor, graphics
from midfill.engine import llama
from midfill.graphics import Card

VERSION = "0.3.36"
PIP = f"{sys.executable} -m pip install --force-reinstall --no-deps --no-cache-dir llama-cpp-python==0.3.36"
CUDA, VULKAN = (f'`CMAKE_ARGS="-DGGML_{name}=on" {PIP}`' for name in ("CUDA", "VULKAN"))


def linux(folder: Path, *cards: dict[str, str]) -> Path:
    """A root with /sys as Linux shows cards there."""
    for number, card in enumerate(cards):
        device = folder / "sys/class/drm" / f"card{number}" / "device"
        device.mkdir(parents=True)
        for name, content in card.items():
            (device / name).write_text(f"{content}\n")
    return folder


def says(**answers: str) -> Callable[[Sequence[str]], str]:
    return lambda command: answers.get(command[0].replace("-", "_"), "")


NVIDIA = {"vendor": "0x10de", "device": "0x2684"}
RADEON = {"vendor": "0x1002", "device": "0x744c", "mem_info_vram_total": "25753026560"}
APU = {"vendor": "0x1002", "device": "0x15bf", "mem_info_vram_total": "536870912"}
INTEL = {"vendor": "0x8086", "device": "0x9a49"}
VIRTUAL = {"vendor": "0x1af4", "device": "0x1050"}


@pytest.mark.parametrize(
    ("cards", "output", "found"),
    [
        ([], says(), []),
        ([VIRTUAL], says(), []),
        (
            [NVIDIA, INTEL],
            says(nvidia_smi="NVIDIA GeForce RTX 4090\n"),
            [Card("NVIDIA", "NVIDIA GeForce RTX 4090", True), Card("Intel", "Intel graphics 0x9a49", False)],
        ),
        # Without a driver there is no nvidia-smi, but the card is there.
        ([NVIDIA], says(), [Card("NVIDIA", "NVIDIA graphics 0x2684", True)]),
        # In a container there may be no /sys.
        ([], says(nvidia_smi="NVIDIA H100\nNVIDIA H100\n"), [Card("NVIDIA", "NVIDIA H100", True)] * 2),
        (
            [RADEON | {"product_name": "Radeon RX 7900"}, APU],
            says(),
            [Card("AMD", "Radeon RX 7900", True), Card("AMD", "AMD graphics 0x15bf", False)],
        ),
    ],
)
def test_cards_are_seen_on_linux(
    tmp_path: Path, cards: list[dict[str, str]], output: Callable[[Sequence[str]], str], found: list[Card]
) -> None:
    assert graphics.cards(linux(tmp_path, *cards), output, "Linux", "x86_64") == found


@pytest.mark.parametrize(
    ("machine", "chip", "found"),
    [
        ("arm64", "Apple M2 Pro", [Card("Apple", "Apple M2 Pro graphics", True)]),
        # Python for Intel, translated.
        ("x86_64", "Apple M2 Pro", [Card("Apple", "Apple M2 Pro graphics", True)]),
        ("x86_64", "Intel(R) Core(TM) i7", []),
    ],
)
def test_cards_are_seen_on_a_mac(tmp_path: Path, machine: str, chip: str, found: list[Card]) -> None:
    assert graphics.cards(tmp_path, says(sysctl=chip), "Darwin", machine) == found


GEFORCE, RX = Card("NVIDIA", "GeForce", True), Card("AMD", "Radeon", True)
IRIS, M2 = Card("Intel", "Iris", False), Card("Apple", "Apple M2", True)


@pytest.mark.parametrize(
    ("card", "tools", "said"),
    [
        (GEFORCE, ["nvcc"], f"Run {CUDA}, and after that `midfill host --stop`."),
        (GEFORCE, ["glslc"], f"Run {VULKAN}"),
        (
            GEFORCE,
            [],
            f"Install NVIDIA's CUDA toolkit (Debian: apt-get install nvidia-cuda-toolkit). Then run {CUDA}",
        ),
        (RX, ["hipconfig", "glslc"], 'HIP_PATH="$(hipconfig -R)" CMAKE_ARGS="-DGGML_HIP=on"'),
        (RX, ["glslc"], f"Run {VULKAN}"),
        (
            RX,
            [],
            f"Install Vulkan's SDK (Debian: apt-get install libvulkan-dev glslc spirv-headers). Then run {VULKAN}",
        ),
        (IRIS, ["glslc"], f"Run {VULKAN}"),
        (M2, [], f'Run `CMAKE_ARGS="-DGGML_METAL=on" {PIP}`'),
    ],
)
def test_the_right_build_for_a_card_is_one_command(card: Card, tools: list[str], said: str) -> None:
    advice = graphics.advice(card, ["CPU"], [], VERSION, lambda tool: tool if tool in tools else None, "arm64")
    assert advice is not None and said in advice


@pytest.mark.parametrize(
    ("card", "backend"),
    [(GEFORCE, "CUDA"), (GEFORCE, "Vulkan"), (RX, "ROCm"), (RX, "Vulkan"), (IRIS, "Vulkan"), (M2, "MTL")],
)
def test_a_card_that_is_used_needs_nothing(card: Card, backend: str) -> None:
    assert graphics.advice(card, [backend, "CPU"], [card.name], VERSION, machine="arm64") is None
    driver = graphics.advice(card, [backend, "CPU"], [], VERSION, machine="arm64")
    assert driver is not None and "finds no card: install or update the card's driver" in driver


def test_python_for_intel_on_apples_chip_is_said() -> None:
    advice = graphics.advice(M2, ["CPU"], [], VERSION, machine="x86_64")
    assert advice is not None and "Install Python for Apple silicon" in advice


def test_the_command_for_windows() -> None:
    build = graphics.Build("CUDA", "-DGGML_CUDA=on")
    assert graphics.command(build, VERSION, windows=True).startswith('$env:CMAKE_ARGS="-DGGML_CUDA=on"; & "')


def test_this_build_tells_what_it_computes_with() -> None:
    assert "CPU" in llama.backends()


async def test_the_doctor_tells_of_cards_that_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # No models, so that nothing is measured.
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path))
    monkeypatch.setattr(graphics, "cards", lambda: [GEFORCE, IRIS])
    monkeypatch.setattr(llama, "backends", lambda: ["CPU"])
    monkeypatch.setattr(llama, "devices", lambda: [])
    findings: dict[str, Any] = await doctor.examine()
    assert findings["graphics"]["seen"][0] == {"maker": "NVIDIA", "name": "GeForce", "alone": True}
    (problem,) = [each for each in findings["problems"] if "GeForce" in each["problem"]]
    assert "-DGGML_CUDA=on" in problem["advice"]
    report = doctor.report(findings)
    assert "graphics  GeForce, Iris; llama.cpp is built for CPU" in report
    # One that shares the processor's memory is no problem.
    assert "Iris is not used, and may be no faster than the processor. To try: " in report
    assert not any("Iris" in each["problem"] for each in findings["problems"])
