"""Data sets give the annotated pairs in one vocabulary, and name what they cannot read."""

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from models.datasets.examples import HOIDataset
from models.datasets.hico_facts import (
    hico_vocabulary,
    interaction_pairs,
    interaction_table,
    rare_interactions,
    seen_vocabulary,
    settings,
    unseen_interactions,
)
from models.datasets.images import SkippedImages, read_image
from models.datasets.open import open_dataset
from models.datasets.vcoco import read_vcoco
from models.errors import ModelError
from models.training.world_frames import HELD_OUT, render_frames
from models.world.truth import UNSEEN

VCOCO = Path(__file__).parents[2] / "shared" / "data" / "vcoco"
PERSON, BALL = [11.0, 21.0, 60.0, 90.0], [41.0, 61.0, 50.0, 70.0]


def interaction(text: str) -> int:
    words = hico_vocabulary()
    names = [f"{words.verb_names[v]} {words.objects[o]}" for v, o in interaction_pairs()]
    return names.index(text)


def write_image(path: Path, colour: tuple[int, int, int] = (200, 30, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (64, 48), colour).save(path, quality=95)
    return path


def hico_file(
    images: list[list[str]], *, alphabetical: bool = False, key: str = "annotation"
) -> dict[str, Any]:
    """As UPT's: every image is a list of interactions between the same two boxes."""
    words = hico_vocabulary()
    objects = sorted(words.objects) if alphabetical else list(words.objects)
    rows = []
    for names in images:
        hoi = [interaction(name) for name in names]
        verbs, things = interaction_pairs()[hoi].T.tolist() if hoi else ([], [])
        rows.append(
            {
                "boxes_h": [list(PERSON) for _ in hoi],
                "boxes_o": [list(BALL) for _ in hoi],
                "hoi": hoi,
                "object": [objects.index(words.objects[thing]) for thing in things],
                "verb": verbs,
            }
        )
    return {
        key: rows,
        "filenames": [f"HICO_{i}.jpg" for i in range(len(images))],
        "empty": [i for i, names in enumerate(images) if not names],
        "objects": [name.replace(" ", "_") for name in objects],
        "verbs": [name.replace(" ", "_") for name in words.verb_names],
        "size": [[64, 48]] * len(images),
        "correspondence": [],
    }


def write_hico(folder: Path, train: dict[str, Any], test: dict[str, Any] | None = None) -> str:
    for part, file in (("train2015", train), ("test2015", test or train)):
        (folder / f"instances_{part}.json").write_text(json.dumps(file))
    return f"hicodet:{folder}"


def told(dataset: HOIDataset, index: int) -> list[tuple[str, str]]:
    words, pairs = dataset.vocabulary, dataset.pairs(index)
    return [
        (words.verb_names[v], words.objects[o])
        for v, o in zip(pairs.verbs, pairs.object_classes, strict=True)
    ]


def test_the_facts_of_hico_fit_together() -> None:
    words, table = hico_vocabulary(), interaction_table()
    assert (len(words.objects), len(words.verbs)) == (80, 117)
    assert (table >= 0).sum() == 600
    assert np.array_equal(table >= 0, words.validity)
    assert len(rare_interactions()) == 138
    counts = {name: len(unseen_interactions(name)) for name in settings()}
    assert counts == {
        **dict.fromkeys(("rare_first", "non_rare_first", "uc0", "uc1", "uc2", "uc3", "uc4"), 120),
        "default": 0,
        "unseen_object": 100,
        "unseen_verb": 84,
    }
    assert set(unseen_interactions("rare_first")) <= set(rare_interactions())
    assert not set(unseen_interactions("non_rare_first")) & set(rare_interactions())


@pytest.mark.parametrize("alphabetical", [False, True])
@pytest.mark.parametrize("key", ["annotation", "annotations"])
def test_hico_objects_are_coco_s_whichever_order_the_file_counts_them_in(
    tmp_path: Path, *, alphabetical: bool, key: str
) -> None:
    images = [["ride motorcycle", "no interaction zebra"], [], ["pick up cake"]]
    file = hico_file(images, alphabetical=alphabetical, key=key)
    data = open_dataset(write_hico(tmp_path, file), split="train")
    assert list(data.keys) == ["HICO_0.jpg", "HICO_2.jpg"]
    assert told(data, 0) == [("ride", "motorcycle"), ("no interaction", "zebra")]
    assert told(data, 1) == [("pick up", "cake")]
    # HICO's pixels are counted from 1 and include the last: coordinates are one less, then equal
    assert data.pairs(0).humans.tolist() == [[10, 20, 60, 90]] * 2
    assert data.pairs(0).objects.tolist() == [[40, 60, 50, 70]] * 2


def test_unseen_pairs_leave_training_and_stay_in_the_test_split(tmp_path: Path) -> None:
    words = hico_vocabulary()
    unseen = int(unseen_interactions("unseen_verb")[0])
    verb, thing = interaction_pairs()[unseen]
    hidden = f"{words.verb_names[verb]} {words.objects[thing]}"
    spec = write_hico(tmp_path, hico_file([[hidden, "hold cup"], [hidden], ["hold cup"]]))
    train = open_dataset(spec, split="train", setting="unseen_verb")
    assert list(train.keys) == ["HICO_0.jpg", "HICO_2.jpg"]
    assert told(train, 0) == told(train, 1) == [("hold", "cup")]
    assert not train.vocabulary.validity[thing, verb]
    test = open_dataset(spec, split="test", setting="unseen_verb")
    assert len(test.keys) == 3
    assert test.vocabulary.validity[thing, verb]
    assert len(open_dataset(spec, split="train").keys) == 3


@pytest.mark.parametrize("setting", settings())
def test_training_allows_exactly_the_seen_interactions(setting: str) -> None:
    verbs, objects = interaction_pairs().T
    seen = seen_vocabulary(setting).validity[objects, verbs]
    assert np.array_equal(np.flatnonzero(~seen), np.sort(unseen_interactions(setting)))


def test_an_object_that_is_not_the_interaction_s_is_told_with_its_place(tmp_path: Path) -> None:
    file = hico_file([["hold cup"], ["hold cup", "ride horse"]])
    file["annotation"][1]["object"][1] = 2
    with pytest.raises(ModelError) as error:
        open_dataset(write_hico(tmp_path, file), split="train")
    place = str(tmp_path / "instances_train2015.json")
    assert str(error.value) == (
        f"{place}: annotation[1].object[1]: car, but interaction {interaction('ride horse')} "
        "is 'ride horse'"
    )


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda file: file["annotation"][1]["boxes_h"][0].pop(), "annotation[1].boxes_h[0][3]: "),
        (lambda file: file["annotation"][1]["hoi"].append(3), "annotation[1]: "),
        (lambda file: file["annotation"][1].update(verb="hold"), "annotation[1].verb: "),
        (lambda file: file["annotation"][1]["hoi"].__setitem__(0, 600), "hoi[0]: 600"),
        (lambda file: file["annotation"][1]["boxes_o"][0].__setitem__(0, float("nan")), "[0][0]: "),
        (lambda file: file.pop("filenames"), "filenames: Field required"),
        (lambda file: file["filenames"].pop(), "2 annotations of 1 filenames"),
    ],
)
def test_malformed_annotations_are_one_line_with_file_place_and_reason(
    tmp_path: Path, spoil: Any, reason: str
) -> None:
    file = hico_file([["hold cup"], ["hold cup"]])
    spoil(file)
    with pytest.raises(ModelError) as error:
        open_dataset(write_hico(tmp_path, file), split="train")
    text = str(error.value)
    assert text.startswith(str(tmp_path / "instances_train2015.json") + ": ")
    assert reason in text
    assert "\n" not in text


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    file = hico_file([["hold cup"], ["hold cup"]])
    file["filenames"][1] = "HICO_0.jpg"
    with pytest.raises(ModelError, match=r"HICO_0.jpg: two images of the data set have this name"):
        open_dataset(write_hico(tmp_path, file), split="train")


def test_a_json_that_is_cut_off_or_missing_is_told(tmp_path: Path) -> None:
    spec = write_hico(tmp_path, hico_file([["hold cup"]]))
    path = tmp_path / "instances_test2015.json"
    path.write_text(path.read_text()[:200])
    with pytest.raises(ModelError, match=r"instances_test2015.json: Invalid JSON.*line 1 column"):
        open_dataset(spec, split="test")
    path.unlink()
    with pytest.raises(ModelError, match=r"instances_test2015.json: No such file"):
        open_dataset(spec, split="test")


@pytest.mark.parametrize("place", ["hico_20160224_det/images", "images", "."])
def test_images_are_found_where_people_keep_them(tmp_path: Path, place: str) -> None:
    write_image(tmp_path / place / "train2015" / "HICO_0.jpg")
    data = open_dataset(write_hico(tmp_path, hico_file([["hold cup"]])), split="train")
    image = data.image(0)
    assert image.shape == (48, 64, 3)
    assert np.abs(image.astype(int) - (200, 30, 40)).max() < 6  # RGB, not BGR


def test_unreadable_images_are_named_once_counted_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "images" / "train2015"
    write_image(folder / "HICO_0.jpg")
    cut = write_image(folder / "HICO_1.jpg")
    cut.write_bytes(cut.read_bytes()[:-300])
    (folder / "HICO_2.jpg").write_text("an error page of a download")
    data = open_dataset(write_hico(tmp_path, hico_file([["hold cup"]] * 4)), split="train")
    with pytest.raises(ModelError, match=r"HICO_3.jpg: no such image"):
        data.image(3)
    skipped = SkippedImages()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            read = [skipped.read(data, index) is not None for index in range(4)]
    assert read == [True, False, False, False]
    assert set(skipped.reasons) == {"HICO_1.jpg", "HICO_2.jpg", "HICO_3.jpg"}
    assert "damaged image" in skipped.reasons["HICO_1.jpg"]
    assert "not an image" in skipped.reasons["HICO_2.jpg"]
    assert [sum(f"HICO_{i}.jpg" in line for line in caplog.messages) for i in range(4)] == [
        *(0, 1, 1, 1)
    ]


def test_a_missing_folder_of_images_does_not_fill_the_screen(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = open_dataset(write_hico(tmp_path, hico_file([["hold cup"]] * 100)), split="train")
    skipped = SkippedImages()
    with caplog.at_level(logging.WARNING):
        assert all(skipped.read(data, index) is None for index in range(100))
    assert len(skipped.reasons) == 100
    assert len(caplog.messages) < 30


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA"])
def test_images_of_every_mode_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("image.jpg" if mode in ("L", "CMYK") else "image.png")
    PIL.Image.new("RGB", (5, 4), (90, 90, 90)).convert(
        mode, palette=PIL.Image.Palette.ADAPTIVE
    ).save(path)
    image = read_image(path)
    assert image.shape == (4, 5, 3)
    assert np.abs(image.astype(int) - 90).max() < 8


def test_images_are_not_turned_by_their_exif_tag(tmp_path: Path) -> None:
    tag = PIL.Image.Exif()
    tag[0x0112] = 6  # "turn by 90 degrees"; boxes are annotated on what is stored
    PIL.Image.new("RGB", (64, 48)).save(tmp_path / "turned.jpg", exif=tag)
    assert read_image(tmp_path / "turned.jpg").shape == (48, 64, 3)


def vcoco_row(name: str, actions: list[int], objects: list[int]) -> dict[str, Any]:
    count = len(actions)
    boxes: dict[str, Any] = {"boxes_h": [PERSON] * count, "boxes_o": [BALL] * count}
    return {**boxes, "actions": actions, "objects": objects, "file_name": name}


def test_vcoco_objects_are_counted_from_one_and_images_lie_by_year(tmp_path: Path) -> None:
    name = "COCO_val2014_000000000294.jpg"
    rows = [vcoco_row(name, [21, 3], [33, 33]), vcoco_row("COCO_val2014_000000000295.jpg", [], [])]
    (tmp_path / "instances_vcoco_test.json").write_text(json.dumps({"annotations": rows}))
    write_image(tmp_path / "mscoco2014" / "val2014" / name)
    data = open_dataset(f"vcoco:{tmp_path}", split="test")
    assert list(data.keys) == [name]
    assert told(data, 0) == [("kick", "sports ball"), ("look at", "sports ball")]
    assert data.pairs(0).humans.tolist() == [PERSON] * 2
    assert data.image(0).shape == (48, 64, 3)


@pytest.mark.parametrize(("actions", "objects"), [([24], [1]), ([1], [81]), ([1, 2], [1])])
def test_vcoco_numbers_that_name_nothing_are_refused(
    tmp_path: Path, actions: list[int], objects: list[int]
) -> None:
    rows = [vcoco_row("a.jpg", [], []), vcoco_row("b.jpg", actions, objects)]
    (tmp_path / "instances_vcoco_trainval.json").write_text(json.dumps({"annotations": rows}))
    with pytest.raises(ModelError, match=r"trainval.json: annotations\[1\]: "):
        open_dataset(f"vcoco:{tmp_path}", split="train")


@pytest.mark.skipif(not VCOCO.is_dir(), reason="no ../shared/data/vcoco")
@pytest.mark.parametrize(
    ("split", "part", "images", "with_pairs", "pairs"),
    [("train", "trainval", 5400, 4969, 13817), ("test", "test", 4946, 4532, 12402)],
)
def test_vcoco_has_the_published_counts(
    split: Any, part: str, images: int, with_pairs: int, pairs: int
) -> None:
    data = open_dataset(f"vcoco:{VCOCO}", split=split)
    assert len(read_vcoco(VCOCO, part)) == images
    assert len(data.keys) == with_pairs
    assert sum(len(data.pairs(i).verbs) for i in range(with_pairs)) == pairs


def own_file() -> dict[str, Any]:
    return {
        "images": [{"id": 5, "file_name": "yard.jpg"}, {"id": 6, "file_name": "empty.jpg"}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}],
        "annotations": [
            {"id": 7, "image_id": 5, "category_id": 1, "bbox": [10, 20, 30, 40]},
            {"id": 8, "image_id": 5, "category_id": 18, "bbox": [1, 2, 3, 4]},
            {"id": 9, "image_id": 6, "category_id": 18, "bbox": [1, 2, 3, 4]},
        ],
        "verbs": [
            {"id": 2, "name": "hug"},
            {"id": 1, "name": "feed", "sentence": "feeding it", "categories": [18]},
        ],
        "interactions": [{"subject": 7, "object": 8, "verb": 2}],
    }


def test_a_coco_style_file_of_one_s_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(json.dumps(own_file()))
    write_image(tmp_path / "images" / "yard.jpg")
    data = open_dataset(f"coco:{tmp_path}", split="train")
    assert list(data.keys) == ["yard.jpg"]
    assert data.vocabulary.objects == ("person", "dog")
    assert data.vocabulary.verb_names == ("feed", "hug")
    assert data.vocabulary.verbs[0].sentence == "feeding it"
    assert data.vocabulary.validity.tolist() == [[False, True], [True, True]]
    assert told(data, 0) == [("hug", "dog")]
    assert data.pairs(0).humans.tolist() == [[10, 20, 40, 60]]
    assert data.pairs(0).objects.tolist() == [[1, 2, 4, 6]]
    assert data.image(0).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"verb": 3}, r"interactions\[0\].verb: there is no 3"),
        ({"subject": 70}, r"interactions\[0\].subject: there is no 70"),
        ({"subject": 8}, r"interactions\[0\].subject: annotation 8 is no person"),
        ({"object": 9}, r"interactions\[0\]: subject and object are of different images"),
        ({"object": "dog"}, r"interactions\[0\].object: Input should be a valid integer"),
    ],
)
def test_a_wrong_reference_in_one_s_own_file_is_told(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    file = own_file()
    file["interactions"][0] |= change
    (tmp_path / "test.json").write_text(json.dumps(file))
    with pytest.raises(ModelError, match=rf"test.json: {reason}"):
        open_dataset(f"coco:{tmp_path}", split="test")


@pytest.mark.parametrize("spec", ["hicodet", "hicodet:", "vidhoi:/tmp", "/tmp", "vcoco:/no/such"])
def test_a_data_set_that_is_not_named_well_is_refused(spec: str) -> None:
    with pytest.raises(ModelError, match=r"data|no such folder"):
        open_dataset(spec, split="test")


def test_a_setting_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    spec = write_hico(tmp_path, hico_file([["hold cup"]]))
    with pytest.raises(ModelError, match=r"no setting 'rarefirst': default, uc0"):
        open_dataset(spec, split="train", setting="rarefirst")
    with pytest.raises(ModelError, match="vcoco has no zero-shot settings"):
        open_dataset(f"vcoco:{tmp_path}", split="train", setting="uc0")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    render_frames(folder, 2, on_clip=lambda _: None)
    render_frames(folder, 1, on_clip=lambda _: None, first_seed=HELD_OUT.start)
    return folder


def test_world_frames_show_their_pairs_and_splits_share_no_clip(clips: Path) -> None:
    train = open_dataset(f"world:{clips}", split="train")
    test = open_dataset(f"world:{clips}", split="test")
    assert {key.partition(":")[0] for key in train.keys} == {"100000", "100001"}
    assert {key.partition(":")[0] for key in test.keys} == {"10000"}
    for index in range(0, len(train.keys), 5):
        image, pairs = train.image(index), train.pairs(index)
        assert len(pairs.verbs)
        far = np.concatenate([pairs.humans, pairs.objects])[:, 2:].max(0)
        assert np.all(far <= (image.shape[1] + 1, image.shape[0] + 1))
        assert train.vocabulary.validity[pairs.object_classes, pairs.verbs].all()


def test_held_out_pairs_of_the_world_leave_training_alone(clips: Path) -> None:
    def seen(split: Any, setting: str) -> Counter[tuple[str, str]]:
        data = open_dataset(f"world:{clips}", split=split, setting=setting)
        return Counter(pair for index in range(len(data.keys)) for pair in told(data, index))

    whole, without = seen("train", "default"), seen("train", "unseen_pairs")
    assert set(whole) & UNSEEN, "these clips show no held-out pair: take other seeds"
    assert without == Counter({pair: n for pair, n in whole.items() if pair not in UNSEEN})
    assert seen("test", "default") == seen("test", "unseen_pairs")


def test_a_damaged_clip_is_skipped_by_name(
    clips: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for seed in (100_000, 100_001):
        data = (clips / f"{seed}.npz").read_bytes()
        (tmp_path / f"{seed}.npz").write_bytes(data if seed == 100_000 else data[:5000])
    with caplog.at_level(logging.WARNING):
        data_set = open_dataset(f"world:{tmp_path}", split="train")
    assert {key.partition(":")[0] for key in data_set.keys} == {"100000"}
    assert "100001.npz: damaged clip" in caplog.text
    with pytest.raises(ModelError, match="no test clips"):
        open_dataset(f"world:{tmp_path}", split="test")
