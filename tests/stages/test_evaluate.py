"""The verdict is right where the answer is known: more real defects help, noise never does."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import RandomForestClassifier
from small import one_line

from defectgen.drawing.plate import BrushedPlate
from defectgen.errors import UserError
from defectgen.evidence import REPAINTS
from defectgen.imaging.files import Mask, Pixels, write_image, write_mask
from defectgen.imaging.square import Square
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.critic import save_critic
from defectgen.manifest import IMAGES, INSTANCES, Manifest, image_row, mask_row, table, write_table
from defectgen.nn.classifier import Classifier
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec
from defectgen.splits import Fractions
from defectgen.stages.draw import draw
from defectgen.stages.evaluate import evaluate
from defectgen.stages.ingest import ingest
from defectgen.stages.patch import patch
from defectgen.stages.plan import plan
from defectgen.utility import readings, trials
from defectgen.utility.detector import Detector, Stream, Trained
from defectgen.utility.study import PAGE
from defectgen.utility.types import Picture, Prediction, Reading
from defectgen.utility.verdict import Verdict, load

EXAMPLES = 500
Drawn = tuple[Pixels, Mask, str]  # a picture, its defect and the class


class Forest(Detector):
    """A user's own detector: a random forest on the darkest and brightest spots, in the fraction of a second."""

    def train(self, stream: Stream, spec: DataSpec, seed: int, folder: Path) -> Trained:
        examples = stream(EXAMPLES)
        drawn = [examples[number] for number in range(EXAMPLES)]
        labels = [int(example["named"].int().argmax()) for example in drawn]
        forest = RandomForestClassifier(60, min_samples_leaf=3, random_state=seed % 2**32, n_jobs=1)
        return Grown(forest.fit([features(example["pixels"].numpy()) for example in drawn], labels))


class Grown(Trained):
    def __init__(self, forest: RandomForestClassifier) -> None:
        self.forest = forest

    def predict(self, pictures: Sequence[Picture]) -> Prediction:
        said = self.forest.predict_proba([features(picture.pixels) for picture in pictures])
        return Prediction(scores=said.astype(np.float32))


def features(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Extremes of a picture (1, S, S) over its surroundings at two scales, and how long what sticks out is."""
    found: list[float] = []
    for sigma in (0.7, 2.0):
        residual = gaussian_filter(pixels[0], sigma) - gaussian_filter(pixels[0], 4 * sigma)
        found += [*np.quantile(residual, [0, 0.003, 0.02, 0.5, 0.98, 0.997, 1])]
        for spots in (residual < residual.min() / 2, residual > residual.max() / 2):
            rows, columns = np.nonzero(spots)
            found += [float(np.ptp(rows)), float(np.ptp(columns)), float(spots.sum())]
    return np.array(found, np.float32)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn plate with few training defects of each class and many in reserve, planned."""
    root = tmp_path_factory.mktemp("product")
    draw(root / "source", product=BrushedPlate(size=96), clean=90, per_class=50, seed=0)
    shares = Fractions(train=0.02, val=0.08, test=0.5, reserve=0.4)
    ingest(root / "ingest", "tiny", 0, source=root / "source", fractions=shares)
    patch(root / "patch", root / "ingest", 0, crops=1, good=20, flips=["horizontal", "vertical"])
    plan(root / "plan", root / "ingest", root / "patch", 0, "tiny", per_class=20, attempts=1)
    torch.manual_seed(0)
    spec = DataSpec.load(root / "patch")
    save_critic(root / "critic" / CHECKPOINT, [Classifier(spec, width=8)], {}, spec, "untrained")
    return root


def generated(folder: Path, product: Path, drawn: Iterator[Drawn]) -> Path:
    """What `generate` leaves, had it drawn these: the accepted pictures, and a few clean squares repainted."""
    rows = pd.read_parquet(product / "plan" / PLAN)
    source = Source(Manifest.load(product / "ingest"))
    images, instances = [], []
    for number, ((pixels, mask, label), (_, row)) in enumerate(zip(drawn, rows.iterrows(), strict=False)):
        image_id, group = f"drawn-{number}", source.images.loc[row["clean_id"], "group"]
        write_image(folder / f"images/{image_id}.png", pixels)
        write_mask(folder / f"masks/{image_id}.png", mask)
        images.append(image_row(image_id, f"images/{image_id}.png", pixels, "train", group, row["clean_id"]))
        box = mask_row(image_id, image_id, label, f"masks/{image_id}.png", mask)
        instances.append(box | {"status": "accepted", "attempt": 0})
    Manifest(folder, table(images, IMAGES), table(instances, INSTANCES)).save()
    repainted = rows.drop_duplicates("clean_id").head(4)
    paths = [f"repaints/{plan_id}.png" for plan_id in repainted["plan_id"]]
    for path, (_, row) in zip(paths, repainted.iterrows(), strict=True):
        square = Square(int(row["x"]), int(row["y"]), int(row["side"]))
        write_image(folder / path, square.cut(source.pixels(row["clean_id"])))
    write_table(folder / REPAINTS, repainted.assign(crop_path=paths))
    return folder


def held_back(product: Path) -> Iterator[Drawn]:
    """The best that a generator could draw: real defects it has not seen."""
    source = Source(Manifest.load(product / "ingest"))
    for _, row in source.defects("reserve").iterrows():
        yield source.pixels(row["image_id"]), source.manifest.read_mask(row), row["label"]


def noise(product: Path) -> Iterator[Drawn]:
    """The worst: noise in the planned shapes."""
    source, rng = Source(Manifest.load(product / "ingest")), np.random.default_rng(0)
    for _, row in pd.read_parquet(product / "plan" / PLAN).iterrows():
        clean, shape = source.pixels(row["clean_id"]), source.planned_shape(row)
        yield np.where(shape, rng.integers(0, 256, clean.shape, np.uint8), clean), shape, row["label"]


def study(out: Path, product: Path, generate: Path, **settings: object) -> Verdict:
    inputs = [product / name for name in ("ingest", "patch", "critic", "plan")]
    given = {"arms": ["augmented", "selected"], "detectors": [Forest()], "seeds": 2, "size": 96, "ratios": [0.5]}
    evaluate(out, *inputs, generate, 0, "tiny", **given | {"replicates": 300} | settings)  # type: ignore[arg-type]
    return load(out)


def test_real_defects_help_and_noise_does_not(product: Path, tmp_path: Path) -> None:
    best = study(tmp_path / "best", product, generated(tmp_path / "real", product, held_back(product)))
    worst = study(tmp_path / "worst", product, generated(tmp_path / "noise", product, noise(product)))
    assert best.state == "helps", best.sentence
    assert worst.state != "helps", worst.sentence
    assert best.overall and worst.overall and best.overall.difference > worst.overall.difference
    assert f"**Verdict: {best.sentence}**" in (tmp_path / "best" / PAGE).read_text()


class Blind(Detector):
    """Guesses, and remembers what it was shown."""

    def __init__(self) -> None:
        self.trained: list[Stream] = []
        self.shown: list[list[str]] = []

    def train(self, stream: Stream, spec: DataSpec, seed: int, folder: Path) -> Trained:
        self.trained.append(stream)
        return Guessing(self, seed)


class Guessing(Trained):
    def __init__(self, detector: Blind, seed: int) -> None:
        self.detector, self.rng = detector, np.random.default_rng(seed)

    def predict(self, pictures: Sequence[Picture]) -> Prediction:
        self.detector.shown.append([picture.picture_id for picture in pictures])
        scores = self.rng.dirichlet(np.ones(len(pictures[0].named)), len(pictures))
        return Prediction(scores=scores.astype(np.float32))


@pytest.fixture(scope="module")
def noisy(product: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generated(tmp_path_factory.mktemp("noisy"), product, noise(product))


def test_ratios_are_chosen_with_all_seeds_and_without_a_look_at_test(
    product: Path, noisy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind, opened = Blind(), list[Path]()

    def noted(file: Path) -> Reading:
        opened.append(file.relative_to(tmp_path / "readings"))
        return readings.load(file)

    monkeypatch.setattr(trials, "load", noted)
    study(tmp_path, product, noisy, detectors=[blind], ratios=[0.25, 0.5], seeds=2)
    assert [str(file) for file in opened[:4]] == [
        f"selected/{ratio}/{seed}/Blind/val.npz" for ratio in (0.25, 0.5) for seed in (0, 1)
    ]
    tested = [file.parts[1] for file in opened if file.parts[0] == "selected" and file.name == "test.npz"]
    assert tested in (["0.25"] * 2, ["0.5"] * 2)
    assert len(blind.trained) == 6, "two of the baseline, two at each ratio"
    images = Manifest.load(product / "ingest").images
    val, test = (set(images.loc[images["split"] == split, "image_id"]) for split in ("val", "test"))
    pools = [stream(1).real.groups.values() for stream in blind.trained]
    trained = {picture.picture_id for groups in pools for group in groups for some in group for picture in some}
    assert trained and not trained & (val | test)


def test_what_was_trained_is_not_trained_again(product: Path, noisy: Path, tmp_path: Path) -> None:
    first, again = Blind(), Blind()
    verdict = study(tmp_path, product, noisy, detectors=[first])
    page = (tmp_path / PAGE).read_text()
    for lost in ("verdict.json", PAGE, "figures.parquet"):
        (tmp_path / lost).unlink()
    lost = next(tmp_path.glob("readings/selected/*/1/Blind/done.json"))
    lost.unlink()  # killed in its last training
    assert study(tmp_path, product, noisy, detectors=[again]) == verdict
    assert len(first.trained) == 4 and len(again.trained) == 1
    assert (tmp_path / PAGE).read_text().partition("Time:")[0] == page.partition("Time:")[0]


def test_guesses_neither_help_nor_hurt(product: Path, noisy: Path, tmp_path: Path) -> None:
    assert study(tmp_path, product, noisy, detectors=[Blind()]).state in ("inconclusive", "no difference")


def test_what_cannot_be_measured_says_why(product: Path, noisy: Path, tmp_path: Path) -> None:
    assert study(tmp_path, product, noisy, seeds=0).sentence == "not measured: evaluate.seeds is 0"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"arms": ["real", "selected"]}, "add augmented"),
        ({"arms": ["augmented", "reserve"]}, "add selected"),
        ({"arms": ["augmented", "selected", "copypaste"]}, "no arm is called copypaste; did you mean copy_paste"),
        ({"ratios": [0.5, 0.8]}, "at most 0.5"),
        ({"ratios": []}, "shares above 0"),
        ({"detectors": [Blind(), Blind()]}, "must be different classes"),
    ],
)
def test_mistakes_are_told_before_an_hour_is_spent(
    product: Path, noisy: Path, tmp_path: Path, settings: dict[str, object], told: str
) -> None:
    with pytest.raises(UserError) as raised:
        study(tmp_path, product, noisy, **settings)
    assert told in one_line(raised.value) and not list(tmp_path.glob("readings"))
