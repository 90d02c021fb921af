"""heal: what it leaves behind, that killed it goes on, and that its pictures are drawn on and lead back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from critics import always
from numpy.typing import NDArray
from small import one_line

from defectgen import tracking
from defectgen.diffusion.denoise import Denoiser, V
from defectgen.diffusion.guide import Classifier, Clip
from defectgen.diffusion.noise import Cosine
from defectgen.drawing.part import PaintedPart
from defectgen.errors import UserError
from defectgen.imaging.files import Pixels, to_float, write_image
from defectgen.imaging.read import read_image
from defectgen.imaging.region import Foreground
from defectgen.imaging.square import shrink
from defectgen.job import Job
from defectgen.joined import with_healed
from defectgen.learn.checkpoint import CHECKPOINT, save_checkpoint
from defectgen.learn.critic import CrossFitted, load_critic, save_critic
from defectgen.manifest import Manifest
from defectgen.nn.unet import UNet
from defectgen.planner import Page, Planner
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec
from defectgen.stages import heal as heal_stage
from defectgen.stages.draw import draw
from defectgen.stages.generate import generate
from defectgen.stages.heal import KNOWN, NOT_GOOD, PAIRS, clean_of, heal
from defectgen.stages.ingest import ingest
from defectgen.stages.patch import patch
from defectgen.stages.plan import plan

DRAWN_WITH: dict[str, Any] = {"steps": 2, "guides": (Clip(),)}


@dataclass
class Product:
    root: Path
    digest: str  # that heal returned

    def folder(self, stage: str) -> Path:
        return self.root / stage


def healed_into(product: Product, out: Path, critic: str = "content") -> str:
    folders = [product.folder(stage) for stage in ("ingest", "inpaint", "nothing large", critic)]
    return heal(out, *folders, 0, "tiny", batch=4, **DRAWN_WITH)


@pytest.fixture(autouse=True)
def _untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "log_picture", lambda *told: None)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A drawn part with three clean pictures, an untrained inpainter, and the defects of all others healed."""
    root = tmp_path_factory.mktemp("heal")
    draw(root / "source", product=PaintedPart(), clean=3, per_class=4, seed=1)
    ingest(root / "ingest", "tiny", 0, source=root / "source", legal=Foreground())
    patch(root / "patch", root / "ingest", 0, crops=1, good=8, flips=["vertical"])
    spec = DataSpec.load(root / "patch")
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(spec, width=8, multipliers=(1, 2), attention=()), V(), spec.sigma_data)
    save_checkpoint(root / "inpaint/checkpoint", denoiser, Cosine(), spec, "32-true", "untrained")
    folds = dict.fromkeys(Manifest.load(root / "ingest").images["group"], 0)
    for name, label in {"content": 0, "severe": 1}.items():
        save_critic(root / name / CHECKPOINT, [always(label, spec)], folds, spec, "of one opinion")
    product = Product(root, "")
    product.digest = healed_into(product, root / "heal")
    return product


def test_every_training_picture_with_a_defect_is_healed_and_no_other(product: Product) -> None:
    source, healed = Source(Manifest.load(product.folder("ingest"))), Manifest.load(product.folder("heal"))
    assert sorted(healed.images["clean_id"]) == sorted(source.defects("train")["image_id"].unique())
    assert healed.instances.empty and healed.images["synthetic"].all() and (healed.images["split"] == "train").all()
    assert not set(healed.images["image_id"]) & set(source.images.index)
    for _, row in healed.images.iterrows():
        before = source.images.loc[row["clean_id"]]
        assert (row["group"], row["source_path"]) == (before["group"], before["source_path"])
        assert len(row["checkpoint"]) == 16 and (row["upsampler"], row["likelihood"]) == ("", "")
        assert not np.array_equal(healed.read(row), source.pixels(row["clean_id"]))
        legal, same = Source(healed).legal(row["image_id"]), source.legal(row["clean_id"])
        assert (legal is None) == (same is None) and (legal is None or np.array_equal(legal, same))
    assert (healed.images["legal_path"] != "").any()


def test_the_pairs_name_both_pictures_and_the_mask(product: Product) -> None:
    source, healed = Source(Manifest.load(product.folder("ingest"))), Manifest.load(product.folder("heal"))
    pairs = pd.read_parquet(product.folder("heal") / PAIRS)
    assert set(pairs["instance_id"]) == set(source.defects("train").index)
    defective_of = healed.images.set_index("image_id")["clean_id"]
    assert (pairs["healed_id"].map(defective_of) == pairs["image_id"]).all()
    assert (pairs["healed_sha256"] == pairs["healed_id"].map(healed.images.set_index("image_id")["image_sha256"])).all()
    assert (pairs["checkpoint"].str.len() == 16).all()
    for _, pair in pairs.iterrows():
        mask = source.manifest.read_mask(pair)
        after, before = read_image(healed.folder / pair["healed_path"]), source.pixels(pair["image_id"])
        assert after.shape == before.shape and (after != before)[mask].any(axis=-1).mean() > 0.5
    assert read_image(product.folder("heal") / "sheet.png").shape[2] == 3


def test_a_picture_with_a_place_that_critics_do_not_call_good_is_not_clean(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, shown = Source(Manifest.load(product.folder("ingest"))), list[NDArray[np.float32]]()
    groups = source.defects("train")["image_id"].map(source.images["group"])
    doubted, known = groups.iloc[-1], groups.iloc[0]

    class Doubting(CrossFitted):
        def calls_good(self, patches: NDArray[np.float32], groups: Sequence[str] | None = None) -> NDArray[np.bool_]:
            assert groups is not None
            shown.extend(patches)
            return np.array([group != doubted for group in groups])

    def doubting(folder: Path) -> Doubting:
        critic = load_critic(folder)
        folds = {group: fold for group, fold in critic.folds.items() if group != known}
        return Doubting(critic.members, folds, critic.spec, critic.digest)

    monkeypatch.setattr(heal_stage, "load_critic", doubting)
    assert healed_into(product, tmp_path) != product.digest
    pairs, healed = pd.read_parquet(tmp_path / PAIRS), Manifest.load(tmp_path)
    expected = pairs["image_id"].map(source.images["group"]).map({doubted: NOT_GOOD, known: KNOWN}).fillna("")
    assert (pairs["reason"] == expected).all() and ((pairs["reason"] != "") == (pairs["status"] == "rejected")).all()
    assert set(healed.images["image_id"]) == set(pairs.loc[pairs["status"] == "accepted", "healed_id"])
    judged = pairs[pairs["reason"] != KNOWN]
    for seen, (_, pair) in zip(shown, judged.iterrows(), strict=True):
        job = Job.healing(source, pair, 64)
        place = job.square.cut(read_image(tmp_path / pair["healed_path"]))
        np.testing.assert_array_equal(seen, to_float(shrink(place, 64)))
        assert not np.array_equal(seen, job.patch)


def test_one_rejected_place_is_enough() -> None:
    images = pd.DataFrame({"image_id": ["all good", "one of two", "none"]})
    healed = ["all good", "all good", "one of two", "one of two", "none"]
    statuses = ["accepted", "accepted", "accepted", "rejected", "rejected"]
    pairs = pd.DataFrame({"healed_id": healed, "status": statuses})
    assert list(clean_of(images, pairs)["image_id"]) == ["all good"]


def test_where_no_healed_place_is_called_good_plans_keep_to_real_pictures(product: Product, tmp_path: Path) -> None:
    healed_into(product, tmp_path / "heal", "severe")
    assert (pd.read_parquet(tmp_path / "heal" / PAIRS)["status"] == "rejected").all()
    assert Manifest.load(tmp_path / "heal").images.empty
    source = Source(with_healed(product.folder("ingest"), tmp_path / "heal"))
    assert source.clean("train") == Source(Manifest.load(product.folder("ingest"))).clean("train")


def test_killed_it_goes_on_and_ends_the_same(product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = heal_stage.heal_pictures, list[int]()

    def counted(source: Source, painter: Any, defects: pd.DataFrame) -> dict[str, Pixels]:
        asked.append(defects["image_id"].nunique())
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(source, painter, defects)

    monkeypatch.setattr(heal_stage, "heal_pictures", counted)
    with pytest.raises(KeyboardInterrupt):
        healed_into(product, tmp_path)
    assert healed_into(product, tmp_path) == product.digest
    pictures = len(Manifest.load(tmp_path).images)
    assert sum(asked) == pictures + asked[1], "only what it was killed in was begun twice"
    row = Manifest.load(tmp_path).images.iloc[-1]
    write_image(tmp_path / row["image_path"], np.zeros_like(Manifest.load(tmp_path).read(row)))
    assert healed_into(product, tmp_path) == product.digest, "a picture that is not as it was painted is painted anew"
    assert read_image(tmp_path / row["image_path"]).any()


def test_a_classifier_without_a_likelihood_is_refused_under_its_own_block(product: Product, tmp_path: Path) -> None:
    folders = [product.folder(stage) for stage in ("ingest", "inpaint", "nothing large", "content")]
    with pytest.raises(UserError, match=r"^heal.guides: Classifier has no likelihood") as error:
        heal(tmp_path / "out", *folders, 0, "tiny", guides=(Classifier(),))
    one_line(error.value)


@pytest.fixture(scope="module")
def planned(product: Product) -> pd.DataFrame:
    out, folders = product.folder("plan"), (product.folder("ingest"), product.folder("patch"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tracking, "log_picture", lambda *told: None)
        plan(out, *folders, 0, "tiny", product.folder("heal"), per_class=8, attempts=1, batch=4)
    return pd.read_parquet(out / PLAN)


def test_plans_use_healed_pictures_but_never_with_a_donor_of_the_same_part(
    product: Product, planned: pd.DataFrame
) -> None:
    source = Source(with_healed(product.folder("ingest"), product.folder("heal")))
    under = source.images.loc[planned["clean_id"]].reset_index(drop=True)
    assert set(under["synthetic"]) == {True, False}
    donors = source.images["group"].loc[source.instances.loc[planned["donor_id"], "image_id"]].reset_index(drop=True)
    assert (under["group"] != donors)[under["synthetic"]].all()


def test_a_donor_has_no_place_on_its_own_healed_picture(product: Product) -> None:
    """Even if there is no other."""
    source = Source(with_healed(product.folder("ingest"), product.folder("heal")))
    spec = DataSpec.load(product.folder("patch"))
    planner = Planner(source, spec.flips, (0.8, 1.25), 10.0, 0.1)
    label, donors = next(iter(planner.surroundings.donors.items()))
    planner.surroundings.donors[label] = donors[:1]
    own = source.images.index[source.images["clean_id"] == donors[0].image_id]
    assert len(own) == 1
    planner.clean = list(own)
    assert planner.find(label, Page(1), np.random.default_rng(0)) is None
    planner.clean = [name for name in source.clean("train") if name not in own]
    assert planner.find(label, Page(1), np.random.default_rng(0)) is not None


def test_a_picture_drawn_on_a_healed_one_leads_back_to_the_real_one(product: Product, planned: pd.DataFrame) -> None:
    folders = [product.folder(stage) for stage in ("ingest", "inpaint", "nothing large", "severe", "plan")]
    generate(product.folder("generate"), *folders, 0, None, product.folder("heal"), gates=(), **DRAWN_WITH)
    drawn, real = Manifest.load(product.folder("generate")), Manifest.load(product.folder("ingest"))
    healed = Manifest.load(product.folder("heal")).images.set_index("image_id")["clean_id"]
    on_healed = drawn.images["clean_id"].isin(healed.index)
    assert on_healed.any() and not on_healed.all()
    assert set(drawn.images["real_id"]) <= set(real.images["image_id"])
    assert (drawn.images["clean_id"].replace(healed) == drawn.images["real_id"]).all()
