"""`stream train cmmp`: from annotated images to a bundle that is evaluated and run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.bundle import INSIDE, load_bundle
from models.cmmp.checkpoint import official_name
from models.cmmp.network import build_clip
from models.cmmp.weights import read_config
from models.coco import CLASSES as COCO
from models.datasets.images import SkippedImages
from models.datasets.open import open_dataset
from models.errors import ModelError
from models.scorer import load_scorer
from models.training import cmmp_calibration
from models.training.cmmp import Plan
from models.training.cmmp_bundle import Recipe, train_bundle
from models.training.cmmp_patterns import pattern_features, spatial_patterns
from models.training.ranks import Ranks
from models.training.world_frames import render_frames
from stream.cli import main
from tests.test_datasets import hico_file, write_hico

Cli = Callable[..., tuple[int, str, str]]
ARCHITECTURE = "tiny-quickgelu"
DETECTOR = INSIDE / "world" / "detector.onnx"


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
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Random towers of an architecture that open_clip is told of."""
    folder = tmp_path_factory.mktemp("clip")
    image = {"image_size": 64, "layers": 2, "width": 64, "head_width": 64, "patch_size": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
    sizes = {"embed_dim": 24, "quick_gelu": True, "vision_cfg": image, "text_cfg": text}
    (folder / f"{ARCHITECTURE}.json").write_text(json.dumps(sizes))
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    towers = build_clip(read_config(ARCHITECTURE, {}))
    save_file(dict(towers.state_dict()), folder / "towers.safetensors")
    return f"{ARCHITECTURE}:{folder / 'towers.safetensors'}"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    render_frames(folder, 22, on_clip=lambda _: None)
    return folder


def test_a_bundle_of_the_world_is_trained_resumed_and_run(
    cli: Cli, clip: str, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cmmp_calibration, "_SHARE", 0.3)  # a twentieth of so few has no verb often
    command = [
        *("train", "cmmp", "--data", f"world:{clips}", "--setting", "unseen_pairs"),
        *("--clip", clip, "--out", "mine", "--epochs", "1"),
    ]
    code, _, err = cli(*command)
    assert code == 0, err
    bundle = load_bundle("mine")
    assert set(bundle.manifest.calibration) == set(bundle.vocabulary.verb_names)
    assert bundle.has_detector
    assert any((tmp_path / "mine-training" / "scalars").iterdir())
    scorer = load_scorer(bundle)
    assert scorer.prototypes.shape == (len(bundle.vocabulary.verbs), 24)
    code, _, err = cli(*command)  # goes on at its end
    assert code == 0, err
    assert load_bundle("mine").manifest.files == bundle.manifest.files
    code, _, err = cli(*command, "--seed", "4")
    assert code == 1
    assert "another training" in err
    code, _, err = cli("world", "render", "--out", "clip.mp4", "--seconds", "2")
    assert code == 0, err
    code, _, err = cli("run", "--source", "clip.mp4", "--bundle", "mine", "--json")
    assert code == 0, err


@pytest.fixture(scope="module")
def hico(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few pictures of the world under HICO-DET's names; both splits; one picture is missing."""
    folder = tmp_path_factory.mktemp("hico")
    names = ["ride bicycle", "hold bicycle", "sit on bicycle", "hold cup"]
    write_hico(folder, hico_file([[names[i % 4]] for i in range(30)]))
    world = open_dataset(f"world:{clips}", split="train")
    for part in ("train2015", "test2015"):
        for i in range(30):
            path = folder / "images" / part / f"HICO_{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            _store(path, world.image(i))
    (folder / "images" / "train2015" / "HICO_3.jpg").unlink()
    return folder


def _store(path: Path, image: np.ndarray[Any, Any]) -> None:

    PIL.Image.fromarray(image).save(path)


def test_hico_is_detected_once_trained_and_evaluated(
    cli: Cli, clip: str, hico: Path, tmp_path: Path
) -> None:
    data = f"hicodet:{hico}"
    command = [
        *("train", "cmmp", "--data", data, "--clip", clip, "--detector", str(DETECTOR)),
        *("--setting", "unseen_verb", "--epochs", "1"),
    ]
    code, out, err = cli(*command, "--out", "one")
    assert code == 0, err
    assert "HICO_3.jpg: no such image" in err
    assert "1 images could not be read" in err
    assert "one" in out
    (shards,) = (tmp_path / "home" / "detections").iterdir()
    before = {path: path.stat().st_mtime_ns for path in shards.iterdir()}
    code, _, err = cli(*command, "--out", "two")
    assert code == 0, err
    assert {path: path.stat().st_mtime_ns for path in shards.iterdir()} == before
    code, out, err = cli("evaluate", "hicodet", "--data", data, "--bundle", "one", "--json")
    assert code == 0, err
    assert json.loads(out)["unscored"] == 0
    for folder in (tmp_path / "home" / "detections").iterdir():
        weakest = min(np.load(path)["scores"].min() for path in folder.iterdir())
        assert weakest < 0.1, f"{folder.name}: CMMP chooses among weak boxes, too"


def test_what_cannot_be_trained_on_is_told_in_a_line(
    cli: Cli, clip: str, hico: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route\nto the hub")

    monkeypatch.setattr(open_clip, "create_model", offline)
    world, tower = f"world:{clips}", "ViT-B-16-quickgelu"
    for data, towers, said in (
        (f"hicodet:{hico}", clip, "needs a --detector"),
        (world, "ViT-B-16-quickgelu:nothing", "no such file, nor tag"),
        (world, f"{tower}:openai", "cannot be fetched: no route to the hub"),
        (world, "ViT-B-16", "ARCHITECTURE:TAG"),
        (world, f"{ARCHITECTURE}:{DETECTOR}", "not readable as weights"),
        ("nowhere:x", clip, "hicodet:PATH"),
    ):
        code, out, err = cli("train", "cmmp", "--data", data, "--clip", towers, "--out", "b")
        assert (code, out) == (1, ""), err
        assert said in err
        assert err.strip().count("\n") == 0


def test_numbers_of_a_spatial_pattern_by_hand() -> None:
    human, thing = np.array([[10.0, 20, 50, 100]]), np.array([[60.0, 20, 80, 60]])
    row = pattern_features(human, thing, (100, 200))[0]
    assert row[:8] == pytest.approx([0.3, 0.3, 0.4, 0.4, 0.7, 0.2, 0.2, 0.2])
    assert row[8:13] == pytest.approx([0.16, 0.04, 1, 1, 4])
    assert row[13:18] == pytest.approx([0, 0, 1, 0.25, 0])  # right of the person's middle, above it
    assert row[18:] == pytest.approx(np.log(row[:18] + 1e-8))


def test_patterns_are_centres_of_the_pairs_and_the_same_again(clips: Path) -> None:
    world = open_dataset(f"world:{clips}", split="train")
    first, again = (
        spatial_patterns(world, range(60), 10, SkippedImages(), seed=3) for _ in range(2)
    )
    assert torch.equal(first, again)
    assert first.shape == (10, 36)
    apart = torch.cdist(first, first) + torch.eye(10) * 99
    assert apart.min() > 0.5  # deviations


def test_an_official_checkpoint_brings_clip_and_its_patterns(
    clip: str, clips: Path, tmp_path: Path
) -> None:
    towers = load_file(clip.partition(":")[2])
    state = {official_name(f"clip.{name}"): tensor for name, tensor in towers.items()}
    state["global_prior"] = torch.randn(10, 36)
    state["adapter_H_weight"] = torch.ones(1)  # is learned anew
    path = tmp_path / "official.pt"
    torch.save({"model_state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    recipe = Recipe(f"world:{clips}", f"{ARCHITECTURE}:{path}", plan=Plan(epochs=1, rate=0.0))
    train_bundle(recipe, tmp_path / "out", tmp_path / "work", Ranks())
    clip_file, own = (load_file(tmp_path / "out" / f"{n}.safetensors") for n in ("clip", "cmmp"))
    assert all(torch.equal(clip_file[name], tensor) for name, tensor in towers.items())
    assert torch.equal(own["priors.patterns"], state["global_prior"])
    state["global_prior"] = torch.randn(9, 36)
    torch.save(state, path)
    with pytest.raises(ModelError, match=r"\(9, 36\), not \(10, 36\)"):
        train_bundle(recipe, tmp_path / "out", tmp_path / "work", Ranks())
    torch.save({"global_prior": torch.randn(10, 36)}, path)
    with pytest.raises(ModelError, match="not weights of this CLIP"):
        train_bundle(recipe, tmp_path / "out", tmp_path / "work", Ranks())


def test_vcoco_is_trained_with_free_prototypes(
    cli: Cli, clip: str, hico: Path, tmp_path: Path
) -> None:
    row: dict[str, Any] = {"boxes_h": [[11, 21, 60, 90]], "boxes_o": [[41, 61, 50, 70]]}
    row |= {"actions": [0], "objects": [1 + COCO.index("cup")]}
    rows = [{"file_name": f"HICO_{i}.jpg", **row} for i in range(20)]
    (tmp_path / "images").symlink_to(hico / "images" / "test2015")
    (tmp_path / "instances_vcoco_trainval.json").write_text(json.dumps({"annotations": rows}))
    code, _, err = cli(
        *("train", "cmmp", "--data", f"vcoco:{tmp_path}", "--clip", clip, "--out", "v"),
        *("--detector", DETECTOR, "--epochs", "2"),
    )
    assert code == 0, err
    bundle = load_bundle("v")
    assert bundle.manifest.scorer.model_dump()["sizes"]["free_prototypes"]
    assert load_scorer(bundle).prototypes.shape == (24, 24)
