"""A bundle is verified to the last byte, or refused in one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.box_scorer import BoxScorer, BoxScorerConfig
from models.bundle import (
    MANIFEST,
    BoxesSection,
    DetectorSection,
    Manifest,
    choose_bundle,
    find_bundles,
    load_bundle,
    write_manifest,
)
from models.errors import ModelError
from models.vocabulary import Verb, Vocabulary

WORDS = Vocabulary(
    "tiny", (Verb("hold", "holding"), Verb("kick", "kicking", True)), ("cup",), ((0,),)
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("HOI_STREAM_HOME", str(folder))
    return folder


def make(folder: Path, *, detector: str | None = None) -> Path:
    folder.mkdir(parents=True)
    BoxScorer(BoxScorerConfig(1, 2, width=8)).save(folder / "scorer.safetensors")
    if detector is not None:
        (folder / detector).write_bytes(b"detector")
    manifest = Manifest(
        name=folder.name,
        version="1",
        description="for tests",
        footage="real",
        detector=DetectorSection(file=detector),
        scorer=BoxesSection(kind="boxes", file="scorer.safetensors"),
        vocabulary=WORDS.to_dict(),
        smoothing={"default": {"tau": 0.4}},
    )
    write_manifest(folder, manifest)
    return folder


def change(folder: Path, **values: Any) -> None:
    row = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(row | values))


def refusal(name: str | Path) -> str:
    with pytest.raises(ModelError) as refused:
        load_bundle(str(name))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_written_bundle_is_loaded_whole(tmp_path: Path) -> None:
    bundle = load_bundle(str(make(tmp_path / "mine")))
    assert bundle.name == "mine"
    assert bundle.vocabulary == WORDS
    assert bundle.smoothing == {"default": {"tau": 0.4}}
    assert not bundle.has_detector
    assert len(bundle.hash) == 12


def test_the_hash_follows_every_change_of_the_weights(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", detector="d.onnx")
    first = load_bundle(str(folder))
    (folder / "d.onnx").write_bytes(b"other")
    assert "SHA-256 differs" in refusal(folder)
    write_manifest(folder, first.manifest)
    assert load_bundle(str(folder)).hash != first.hash


@pytest.mark.parametrize("name", ["boxes", "world", "world-boxes"])
def test_our_own_bundles_are_sound_and_small(name: str) -> None:
    bundle = load_bundle(name)
    assert bundle.name == name
    assert set(bundle.manifest.calibration) == set(bundle.vocabulary.verb_names)
    sizes = [bundle.path(file).stat().st_size for file in bundle.manifest.files]
    assert sum(sizes) < (1_000_000 if name == "boxes" else 25_000_000)


def test_the_user_s_bundles_are_found_by_name(home: Path) -> None:
    folder = make(home / "bundles" / "mine")
    assert find_bundles()["mine"] == folder
    assert {"boxes", "world", "world-boxes", "mine"} <= set(find_bundles())
    assert load_bundle("mine").folder == folder


def test_auto_takes_the_best_for_real_footage_that_can_run(home: Path) -> None:
    assert choose_bundle("auto", detector_given=False) == "world"
    assert choose_bundle("auto", detector_given=True) == "boxes"
    assert choose_bundle("other", detector_given=True) == "other"
    make(home / "bundles" / "cmmp-tiny", detector="d.onnx")
    assert choose_bundle("auto", detector_given=False) == "cmmp-tiny"


def test_unknown_names_list_what_there_is() -> None:
    text = refusal("nope")
    assert "boxes, world" in text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"colour": "red"}, "colour"),
        ({"version": None}, "version"),
        ({"files": {"weights.pt": "0"}}, "pickle"),
        ({"files": {"weights.bin": "0"}}, "pickle"),
        ({"files": {"../x.safetensors": "0"}}, "not allowed"),
        ({"files": {"x.safetensors": "0"}}, "missing file"),
        ({"files": {}}, "no hash"),
        ({"vocabulary": {}}, "not complete"),
        ({"vocabulary": WORDS.to_dict() | {"allowed": [[9]]}}, "verb that is not there"),
        ({"vocabulary": WORDS.to_dict() | {"allowed": []}}, "one row for every object"),
    ],
)
def test_a_wrong_manifest_is_refused_by_name(
    tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    folder = make(tmp_path / "mine")
    change(folder, **values)
    text = refusal(folder)
    assert said in text


def test_a_manifest_that_is_not_text_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine")
    (folder / MANIFEST).write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refusal(folder)
    (folder / MANIFEST).write_text("{")
    assert "JSON" in refusal(folder)
