"""Folds: training groups divided so that each is kept from one of several networks, which can then judge it."""

from collections import Counter
from collections.abc import Collection, Mapping

FOLDS = 3


def divide(groups: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Fold of each group, every class spread over the folds as evenly as whole groups allow.

    groups: class -> the groups that show it; a group may show several. The rarest class first, each of its groups to
    the fold that has fewest of that class, then fewest in all.

    Where all groups of a class, or its only one, are in the same fold, its network could not know the class, and would
    reject whatever shows it. Such groups are in no fold: every network is shown them, and none can judge them unseen.
    """
    folds: dict[str, int] = {}
    sizes: Counter[int] = Counter()
    for label in sorted(groups, key=lambda label: (len(groups[label]), label)):
        of_class = Counter(folds[group] for group in groups[label] if group in folds)
        for group in sorted(set(groups[label]) - folds.keys()):
            fold = min(range(FOLDS), key=lambda number: (of_class[number], sizes[number]))
            folds[group] = fold
            of_class[fold] += 1
            sizes[fold] += 1
    lone = {group for members in groups.values() if len({folds[group] for group in members}) == 1 for group in members}
    return {group: folds[group] for group in sorted(folds.keys() - lone)}
