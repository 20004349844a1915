"""The world's CLIP and CMMP: captions, towers, trainings that go on, and the measure of pairs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.bundle import load_bundle
from models.cmmp.stem import ConvStem
from models.detector import OnnxDetector
from models.errors import ModelError
from models.evaluation.world_pairs import ScoredPairs, average_precisions, zero_shot
from models.scorer import load_scorer
from models.text import TokenTable
from models.training import world_clip
from models.training.world import Budget, train_eyes
from models.training.world_captions import (
    NOTHING,
    PAIR,
    PERSON,
    Regions,
    find_regions,
    plain_sentence,
    write_captions,
)
from models.training.world_clip import Progress, train_world_clip, unicl_loss
from models.training.world_clip_batches import ClipFrames
from models.training.world_frames import RENDERED, render_frames
from models.world.truth import CLASSES, VERBS, FrameTruth, Instance, PairTruth

BATCH = 8
DETECTOR = load_bundle("world").path("detector.onnx")
PERSON_ONE = Instance(1, "person", (100, 50, 150, 200), 0, 0, "red")
BOX = Instance(2, "box", (110, 100, 140, 130), 0, 0, "blue")
CUP = Instance(3, "cup", (105, 90, 112, 98), 0, 0, "white")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return render_frames(tmp_path_factory.mktemp("frames"), 6, on_clip=lambda _: None)


def frame(*pairs: PairTruth) -> FrameTruth:
    return FrameTruth(0.0, (PERSON_ONE, BOX, CUP), pairs)


def test_captions_say_what_is_true_of_their_region_and_of_no_other() -> None:
    told = frame(PairTruth(1, 3, ("hold", "drink with")))
    regions = find_regions(told, RENDERED)
    captions = write_captions(regions.facts, np.random.default_rng(0))
    true = captions.true_of(regions.facts)
    pair = next(
        row
        for row, facts in enumerate(regions.facts)
        if facts[0] == PAIR and facts[2] == CLASSES.index("cup")
    )
    said = {
        captions.texts[i]
        for i in np.flatnonzero(true[pair])
        if captions.facts[i, 0] == PAIR and captions.facts[i, 2] == -1
    }
    assert plain_sentence(VERBS.index("hold")) in said
    assert plain_sentence(VERBS.index("drink with")) in said
    assert plain_sentence(NOTHING) not in said
    assert plain_sentence(VERBS.index("kick")) not in said


def test_held_out_pairs_and_who_is_in_them_are_no_regions() -> None:
    told = frame(PairTruth(1, 2, ("carry",)), PairTruth(1, 3, ("hold",)))  # carry box: held out
    kinds = find_regions(told, RENDERED).facts
    assert CLASSES.index("box") not in kinds[kinds[:, 0] == PAIR][:, 2]
    assert not (kinds[:, 0] == PERSON).any()
    everything = find_regions(told, RENDERED, without_unseen=False).facts
    assert CLASSES.index("box") in everything[everything[:, 0] == PAIR][:, 2]


def test_a_stem_of_the_detector_s_layers_sees_what_the_detector_sees(clips: list[Path]) -> None:
    with pytest.raises(ModelError, match="first layers"):
        ConvStem((8, 32, 64, 112), 64).load_detector(DETECTOR)
    learned, random = ConvStem((16, 32, 64, 112), 64), ConvStem((16, 32, 64, 112), 64)
    learned.load_detector(DETECTOR)
    pictures = ClipFrames(clips, 0, BATCH, 256).batch(0).images
    with torch.no_grad():
        told, guessed = (stem.layers(pictures) for stem in (learned, random))
    assert told.shape == (BATCH, 112, 16, 16)
    assert told.std() > 5 * guessed.std()  # trained layers tell things apart
    assert OnnxDetector(DETECTOR, CLASSES).classes == CLASSES


def test_words_that_nobody_taught_say_nothing() -> None:
    table = TokenTable(100, 2, 8)
    table.know(torch.tensor([7, 50]))
    words = table(torch.tensor([[7, 50, 51]]))
    assert torch.equal(words[0, :2], table.weight)
    assert not words[0, 2].any()


def test_the_loss_is_least_where_true_captions_win() -> None:
    true = torch.tensor([[1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    right = unicl_loss(torch.where(true, 9.0, -9.0), true)
    even = unicl_loss(torch.zeros(2, 3), true)
    # Rows: ln 2 each way of two positives, ln 1; columns: all ln 1.
    assert right.item() == pytest.approx(np.log(2) / 4, abs=1e-3)
    assert even.item() == pytest.approx((np.log(3) + np.log(2)) / 2, abs=1e-3)


def test_eyes_are_made_killed_and_go_on(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_clip, "_SAVE_EVERY", 1)

    class Killed(Exception):
        pass

    def die(progress: Progress) -> None:
        if progress.images == 2 * BATCH:
            raise Killed

    whole = train_world_clip(clips, DETECTOR, tmp_path / "whole.pt", images=3 * BATCH, batch=BATCH)
    with pytest.raises(Killed):
        train_world_clip(
            clips, DETECTOR, tmp_path / "killed.pt", images=3 * BATCH, batch=BATCH, on_step=die
        )
    resumed = train_world_clip(
        clips, DETECTOR, tmp_path / "killed.pt", images=3 * BATCH, batch=BATCH
    )
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_a_bundle_is_made_whose_stored_weights_are_what_was_calibrated(
    clips: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "world"
    out.mkdir()
    (out / "detector.onnx").write_bytes(DETECTOR.read_bytes())
    seen: list[str] = []
    train_eyes(
        clips,
        tmp_path,
        out,
        budget=Budget(24, 64, 96, boxes=3),
        on_progress=lambda name, *_: seen.append(name),
    )
    assert set(seen) == {"CLIP", "CMMP"}
    bundle = load_bundle(str(out))
    scorer = load_scorer(bundle)
    assert scorer.prototypes.shape == (len(VERBS), 128)
    assert sum(file.stat().st_size for file in out.iterdir()) < 25e6


def test_the_mean_over_combinations_is_that_of_a_hand_count() -> None:
    """Two held cups first and third of four: AP (1 + 2/3) / 2, by the envelope."""
    hold, kick = VERBS.index("hold"), VERBS.index("kick")
    cup, box = CLASSES.index("cup") - 1, CLASSES.index("box") - 1
    logits, labels = np.zeros((8, len(VERBS)), np.float32), np.zeros((8, len(VERBS)), bool)
    logits[:4, hold] = 4, 3, 2, 1
    labels[[0, 2], hold] = True
    logits[4:, kick] = 1, 2, 3, 4  # kick box is held out: both kicked ones come last
    labels[[4, 5], kick] = True
    pairs = ScoredPairs(logits, labels, np.array([cup] * 4 + [box] * 4), np.arange(8))
    found = average_precisions(pairs)
    assert found["hold", "cup"][0] == pytest.approx((1 + 2 / 3) / 2)
    assert found["kick", "box"][0] == pytest.approx(1 / 2)
    assert {count for _, count in found.values()} == {2}
    report = zero_shot([pairs])
    assert report.seen == pytest.approx(found["hold", "cup"][0])
    assert report.unseen == pytest.approx(found["kick", "box"][0])
    low, high = report.intervals[0]
    assert low <= report.seen <= high


def test_regions_are_shares_of_the_picture() -> None:
    regions = find_regions(frame(), RENDERED)
    assert isinstance(regions, Regions)
    assert (regions.boxes >= 0).all()
    assert (regions.boxes <= 1).all()
