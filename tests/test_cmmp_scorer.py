"""A CMMP bundle scores tracked boxes like the network itself, in batches, calibrated."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import supervision as sv
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle import (
    Bundle,
    Calibration,
    CMMPSection,
    DetectorSection,
    Manifest,
    load_bundle,
    write_manifest,
)
from models.cmmp.adapters import Adapter
from models.cmmp.network import CMMP, CMMPConfig
from models.cmmp.weights import load_cmmp, read_config, save_cmmp, vocabulary_sentences
from models.cmmp_scorer import CMMPScorer
from models.errors import ModelError
from models.scorer import PairScorer, load_scorer
from models.vocabulary import Verb, Vocabulary

TINY = CMMPConfig(
    image_size=64,
    patch=16,
    width=64,
    layers=2,
    text_width=64,
    text_layers=1,
    dim=24,
    verbs=2,
)
SIZES = asdict(TINY)
SECTION = CMMPSection(kind="cmmp", file="cmmp.safetensors", clip="clip.safetensors", sizes=SIZES)
WORDS = Vocabulary(
    "tiny",
    (Verb("hold", "a person holding a thing"), Verb("kick", "a person kicking a thing", True)),
    ("cup", "person", "ball"),
    ((0,), (), (0, 1)),
)
Row = tuple[str, float, float, float, float]
PERSON: Row = ("person", 200, 60, 320, 350)
CUP: Row = ("cup", 300, 150, 325, 180)
BALL: Row = ("ball", 180, 300, 230, 350)


def tracked(rows: Sequence[Row], ids: Sequence[int] | None = None) -> sv.Detections:
    return sv.Detections(
        xyxy=np.array([row[1:] for row in rows], np.float32),
        confidence=np.linspace(0.9, 0.5, len(rows)).astype(np.float32),
        class_id=np.zeros(len(rows), int),
        tracker_id=np.arange(1, len(rows) + 1) if ids is None else np.array(ids, int),
        data={"class_name": np.array([row[0] for row in rows], dtype=object)},
    )


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (360, 640, 3), np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    folder.mkdir()
    torch.manual_seed(0)
    model = CMMP(TINY, vocabulary_sentences(WORDS))
    with torch.no_grad():
        for adapter in model.encoder.adapters:  # as if trained: instances matter
            assert isinstance(adapter, Adapter)
            torch.nn.init.normal_(adapter.up_proj.weight, std=0.2)
            torch.nn.init.constant_(adapter.scale, 1.0)
    model.encode_texts()
    save_cmmp(model, SECTION, folder)
    manifest = Manifest(
        name="tiny",
        version="1",
        description="for tests",
        footage="real",
        detector=DetectorSection(),
        scorer=SECTION,
        vocabulary=WORDS.to_dict(),
        calibration={"kick": Calibration(scale=2, bias=1)},
    )
    write_manifest(folder, manifest)
    return load_bundle(str(folder))


@pytest.fixture(scope="module")
def scorer(bundle: Bundle) -> PairScorer:
    return load_scorer(bundle)


@pytest.fixture(scope="module")
def exact(bundle: Bundle) -> CMMPScorer:
    model = load_cmmp(SECTION, bundle.folder, WORDS)
    section = CMMPSection(**SECTION.model_dump())
    return CMMPScorer(model, WORDS, {}, section.mean, section.std, dtype=torch.float32)


@settings(max_examples=25, deadline=None)
@given(
    boxes=st.lists(
        st.tuples(st.floats(-30, 600), st.floats(-30, 340), st.floats(2, 300), st.floats(2, 300)),
        min_size=1,
        max_size=8,
    ),
    seed=st.integers(0, 3),
)
def test_vectors_times_prototypes_are_the_logits(
    boxes: list[tuple[float, float, float, float]], seed: int, scorer: PairScorer
) -> None:
    rows = [PERSON, *(("ball", x, y, x + w, y + h) for x, y, w, h in boxes)]
    (scores,) = scorer.score([picture(seed)], [tracked(rows)])
    vectors = scores.vectors.astype(np.float32)
    assert scores.vectors.dtype == np.float16
    assert np.isfinite(vectors).all()
    bound = np.abs(vectors) @ np.abs(scorer.prototypes.T) * 2.0**-10
    assert (np.abs(vectors @ scorer.prototypes.T - scores.logits) <= bound + 1e-5).all()


def test_a_round_is_scored_as_its_frames_alone(exact: CMMPScorer) -> None:
    frames = [
        tracked([PERSON, CUP]),
        sv.Detections.empty(),
        tracked([CUP, BALL, PERSON, CUP], [7, 8, 9, 10]),
    ]
    images = [picture(n) for n in range(3)]
    together = exact.score(images, frames)
    assert [len(scores.human) for scores in together] == [1, 0, 3]
    assert together[2].human.tolist() == [9, 9, 9]
    assert together[2].object.tolist() == [7, 8, 10]
    for image, scores, found in zip(images, together, frames, strict=True):
        (alone,) = exact.score([image], [found])
        np.testing.assert_allclose(alone.logits, scores.logits, atol=1e-4)


def test_picture_boxes_and_classes_all_matter(exact: CMMPScorer) -> None:
    (first,) = exact.score([picture(0)], [tracked([PERSON, CUP])])
    ball: Row = ("ball", *CUP[1:])
    moved: Row = ("cup", 200, 60, 240, 90)
    for image, rows in ((1, [PERSON, CUP]), (0, [PERSON, ball]), (0, [PERSON, moved])):
        (other,) = exact.score([picture(image)], [tracked(rows)])
        assert np.abs(other.logits - first.logits).max() > 1e-4


def test_evidence_is_calibrated_and_never_of_an_impossible_verb(scorer: PairScorer) -> None:
    (scores,) = scorer.score([picture(0)], [tracked([PERSON, CUP, BALL])])
    assert np.isneginf(scores.evidence).tolist() == [[False, True], [False, False]]
    np.testing.assert_allclose(scores.evidence[1, 1], 2 * scores.logits[1, 1] + 1, rtol=1e-5)


def test_a_frame_without_a_pair_is_not_encoded(bundle: Bundle) -> None:
    model = load_cmmp(SECTION, bundle.folder, WORDS)
    scorer = CMMPScorer(model, WORDS, {}, SECTION.mean, SECTION.std)
    batches: list[int] = []
    model.encoder.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    images = [picture(n) for n in range(3)]
    scorer.score(images, [tracked([PERSON]), tracked([PERSON, CUP]), tracked([CUP, BALL])])
    scorer.score(images[:1], [tracked([PERSON])])
    assert scorer.score([], []) == []
    assert set(batches) == {1}  # on a GPU more often: a graph is captured


def test_the_device_s_number_format_changes_little(scorer: PairScorer, exact: CMMPScorer) -> None:
    frames = [tracked([PERSON, CUP, BALL])]
    (fast,), (slow,) = scorer.score([picture(0)], frames), exact.score([picture(0)], frames)
    apart = 1 / (1 + np.exp(-fast.logits)) - 1 / (1 + np.exp(-slow.logits))
    assert np.abs(apart).max() < 1e-2


def test_texts_that_are_not_stored_are_encoded_from_the_vocabulary(
    bundle: Bundle, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    own = load_file(bundle.path("cmmp.safetensors"))
    stored = own.pop("texts.prototypes")
    del own["texts.objects"]
    save_file(own, tmp_path / "cmmp.safetensors")
    (tmp_path / "clip.safetensors").write_bytes(bundle.path("clip.safetensors").read_bytes())
    torch.testing.assert_close(load_cmmp(SECTION, tmp_path, WORDS).prototypes, stored)


def test_weights_that_do_not_fit_are_refused_in_a_line(bundle: Bundle) -> None:
    other = SECTION.model_copy(update={"sizes": {**SIZES, "layers": 3}})
    wide = Vocabulary("v", (*WORDS.verbs, Verb("eat", "eating")), WORDS.objects, WORDS.allowed)
    for section, words, said in ((other, WORDS, "do not fit"), (SECTION, wide, "2 verbs but 3")):
        with pytest.raises(ModelError, match=said) as refused:
            load_cmmp(section, bundle.folder, words)
        assert "\n" not in str(refused.value)


def test_architectures_are_open_clip_s() -> None:
    large = read_config("ViT-L-14-336-quickgelu", {"verbs": 117})
    assert (large.image_size, large.patch, large.width, large.dim) == (336, 14, 1024, 768)
    for name, said in (
        ("ViT-Z", "no architecture"),
        ("ViT-B-16", "QuickGELU"),
        ("ViT-H-14-quickgelu", "heads 64 wide"),
        ("ViT-L-14-worldwide-quickgelu", "google/mt5-base; only CLIP's own tokenizer"),
    ):
        with pytest.raises(ModelError, match=said):
            read_config(name, {})
    with pytest.raises(ModelError, match="colour"):
        read_config(None, {"colour": 1})
