"""What each arm adds to the real pictures, on a tiny product drawn from beginning to end by an untrained network."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from critics import always

from defectgen.diffusion.denoise import Denoiser, V
from defectgen.diffusion.guide import Clip
from defectgen.diffusion.noise import Cosine
from defectgen.drawing.part import PaintedPart
from defectgen.errors import UserError
from defectgen.imaging.files import Pixels, write_mask
from defectgen.imaging.region import Foreground
from defectgen.learn.checkpoint import CHECKPOINT, save_checkpoint
from defectgen.learn.critic import save_critic
from defectgen.manifest import Manifest
from defectgen.nn.unet import UNet
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec
from defectgen.stages.draw import draw
from defectgen.stages.generate import generate
from defectgen.stages.ingest import ingest
from defectgen.stages.patch import patch
from defectgen.stages.plan import plan
from defectgen.utility.arms import COLUMNS, RECIPES, Arm, build, sheet_of
from defectgen.utility.pictures import load
from defectgen.utility.pools import Materials, copy_paste, seam_pairs
from defectgen.utility.types import UNKNOWN, Picture
from tests.small import one_line

SIZE = 96
ADDED = ("copy_paste", "perlin", "ungated", "selected")


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Materials:
    root = tmp_path_factory.mktemp("arms")
    draw(root / "source", product=PaintedPart(), clean=14, per_class=4, seed=1)
    ingest(root / "ingest", "tiny", 0, source=root / "source", legal=Foreground())
    patch(root / "patch", root / "ingest", 0, crops=1, good=8, flips=["vertical"])
    plan(root / "plan", root / "ingest", root / "patch", 0, "tiny", per_class=4, per_picture=2, attempts=6, batch=4)
    spec = DataSpec.load(root / "patch")
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(spec, width=8, multipliers=(1, 2), attention=()), V(), spec.sigma_data)
    save_checkpoint(root / "inpaint/checkpoint", denoiser, Cosine(), spec, "32-true", "untrained")
    save_critic(root / "critic" / CHECKPOINT, [always(1, spec)], {}, spec, "of one opinion")
    inputs = [root / name for name in ("ingest", "inpaint", "upsample", "critic", "plan")]
    generate(root / "drawn", *inputs, 0, steps=2, guides=(Clip(),), gates=())
    source, rows = Source(Manifest.load(root / "ingest")), pd.read_parquet(root / "plan" / PLAN)
    held = frozenset(rows.sort_values("plan_id")["clean_id"].drop_duplicates().head(2))
    return replace(Materials.of(source, Manifest.load(root / "drawn"), rows, spec, SIZE, 0), held=held)


@pytest.fixture(scope="module")
def arms(materials: Materials) -> dict[str, Arm]:
    return {arm.name: arm for arm in build(list(RECIPES), materials)}


def clean_ids(materials: Materials, arm: Arm) -> set[str]:
    """The clean pictures under what an arm adds."""
    planned = materials.plan.set_index("plan_id")["clean_id"]
    drawn = materials.generated.images.set_index("image_id")["clean_id"]
    names = [picture.picture_id for picture in [*arm.defects, *arm.good]]
    return {drawn[name] if name in drawn.index else planned[name.partition("-")[2]] for name in names}


def surface(materials: Materials) -> dict[str, Picture]:
    """The clean training pictures at the detectors' size."""
    return {one.picture_id: one for one in load(materials.source, materials.spec, "train", SIZE) if one.good}


def test_every_arm_adds_what_its_name_says(materials: Materials, arms: dict[str, Arm]) -> None:
    rows = materials.rows()
    assert [arm.augmented for arm in arms.values()] == [name != "real" for name in RECIPES]
    for name in ("real", "augmented"):
        assert not arms[name].defects and not arms[name].good
    for name in ("copy_paste", "perlin", "ungated"):
        assert [one.picture_id for one in arms[name].defects] == [f"{name}-{plan_id}" for plan_id in rows["plan_id"]]
    assert {one.picture_id for one in arms["selected"].defects} == set(rows["image_id"])
    reserved = materials.source.defects("reserve")["image_id"]
    assert [one.picture_id for one in arms["reserve"].defects] == sorted(reserved.unique())
    assert len(arms["sham"].good) == rows["clean_id"].nunique() and not arms["sham"].defects
    assert all(one.good and not one.classes.any() for one in arms["sham"].good)


def test_defects_are_labelled_with_the_plans_class(materials: Materials, arms: dict[str, Arm]) -> None:
    numbers = [materials.spec.number(label) for label in materials.rows()["label"]]
    for name in ("copy_paste", "ungated"):
        for one, number in zip(arms[name].defects, numbers, strict=True):
            assert np.flatnonzero(one.named).tolist() == [number]
            assert set(np.unique(one.classes)) == {0, number}
    for one in arms["perlin"].defects:
        assert set(np.unique(one.classes)) == {0, UNKNOWN}
        assert not one.named[0] and one.named[1:].all()
    for one in arms["selected"].defects:
        assert set(np.unique(one.classes)) == {0, *np.flatnonzero(one.named)} and not one.good


def test_what_is_pasted_keeps_its_class_whatever_the_plan_makes_of_its_shape(materials: Materials) -> None:
    classes = materials.spec.classes[1:]
    other = materials.plan["label"].map(lambda label: next(name for name in classes if name != label))
    pasted = copy_paste(replace(materials, plan=materials.plan.assign(label=other)))
    for one, before in zip(pasted, copy_paste(materials), strict=True):
        assert np.array_equal(one.classes, before.classes)


@pytest.mark.parametrize("name", [*ADDED, "sham"])
def test_added_pictures_differ_from_their_clean_ones_about_the_planned_place_only(
    materials: Materials, arms: dict[str, Arm], name: str
) -> None:
    planned = materials.plan.set_index("plan_id")
    clean = surface(materials)
    for one in [*arms[name].defects, *arms[name].good]:
        drawn = name == "selected"
        chosen = planned["image_id"] == one.picture_id if drawn else planned.index == one.picture_id.partition("-")[2]
        rows = planned[chosen]
        under = clean[rows["clean_id"].iloc[0]]
        moved = abs(one.pixels - under.pixels).max(axis=0) > 0.01
        near = np.zeros((SIZE, SIZE), bool)
        for _, row in rows.iterrows():
            height, width = materials.source.shape(row["clean_id"])
            top, left = row["y"] * SIZE // height - 1, row["x"] * SIZE // width - 1
            bottom, right = top + row["side"] * SIZE // height + 3, left + row["side"] * SIZE // width + 3
            near[max(0, top) : bottom, max(0, left) : right] = True
        assert moved.any() and not (moved & ~near).any()
        assert one.group == under.group
        if not one.good:
            assert moved[one.classes > 0].any() and near[one.classes > 0].all()


def test_held_pictures_are_in_no_arm_and_all_in_the_seam_pairs(materials: Materials, arms: dict[str, Arm]) -> None:
    used = set(materials.plan["clean_id"])
    for name in ADDED:
        assert clean_ids(materials, arms[name]) == used - materials.held
    assert clean_ids(materials, arms["sham"]) <= used - materials.held
    assert len(arms["sham"].good) == len(used - materials.held) < len(materials.rows())  # one on a clean picture
    pairs = list(zip(*seam_pairs(materials), strict=True))
    assert len(pairs) == len(materials.held)
    clean = surface(materials)
    held = [clean[image_id].pixels for image_id in materials.held]
    for untouched, repainted in pairs:
        assert untouched.good and repainted.good
        assert any(np.array_equal(untouched.pixels, pixels) for pixels in held)
        assert untouched.picture_id.partition("-")[2] == repainted.picture_id.partition("-")[2]
        assert not np.array_equal(untouched.pixels, repainted.pixels)


def test_a_plan_of_an_older_version_can_be_copied_and_pasted(materials: Materials, arms: dict[str, Arm]) -> None:
    older = replace(materials, plan=materials.plan.drop(columns=["elastic", "drawn"]))
    assert len(copy_paste(older)) == len(arms["copy_paste"].defects)


def test_whole_groups_are_held_out(materials: Materials) -> None:
    """Another exposure of a held part would teach the detector that part."""
    images = materials.source.manifest.images
    paired = images["image_id"].rank().astype(int) // 2  # every two pictures show one part
    source = Source(replace(materials.source.manifest, images=images.assign(group=paired.astype(str))))
    chosen = [
        Materials.of(source, materials.generated, materials.plan, materials.spec, SIZE, seed).held for seed in range(8)
    ]
    group = source.images["group"]
    for held in chosen:
        assert held and held & set(materials.plan["clean_id"]) and held < set(source.clean("train"))
        assert not set(group[list(held)]) & set(group[list(set(source.clean("train")) - held)])
    assert len(set(chosen)) > 1


def test_the_seam_is_read_on_real_pictures_and_with_them_healed_ones_of_their_part_are_held_out(
    materials: Materials,
) -> None:
    images = materials.source.manifest.images
    healed, fellow = materials.repaints["clean_id"].iloc[:2]  # one is now the healed picture of the other's part
    group = images["image_id"].replace(healed, fellow)
    images = images.assign(synthetic=images["image_id"] == healed, group=group)
    source = Source(replace(materials.source.manifest, images=images))
    for seed in range(16):
        chosen = Materials.of(source, materials.generated, materials.plan, materials.spec, SIZE, seed)
        shown = {one.picture_id.partition("-")[2] for one in seam_pairs(chosen)[0]}
        under = set(materials.plan.loc[materials.plan["plan_id"].isin(shown), "clean_id"])
        assert under == chosen.held - {healed}
        if fellow in under:
            break
    assert chosen.held == {healed, fellow}


@pytest.mark.parametrize("parts", [1, 2])
def test_a_part_too_large_is_not_held_out(materials: Materials, parts: int) -> None:
    """Reading the seam must not cost the arms half of their clean pictures, or all of them."""
    images = materials.source.manifest.images
    number = np.arange(len(images)) % parts
    source = Source(replace(materials.source.manifest, images=images.assign(group=number.astype(str))))
    few = Materials.of(source, materials.generated, materials.plan, materials.spec, SIZE, 0)
    assert not few.held and seam_pairs(few) == ([], [])


def test_perlin_is_never_cut_from_a_held_picture(materials: Materials) -> None:
    """Whatever the held pictures look like, the arm is the same."""
    asked: set[str] = set()

    class Watched(Source):
        def pixels(self, image_id: str) -> Pixels:
            asked.add(image_id)
            return super().pixels(image_id)

    build(["perlin"], replace(materials, source=Watched(materials.source.manifest)))
    assert asked and asked <= set(materials.source.clean("train")) - materials.held


def test_ungated_takes_first_attempts_whatever_became_of_them(materials: Materials) -> None:
    """Rejected ones as they are, failed ones not at all, those with an empty label with their planned shape."""
    table = materials.generated.instances.copy()
    rows = materials.rows()
    of = {plan_id: table.index[(table["plan_id"] == plan_id) & (table["attempt"] == 0)] for plan_id in rows["plan_id"]}
    failed, empty, rejected = rows["plan_id"].head(3)
    table.loc[of[failed], ["status", "crop_path", "label_path"]] = ["failed", "", ""]
    table.loc[of[rejected], "status"] = "rejected"
    table.loc[of[empty], "label_path"] = "empty.png"
    later = table.loc[of[rejected]].assign(attempt=1, instance_id="later", label_path="empty.png")
    table = pd.concat([later, table])
    folder = materials.generated.folder
    side = int(rows.iloc[1]["side"])
    write_mask(folder / "empty.png", np.zeros((side, side), bool))
    judged = replace(materials, generated=Manifest(folder, materials.generated.images, table))
    plain, changed = (build(["ungated"], some)[0].defects for some in (materials, judged))
    assert [one.picture_id for one in changed] == [one.picture_id for one in plain[1:]]
    assert np.array_equal(changed[1].classes, plain[2].classes)
    row = rows.iloc[1]
    shape = (materials.spec.number(row["label"]), materials.source.planned_shape(row))
    planned = materials.picture("planned", row, materials.clean(row), shape)
    assert np.array_equal(changed[0].classes, planned.classes)
    assert not np.array_equal(plain[1].pixels, planned.pixels)


def test_the_same_materials_make_the_same_arms_and_another_seed_other_perlin(
    materials: Materials, arms: dict[str, Arm]
) -> None:
    names = ("copy_paste", "perlin", "sham")
    for again in build(names, materials):
        first = arms[again.name]
        for one, two in zip([*first.defects, *first.good], [*again.defects, *again.good], strict=True):
            assert np.array_equal(one.pixels, two.pixels) and np.array_equal(one.classes, two.classes)
    other = build(["perlin"], replace(materials, seed=1))[0].defects
    assert not np.array_equal(other[0].pixels, arms["perlin"].defects[0].pixels)


def test_a_mistyped_arm_is_named_before_anything_is_made(materials: Materials) -> None:
    with pytest.raises(UserError, match="no arm is called copypaste; did you mean copy_paste") as error:
        build(["perlin", "copypaste"], materials)
    one_line(error.value)


def test_a_sheet_shows_pictures_and_below_them_where_their_defects_are(arms: dict[str, Arm]) -> None:
    many = replace(arms["copy_paste"], defects=2 * list(arms["copy_paste"].defects))
    pasted = sheet_of(many, COLUMNS + 1)
    assert pasted.shape[0] // SIZE == 4 and pasted.shape[1] // SIZE == COLUMNS
    red = (pasted[..., 0].astype(int) - pasted[..., 2] > 180).reshape(-1, pasted.shape[1]).any(axis=1)
    cell = pasted.shape[0] // 4
    assert red[cell : 2 * cell].any() and red[3 * cell :].any()
    sham = sheet_of(arms["sham"], 10)
    assert sham.shape[0] // SIZE == 1
    assert sheet_of(arms["real"], 10).size == 0
