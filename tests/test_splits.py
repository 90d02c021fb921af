"""Splits: no group in two of them, every label in each as far as its groups go, the same answer every time."""

from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest

from defectgen.errors import UserError
from defectgen.manifest import SPLITS
from defectgen.splits import Fractions, assign_splits, keep_shots, merge_groups

Table = pd.DataFrame
USUAL = Fractions()


def _pictures(rng: np.random.Generator, per_label: dict[str, int], most: int, shared: bool = False) -> Table:
    """Pictures with a label and a group of at most `most`; `shared`: a group shows any label."""
    rows = []
    for label, count in per_label.items():
        sizes = rng.integers(1, most + 1, size=count)
        groups = np.repeat(np.arange(count), sizes)[:count]
        rows += [(f"part{group}" if shared else f"{label}{group}", label) for group in groups]
    return pd.DataFrame(rows, columns=["group", "label"])


def _assigned(pictures: Table, fractions: Fractions = USUAL, seed: int = 0) -> Table:
    """Pictures per label and split."""
    answer = assign_splits(pd.crosstab(pictures["group"], pictures["label"]), fractions, seed)
    assert set(answer) == set(pictures["group"]) and set(answer.values()) <= set(SPLITS)
    return pd.crosstab(pictures["label"], pictures["group"].map(answer)).reindex(columns=list(SPLITS), fill_value=0)


@pytest.mark.parametrize("seed", range(25))
def test_close_to_the_fractions_for_every_label(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares = Fractions(*rng.dirichlet([4, 2, 3, 1]))
    counts = {"good": int(rng.integers(40, 200)), "crack": int(rng.integers(12, 60)), "dent": int(rng.integers(12, 60))}
    most = int(rng.integers(1, 4))
    per_split = _assigned(_pictures(rng, counts, most), shares, seed)
    for label, count in counts.items():
        wanted = count * np.array(astuple(shares))
        # A split is off by a group, or by two where it got its first one although less than a picture was its due.
        assert np.abs(per_split.loc[label] - wanted).max() <= 2 * most


@pytest.mark.parametrize("seed", range(25))
def test_groups_that_show_several_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pictures = _pictures(rng, {"good": 120, "crack": 30, "dent": 20, "stain": 10}, most=3, shared=True)
    per_split = _assigned(pictures, seed=seed)
    assert per_split.sum().sum() == len(pictures)
    assert (per_split > 0).all(axis=None)
    shares = per_split.sum() / len(pictures)
    assert np.abs(shares - np.array(astuple(Fractions()))).max() < 0.1


@pytest.mark.parametrize("groups", range(4, 30))
def test_every_split_gets_every_class(groups: int) -> None:
    counts = {"good": 100, "a": groups, "b": groups, "c": groups, "d": groups}
    per_split = _assigned(_pictures(np.random.default_rng(groups), counts, most=1))
    assert (per_split > 0).all(axis=None)
    assert (per_split["train"] >= per_split[["val", "reserve"]].max(axis=1)).all()


def test_twelve_defects_per_class() -> None:
    per_split = _assigned(_pictures(np.random.default_rng(0), dict.fromkeys("abcd", 12) | {"good": 200}, most=1))
    for label in "abcd":
        assert per_split.loc[label].tolist() == [6, 2, 3, 1]
    assert per_split.loc["good"].tolist() == [100, 30, 50, 20]


@pytest.mark.parametrize("seed", range(20))
def test_twelve_defects_in_groups_of_up_to_three(seed: int) -> None:
    pictures = _pictures(np.random.default_rng(seed), dict.fromkeys("abcd", 12), most=3)
    assert (_assigned(pictures, seed=seed) > 0).all(axis=None)


def test_fewer_groups_than_splits_go_where_they_are_needed_most() -> None:
    for groups, wanted in ((1, {"train"}), (2, {"train", "test"}), (3, {"train", "test", "val"})):
        per_split = _assigned(_pictures(np.random.default_rng(0), {"good": 50, "rare": groups}, most=1))
        assert set(per_split.columns[per_split.loc["rare"] > 0]) == wanted


@pytest.mark.parametrize("seed", range(10))
def test_a_split_without_a_share_stays_empty(seed: int) -> None:
    pictures = _pictures(np.random.default_rng(seed), {"good": 30, "crack": 7, "dent": 4}, most=2, shared=True)
    per_split = _assigned(pictures, Fractions(0.6, 0.0, 0.4, 0.0), seed)
    assert per_split["val"].sum() == per_split["reserve"].sum() == 0
    assert (per_split[["train", "test"]] > 0).all(axis=None)


def test_same_seed_same_answer_whatever_the_order() -> None:
    pictures = _pictures(np.random.default_rng(0), {"good": 60, "crack": 20}, most=3, shared=True)
    shuffled = pictures.sample(frac=1, random_state=1)
    answers = [
        assign_splits(pd.crosstab(frame["group"], frame["label"]), Fractions(), seed)
        for frame, seed in ((pictures, 3), (shuffled, 3), (pictures, 4))
    ]
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


@pytest.mark.parametrize(
    "shares", [(0.5, 0.5, 0.5, 0.5), (0.5, 0.2, 0.2, 0.0), (1.2, -0.2, 0, 0), (0, 0.5, 0.5, 0), (float("nan"), 0, 0, 1)]
)
def test_fractions_that_are_none_are_refused(shares: tuple[float, float, float, float]) -> None:
    with pytest.raises(UserError, match="add up to 1"):
        Fractions(*shares)


def test_exact_duplicates_join_their_groups() -> None:
    groups = ["a", "b", "c", "c", "d", "e"]
    contents = ["1", "2", "2", "3", "3", "4"]
    assert merge_groups(groups, contents) == ["a", "b", "b", "b", "b", "e"]


@pytest.mark.parametrize("seed", range(20))
def test_merged_groups_are_the_connected_ones(seed: int) -> None:
    """Against a plain search through the graph of groups and contents, in any order of the pictures."""
    rng = np.random.default_rng(seed)
    groups = [f"g{n}" for n in rng.integers(12, size=25)]
    contents = [f"p{n}" for n in rng.integers(20, size=25)]
    merged = dict(zip(groups, merge_groups(groups, contents), strict=True))
    for start in set(groups):
        reached, before = {start}, set[str]()
        while reached != before:
            before = reached
            seen = {content for group, content in zip(groups, contents, strict=True) if group in before}
            reached = {group for group, content in zip(groups, contents, strict=True) if content in seen}
        assert {group for group in set(groups) if merged[group] == merged[start]} == reached
    order = rng.permutation(25)
    again = merge_groups([groups[i] for i in order], [contents[i] for i in order])
    assert again == [merged[groups[i]] for i in order]


@pytest.fixture
def many() -> tuple[Table, Table]:
    """Pictures and their defects: three exposures of a part make a group; every fourth group has a clean exposure."""
    rows = [(f"{part}-{shot}", f"part {part}", part, shot) for part in range(24) for shot in range(3)]
    images = pd.DataFrame(rows, columns=["image_id", "group", "part", "shot"])
    images["split"] = np.where(images["part"] < 16, "train", "test")
    images["image_sha256"] = images["image_id"]
    defective = images[(images["part"] % 4 > 0) | (images["shot"] > 0)]
    labels = np.where(defective["part"] % 2 == 0, "pit", "crack")
    return images, pd.DataFrame({"image_id": defective["image_id"], "label": labels})


def _training(many: tuple[Table, Table], splits: pd.Series, label: str) -> set[str]:
    images, instances = many
    mine = images.assign(split=splits).merge(instances, on="image_id")
    return set(mine.loc[(mine["split"] == "train") & (mine["label"] == label), "image_id"])


@pytest.mark.parametrize("seed", range(5))
def test_of_a_few_shots_exactly_so_many_stay_in_training(many: tuple[Table, Table], seed: int) -> None:
    images, instances = many
    few, more = (keep_shots(images, instances, shots, seed) for shots in (3, 7))
    for label in ("pit", "crack"):
        assert len(_training(many, few, label)) == 3 and len(_training(many, more, label)) == 7
        assert _training(many, few, label) < _training(many, more, label)
    shown = images.assign(split=few)
    assert shown.loc[shown["split"] != "", ["group", "split"]].drop_duplicates()["group"].is_unique
    assert "reserve" in set(few)
    before = images["split"] == "test"
    assert (few[before] == "test").all() and not (few[~before] == "test").any()
    clean = ~images["image_id"].isin(instances["image_id"])
    assert (few[clean] == images.loc[clean, "split"]).all(), "clean pictures stay where they are"


def test_more_shots_than_there_are_change_nothing(many: tuple[Table, Table]) -> None:
    images, instances = many
    assert keep_shots(images, instances, 99, 0).tolist() == images["split"].tolist()
