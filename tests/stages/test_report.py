"""The report page on a hand-made set of folders: what it says is what the folders hold, and it needs nothing else."""

import base64
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from made_study import make_study
from numpy.typing import NDArray
from small import unmeasured

from defectgen import outputs, tracking
from defectgen.errors import UserError
from defectgen.evidence import CALIBRATION
from defectgen.imaging.files import Mask, Pixels, write_image, write_mask
from defectgen.imaging.read import read_image
from defectgen.imaging.square import Square
from defectgen.manifest import IMAGES, INSTANCES, Manifest, Row, image_row, mask_row, table, write_table
from defectgen.page import charts
from defectgen.page.advice import advice
from defectgen.page.agreement import Agreement
from defectgen.page.funnel import funnels, total
from defectgen.page.render import duration
from defectgen.page.run import Run
from defectgen.page.sheets import RealDefects, mirrored, subsets
from defectgen.quality.gates import POOLED
from defectgen.quality.gates.calibration import Limit
from defectgen.quality.memorisation import BLENDED, GENERATED, PASTED, TRAINING
from defectgen.select import select
from defectgen.source import Source
from defectgen.spec import DataSpec
from defectgen.stages import report as stage
from defectgen.utility.verdict import not_measured
from tests.small import one_line

EVIL = "<script>alert(1)</script>"
CLASSES = ["good", "pit", EVIL]
SIZE, WIDTH, HEIGHT = 64, 100, 90
SURFACE, PIT, SCRATCH = 120, 220, 20  # brightness by which the fake critic tells classes: bright pits, dark scratches
RECALL = {"good": 0.9, "pit": 0.5, EVIL: 1.0}


class Attempt(NamedTuple):
    """One attempt at a planned defect; `value` is what its shape is painted with."""

    plan_id: str
    image_id: str
    label: str
    attempt: int
    status: str
    reason: str = ""
    value: int = SURFACE


ATTEMPTS = [
    Attempt("a", "p", "pit", 0, "rejected", "filled"),
    Attempt("a", "p", "pit", 1, "accepted", value=PIT),
    Attempt("b", "q", "pit", 0, "accepted", value=PIT),
    Attempt("c", "r", "pit", 0, "accepted", value=SCRATCH),  # called by the other class
    Attempt("d", "s", "pit", 0, "rejected", "filled"),
    Attempt("d", "s", "pit", 1, "rejected", "spilled"),
    Attempt("e", "t", EVIL, 0, "accepted", value=SCRATCH),
    Attempt("f", "u", EVIL, 0, "accepted", value=SURFACE + 9),  # called good
    Attempt("g", "v", EVIL, 0, "rejected", "empty"),
    Attempt("g", "v", EVIL, 1, "failed", "not finite"),
]

LIMITS = [  # every attempt has a score of 0.125 in the first and is not asked about the second
    *[Limit("filled", label, limit, 2, 1.0, 3, 0.25) for label, limit in [("pit", 0.2), (EVIL, 0.1), (POOLED, 0.1)]],
    Limit("seam", POOLED, -0.5, 6, float("nan"), 0, float("nan")),
]


class FakeCritic:
    """Calls a patch by its brightest and darkest pixel."""

    def predict(self, patches: NDArray[np.float32], groups: Sequence[str]) -> NDArray[np.float32]:
        levels = (patches + 1) * 127.5
        bright, dark = levels.max(axis=(1, 2, 3)) > 190, levels.min(axis=(1, 2, 3)) < 50
        said = np.select([bright, dark], [1, 2], 0)
        return np.eye(len(CLASSES), dtype=np.float32)[said]


def surface(seed: int, channels: int, dtype: type) -> Pixels:
    """Grain about SURFACE, full scale of the type."""
    grain = np.random.default_rng(seed).integers(SURFACE - 5, SURFACE + 6, (HEIGHT, WIDTH, channels))
    return (grain * (np.iinfo(dtype).max // 255)).astype(dtype).squeeze()


def shape(seed: int) -> Mask:
    """An ellipse that lies in the square at (10, 10), lopsided enough for mirrorings to differ."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return ((x - 30 - seed) / 12) ** 2 + ((y - 36) / 7) ** 2 <= 1


def painted(pixels: Pixels, mask: Mask, value: int) -> Pixels:
    picture = pixels.copy()
    picture[mask] = value * (np.iinfo(pixels.dtype).max // 255)
    return picture


class Folders(NamedTuple):
    """The folders of a finished run, by step."""

    paths: dict[str, Path]

    def report(self, out: Path) -> str:
        return stage.report(out, **self.paths, name="tile & co", seed=7)

    def pits(self) -> RealDefects:
        run = Run.load("tile", self.paths, pd.read_parquet(self.paths["plan"] / "plan.parquet"))
        return RealDefects(run, "pit")


def make(root: Path, channels: int = 1, dtype: type = np.uint8) -> Folders:
    """A run of two classes with every kind of outcome."""
    steps = ("ingest", "patch", "inpaint", "upsample", "critic", "plan", "generate", "evaluate")
    paths = {step: root / step for step in steps}
    recipe: outputs.Recipe = {"settings": {}, "inputs": {}, "files": {}, "run": {"seed": 7, "version": 1}}
    for path in paths.values():
        outputs.begin(path, recipe)
        (path / "config.yaml").write_text(f"# defectgen run\nbatch: 4\nnote: of {path.name}\n")
    real = make_ingest(paths["ingest"], channels, dtype)
    make_patch(paths["patch"], real, channels)
    make_training(paths["inpaint"], paths["critic"])
    make_drawn(paths["plan"], paths["generate"], Source(real))
    unmeasured(paths["evaluate"])
    for number, (step, path) in enumerate(paths.items(), 1):
        outputs.finish(path, recipe, f"digest of {step}", 10.0 * number, "defectgen run --config tile.yaml")
    return Folders(paths)


def make_ingest(folder: Path, channels: int, dtype: type) -> Manifest:
    images: list[Row] = []
    instances: list[Row] = []
    labels = ["good"] * 3 + ["pit"] * 4 + [EVIL] * 2
    for number, label in enumerate(labels):
        name, pixels, mask = f"real{number}", surface(number, channels, dtype), shape(number)
        if label != "good":
            pixels = painted(pixels, mask, PIT if label == "pit" else SCRATCH)
            write_mask(folder / f"masks/{name}.png", mask)
            instances.append(mask_row(name, name, label, f"masks/{name}.png", mask))
        write_image(folder / f"images/{name}.png", pixels)
        row = image_row(name, f"images/{name}.png", pixels, "train", name)
        images.append(row | {"legal_path": ""})
    manifest = Manifest(folder, table(images, IMAGES), table(instances, INSTANCES))
    manifest.save()
    return manifest


def make_patch(folder: Path, real: Manifest, channels: int) -> None:
    images: list[Row] = []
    instances: list[Row] = []
    pictures = real.images.set_index("image_id", drop=False)
    square = Square(10, 10, SIZE)
    for _, row in real.instances.iterrows():
        name = f"patch-{row['instance_id']}"
        pixels, mask = square.cut(real.read(pictures.loc[row["image_id"]])), square.cut(real.read_mask(row))
        write_image(folder / f"images/{name}.png", pixels)
        write_mask(folder / f"masks/{name}.png", mask)
        place = {"source_id": row["image_id"], "x": 10, "y": 10, "side": SIZE}
        images.append(image_row(name, f"images/{name}.png", pixels, "train", name) | place)
        instance = mask_row(name, name, row["label"], f"masks/{name}.png", mask)
        instances.append(instance | {"donor_id": row["instance_id"]})
    Manifest(folder, table(images, IMAGES), table(instances, INSTANCES)).save()
    DataSpec(channels, CLASSES, 0.3, SIZE, ["horizontal", "vertical"]).save(folder)


def make_training(inpaint: Path, critic: Path) -> None:
    lines = [{"step": step, "train/loss": 1 / (step + 1)} for step in range(9, 100, 10)]
    checks = [{"step": step, "val/loss": 0.5, "val/loss_sigma_0.2": 0.1, "val/loss_sigma_6": 0.9} for step in (49, 99)]
    for folder in (inpaint, critic):
        (folder / "curves.jsonl").write_text("\n".join(map(json.dumps, lines + checks)))
    write_image(inpaint / "samples/step-000100.png", surface(0, 3, np.uint8))
    (critic / "metrics.json").write_text(json.dumps({"recall": RECALL}))


def make_drawn(plan: Path, generate: Path, source: Source) -> None:
    rows = []
    for each in ATTEMPTS:
        donor = "real3" if each.label == "pit" else "real7"
        shift = [1.0, 0.0, 2.0, 0.0, 1.0, 1.0]
        rows.append(
            each._asdict()
            | {"instance_id": f"{each.plan_id}{each.attempt}", "clean_id": "real0", "donor_id": donor}
            | {"transform": shift, "x": 10, "y": 10, "side": SIZE, "seed": 1, "checkpoint": "c", "score_filled": 0.125}
            | {"crop_path": "", "label_path": ""}
        )
        if each.status != "failed":
            square, name = Square(10, 10, SIZE), f"crops/{rows[-1]['instance_id']}"
            mask = square.cut(source.planned_shape(pd.Series(rows[-1])))
            write_image(generate / f"{name}.png", painted(square.cut(source.pixels("real0")), mask, each.value))
            write_mask(generate / f"{name}-label.png", mask)
            rows[-1] |= {"crop_path": f"{name}.png", "label_path": f"{name}-label.png"}
    attempts = pd.DataFrame(rows).drop(columns="value")
    planned = attempts.drop_duplicates("plan_id").drop(columns=["attempt", "status", "reason"])
    write_table(plan / "plan.parquet", planned)
    select(generate, source, attempts).save()
    write_table(generate / CALIBRATION, pd.DataFrame(LIMITS, columns=Limit._fields))
    (generate / "seconds.json").write_text(json.dumps({"sampling": 5.0, "gates": 0.5}))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return make(tmp_path_factory.mktemp("run"))


@pytest.fixture(autouse=True)
def fake_critic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "load_critic", lambda folder: FakeCritic())


class Made(NamedTuple):
    """What one call of the stage left behind."""

    out: Path
    page: str
    digest: str


@pytest.fixture(scope="module")
def made(folders: Folders, tmp_path_factory: pytest.TempPathFactory) -> Made:
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stage, "load_critic", lambda folder: FakeCritic())
        digest = folders.report(out)
    return Made(out, (out / "report.html").read_text(), digest)


@pytest.fixture(scope="module")
def page(made: Made) -> str:
    return made.page


class Elements(HTMLParser):
    """Every element of a page and the rows of its tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.rows[-1][-1] += data.strip()

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("td", "th")


def test_every_section_is_there(page: str) -> None:
    read = Elements(page)
    ids = {attributes.get("id") for _, attributes in read.elements}
    links = {str(attributes["href"])[1:] for tag, attributes in read.elements if tag == "a"}
    sections = {"next", "funnel", "classes", "rejected", "pictures", "agreement", "curves", "time", "recipe"}
    sections |= {"verdict", "utility", "gates", "copies"}
    assert sections <= ids and links <= ids
    assert (
        "Not measured" in page
        and "Nothing to test on" in page
        and "5 synthetic pictures" in page
        and "5 labelled defects" in page
    )
    assert "6 real training defects" in page and "tile &amp; co" in page
    for told in ("export/tile &amp; co/", "digest of inpaint", "note: of generate", "<dd>7</dd>", "1 min 10 s", "40.0"):
        assert told in page, told


def test_the_page_needs_no_other_file_and_no_network(page: str) -> None:
    for tag, attributes in Elements(page).elements:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "data", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/"))
    assert not re.search(r"url\(|@import|https?://", page)
    for chart in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page):
        drawn = base64.b64decode(chart).decode()
        assert not re.search(r"<script|<image|(src|href)=\"(?!#)", drawn)


def test_the_funnel_adds_up(page: str) -> None:
    header = [
        "planned",
        "accepted",
        "rejected",
        "failed",
        "",
        "made",
        "accepted",
        "empty",
        "filled",
        "not finite",
        "spilled",
    ]
    rows = Elements(page).rows
    start = rows.index(header)
    found = {row[0]: [int(cell) for cell in row[1:] if cell] for row in rows[start + 1 : start + 4]}
    assert found == {
        "pit": [4, 3, 1, 0, 6, 3, 0, 2, 0, 1],
        EVIL: [3, 2, 0, 1, 4, 2, 1, 0, 1, 0],
        "all": [7, 5, 1, 1, 10, 5, 1, 2, 1, 1],
    }
    for planned, accepted, rejected, failed, made, *attempts in found.values():
        assert planned == accepted + rejected + failed and made == sum(attempts)


def test_a_planned_defect_without_an_attempt_counts_as_failed() -> None:
    plan = pd.DataFrame({"plan_id": ["a", "b"], "label": ["pit", "pit"]})
    attempts = pd.DataFrame([{"plan_id": "a", "label": "pit", "attempt": 0, "status": "accepted", "reason": ""}])
    one = total(funnels(plan, attempts, ["pit"]))
    assert (one.planned, one.accepted, one.rejected, one.failed, one.attempts) == (2, 1, 0, 1, 1)


def test_names_are_escaped(page: str) -> None:
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_class_agreement_is_the_mean_over_the_classes(made: Made) -> None:
    figures = json.loads((made.out / "metrics.json").read_text())
    assert figures["per_class"] == pytest.approx({"pit": 2 / 3, EVIL: 1 / 2})
    assert figures["class_agreement"] == pytest.approx(7 / 12)  # not 3 of 5: classes count alike
    assert figures["class_agreement_real"] == pytest.approx(0.75)  # good is no class of defect
    assert figures["confusion"] == [[0, 0, 0], [0, 2, 1], [1, 0, 1]]
    assert figures["yield"] == pytest.approx(5 / 7)


def test_every_gate_is_told_with_its_limits_and_how_often_it_fired(page: str) -> None:
    rows = {row[0]: row[2:] for row in Elements(page).rows if len(row) == 8}
    assert rows["filled"] == ["0.1 to 0.2", "2", "100%", "25%", "10", "6"]  # the six attempts at pits are below 0.2
    assert rows["seam"] == ["-0.5", "6", "–", "–", "0", "never"]


def test_copies_are_counted_beside_planted_ones(made: Made) -> None:
    """Nobody holds a defect out here, so there is no row of them."""
    figures = json.loads((made.out / "metrics.json").read_text())["copies"]
    counted = {rate["of"]: rate for rate in figures["rates"]}
    assert {of: rate["count"] for of, rate in counted.items()} == {
        GENERATED: 5,
        TRAINING: 6,
        PASTED: 6,
        BLENDED: 6,
    }
    assert {rate["of"]: rate["count"] for rate in figures["caught"]} == {"pit": 8, EVIL: 4}
    rows = {row[0]: row[1:] for row in Elements(made.page).rows}
    for of, rate in counted.items():
        assert rows[of][:3] == [str(rate["copies"]), str(rate["count"]), f"{rate['rate']:.0%}"]
    assert f"A likeness above {figures['limit']:.2f}" in made.page


def test_where_all_defects_show_one_part_nothing_is_called_a_copy(tmp_path: Path) -> None:
    folders = make(tmp_path / "run")
    real = Manifest.load(folders.paths["ingest"])
    Manifest(real.folder, real.images.assign(group="the one"), real.instances).save()
    folders.report(tmp_path / "out")
    figures = json.loads((tmp_path / "out/metrics.json").read_text())["copies"]
    assert {rate["of"]: rate["copies"] for rate in figures["rates"]} == {GENERATED: 0, PASTED: 0, BLENDED: 0}
    page = (tmp_path / "out/report.html").read_text()
    assert "nothing counts as a copy" in page and "A likeness above" not in page


def test_a_second_time_tells_the_same(
    made: Made, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded: dict[str, Any] = {}
    monkeypatch.setattr(tracking, "log_picture", lambda path, key, step=None: recorded.update({key: read_image(path)}))
    monkeypatch.setattr(tracking, "log_artifact", lambda path: recorded.update(page=path))
    monkeypatch.setattr(tracking, "log_metrics", lambda values: recorded.update(values))
    assert folders.report(tmp_path) == made.digest
    assert recorded["sheets/pit"].shape[0] > 3 * SIZE and recorded[f"sheets/{EVIL}"].ndim == 3
    assert all(file.parent == tmp_path / "sheets" for file in tmp_path.rglob("*.png"))
    assert recorded["page"] == tmp_path / "report.html"
    assert recorded["class_agreement"] == pytest.approx(7 / 12) and recorded["agreement/pit"] == pytest.approx(2 / 3)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and "58%" in printed and "75%" in printed


def test_another_verdict_is_another_digest(
    made: Made, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeCritic, "predict", lambda self, patches, groups: np.eye(3)[np.ones(len(patches), int)])
    assert folders.report(tmp_path) != made.digest


def test_a_set_that_an_older_version_drew_is_refused_in_one_line(tmp_path: Path) -> None:
    folders = make(tmp_path / "run")
    (folders.paths["generate"] / CALIBRATION).unlink()
    with pytest.raises(UserError) as raised:
        folders.report(tmp_path / "out")
    assert "run generate again" in one_line(raised.value)


def test_without_held_out_patches_and_curves_the_page_still_stands(tmp_path: Path) -> None:
    folders = make(tmp_path / "run", channels=3, dtype=np.uint16)
    (folders.paths["critic"] / "metrics.json").write_text(json.dumps({"recall": {}}))
    for step in ("inpaint", "critic"):
        (folders.paths[step] / "curves.jsonl").unlink()
    folders.report(tmp_path / "out")
    page, figures = (tmp_path / "out/report.html").read_text(), json.loads((tmp_path / "out/metrics.json").read_text())
    assert figures["class_agreement"] == pytest.approx(7 / 12) and figures["class_agreement_real"] is None
    assert "data:image/jpeg" in page and "data:image/svg" not in page and "held out" not in page


def test_a_trained_upsampler_is_shown_and_none_is_not(folders: Folders, tmp_path: Path) -> None:
    folders.report(tmp_path / "without")
    trained = make(tmp_path / "run")
    for name in ("curves.jsonl", "samples/step-000100.png"):
        target = trained.paths["upsample"] / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((trained.paths["inpaint"] / name).read_bytes())
    trained.report(tmp_path / "with")
    without, with_ = ((tmp_path / out / "report.html").read_text() for out in ("without", "with"))
    for words in ("The upsampler&#39;s loss", "The last sheet the upsampler drew", "training the upsampler"):
        assert words in with_ and words not in without


def test_a_copied_defect_is_found_however_it_was_moved_and_mirrored(folders: Folders) -> None:
    real = folders.pits()
    assert len(real.small) == 4
    for number, small in enumerate(real.small):
        for flips in subsets(["horizontal", "vertical"]):
            copied = np.roll(mirrored(small, flips), (5, -4), axis=(1, 2)) / 2  # elsewhere, and fainter
            row, found = real.nearest(copied, copied[0] > 0.2)
            assert row["image_id"] == real.patches.iloc[number]["image_id"] and found == flips


def test_other_real_defects_are_of_other_parts_first(folders: Folders) -> None:
    real = folders.pits()
    real.patches = real.patches.assign(group=["one", "one", "one", "two"])
    for seed in range(5):
        others = real.others(real.patches.iloc[0], 2, np.random.default_rng(seed))
        assert others["donor_id"].iloc[0] == real.patches["donor_id"].iloc[3]
        assert len({real.patches.iloc[0]["donor_id"], *others["donor_id"]}) == 3


def test_the_verdict_comes_first_and_the_study_follows(tmp_path: Path) -> None:
    folders, study = make(tmp_path / "run"), make_study()
    evaluate = folders.paths["evaluate"]
    study.verdict.save(evaluate)
    write_table(evaluate / "figures.parquet", study.figures)
    write_table(evaluate / "differences.parquet", study.differences)
    write_image(evaluate / "charts/worst.png", surface(0, 3, np.uint8))
    folders.report(tmp_path / "out")
    page, figures = (tmp_path / "out/report.html").read_text(), json.loads((tmp_path / "out/metrics.json").read_text())
    main = page.partition("<main>")[2]
    assert main.index("It helps") < main.index("Average precision 0.") < main.index("labelled synthetic defects")
    worst = base64.b64encode((evaluate / "charts/worst.png").read_bytes()).decode()
    assert page.count("data:image/png;base64,") == page.count(worst) == 1
    means = study.means("average_precision", study.detector)[""]
    rows = {row[0]: row for row in Elements(page).rows}
    assert rows["selected"][1] == f"{means['selected']:.3f}" and rows["selected"][-1] == "helps"
    assert rows["real"][-1] == "hurts" and rows["augmented"][-1] == "–"
    assert figures["utility"]["state"] == "helps" and "Do not train" not in page
    assert figures["utility"]["figures"]["selected"]["average_precision"] == pytest.approx(means["selected"])


def test_another_outcome_of_the_study_is_another_digest(made: Made, tmp_path: Path) -> None:
    folders = make(tmp_path / "run")
    not_measured("another reason").save(folders.paths["evaluate"])
    assert folders.report(tmp_path / "out") != made.digest


def test_advice_names_the_classes_it_is_about() -> None:
    plan = pd.DataFrame([{"plan_id": f"{label}{i}", "label": label} for label in ("pit", "dent") for i in range(4)])
    statuses = {"pit": ["accepted"] * 4, "dent": ["accepted", "rejected", "rejected", "rejected"]}
    attempts = plan.assign(attempt=0, status=[s for each in statuses.values() for s in each])
    attempts["reason"] = attempts["status"].map({"accepted": "", "rejected": "spilled"})
    agreement = Agreement(
        ["good", "pit", "dent"], np.array([[0, 0, 0], [3, 1, 0], [0, 0, 1]]), {"pit": 0.9, "dent": 0.9}
    )
    given = list(advice(funnels(plan, attempts, ["pit", "dent"]), agreement, {"pit": 40, "dent": 3}, "hurts"))
    about = {words: [line for line in given if words in line] for words in ("accepted", "recognises", "More real")}
    assert [line for line in about["accepted"] if "dent 1 of 4" in line and "3 spilled" in line and "pit" not in line]
    assert [line for line in about["recognises"] if "pit 25%" in line and "dent" not in line]
    assert given[-1].startswith("Do not train")
    assert [line for line in about["More real"] if "dent (3)" in line and "pit" not in line]


def test_no_curve_no_chart() -> None:
    assert charts.losses({}) is None and charts.losses_per_level({"train/loss": {0: 1.0}}) is None


@pytest.mark.parametrize(
    ("seconds", "told"), [(4.21, "4.2 s"), (185, "3 min 05 s"), (7800, "2 h 10 min"), (59.96, "60.0 s")]
)
def test_durations_are_readable(seconds: float, told: str) -> None:
    assert duration(seconds) == told
