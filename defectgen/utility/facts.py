"""How a study was done, gathered for its page."""

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from defectgen.utility.detector import Detector
from defectgen.utility.study import Facts
from defectgen.utility.types import Picture

PACKAGES = ("defectgen", "torch", "scikit-learn", "albumentations")


def gather(
    product: str,
    size: int,
    detectors: Sequence[Detector],
    seeds: int,
    counts: pd.DataFrame,
    chosen: pd.DataFrame,
    seam_pairs: int,
    seconds: Mapping[str, float],
) -> Facts:
    """With the date, the commit, the versions and the command of this process."""
    return Facts(
        product=product,
        made=date.today(),
        commit=_commit(),
        versions={package: version(package) for package in PACKAGES},
        command=shlex.join(["defectgen", *sys.argv[1:]]),
        size=size,
        detectors={detector.name: detector.settings for detector in detectors},
        seeds=range(seeds),
        counts=counts,
        chosen=chosen,
        seam_pairs=seam_pairs,
        seconds=seconds,
    )


def counted(splits: Mapping[str, Sequence[Picture]], classes: Sequence[str]) -> pd.DataFrame:
    """Columns split, label, pictures, groups: the real pictures that were used."""
    rows = []
    for split, pictures in splits.items():
        for number, label in enumerate(classes):
            groups = [picture.group for picture in pictures if picture.named[number]]
            rows.append((split, label, len(groups), len(set(groups))))
    return pd.DataFrame(rows, columns=["split", "label", "pictures", "groups"])


def _commit() -> str:
    """The commit of a checkout of defectgen, with a mark where files differ from it; "" of an installed package."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
