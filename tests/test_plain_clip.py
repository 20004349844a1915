"""`stream models pull clip`: CLIP's weights become a bundle that scores as CLIP does, unaided."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import open_clip
import pytest
import supervision as sv
import torch
from safetensors.torch import load, save
from torch import Tensor

from models import hub as offers
from models.bundle import Bundle, load_bundle
from models.cmmp.network import build_clip
from models.cmmp.weights import read_config
from models.hub import OFFERS, Offer
from models.scorer import load_scorer
from stream.cli import main
from tests.servers.hub import Hub, model_hub
from tests.test_hub import pull

FILE = "open_clip_model.safetensors"
TINY = "test-tiny-quickgelu"
REPO = "timm/tiny_clip.openai"
PERSON, CUP, BIKE = (20, 10, 60, 110), (50, 40, 70, 60), (70, 60, 150, 115)
Image = npt.NDArray[np.uint8]


@pytest.fixture(scope="module", autouse=True)
def tiny_architecture(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One more architecture for open_clip to know."""
    row = {
        "embed_dim": 32,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "layers": 1},
    }
    path = tmp_path_factory.mktemp("architectures") / f"{TINY}.json"
    path.write_text(json.dumps(row))
    open_clip.add_model_config(path)


def weights(architecture: str) -> dict[str, Tensor]:
    """By chance, in half precision, as open_clip names and the hub keeps them."""
    torch.manual_seed(0)
    state = build_clip(read_config(architecture, {})).state_dict()
    state["logit_scale"] = torch.tensor(math.log(100))
    return {name: tensor.half().contiguous() for name, tensor in state.items()}


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return weights(TINY)


@pytest.fixture
def hub(state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The pickle beside the weights must not be touched."""
    files = {FILE: save(state), "open_clip_pytorch_model.bin": b"a pickle"}
    offer = Offer(REPO, "clip", TINY, "MIT (OpenAI)", FILE)
    monkeypatch.setattr(offers, "OFFERS", {**OFFERS, "clip": offer})
    hub = Hub(REPO, files)
    with model_hub(hub) as url:
        at = "huggingface_hub.constants."  # what HF_ENDPOINT sets when it is imported
        monkeypatch.setattr(f"{at}ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(f"{at}HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield hub


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOI_STREAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def cli(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(str(ended.value.code)), *capfd.readouterr()


@pytest.fixture
def bundle(hub: Hub, home: Path, capfd: pytest.CaptureFixture[str]) -> Bundle:
    code, out, err = cli(capfd, "models", "pull", "clip")
    assert code == 0, err
    assert "licence: MIT (OpenAI)" in out
    assert hub.sha256[FILE] in out
    assert not list((home / "downloads").iterdir())
    return load_bundle("clip")


def tracked() -> sv.Detections:
    return sv.Detections(
        xyxy=np.array([PERSON, CUP, BIKE], np.float32),
        confidence=np.array([0.9, 0.8, 0.7], np.float32),
        class_id=np.array([0, 41, 1]),
        tracker_id=np.array([4, 5, 6]),
        data={"class_name": np.array(["person", "cup", "bicycle"], dtype=object)},
    )


def picture() -> Image:
    return np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)


def test_a_pair_s_evidence_is_what_clip_thinks_of_its_regions(
    bundle: Bundle, state: dict[str, Tensor]
) -> None:
    (scores,) = load_scorer(bundle).score([picture()], [tracked()])
    clip = build_clip(read_config(TINY, {})).eval()
    clip.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    pixels = torch.from_numpy(picture()).permute(2, 0, 1)[None].float() / 255
    pixels = torch.nn.functional.interpolate(pixels, size=(64, 64), mode="area")
    sentences = [verb.sentence + "." for verb in bundle.vocabulary.verbs]
    with torch.inference_mode():
        texts = clip.encode_text(open_clip.tokenize(sentences), normalize=True)
    assert scores.vectors.shape == (2, 32)
    expected = texts - texts.mean(0)
    np.testing.assert_allclose(load_scorer(bundle).prototypes, expected, atol=1e-5)
    lengths = np.linalg.norm(scores.vectors.astype(np.float32), axis=1)
    assert (lengths <= 100.1).all()  # CLIP's temperature times a mixture of unit vectors
    assert (lengths > 50).all()
    assert np.isfinite(scores.evidence).sum(1).tolist() == [
        bundle.vocabulary.validity[bundle.vocabulary.objects.index(name)].sum()
        for name in ("cup", "bicycle")
    ]
    chance = 1 / (1 + np.exp(-scores.evidence))
    assert 0.02 < chance[np.isfinite(scores.evidence)].mean() < 0.6


def test_it_says_what_it_is_and_wants_a_detector(
    bundle: Bundle, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    code, out, err = cli(capfd, "models", "show", "clip")
    assert code == 0, err
    for said in (
        "zero-shot",
        "fitted on no interaction",
        "MIT (OpenAI)",
        "--detector",
        "117 verbs",
    ):
        assert said in out
    code, out, _ = cli(capfd, "models", "list")
    assert [line.split()[1] for line in out.splitlines() if line.startswith("clip ")] == [
        bundle.hash
    ]
    code, _, err = cli(capfd, "run", "--bundle", "clip", "--source", "none.mp4")
    assert code == 1
    assert "--detector" in err


def test_it_runs_on_a_video_behind_any_detector(
    bundle: Bundle, video: Path, detector: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("--bundle", str(bundle.folder), "--detector", str(detector), "--source", str(video))
    database = f"sqlite:///{tmp_path / 'events.db'}"
    code, _, err = cli(capfd, "run", *words, "--database", database, "--json")
    assert code == 0, err


def test_what_is_there_is_not_pulled_again(
    bundle: Bundle, hub: Hub, capfd: pytest.CaptureFixture[str]
) -> None:
    sent = hub.sent
    code, _, err = cli(capfd, "models", "pull", "clip")
    assert code == 1
    assert f"{bundle.folder}: is there already" in err
    assert hub.sent == sent


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"visual.proj": torch.zeros(64, 31)}, "visual.proj"),
        ({"visual.proj": None}, "visual.proj"),
        ({"colour": torch.zeros(1)}, "colour"),
    ],
)
def test_other_weights_are_refused_by_name_and_make_no_bundle(
    change: dict[str, Tensor | None],
    said: str,
    state: dict[str, Tensor],
    hub: Hub,
    home: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    other = {name: t for name, t in {**state, **change}.items() if t is not None}
    hub.replace(FILE, save(other))
    code, _, err = cli(capfd, "models", "pull", "clip")
    assert code == 1
    assert f"not open_clip's weights of {TINY}" in err
    assert said in err
    assert not (home / "bundles").exists()


def test_a_file_with_another_hash_is_refused(
    hub: Hub, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.files[FILE] = os.urandom(len(hub.files[FILE]))
    code, _, err = cli(capfd, "models", "pull", "clip")
    assert code == 1
    assert f"{FILE} arrived with another SHA-256" in err
    assert not (home / "bundles").exists()


@pytest.mark.slow
def test_weights_of_the_real_shapes_become_a_bundle(tmp_path: Path) -> None:
    offer = OFFERS["clip"]
    state = weights(offer.architecture)
    assert len(state) == 302
    with model_hub(Hub(offer.repo, {FILE: save(state)})) as url:
        done = pull(url, tmp_path, name="clip")
    assert done.returncode == 0, done.stderr
    bundle = load_bundle(str(tmp_path / "bundles" / "clip"))
    kept = load(bundle.path("clip.safetensors").read_bytes())
    assert kept.keys() == state.keys()
    (scores,) = load_scorer(bundle).score([picture()], [tracked()])
    assert scores.vectors.shape == (2, 512)
    assert np.isfinite(scores.vectors).all()
