"""V-COCO's role AP: by hand, by its properties, against a plain one, and its truth from files."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from models.datasets.vcoco import vcoco_vocabulary
from models.datasets.vcoco_roles import ROLES, RoleTruth, read_roles
from models.errors import ModelError
from models.evaluation.triplets import ImageTriplets, ScoredTriplets, gather
from models.evaluation.vcoco import evaluate_vcoco

VCOCO = Path(__file__).parents[2] / "shared" / "data" / "vcoco"
NAMES = vcoco_vocabulary().verb_names
HOLD, HIT_WITH, HIT, KICK = (
    ROLES.index(r) for r in ("hold obj", "hit instr", "hit obj", "kick obj")
)

Box = tuple[float, float, float, float]
NONE: Box = (np.nan, np.nan, np.nan, np.nan)
MAN, WOMAN, CUP = (0.0, 0.0, 99.0, 99.0), (300.0, 0.0, 399.0, 99.0), (50.0, 50.0, 59.0, 59.0)
FAR = (700.0, 700.0, 709.0, 709.0)


@dataclasses.dataclass(frozen=True)
class Person:
    image: int
    box: Box
    does: dict[int, Box]  # role -> the box of what it is done with, or NONE
    ignored: bool = False


Scored = tuple[int, int, Box, Box, float]  # image, role, human, object, score


def truth_of(images: int, persons: Sequence[Person]) -> RoleTruth:
    does = np.zeros((len(persons), 24), bool)
    objects = np.full((len(persons), 24, 4), np.nan, np.float32)
    for row, person in enumerate(persons):
        for role, box in person.does.items():
            does[row, role], objects[row, role] = True, box
    return RoleTruth(
        tuple(f"{i}.jpg" for i in range(images)),
        np.array([person.image for person in persons], np.int64),
        np.array([person.box for person in persons], np.float32).reshape(-1, 4),
        np.array([person.ignored for person in persons], bool),
        does,
        objects,
        "authors",
    )


def detected(images: int, rows: Sequence[Scored]) -> ScoredTriplets:
    def part(image: int) -> ImageTriplets:
        mine = [row for row in rows if row[0] == image]
        scores = np.zeros((len(mine), 24), np.float32)
        for i, row in enumerate(mine):
            scores[i, row[1]] = row[4]
        boxes = [np.array([row[i] for row in mine], np.float32).reshape(-1, 4) for i in (2, 3)]
        return ImageTriplets(boxes[0], boxes[1], np.zeros(len(mine), np.int64), scores)

    return gather((f"{image}.jpg", part(image)) for image in range(images))


def both(persons: Sequence[Person], rows: Sequence[Scored], role: int) -> tuple[float, float]:
    images = 1 + max(person.image for person in persons)
    report = evaluate_vcoco(truth_of(images, persons), detected(images, rows))
    return report.scenario_1.aps[NAMES[role]], report.scenario_2.aps[NAMES[role]]


def test_a_set_computed_by_hand() -> None:
    """Holding: a man and a cup in image 0, a woman without an annotated object in image 1.

    By falling score:
        0.9  the man, object far away    wrong in both             S1 0/1         S2 0/1
        0.8  the man and the cup         right in both             1/2, rec. 1/2  1/2, rec. 1/2
        0.7  the man and the cup         a duplicate               1/3            1/3
        0.6  the woman and something     S1 wrong, S2 right        1/4            2/4, rec. 1
        0.5  the woman alone             S1 right, S2 a duplicate  2/5, rec. 1    2/5
    The envelope at recall 1/2 is 1/2 in both; at recall 1 it is 2/5 in S1 and 1/2 in S2.
    S1: 1/2 * 1/2 + 1/2 * 2/5 = 0.45. S2: 1/2 * 1/2 + 1/2 * 1/2 = 0.5.
    Kicking: the man, never detected: 0. The mean of the two roles that are filled is half of
    holding's, the official one takes in "point instr" as a third.
    """
    persons = [
        Person(0, MAN, {HOLD: CUP, KICK: CUP}),
        Person(1, WOMAN, {HOLD: NONE}),
    ]
    rows = [
        (0, HOLD, MAN, FAR, 0.9),
        (0, HOLD, MAN, CUP, 0.8),
        (0, HOLD, MAN, CUP, 0.7),
        (1, HOLD, WOMAN, CUP, 0.6),
        (1, HOLD, WOMAN, NONE, 0.5),
    ]
    report = evaluate_vcoco(truth_of(2, persons), detected(2, rows))
    assert report.scenario_1.aps == pytest.approx({"hold": 0.45, "kick": 0})
    assert report.scenario_2.aps == pytest.approx({"hold": 0.5, "kick": 0})
    assert report.scenario_1.mean == pytest.approx(0.45 / 2)
    assert report.scenario_1.mean_of_25 == pytest.approx(0.45 / 3)


def test_with_all_roles_filled_the_official_mean_is_24_of_25() -> None:
    persons = [Person(0, MAN, dict.fromkeys(range(24), CUP))]
    rows = [(0, role, MAN, CUP, 0.5) for role in range(24)]
    report = evaluate_vcoco(truth_of(1, persons), detected(1, rows))
    assert report.scenario_1.mean == pytest.approx(1)
    assert report.scenario_1.mean_of_25 == pytest.approx(24 / 25)


def test_an_overlap_of_exactly_one_half_is_enough_and_boxes_include_their_last_pixel() -> None:
    upper = (0.0, 0.0, 99.0, 49.0)  # 100 x 50 pixels of 100 x 100
    less = (0.0, 0.0, 99.0, 48.9)
    persons = [Person(0, MAN, {HOLD: CUP})]
    assert both(persons, [(0, HOLD, upper, CUP, 0.9)], HOLD) == (1, 1)
    assert both(persons, [(0, HOLD, less, CUP, 0.9)], HOLD) == (0, 0)


def test_what_falls_on_a_person_nobody_described_does_not_count() -> None:
    persons = [Person(0, MAN, {HOLD: CUP}), Person(0, WOMAN, {}, ignored=True)]
    rows = [(0, HOLD, WOMAN, CUP, 0.9), (0, HOLD, MAN, CUP, 0.8)]
    assert both(persons, rows, HOLD) == (1, 1)
    described = [persons[0], dataclasses.replace(persons[1], ignored=False)]
    assert both(described, rows, HOLD) == (0.5, 0.5)


def test_a_detection_belongs_to_the_nearest_person_alone() -> None:
    """Two persons who overlap: the one who holds is not the one that fits best."""
    other = (0.0, 0.0, 99.0, 79.0)
    persons = [Person(0, MAN, {HOLD: CUP}), Person(0, other, {KICK: CUP})]
    assert both(persons, [(0, HOLD, other, CUP, 0.9)], HOLD) == (0, 0)
    assert both(persons, [(0, HOLD, MAN, CUP, 0.9)], HOLD) == (1, 1)


def test_images_in_which_nobody_is_annotated_do_not_count() -> None:
    persons = [Person(1, MAN, {HOLD: CUP})]
    rows = [(0, HOLD, MAN, CUP, 0.9), (1, HOLD, MAN, CUP, 0.8)]
    assert both(persons, rows, HOLD) == (1, 1)


def test_equal_scores_count_in_the_worst_order() -> None:
    persons = [Person(0, MAN, {HOLD: CUP})]
    rows = [(0, HOLD, MAN, CUP, 0.5), (0, HOLD, MAN, FAR, 0.5)]
    assert both(persons, rows, HOLD) == both(persons, rows[::-1], HOLD) == (0.5, 0.5)


def test_images_that_were_not_looked_at_count_as_missed() -> None:
    persons = [Person(0, MAN, {HOLD: CUP}), Person(1, MAN, {HOLD: CUP})]
    report = evaluate_vcoco(truth_of(2, persons), detected(1, [(0, HOLD, MAN, CUP, 0.5)]))
    assert report.scenario_1.aps["hold"] == pytest.approx(0.5)
    assert (report.images, report.unscored) == (2, 1)
    elsewhere = dataclasses.replace(detected(1, []), keys=("elsewhere.jpg",))
    with pytest.raises(ModelError, match="none of the detections"):
        evaluate_vcoco(truth_of(2, persons), elsewhere)


def random_scenes(seed: int, images: int) -> tuple[list[Person], list[Scored]]:
    rng = np.random.default_rng(seed)
    roles = [HOLD, HIT, HIT_WITH, KICK]

    def near(box: Box, spread: float = 7) -> Box:
        x1, y1, x2, y2 = (np.array(box) + rng.normal(scale=spread, size=4)).round(1)
        return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)

    persons, rows = [], []
    for image in range(images):
        here = []
        for _ in range(rng.integers(0, 4)):
            corner = rng.uniform(0, 250, 2).round(1)
            box = (*corner, *(corner + rng.uniform(30, 130, 2)).round(1))
            done = rng.choice(roles, rng.integers(0, 4), replace=False)
            does = {int(r): near(box) if rng.random() < 0.7 else NONE for r in done}
            ignored = bool(rng.random() < 0.2)
            here.append(Person(image, near(box), {} if ignored else does, ignored))
        persons += here
        for _ in range(rng.integers(0, 10) if here else 0):
            person = here[rng.integers(len(here))]
            role = int(
                rng.choice(list(person.does) if person.does and rng.random() < 0.7 else roles)
            )
            thing = person.does.get(role, person.box)
            if thing is NONE or rng.random() < 0.15:
                thing = NONE if rng.random() < 0.5 else person.box
            human, score = near(person.box), float(np.float32(rng.integers(1, 40) / 40))
            rows.append((image, role, human, thing if thing is NONE else near(thing), score))
    return persons, rows


def naive_iou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if not (width > 0 and height > 0):
        return 0.0
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def naive_ap(role: int, scenario: int, persons: Sequence[Person], rows: Sequence[Scored]) -> float:
    outcomes = []
    covered: set[int] = set()
    for image, _, human, thing, score in sorted(
        (row for row in rows if row[1] == role), key=lambda row: -row[4]
    ):
        here = [i for i, person in enumerate(persons) if person.image == image]
        nearest = max(here, key=lambda i: naive_iou(persons[i].box, human))
        person = persons[nearest]
        if person.ignored:
            continue
        wanted = person.does.get(role)
        if wanted is None:
            fits = False
        elif np.isnan(wanted[0]):
            fits = scenario == 2 or bool(np.isnan(thing[0]))
        else:
            fits = naive_iou(wanted, thing) >= 0.5
        right = fits and naive_iou(person.box, human) >= 0.5 and nearest not in covered
        if right:
            covered.add(nearest)
        outcomes.append((score, right))
    outcomes.sort(key=lambda outcome: (-outcome[0], outcome[1]))
    positives = sum(role in person.does for person in persons)
    curve, found = [(0.0, 1.0)], 0
    for place, (_, right) in enumerate(outcomes, 1):
        found += right
        curve.append((found / positives, found / place))
    return sum(
        (curve[i][0] - curve[i - 1][0]) * max(p for _, p in curve[i:]) for i in range(1, len(curve))
    )


def as_float32(row: Any) -> Any:
    if isinstance(row, tuple) and len(row) == 4 and isinstance(row[0], float):
        return NONE if np.isnan(row[0]) else tuple(np.array(row, np.float32).astype(float).tolist())
    return row


def test_it_agrees_with_a_plain_implementation_on_a_thousand_images() -> None:
    persons, rows = random_scenes(5, 1000)
    report = evaluate_vcoco(truth_of(1000, persons), detected(1000, rows))
    shown = [(i, role, as_float32(h), as_float32(t), s) for i, role, h, t, s in rows]
    true = [
        dataclasses.replace(
            person,
            box=as_float32(person.box),
            does={role: as_float32(box) for role, box in person.does.items()},
        )
        for person in persons
    ]
    assert len(report.scenario_1.aps) == 4
    for role in (HOLD, HIT, HIT_WITH, KICK):
        values = [scenario.aps[NAMES[role]] for scenario in (report.scenario_1, report.scenario_2)]
        plain = [naive_ap(role, scenario, true, shown) for scenario in (1, 2)]
        assert values == pytest.approx(plain, abs=1e-12)
        assert 0.05 < values[0] < values[1] < 0.95


@given(seed=st.integers(0, 10_000))
@hypothesis_settings(max_examples=30, deadline=None)
def test_order_changes_nothing_duplicates_never_help_and_scenario_2_is_milder(seed: int) -> None:
    persons, rows = random_scenes(seed, 8)
    truth = truth_of(8, persons)
    before = evaluate_vcoco(truth, detected(8, rows))
    mixed = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    assert evaluate_vcoco(truth, detected(8, mixed)) == before
    after = evaluate_vcoco(truth, detected(8, [*rows, *rows]))
    for scenario, twice in (
        (before.scenario_1, after.scenario_1),
        (before.scenario_2, after.scenario_2),
    ):
        assert all(twice.aps[name] <= ap + 1e-12 for name, ap in scenario.aps.items())


def write_authors_files(folder: Path) -> None:
    """Image 294: a man hits a ball and nobody said with what; another person is not described."""
    (folder / "data" / "vcoco").mkdir(parents=True)
    base = {"image_id": [294, 294], "ann_id": [1, 4]}
    actions = [
        {**base, "action_name": "stand", "role_name": ["agent"], "label": [1, 1],
         "role_object_id": [1, 4]},
        {**base, "action_name": "hit", "role_name": ["agent", "instr", "obj"], "label": [1, 0],
         "role_object_id": [1, 4, 0, 0, 2, 0]},
        {**base, "action_name": "point", "role_name": ["agent", "instr"], "label": [1, 0],
         "role_object_id": [1, 4, 2, 0]},
        {**base, "action_name": "hold", "role_name": ["agent", "obj"], "label": [1, 1],
         "role_object_id": [1, 4, 5, 2]},
    ]  # fmt: skip
    (folder / "data" / "vcoco" / "vcoco_test.json").write_text(json.dumps(actions))

    def instance(number: int, category: int, box: list[float], area: float = 50) -> dict[str, Any]:
        ids = {"id": number, "image_id": 294, "category_id": category}
        return {**ids, "bbox": box, "area": area, "iscrowd": 0}

    coco = {
        "images": [{"id": 294, "file_name": "COCO_val2014_294.jpg", "width": 640, "height": 480}],
        "categories": [{"id": 1, "name": "person"}, {"id": 37, "name": "sports ball"}],
        "annotations": [
            instance(1, 1, [10, 20, 100, 200]),
            instance(2, 37, [600, 20, 100, 11]),
            instance(3, 1, [300, 20, 50, 60]),
            instance(4, 1, [200, 20, 50, 60]),
            instance(5, 37, [200, 20, 50, 60], area=0),
        ],
    }
    (folder / "data" / "instances_vcoco_all_2014.json").write_text(json.dumps(coco))


def test_the_authors_files_tell_persons_roles_and_who_is_not_described(tmp_path: Path) -> None:
    write_authors_files(tmp_path)
    truth = read_roles(tmp_path, "test")
    assert truth.source == "authors"
    assert truth.keys == ("COCO_val2014_294.jpg",)
    assert truth.persons.tolist() == [[10, 20, 109, 219], [300, 20, 349, 79], [200, 20, 249, 79]]
    assert truth.ignored.tolist() == [False, True, False]
    done = [{ROLES[role] for role in np.flatnonzero(row)} for row in truth.does]
    assert done == [{"hit instr", "hit obj", "hold obj"}, set(), {"hold obj"}]
    assert np.isnan(truth.objects[0, HIT_WITH]).all()  # hit with something nobody boxed
    assert truth.objects[0, HIT].tolist() == [600, 20, 639, 30]  # cut by the image
    assert np.isnan(truth.objects[0, HOLD]).all()  # its instance has no area
    assert truth.objects[2, HOLD].tolist() == [600, 20, 639, 30]


def test_a_broken_authors_file_is_told(tmp_path: Path) -> None:
    write_authors_files(tmp_path)
    path = tmp_path / "data" / "vcoco" / "vcoco_test.json"
    rows = json.loads(path.read_text())
    rows[1]["role_object_id"].pop()
    path.write_text(json.dumps(rows))
    with pytest.raises(ModelError, match=r"vcoco_test.json: \[1\]: .*role_object_id"):
        read_roles(tmp_path, "test")
    rows[1]["role_object_id"].append(0)
    rows[2]["image_id"] = [295, 294]
    path.write_text(json.dumps(rows))
    with pytest.raises(ModelError, match=r"image 295 of vcoco_test.json is missing"):
        read_roles(tmp_path, "test")


def test_pairs_stand_in_for_the_authors_files(tmp_path: Path) -> None:
    man, ball, cup = [10.0, 20, 110, 220], [600.0, 20, 640, 31], [90.0, 90, 100, 100]
    image = {
        "file_name": "a.jpg",
        "boxes_h": [man, man],
        "boxes_o": [ball, cup],
        "actions": [ROLES.index("hit obj"), HOLD],
        "objects": [33, 42],
    }
    empty = {"file_name": "b.jpg", "boxes_h": [], "boxes_o": [], "actions": [], "objects": []}
    rows = {"annotations": [empty, image]}
    (tmp_path / "instances_vcoco_test.json").write_text(json.dumps(rows))
    truth = read_roles(tmp_path, "test")
    assert truth.source == "pairs"
    assert truth.keys == ("a.jpg",)
    assert truth.persons.tolist() == [[10, 20, 109, 219]]
    done = {ROLES[role] for role in np.flatnonzero(truth.does[0])}
    assert done == {"hit instr", "hit obj", "hold obj"}  # who hits, hits with something
    assert np.isnan(truth.objects[0, HIT_WITH]).all()
    assert truth.objects[0, HOLD].tolist() == [90, 90, 99, 99]


@pytest.mark.skipif(not VCOCO.is_dir(), reason="no ../shared/data/vcoco")
def test_what_is_annotated_is_found_perfect_on_the_real_test_split() -> None:
    truth = read_roles(VCOCO, "test")
    person, role = np.nonzero(np.isfinite(truth.objects).all(-1))
    assert len(person) == 12_402  # every annotated pair
    found = ScoredTriplets(
        truth.keys,
        truth.image[person],
        truth.persons[person],
        truth.objects[person, role],
        np.zeros(len(person), np.int64),
        np.arange(len(person)),
        role,
        np.linspace(0.1, 0.9, len(person), dtype=np.float32),
    )
    report = evaluate_vcoco(truth, found)
    assert len(report.scenario_1.aps) == 24
    assert report.scenario_1.mean > 0.8  # who hits without an annotated instrument is missed
    assert report.scenario_1.aps["kick"] == report.scenario_1.aps["ride"] == pytest.approx(1)
