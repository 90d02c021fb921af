"""The teacher: lessons are what they say they are, and all of what they could be."""

from collections import Counter

import numpy as np
import pytest

from defectgen.drawing.families import TAUGHT
from defectgen.drawing.teacher import CONTRASTS, DESCRIPTIONS, LEAST, SHARPNESSES, SIZES, Lesson, Teacher, described

SIDE = 64
MANY = 150


@pytest.fixture(scope="module")
def lessons() -> list[Lesson]:
    teacher = Teacher(SIDE, 0)
    return [teacher(index) for index in range(MANY)]


def test_a_lesson_follows_from_seed_and_number_alone(lessons: list[Lesson]) -> None:
    again = Teacher(SIDE, 0)
    for index in (7, 3):
        for one, other in zip(vars(again(index)).values(), vars(lessons[index]).values(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert (Teacher(SIDE, 1)(3).picture != lessons[3].picture).any()


def test_every_defect_can_be_seen_where_its_mask_is(lessons: list[Lesson]) -> None:
    for lesson in lessons:
        assert lesson.picture.shape == lesson.clean.shape == (SIDE, SIDE, 3) and lesson.picture.dtype == np.uint8
        assert lesson.mask.sum() >= LEAST and not lesson.mask.all()
        change = np.abs(lesson.picture.astype(int) - lesson.clean).mean(axis=2)
        assert change[lesson.mask].mean() > 4 * change[~lesson.mask].mean()


def test_grey_lessons_have_three_equal_channels_and_are_about_half_of_all(lessons: list[Lesson]) -> None:
    grey = [lesson for lesson in lessons if lesson.grey]
    assert 0.35 * MANY < len(grey) < 0.65 * MANY
    assert all((lesson.picture == lesson.picture[..., :1]).all() for lesson in grey)
    assert any((lesson.picture != lesson.picture[..., :1]).any() for lesson in lessons if not lesson.grey)


def test_every_family_and_every_word_is_taught(lessons: list[Lesson]) -> None:
    words = Counter(word for lesson in lessons for word in lesson.description.split(", "))
    assert set(words) == {*TAUGHT, *SIZES, *CONTRASTS, *SHARPNESSES}
    assert {lesson.description for lesson in lessons} <= set(DESCRIPTIONS)
    for scale in (SIZES, CONTRASTS, SHARPNESSES):
        assert min(words[word] for word in scale) > 0.1 * MANY, "a word that is hardly ever said is hardly learned"


def disc(level: float, radius: float, soft: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A disc of this change of level, of a white level of 1, on mid grey: picture, clean, mask."""
    y, x = np.mgrid[:SIDE, :SIDE] - 31.5
    share = np.clip((radius - np.hypot(x, y)) / soft + 0.5, 0, 1)
    clean = np.full((SIDE, SIDE, 3), 128, np.uint8)
    return np.round(128 + 255 * level * share[..., None]).repeat(3, 2).astype(np.uint8), clean, share > 0.02


@pytest.mark.parametrize(
    ("level", "radius", "soft", "expected"),
    [
        (-0.4, 4, 1, "small, strong, crisp"),
        (0.05, 4, 1, "small, clear, crisp"),
        (0.03, 4, 0.5, "small, faint, crisp"),
        (0.15, 10, 1, "medium, strong, crisp"),
        (0.07, 10, 10, "large, faint, soft"),
        (0.4, 24, 24, "large, strong, soft"),
    ],
)
def test_what_is_said_is_what_was_measured(level: float, radius: float, soft: float, expected: str) -> None:
    assert described(*disc(level, radius, soft)) == expected
