"""Colours have the names that people give them."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.colours import INNER, UPPER, colour_shares, name_of, part_of
from models.world.render import World

WHOLE = np.array([0, 0, 8, 8], np.float32)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((250, 10, 10), "red"),
        ((255, 140, 0), "orange"),
        ((120, 70, 20), "brown"),
        ((250, 230, 20), "yellow"),
        ((20, 130, 40), "green"),
        ((30, 60, 200), "blue"),
        ((120, 40, 160), "purple"),
        ((250, 150, 190), "pink"),
        ((10, 10, 12), "black"),
        ((128, 128, 128), "grey"),
        ((250, 250, 250), "white"),
    ],
)
def test_plain_colours(rgb: tuple[int, int, int], name: str) -> None:
    image = np.full((8, 8, 3), rgb, np.uint8)
    assert name_of(colour_shares(image, WHOLE)) == name


@given(st.lists(st.floats(-50, 200), min_size=4, max_size=4))
def test_any_box_gives_shares_or_nothing(box: list[float]) -> None:
    image = np.full((40, 40, 3), (250, 10, 10), np.uint8)
    shares = colour_shares(image, np.array(box, np.float32))
    assert float(shares.sum()) == pytest.approx(1) or name_of(shares) is None


def test_shirts_and_solid_things_of_the_world_have_their_colour() -> None:
    right = Counter[str]()
    seen = Counter[str]()
    for kind, name, colour in looked_at(range(9000, 9012)):
        seen[kind] += 1
        right[kind] += {"gray": "grey"}.get(colour, colour) == name
    assert right["person"] >= 0.95 * seen["person"] > 15
    assert right["thing"] >= 0.85 * seen["thing"] > 20


HOLLOW = {"bicycle", "chair", "bench", "skateboard", "umbrella", "phone"}  # mostly what is behind


def looked_at(seeds: range) -> Iterator[tuple[str, str | None, str]]:
    """Person or thing, the colour found over all its clear sightings, and the true one."""
    for seed in seeds:
        sums: dict[tuple[str, int, str], npt.NDArray[np.float32]] = {}
        for image, truth in World(seed, seconds=6.0).frames(every=6):
            for one in truth.instances:
                if one.occlusion > 0.3 or one.class_name in HOLLOW:
                    continue
                person = one.class_name == "person"
                box = part_of(np.array(one.box, np.float32), UPPER if person else INNER)
                key = "person" if person else "thing", one.id, one.colour
                sums[key] = sums.get(key, np.float32(0)) + colour_shares(image, box)
        for (kind, _, colour), total in sums.items():
            yield kind, name_of(total), colour
