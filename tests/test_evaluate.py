"""`stream evaluate hicodet` and `vcoco`: a bundle on images, detections saved and scored later."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from safetensors.numpy import load_file, save_file

from models.bundle import load_bundle
from models.datasets.detections import DetectionCache
from models.datasets.hico_facts import hico_vocabulary, interaction_table
from models.datasets.images import SkippedImages
from models.datasets.open import open_dataset
from models.datasets.vcoco import vcoco_vocabulary
from models.detector import open_detector
from models.errors import ModelError
from models.evaluation.scoring import EXPONENTS, Wording, score_dataset
from models.evaluation.triplets import (
    ImageTriplets,
    ScoredTriplets,
    gather,
    load_triplets,
    save_triplets,
)
from models.scorer import load_scorer
from models.training.world_frames import HELD_OUT, render_frames
from models.vocabulary import Verb, Vocabulary
from stream.cli import main

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOI_STREAM_HOME", str(tmp_path / "home"))

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return int(str(exit_.value.code)), out, err

    return run


@pytest.fixture(scope="module")
def world_as_hico(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Held-out frames of the world as a HICO-DET test split: what both vocabularies can say."""
    folder = tmp_path_factory.mktemp("hico")
    render_frames(folder / "clips", 6, on_clip=lambda _: None, first_seed=HELD_OUT.start)
    world = open_dataset(f"world:{folder / 'clips'}", split="test")
    words, table = hico_vocabulary(), interaction_table()
    rows, names = [], []
    first_pixel = np.array([1, 1, 0, 0], np.float32)
    images = folder / "images" / "test2015"
    images.mkdir(parents=True)
    for index in range(len(world.keys)):
        pairs, row = world.pairs(index), dict[str, list[Any]]()
        for name in ("boxes_h", "boxes_o", "hoi", "object", "verb"):
            row[name] = []
        for human, thing, class_, verb in zip(
            pairs.humans, pairs.objects, pairs.object_classes, pairs.verbs, strict=True
        ):
            said = world.vocabulary.verb_names[verb], world.vocabulary.objects[class_]
            if said[0] not in words.verb_names or said[1] not in words.objects:
                continue
            verb, class_ = words.verb_names.index(said[0]), words.objects.index(said[1])
            if table[class_, verb] < 0:
                continue
            row["boxes_h"].append((human + first_pixel).tolist())
            row["boxes_o"].append((thing + first_pixel).tolist())
            row["hoi"].append(int(table[class_, verb]))
            row["object"].append(class_)
            row["verb"].append(verb)
        if row["hoi"]:
            name = world.keys[index].replace(":", "_") + ".png"
            PIL.Image.fromarray(world.image(index)).save(images / name)
            rows.append(row)
            names.append(name)
    file = {"annotation": rows, "filenames": names, "empty": []}
    file |= {"objects": list(words.objects), "verbs": list(words.verb_names)}
    (folder / "instances_test2015.json").write_text(json.dumps(file))
    return folder


def test_a_bundle_is_scored_and_its_saved_detections_give_the_same_again(
    cli: Cli, world_as_hico: Path, tmp_path: Path
) -> None:
    data, saved = f"hicodet:{world_as_hico}", tmp_path / "kept" / "world.safetensors"
    command = ("evaluate", "hicodet", "--data", data, "--setting", "uc0", "--json")
    code, out, err = cli(*command, "--bundle", "world-boxes", "--save", saved)
    assert code == 0, err
    report = json.loads(out)
    annotated = {
        hoi
        for row in json.loads((world_as_hico / "instances_test2015.json").read_text())["annotation"]
        for hoi in row["hoi"]
    }
    aps = np.array(report["default_aps"])
    assert len(annotated) >= 5
    assert aps[list(annotated)].mean() > 0.3
    assert report["default"]["full"] == pytest.approx(aps.mean())
    assert report["unscored"] == 0
    full = (120 * report["default"]["unseen"] + 480 * report["default"]["seen"]) / 600
    assert report["default"]["full"] == pytest.approx(full)

    code, again, err = cli(*command, "--detections", saved)
    assert code == 0, err
    assert json.loads(again) == report
    code, table, _ = cli(*command[:-1], "--detections", saved)
    assert code == 0
    assert "known object" in table
    assert f"{100 * report['default']['harmonic']:.2f}" in table


def test_detections_are_found_once_and_a_missing_image_is_named_not_fatal(
    cli: Cli, world_as_hico: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    (folder / "images" / "test2015").mkdir(parents=True)
    name = "instances_test2015.json"
    (folder / name).write_bytes((world_as_hico / name).read_bytes())
    images = sorted((world_as_hico / "images" / "test2015").iterdir())
    for image in images[1:]:
        (folder / "images" / "test2015" / image.name).write_bytes(image.read_bytes())
    command = (
        "evaluate",
        "hicodet",
        "--data",
        f"hicodet:{folder}",
        "--bundle",
        "world-boxes",
        "--json",
    )
    code, out, err = cli(*command)
    assert code == 0, err
    assert err.count(f"{images[0].name}: no such image") == 1
    assert f"1 of {len(images)} images could not be read" in err
    assert json.loads(out)["unscored"] == 1
    (shards,) = (tmp_path / "home" / "detections").iterdir()
    before = {path: path.stat().st_mtime_ns for path in shards.iterdir()}
    code, again, _ = cli(*command)
    assert (code, again) == (0, out)
    assert {path: path.stat().st_mtime_ns for path in shards.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "reason", "code"),
    [
        ((), "either --detections FILE or --bundle", 2),
        (
            ("--bundle", "world-boxes", "--detections", "x"),
            "either --detections FILE or --bundle",
            2,
        ),
        (("--detections", "no.safetensors"), "no.safetensors: not saved detections", 1),
        (("--bundle", "boxes"), "has no detector of its own: give --detector", 1),
        (("--bundle", "world-boxes", "--setting", "uc9"), "no setting 'uc9': default, uc0", 1),
    ],
)
def test_what_does_not_fit_is_one_line(
    cli: Cli, world_as_hico: Path, options: tuple[str, ...], reason: str, code: int
) -> None:
    got, out, err = cli("evaluate", "hicodet", "--data", f"hicodet:{world_as_hico}", *options)
    assert (got, out) == (code, "")
    assert reason in err
    assert err.count("\n") == 1


def test_data_of_another_kind_is_refused(cli: Cli, world_as_hico: Path) -> None:
    data = ("--data", f"hicodet:{world_as_hico}")
    code, _, err = cli("evaluate", "vcoco", *data, "--bundle", "world-boxes")
    assert code == 2
    assert "write vcoco:PATH of the folder" in err


def test_verbs_are_matched_by_name_and_a_bundle_without_a_common_one_is_refused() -> None:
    def words(*verbs: str) -> Vocabulary:
        return Vocabulary("own", tuple(Verb(name, name) for name in verbs), ("cup",), ((),))

    wording = Wording(words("juggle", "hold"), words("carry", "hold", "wear"))
    assert wording.scores(np.array([[0.9, 0.7]], np.float32)).tolist() == [
        pytest.approx([0, 0.7, 0])
    ]
    with pytest.raises(ModelError, match="has no verb of 'own': carry"):
        Wording(words("juggle"), words("carry"))


def vcoco_folder(folder: Path) -> Path:
    """Two test images without pictures: a man kicks a ball, a woman holds a cup."""
    boxes: dict[str, Any] = {"boxes_h": [[10, 20, 110, 220]], "boxes_o": [[90, 200, 120, 230]]}
    rows = [
        {**boxes, "file_name": "a.jpg", "actions": [21], "objects": [33]},
        {**boxes, "file_name": "b.jpg", "actions": [0], "objects": [42]},
    ]
    folder.mkdir(exist_ok=True)
    (folder / "instances_vcoco_test.json").write_text(json.dumps({"annotations": rows}))
    return folder


def test_saved_vcoco_detections_are_scored(cli: Cli, tmp_path: Path) -> None:
    folder, words = vcoco_folder(tmp_path / "vcoco"), vcoco_vocabulary()
    scores = np.zeros((1, 24), np.float32)
    scores[0, words.verb_names.index("kick")] = 0.8
    boxes = np.array([[10, 20, 109, 219]], np.float32), np.array([[90, 200, 119, 229]], np.float32)
    part = ImageTriplets(*boxes, np.array([words.objects.index("sports ball")]), scores)
    save_triplets(tmp_path / "kick.safetensors", gather([("a.jpg", part)]), words)
    command = ("evaluate", "vcoco", "--data", f"vcoco:{folder}", "--detections", "kick.safetensors")
    code, out, err = cli(*command, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["scenario_1"]["aps"] == {"hold": 0, "kick": 1}
    assert report["unscored"] == 1
    assert report["source"] == "pairs"
    code, out, err = cli(*command)
    assert code == 0
    assert "1 of 2 images have no detections" in err
    assert "not to be compared with published tables" in err
    assert "100.00" in out


def test_images_without_a_pair_are_no_reason_for_a_warning(cli: Cli, tmp_path: Path) -> None:
    folder, words = vcoco_folder(tmp_path / "vcoco"), vcoco_vocabulary()
    file = folder / "instances_vcoco_test.json"
    rows = json.loads(file.read_text())["annotations"]
    rows.append({**rows[0], "file_name": "c.jpg", "objects": [0]})  # kicks what nobody annotated
    file.write_text(json.dumps({"annotations": rows}))
    nothing = np.zeros((0, 4), np.float32)
    part = ImageTriplets(nothing, nothing, np.zeros(0, np.int64), np.zeros((0, 24), np.float32))
    save_triplets(tmp_path / "n.safetensors", gather([("a.jpg", part), ("b.jpg", part)]), words)
    command = ("evaluate", "vcoco", "--data", f"vcoco:{folder}", "--detections", "n.safetensors")
    code, out, err = cli(*command)
    assert code == 0, err
    assert "3 images" in out
    assert "have no detections" not in err


def test_a_bundle_behind_a_detector_of_the_user_s_is_scored_on_vcoco_images(
    cli: Cli, detector: Path, tmp_path: Path
) -> None:
    boxes: dict[str, Any] = {"boxes_h": [[30, 10, 70, 90]], "boxes_o": [[60, 40, 72, 52]]}
    rows = [{**boxes, "file_name": f"{n}.png", "actions": [0], "objects": [42]} for n in range(3)]
    folder = tmp_path / "vcoco"
    (folder / "images").mkdir(parents=True)
    (folder / "instances_vcoco_test.json").write_text(json.dumps({"annotations": rows}))
    for row in rows:
        PIL.Image.new("RGB", (128, 96)).save(folder / "images" / row["file_name"])
    chosen = ("--bundle", "boxes", "--detector", detector, "--json")
    code, out, err = cli("evaluate", "vcoco", "--data", f"vcoco:{folder}", *chosen)
    assert code == 0, err
    report = json.loads(out)
    assert report["scenario_1"]["aps"] == report["scenario_2"]["aps"] == {"hold": 1}
    assert report["unscored"] == 0


def test_scores_are_probabilities_times_what_the_detector_is_sure_of(
    detector: Path, tmp_path: Path
) -> None:
    vcoco_folder(tmp_path)
    for name in ("a.jpg", "b.jpg"):
        PIL.Image.new("RGB", (128, 96)).save(tmp_path / name)
    data = open_dataset(f"vcoco:{tmp_path}", split="test")
    cache = DetectionCache(tmp_path / "kept", lambda: open_detector(str(detector)))
    cache.fill(data, SkippedImages())
    bundle = load_bundle("boxes")
    plain, once, cmmp = (
        score_dataset(
            data,
            load_scorer(bundle),
            bundle.vocabulary,
            cache,
            exponent=exponent,
            skipped=SkippedImages(),
        )
        for exponent in (0.0, 1.0, EXPONENTS["cmmp"])
    )
    cup = bundle.vocabulary.objects.index("cup")
    assert len(plain.score) == 2 * bundle.vocabulary.validity[cup].sum()
    assert plain.score.max() > 0.5  # it is held
    assert once.score == pytest.approx(plain.score * 0.9 * 0.9, rel=1e-5)
    assert cmmp.score == pytest.approx(plain.score * 0.81**2.8, rel=1e-5)


def test_a_run_without_a_single_readable_image_ends_with_one_line(cli: Cli, tmp_path: Path) -> None:
    folder = vcoco_folder(tmp_path / "vcoco")
    code, out, err = cli(
        "evaluate", "vcoco", "--data", f"vcoco:{folder}", "--bundle", "world-boxes"
    )
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("stream: none of 2 images can be read; the first: ")


def some_triplets(seed: int = 0) -> ScoredTriplets:
    rng = np.random.default_rng(seed)

    def image(pairs: int) -> ImageTriplets:
        boxes = rng.uniform(0, 99, (2, pairs, 4)).astype(np.float32)
        boxes[1, ::2] = np.nan
        scores = rng.random((pairs, 24)).astype(np.float32)
        scores[scores < 0.8] = 0
        return ImageTriplets(boxes[0], boxes[1], rng.integers(80, size=pairs), scores)

    return gather((f"bild {i} ü.jpg", image(pairs)) for i, pairs in enumerate((3, 0, 5, 1)))


def test_triplets_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    found, words = some_triplets(), vcoco_vocabulary()
    save_triplets(tmp_path / "new" / "t.safetensors", found, words)
    again = load_triplets(tmp_path / "new" / "t.safetensors", words)
    assert again.keys == found.keys == tuple(f"bild {i} ü.jpg" for i in range(4))
    for name in ("image", "humans", "objects", "object_classes", "pair", "verb", "score"):
        before, after = getattr(found, name), getattr(again, name)
        assert np.array_equal(before, after, equal_nan=name == "objects")
        assert before.dtype == after.dtype
    assert found.image.tolist() == [0, 0, 0, 2, 2, 2, 2, 2, 3]
    empty = gather([])
    save_triplets(tmp_path / "none.safetensors", empty, words)
    assert load_triplets(tmp_path / "none.safetensors", words).keys == ()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("verb", 24, "verb holds a number outside 0 to 23"),
        ("pair", 9, "pair holds a number outside 0 to 8"),
        ("pair", -1, "pair holds a number outside 0 to 8"),
        ("image", 4, "image holds a number outside 0 to 3"),
        ("object_classes", 80, "object_classes holds a number outside 0 to 79"),
        ("score", np.nan, "a score or a person's box is not a finite number"),
    ],
)
def test_numbers_that_point_nowhere_are_refused(
    tmp_path: Path, name: str, value: float, reason: str
) -> None:
    words, path = vcoco_vocabulary(), tmp_path / "t.safetensors"
    found = some_triplets()
    getattr(found, name)[0] = value
    save_triplets(path, found, words)
    with pytest.raises(ModelError, match=rf"t.safetensors: {reason}"):
        load_triplets(path, words)


def test_other_files_and_other_vocabularies_are_refused(tmp_path: Path) -> None:
    words, path = vcoco_vocabulary(), tmp_path / "t.safetensors"
    save_triplets(path, some_triplets(), words)
    with pytest.raises(ModelError, match=r"scored with the words of 'vcoco', not of 'hico'"):
        load_triplets(path, hico_vocabulary())
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match="not saved detections"):
        load_triplets(path, words)
    save_triplets(path, some_triplets(), words)
    tensors = load_file(path)
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(ModelError, match=r"not saved detections \(format 'pt'\)"):
        load_triplets(path, words)
