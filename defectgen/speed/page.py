"""The results as Markdown."""

from collections.abc import Sequence
from datetime import date

from defectgen.learn.upsample import HIGH
from defectgen.markdown import tabulated
from defectgen.painter import LARGEST_LOW
from defectgen.speed.machine import matrix_rate
from defectgen.speed.results import Results, Sample
from defectgen.speed.stopwatch import ROUNDS, Figure

SAMPLING_WANTED, TRAINING_WANTED = 0.6, 0.4  # shares of the floor
SMALL_WANTED, LARGE_WANTED = 0.4, 2.0  # seconds of a sample
SMALL, LARGE = "one 64 px sample", f"one {HIGH} px sample"
PAGE = """# How fast this machine trains and draws

{summary}

![Shares of the floor, and ours beside diffusers](benchmark.png)

`{command}`, {date}

{machine}

The **floor** of a figure is the time that its counted floating-point operations alone would take at the best matrix
rate of this machine, {rate} (a multiply-add is two operations). 100% of it would be nothing but matrix
products at full speed. Everything took turns, {rounds} times after a first call that did not count; figures are medians
of all calls.

## The product

{figures}

A denoising is one patch going once through the network. A sample is one attempt at a defect: at 64 px where it lies in
a square of at most {low} native pixels a side; a larger one is drawn at 64 px and then given its detail at {high} px,
which is upsampling. Expected is drawing the same place as good surface, by the same steps: only what differs from that
too is the defect, however many attempts are made at it. Preparing is reading pictures and making shapes and regions,
select assembles the synthetic pictures; they, compositing, gates and writing multiply no matrices.
"""
BESIDE = """
## Beside diffusers

Denoising:

{denoising}

Training (forward, backward, clipping, AdamW):

{training}

The rival is a UNet2DModel with our widths, blocks and attention, in the same batches and precision. It sees the pixels
of the same patches, while our network takes squares of 2 x 2 pixels for channels and so needs a quarter of the
operations. Where the rival is given **2 x 2 patches** too, both do equal work and the times compare the code alone.
Tuned: attention heads of 32 channels, fused AdamW, inference mode. Compiled: by torch.compile.
"""


def write_page(results: Results) -> str:
    """The whole page; it shows benchmark.png, which lies beside it."""
    page = PAGE.format(
        summary=summary(results),
        command=results.command,
        date=date.today(),
        machine="\n".join(f"- {name}: {fact}" for name, fact in results.machine.items()),
        rate=_rate(results, results.fastest),
        rounds=ROUNDS,
        figures=figures_table(results),
        low=LARGEST_LOW,
        high=HIGH,
    )
    if results.rivals:
        tables = [networks_table(results, figures) for figures in (_denoising(results), _training(results))]
        page += BESIDE.format(denoising=tables[0], training=tables[1])
    return page + "".join(f"\n{note}\n" for note in results.notes)


def summary(results: Results) -> str:
    """What the benchmark is for, in a few sentences."""
    rates = " and ".join(_rate(results, name) for name in results.products)
    sampling = results.small.steps["sampling"].share(results.rate)
    training = results.ours.training.figure.share(results.rate)
    sentences = [
        f"Matrix products run at {rates}; the floor is taken at the faster, {results.fastest}.",
        f"Sampling reaches **{sampling:.0%}** of it (wanted: {SAMPLING_WANTED:.0%}), "
        f"training without loading **{training:.0%}** (wanted: {TRAINING_WANTED:.0%}).",
        f"In all, {SMALL} takes **{_digits(results.small.whole.median)} s** (wanted: at most {SMALL_WANTED:g} s), "
        f"{LARGE} **{_digits(results.large.whole.median)} s** (wanted: at most {LARGE_WANTED:g} s).",
    ]
    if results.rivals:
        sentences += [
            "Beside the fastest setting of `diffusers`,",
            f"defectgen denoises {_beside_fastest(results, _denoising(results))}",
            f"and trains {_beside_fastest(results, _training(results))}.",
        ]
    return "\n".join(sentences)


def _beside_fastest(results: Results, figures: Sequence[Figure]) -> str:
    """How ours, the first figure, does beside the best of the others."""
    times, name = min(zip(_times(figures)[1:], (network.name for network in results.rivals), strict=True))
    return f"**{times:.2f} x** as fast ({name})"


def figures_table(results: Results) -> str:
    """Every figure of the product: measured, the middle half of the calls, FLOPs, floor, share."""
    patches = {
        "training, without loading": results.ours.training.figure,
        "training, with loading": results.loaded,
        "denoising": results.ours.denoising.figure,
    }
    samples = _sample_figures(SMALL, results.small) | _sample_figures(LARGE, results.large)
    rows = [[name, *_per_second(figure, results.rate)] for name, figure in patches.items()]
    rows += [[name, *_seconds(figure, results.rate)] for name, figure in samples.items()]
    return tabulated(["figure", "measured", "middle half of the calls", "GFLOP", "floor", "share of the floor"], rows)


def _sample_figures(name: str, sample: Sample) -> dict[str, Figure]:
    return {f"{name}: {step}": figure for step, figure in sample.steps.items()} | {f"{name} in all": sample.whole}


def networks_table(results: Results, figures: Sequence[Figure]) -> str:
    """Size, work per patch and speed of ours and the rivals, and how many times as fast ours is."""
    rows = [
        [network.name, f"{network.parameters / 1e6:.2f} M", *_per_second(figure, results.rate), f"{times:.2f} x"]
        for network, figure, times in zip(results.networks, figures, _times(figures), strict=True)
    ]
    header = ["network", "parameters", "measured", "middle half of the calls", "GFLOP", "floor", "share of the floor"]
    return tabulated([*header, "defectgen is"], rows)


def _denoising(results: Results) -> list[Figure]:
    return [network.denoising.figure for network in results.networks]


def _training(results: Results) -> list[Figure]:
    return [network.training.figure for network in results.networks]


def _times(figures: Sequence[Figure]) -> list[float]:
    """How many times as fast the first is as each."""
    return [figure.median / figures[0].median for figure in figures]


def _rate(results: Results, name: str) -> str:
    return f"{matrix_rate(results.products[name]) / 1e9:,.1f} GFLOP/s in {name}"


def _per_second(figure: Figure, rate: float) -> list[str]:
    """A row's cells for a figure that counts patches."""
    fast, slow = figure.quartiles
    measured = [f"{_digits(1 / figure.median)} patches/s", f"{_digits(1 / slow)} to {_digits(1 / fast)}"]
    return [*measured, _work(figure), f"{_digits(1 / figure.floor(rate))} patches/s", f"{figure.share(rate):.0%}"]


def _seconds(figure: Figure, rate: float) -> list[str]:
    """A row's cells for a figure that tells how long a sample takes."""
    measured = [f"{_digits(figure.median)} s", " to ".join(map(_digits, figure.quartiles))]
    if not figure.flops:
        return [*measured, "–", "–", "–"]
    return [*measured, _work(figure), f"{_digits(figure.floor(rate))} s", f"{figure.share(rate):.0%}"]


def _work(figure: Figure) -> str:
    return f"{figure.flops / 1e9:.3f}"


def _digits(value: float) -> str:
    """Three that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"
