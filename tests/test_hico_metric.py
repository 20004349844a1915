"""HICO-DET's mAP: by hand, by its properties, and against a plain one on a thousand images."""

import dataclasses
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from models.datasets.examples import Image, Pairs
from models.datasets.hico_facts import (
    hico_vocabulary,
    interaction_pairs,
    interaction_table,
    rare_interactions,
    settings,
    unseen_interactions,
)
from models.errors import ModelError
from models.evaluation.hicodet import HicoReport, evaluate_hicodet, means
from models.evaluation.triplets import ImageTriplets, ScoredTriplets, gather
from models.vocabulary import Vocabulary

Box = tuple[float, float, float, float]
Triplet = tuple[int, Box, Box]  # interaction, human, object
Scored = tuple[int, Box, Box, float]

HUMAN, THING = (0.0, 0.0, 100.0, 100.0), (200.0, 0.0, 300.0, 100.0)
NOWHERE = (900.0, 900.0, 910.0, 910.0)


class Scenes:
    """A data set without pictures."""

    def __init__(self, truth: Sequence[Sequence[Triplet]]) -> None:
        self.truth = truth
        self.vocabulary: Vocabulary = hico_vocabulary()
        self.keys: Sequence[str] = [f"{i}.jpg" for i in range(len(truth))]

    def pairs(self, index: int) -> Pairs:
        rows = self.truth[index]
        verbs, objects = interaction_pairs()[[row[0] for row in rows]].T
        return Pairs(
            np.array([row[1] for row in rows], np.float32),
            np.array([row[2] for row in rows], np.float32),
            objects,
            verbs,
        )

    def image(self, index: int) -> Image:
        raise ModelError(f"{index}: no such image")


def triplets(rows: Sequence[Scored]) -> ImageTriplets:
    """Every detection is a pair of its own."""
    scores = np.zeros((len(rows), 117), np.float32)
    for row, (hoi, _, _, score) in enumerate(rows):
        scores[row, interaction_pairs()[hoi, 0]] = score
    return ImageTriplets(
        np.array([row[1] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        interaction_pairs()[[row[0] for row in rows], 1].reshape(-1),
        scores,
    )


def detected(images: Sequence[Sequence[Scored]]) -> ScoredTriplets:
    return gather((f"{i}.jpg", triplets(rows)) for i, rows in enumerate(images))


def interaction(verb: str, thing: str) -> int:
    words = hico_vocabulary()
    return int(interaction_table()[words.objects.index(thing), words.verb_names.index(verb)])


RIDE, CUP = interaction("ride", "horse"), interaction("hold", "cup")


def test_a_set_computed_by_hand() -> None:
    """Two interactions, three images.

    ride horse, annotated once in image 0 and once in 1. By falling score:
        0.9  image 0, IoUs 0.8 and 1      right            precision 1/1, recall 1/2
        0.8  image 0, the same boxes      a duplicate      1/2, 1/2
        0.7  image 1, IoUs 0.5 and 1      0.5 is too low   1/3, 1/2
        0.6  image 1, IoUs 1 and 0.75     right            2/4, 2/2
    Recalls 0 to 0.5 (six of eleven) reach precision 1, 0.6 to 1 (five) reach 1/2:
    AP = (6 * 1 + 5 * 1/2) / 11 = 8.5 / 11.

    hold cup, annotated in images 1 and 2:
        0.9  image 0, where no cup is     wrong            0/1, 0/2
        0.5  image 1, exact               right            1/2, 1/2
    AP = 6 * 1/2 / 11 = 3 / 11. With known objects the first does not count: 6 * 1 / 11 = 6 / 11.

    All other 598 interactions: 0. "ride" is one of the unseen verbs (84 interactions).
    """
    narrow, half = (0.0, 0.0, 100.0, 80.0), (0.0, 0.0, 100.0, 50.0)
    short = (200.0, 0.0, 300.0, 75.0)
    truth = [[(RIDE, HUMAN, THING)], [(RIDE, HUMAN, THING), (CUP, HUMAN, THING)]]
    scenes = Scenes([*truth, [(CUP, HUMAN, THING)]])
    found = detected(
        [
            [
                (RIDE, narrow, THING, 0.9),
                (RIDE, narrow, THING, 0.8),
                (CUP, HUMAN, THING, 0.9),
            ],
            [
                (RIDE, half, THING, 0.7),
                (RIDE, HUMAN, short, 0.6),
                (CUP, HUMAN, THING, 0.5),
            ],
            [],
        ]
    )
    report = evaluate_hicodet(scenes, found, "unseen_verb")
    assert report.default_aps[RIDE] == pytest.approx(8.5 / 11)
    assert report.default_aps[CUP] == pytest.approx(3 / 11)
    assert report.known_object_aps[RIDE] == pytest.approx(8.5 / 11)
    assert report.known_object_aps[CUP] == pytest.approx(6 / 11)
    assert np.count_nonzero(report.default_aps) == 2
    unseen, seen = 8.5 / 11 / 84, 3 / 11 / 516
    assert dataclasses.astuple(report.default) == pytest.approx(
        (
            11.5 / 11 / 600,
            0,
            11.5 / 11 / 462,
            unseen,
            seen,
            2 * unseen * seen / (unseen + seen),
        )
    )
    assert report.known_object.full == pytest.approx(14.5 / 11 / 600)
    assert (report.images, report.unscored) == (3, 0)


def one(rows: Sequence[Scored], truth: Sequence[Triplet]) -> float:
    return float(evaluate_hicodet(Scenes([truth]), detected([rows])).default_aps[RIDE])


def test_a_detection_looks_for_no_second_best_pair() -> None:
    """Both detections fit the first pair best; the worse-scored one would fit the second too."""
    beside = (0.0, 0.0, 100.0, 70.0)  # of the first: IoU 0.7 with HUMAN
    truth = [(RIDE, HUMAN, THING), (RIDE, beside, THING)]
    rows = [(RIDE, HUMAN, THING, 0.9), (RIDE, (0.0, 0.0, 100.0, 95.0), THING, 0.8)]
    assert one(rows, truth) == pytest.approx(6 / 11)  # recall 1/2 at precision 1
    rows[1] = (RIDE, beside, THING, 0.8)
    assert one(rows, truth) == pytest.approx(1)


def test_the_better_scored_of_two_fits_is_right_not_the_closer_one() -> None:
    loose = (0.0, 0.0, 100.0, 60.0)
    rows = [(RIDE, loose, THING, 0.9), (RIDE, HUMAN, THING, 0.8), (RIDE, NOWHERE, THING, 0.85)]
    assert one(rows, [(RIDE, HUMAN, THING)]) == pytest.approx(1)  # right first, then two wrong ones


def test_both_boxes_must_fit() -> None:
    truth = [(RIDE, HUMAN, THING)]
    assert one([(RIDE, HUMAN, NOWHERE, 0.9)], truth) == 0
    assert one([(RIDE, NOWHERE, THING, 0.9)], truth) == 0
    nothing = (np.nan,) * 4
    assert one([(RIDE, HUMAN, nothing, 0.9)], truth) == 0
    assert one([(RIDE, HUMAN, THING, 0.9)], truth) == pytest.approx(1)


def test_equal_scores_count_in_the_worst_order() -> None:
    truth = [(RIDE, HUMAN, THING)]
    wrong = (RIDE, HUMAN, NOWHERE, 0.5)
    rows = [(RIDE, HUMAN, THING, 0.5), wrong, wrong, wrong]
    assert one(rows, truth) == one(rows[::-1], truth) == pytest.approx(1 / 4)


def test_three_of_ten_do_not_reach_the_recall_of_three_tenths() -> None:
    """As in the public evaluation, whose fourth recall is 0.30000000000000004."""
    spots = [(0.0, 200.0 * i, 100.0, 200.0 * i + 100) for i in range(10)]
    truth = [(RIDE, spot, THING) for spot in spots]
    rows = [(RIDE, spot, THING, 0.9 - i / 100) for i, spot in enumerate(spots)]
    assert one(rows[:3], truth) == pytest.approx(3 / 11)  # 0, 0.1, 0.2
    assert one(rows[:4], truth) == pytest.approx(5 / 11)  # and 0.3, 0.4


def test_images_without_pairs_do_not_count_and_missing_ones_count_as_missed() -> None:
    scenes = Scenes([[(RIDE, HUMAN, THING)], [(RIDE, HUMAN, THING)]])
    right, wrong = [(RIDE, HUMAN, THING, 0.5)], [(RIDE, HUMAN, NOWHERE, 0.9)]
    found = gather([("0.jpg", triplets(right)), ("nothing_there.jpg", triplets(wrong))])
    report = evaluate_hicodet(scenes, found)
    assert report.default_aps[RIDE] == pytest.approx(6 / 11)  # precision 1, recall 1/2
    assert report.unscored == 1
    with pytest.raises(ModelError, match="none of the detections"):
        evaluate_hicodet(scenes, gather([("elsewhere.jpg", triplets(right))]))


def test_nothing_detected_is_zero_everywhere() -> None:
    report = evaluate_hicodet(Scenes([[(RIDE, HUMAN, THING)]]), detected([[]]))
    assert not report.default_aps.any()
    assert report.default.full == 0


@pytest.mark.parametrize("setting", [name for name in settings() if name != "default"])
def test_full_is_made_of_unseen_and_seen(setting: str) -> None:
    aps = np.random.default_rng(3).random(600)
    count, groups = len(unseen_interactions(setting)), means(aps, setting)
    assert groups.unseen is not None
    assert groups.seen is not None
    whole = (count * groups.unseen + (600 - count) * groups.seen) / 600
    assert groups.full == pytest.approx(whole)
    assert groups.full == pytest.approx((138 * groups.rare + 462 * groups.non_rare) / 600)
    assert groups.harmonic == pytest.approx(2 / (1 / groups.unseen + 1 / groups.seen))
    assert groups.rare == pytest.approx(aps[rare_interactions()].mean())


def random_scenes(
    seed: int, images: int, detections: int
) -> tuple[Scenes, list[list[Scored]], list[int]]:
    """Truth, detections near and far from it, scores with many ties; some classes go empty."""
    rng = np.random.default_rng(seed)
    classes = [RIDE, CUP, interaction("ride", "bicycle"), interaction("hold", "bicycle")]
    classes += [interaction("drink with", "cup"), interaction("wash", "horse")]

    def box() -> Box:
        x, y, width, height = rng.uniform([0, 0, 20, 20], [300, 300, 150, 150])
        return x, y, x + width, y + height

    def near(other: Box) -> Box:
        x1, y1, x2, y2 = np.array(other) + rng.normal(scale=9, size=4)
        return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)

    truth: list[list[Triplet]] = []
    found: list[list[Scored]] = []
    for _ in range(images):
        boxes = [(box(), box()) for _ in range(rng.integers(1, 4))]
        rows: list[Triplet] = []
        for _ in range(rng.integers(1, 5)):
            human, thing = boxes[rng.integers(len(boxes))]
            hoi = int(rng.choice(classes[:-1]))
            rows.append((hoi, near(human), near(thing)))
        scored: list[Scored] = []
        for _ in range(rng.integers(detections + 1)):
            hoi, human, thing = rows[rng.integers(len(rows))]
            hoi = hoi if rng.random() < 0.7 else int(rng.choice(classes))
            score = float(np.float32(rng.integers(1, 40) / 40))
            scored.append((hoi, near(human), near(thing), score))
        truth.append(rows)
        found.append(scored)
    return Scenes(truth), found, classes


@given(seed=st.integers(0, 10_000), images=st.integers(1, 6))
@hypothesis_settings(max_examples=40, deadline=None)
def test_order_and_the_scale_of_scores_change_nothing(seed: int, images: int) -> None:
    scenes, found, _ = random_scenes(seed, images, 12)
    before = evaluate_hicodet(scenes, detected(found))
    rng = np.random.default_rng(seed)
    mixed = [[rows[i] for i in rng.permutation(len(rows))] for rows in found]
    named = [(f"{i}.jpg", triplets(rows)) for i, rows in enumerate(mixed)]
    shuffled = gather(named[i] for i in rng.permutation(images))
    squared = dataclasses.replace(shuffled, score=shuffled.score**2)
    for other in (shuffled, squared):
        after = evaluate_hicodet(scenes, other)
        assert np.array_equal(after.default_aps, before.default_aps)
        assert np.array_equal(after.known_object_aps, before.known_object_aps)


@given(seed=st.integers(0, 10_000), images=st.integers(1, 6))
@hypothesis_settings(max_examples=40, deadline=None)
def test_duplicates_never_help_and_known_objects_never_hurt(seed: int, images: int) -> None:
    scenes, found, _ = random_scenes(seed, images, 12)
    before = evaluate_hicodet(scenes, detected(found))
    assert (before.known_object_aps >= before.default_aps - 1e-12).all()
    twice = [[*rows, *rows] for rows in found]
    after = evaluate_hicodet(scenes, detected(twice))
    assert (after.default_aps <= before.default_aps + 1e-12).all()
    perfect = [[(*row, 0.5) for row in dict.fromkeys(rows)] for rows in scenes.truth]
    best = evaluate_hicodet(scenes, detected(perfect)).default_aps
    assert {float(value) for value in best} <= {0.0, 1.0}


def naive_iou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    whole = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (whole - width * height)


def naive_ap(
    hoi: int, truth: Sequence[Sequence[Triplet]], found: Sequence[Sequence[Scored]]
) -> float:
    """Detection after detection, by falling score, as one would explain it."""
    rows = [
        (score, image, human, thing)
        for image, scored in enumerate(found)
        for number, human, thing, score in scored
        if number == hoi
    ]
    wanted = {image: [t for t in true if t[0] == hoi] for image, true in enumerate(truth)}
    taken: set[tuple[int, int]] = set()
    outcomes: list[tuple[float, bool]] = []
    for score, image, human, thing in sorted(rows, key=lambda row: -row[0]):
        best, which = 0.0, -1
        for number, (_, true_human, true_thing) in enumerate(wanted[image]):
            overlap = min(naive_iou(human, true_human), naive_iou(thing, true_thing))
            if overlap > best:
                best, which = overlap, number
        right = best > 0.5 and (image, which) not in taken
        if right:
            taken.add((image, which))
        outcomes.append((score, right))
    outcomes.sort(key=lambda outcome: (-outcome[0], outcome[1]))
    count = sum(len(true) for true in wanted.values())
    curve, right_so_far = [], 0
    for place, (_, right) in enumerate(outcomes, 1):
        right_so_far += right
        curve.append((right_so_far / count if count else 0.0, right_so_far / place))
    levels = [0.1 * i if i <= 5 else 1 - 0.1 * (10 - i) for i in range(11)]
    best_at = [max((p for r, p in curve if count and r >= level), default=0.0) for level in levels]
    return sum(best_at) / 11


def test_it_agrees_with_a_plain_implementation_on_a_thousand_images() -> None:
    scenes, found, classes = random_scenes(11, 1000, 24)
    report: HicoReport = evaluate_hicodet(scenes, detected(found))
    rounded = [
        [(h, f32(a), f32(b)) for h, a, b in rows] for rows in scenes.truth
    ]  # boxes are kept as float32
    shown = [[(h, f32(a), f32(b), s) for h, a, b, s in rows] for rows in found]
    things = interaction_pairs()[:, 1]
    for hoi in classes:
        plain = naive_ap(hoi, rounded, shown)
        assert report.default_aps[hoi] == pytest.approx(plain, abs=1e-12)
        kept = [
            rows if any(things[t[0]] == things[hoi] for t in true) else []
            for rows, true in zip(shown, rounded, strict=True)
        ]
        known = naive_ap(hoi, rounded, kept)
        assert report.known_object_aps[hoi] == pytest.approx(known, abs=1e-12)
    values = report.default_aps[classes[:-1]]
    assert ((values > 0.05) & (values < 0.95)).all(), "the scenes are too easy or too hard"
    assert (report.known_object_aps[classes[:-1]] > values).any()
    assert report.default_aps[classes[-1]] == 0  # detected, never annotated


def f32(box: Box | npt.NDArray[np.float32]) -> Box:
    x1, y1, x2, y2 = np.array(box, np.float32).astype(float).tolist()
    return x1, y1, x2, y2


def test_ten_thousand_images_take_seconds() -> None:
    rng = np.random.default_rng(0)
    images, pairs = 10_000, 40

    def boxes(count: int) -> npt.NDArray[np.float32]:
        corner = rng.uniform(0, 300, (count, 2))
        size = rng.uniform(20, 200, (count, 2))
        return np.concatenate([corner, corner + size], 1).astype(np.float32)

    truth = [
        [(int(h), f32(a), f32(b)) for h, a, b in zip(hoi, boxes(4), boxes(4), strict=True)]
        for hoi in rng.integers(600, size=(images, 4))
    ]
    words, count = hico_vocabulary(), images * pairs
    things = rng.integers(80, size=count)
    validity = words.validity[things]
    pair, verb = np.nonzero(validity)
    found = ScoredTriplets(
        tuple(f"{i}.jpg" for i in range(images)),
        np.repeat(np.arange(images), pairs),
        boxes(count),
        boxes(count),
        things,
        pair,
        verb,
        rng.random(len(pair)).astype(np.float32),
    )
    scenes = Scenes(truth)
    start = time.process_time()
    evaluate_hicodet(scenes, found)
    assert len(pair) > 2_500_000
    assert time.process_time() - start < 30
