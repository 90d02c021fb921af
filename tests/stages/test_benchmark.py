"""The benchmark from the command line, with a tiny network: what a reader finds on the page."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from defectgen.cli import main
from defectgen.imaging.read import read_image
from defectgen.learn.upsample import upsampling
from defectgen.nn.efficient import EfficientUNet
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec
from defectgen.speed import machine, rival, stopwatch
from defectgen.speed.rival import SETTINGS
from defectgen.speed.stopwatch import count_flops
from defectgen.stages import benchmark

Table = dict[str, dict[str, str]]  # first column -> header -> cell

RATES = ["training, without loading", "training, with loading", "denoising"]
SMALL, LARGE = "one 64 px sample", "one 256 px sample"
STEPS = ["preparing", "expected", "sampling", "composite", "gates", "writing", "select"]
SAMPLES = {SMALL: STEPS, LARGE: [*STEPS[:3], "upsampling", *STEPS[3:]]}
UPSAMPLER = partial(EfficientUNet, width=16, multipliers=(1, 1), blocks=(1, 1))
PRODUCTS = r"run at ([\d,.]+) GFLOP/s in (fp32|bf16) and ([\d,.]+) GFLOP/s in (fp32|bf16); .* the faster, (fp32|bf16)"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work that takes no time: a small network, a patch and a defect at once, two settings of the rival."""
    network = partial(UNet, width=32, multipliers=(1, 1))
    defaults = benchmark.defaults()
    detail = replace(defaults.detail, network=UPSAMPLER, steps=3)
    small = replace(defaults, network=network, batch=1, drawn=1, steps=2, detail=detail)
    folders = benchmark.prepare(tmp_path_factory.mktemp("product"), small.drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark, "defaults", lambda: small)
        patch.setattr(benchmark, "prepare", lambda folder, drawn: folders)
        patch.setattr(machine, "LARGEST", machine.SMALLEST)
        patch.setattr(stopwatch, "ROUNDS", 2)
        patch.setattr(rival, "SETTINGS", [SETTINGS[0], SETTINGS[4]])
        yield


def run(out: Path) -> str:
    assert main(["benchmark", "--out", str(out), "--seconds", "0.001"]) == 0
    return (out / "benchmark.md").read_text()


@pytest.fixture(scope="module")
def folder(tiny: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run left its page and its picture."""
    out = tmp_path_factory.mktemp("benchmark")
    run(out)
    return out


@pytest.fixture
def page(folder: Path) -> str:
    return (folder / "benchmark.md").read_text()


def tables(page: str) -> list[Table]:
    """The Markdown tables of a page; every row has a cell for every header."""
    found = []
    for block in re.findall(r"(?:^\|.*\|$\n?)+", page, flags=re.MULTILINE):
        header, rule, *rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in block.splitlines()]
        assert all(re.fullmatch(r"---|--:", cell) for cell in rule)
        assert len(set(header)) == len(header)
        found.append({row[0]: dict(zip(header, row, strict=True)) for row in rows})
    return found


def number(cell: str) -> float:
    return float(cell.split()[0].rstrip("%").replace(",", ""))


def test_every_figure_and_every_network_is_on_the_page(page: str) -> None:
    figures, denoising, training = tables(page)
    samples = [[*(f"{name}: {step}" for step in steps), f"{name} in all"] for name, steps in SAMPLES.items()]
    assert list(figures) == [*RATES, *samples[0], *samples[1]]
    assert list(denoising) == list(training) == ["defectgen", *(setting.name for setting in rival.SETTINGS)]


def test_shares_follow_from_the_operations_the_matrix_rate_and_the_time(page: str) -> None:
    """The floor is taken at the faster of the two products, and the share of it is floor over time."""
    rate, name, other_rate, other, faster = re.search(PRODUCTS, page).groups()  # type: ignore[union-attr]
    best = max((number(rate), name), (number(other_rate), other))
    assert best[1] == faster
    shares = 0
    for table in tables(page):
        for row in table.values():
            if row["GFLOP"] == "–":
                continue
            floor = number(row["GFLOP"]) / best[0]
            seconds = row["measured"].endswith(" s")
            assert row["floor"].split()[1] == row["measured"].split()[1]
            assert number(row["floor"]) == pytest.approx(floor if seconds else 1 / floor, rel=0.02)
            time = number(row["measured"]) if seconds else 1 / number(row["measured"])
            assert number(row["share of the floor"]) == pytest.approx(100 * floor / time, rel=0.02, abs=0.6)
            shares += 1
    assert shares == len(RATES) + 3 + 4 + 2 * (1 + len(rival.SETTINGS))


def test_a_training_costs_three_passes_with_and_without_loading(page: str) -> None:
    without, with_loading, denoising = (number(tables(page)[0][name]["GFLOP"]) for name in RATES)
    assert without == with_loading == pytest.approx(3 * denoising, rel=0.05)


@pytest.mark.parametrize(("name", "counted"), [(SMALL, STEPS[1:3]), (LARGE, SAMPLES[LARGE][1:4])])
def test_a_sample_takes_its_steps(page: str, name: str, counted: list[str]) -> None:
    """And only where networks work there are operations to count."""
    figures = tables(page)[0]
    whole, steps = figures[f"{name} in all"], {step: figures[f"{name}: {step}"] for step in SAMPLES[name]}
    assert sum(number(row["measured"]) for row in steps.values()) == pytest.approx(number(whole["measured"]), rel=0.5)
    assert [step for step, row in steps.items() if row["GFLOP"] != "–"] == counted
    operations = sum(number(steps[step]["GFLOP"]) for step in counted)
    assert number(whole["GFLOP"]) == pytest.approx(operations, abs=0.002)


def test_sampling_takes_two_passes_in_each_step_and_upsampling_one(page: str) -> None:
    figures, denoising, _ = tables(page)
    for name in SAMPLES:
        sampling = 2 * 2 * number(denoising["defectgen"]["GFLOP"])
        assert number(figures[f"{name}: sampling"]["GFLOP"]) == pytest.approx(sampling, abs=0.002)
    spec = DataSpec(1, ["good", "dent"], 0.5, 64, upsampled=True)
    clean, none = torch.zeros(1, 1, 256, 256), torch.zeros(1)
    cond = upsampling(clean, clean, clean, none.long(), none, len(spec.classes))
    once = count_flops(lambda: UPSAMPLER(spec)(clean, none, cond))
    assert number(figures[f"{LARGE}: upsampling"]["GFLOP"]) == pytest.approx(3 * once / 1e9, abs=0.002)


@pytest.mark.parametrize("name", SAMPLES)
def test_to_draw_what_is_expected_costs_as_much_as_the_defect(page: str, name: str) -> None:
    work = {step: number(row["GFLOP"]) for step, row in tables(page)[0].items() if row["GFLOP"] != "–"}
    defect = work[f"{name}: sampling"] + work.get(f"{name}: upsampling", 0)
    assert work[f"{name}: expected"] == pytest.approx(defect, abs=0.002)


def test_the_summary_tells_what_a_sample_of_either_size_takes_and_may_take(page: str) -> None:
    figures = tables(page)[0]
    told = re.search(
        r"64 px sample takes \*\*(.*) s\*\* .*most (.*) s\), .*256 px sample \*\*(.*) s\*\* .*most (.*) s\)", page
    )
    assert told is not None
    small, large = (figures[f"{name} in all"]["measured"].removesuffix(" s") for name in SAMPLES)
    assert told.groups() == (small, "0.4", large, "2")


def test_times_say_how_much_faster_ours_is(page: str) -> None:
    for table in tables(page)[1:]:
        ours = number(table["defectgen"]["measured"])
        for row in table.values():
            assert number(row["defectgen is"]) == pytest.approx(ours / number(row["measured"]), rel=0.02)


def test_a_reader_learns_what_was_measured_where(page: str) -> None:
    assert "`defectgen benchmark --seconds 0.001`" in page
    for fact in ("threads in use: 1", f"Python {sys.version.split()[0]}", "torch 2", "diffusers 0", "load before"):
        assert fact in page


def test_the_picture_of_the_page_lies_beside_it(folder: Path, page: str) -> None:
    (name,) = re.findall(r"!\[[^]]*\]\(([^)]+)\)", page)
    assert read_image(folder / name).std() > 10
    assert sorted(path.name for path in folder.iterdir()) == ["benchmark.md", "benchmark.png"]


def test_without_diffusers_a_line_says_how_to_compare(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    page = run(tmp_path)
    (figures,) = tables(page)
    assert f"{LARGE} in all" in figures
    assert "Beside diffusers" not in page
    for shown in (page, capsys.readouterr().out):
        assert "pip install diffusers" in shown


def test_a_place_that_cannot_be_written_is_named_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "describe_machine", None)
    (tmp_path / "file").touch()
    assert main(["benchmark", "--out", str(tmp_path / "file")]) == 2
    assert "file: File exists; move the file away" in capsys.readouterr().err
