"""The machine: what it is, and how many floating-point operations per second its matrix products reach."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import torch

from defectgen.speed.stopwatch import Timed, noise

LONG_ENOUGH = 0.02  # seconds of a product beyond which a larger one is no faster
SMALLEST, LARGEST = 256, 8192  # rows and columns
PACKAGES = ("defectgen", "torch", "diffusers")


def matrix_product(device: torch.device, kind: torch.dtype) -> Timed:
    """The square product that runs fastest: small ones do not fill a GPU, large ones do not fit into a cache."""
    products, side = [_product(device, kind, SMALLEST)], SMALLEST
    while side < LARGEST and products[-1].figure.seconds[0] < LONG_ENOUGH:
        side *= 2
        products.append(_product(device, kind, side))
    return max(products, key=matrix_rate)


def _product(device: torch.device, kind: torch.dtype, side: int) -> Timed:
    """A product that ran once to warm up and once for its time."""
    matrix = noise(side, side, device=device).to(kind)
    product = Timed(lambda: matrix @ matrix, 1, 2 * side**3)
    product.go()
    product.forget()
    product.go()
    return product


def matrix_rate(product: Timed) -> float:
    """FLOPs per second of the fastest call."""
    return product.figure.flops / min(product.figure.seconds)


def describe_machine() -> dict[str, str]:
    """What a reader must know to compare figures, by name."""
    facts = {"processor": f"{_processor()}, {os.cpu_count()} cores; threads in use: {torch.get_num_threads()}"}
    if torch.cuda.is_available():
        facts["GPU"] = torch.cuda.get_device_name()
    facts["load before the run"] = f"{psutil.getloadavg()[0]:.1f} (other work on the machine; 0 is right)"
    versions = [f"Python {platform.python_version()}", *filter(None, map(_versioned, PACKAGES))]
    return facts | {"software": ", ".join([*versions, platform.system()])}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _versioned(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""
