"""A step of CMMP's training: number formats, and dropout where the authors have it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.cmmp.regions import region_bins, region_means
from models.training import cmmp_step
from models.training.cmmp_batches import join_examples
from models.training.cmmp_examples import CMMPExamples, Example
from models.training.cmmp_losses import label_pairs
from models.training.cmmp_step import Losses, pool_dropping
from models.training.ranks import Ranks
from models.training.world_frames import render_frames
from tests.servers.trainer import make_examples, make_model


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> CMMPExamples:
    folder: Path = tmp_path_factory.mktemp("world")
    render_frames(folder, 2, on_clip=lambda _: None)
    return make_examples(folder)


@pytest.fixture(scope="module")
def batch(examples: CMMPExamples) -> list[Example]:
    return [examples.example(i, np.random.default_rng(i)) for i in range(8)]


def test_half_precision_in_the_towers_changes_losses_and_gradients_little(
    examples: CMMPExamples, batch: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cmmp_step, "choose_training_dtype", lambda _: torch.bfloat16)
    found = []
    for mixed in (False, True):
        model = make_model(still=True).train()
        model.clip.requires_grad_(False)
        losses = Losses(model, examples.seen(*model.validity.shape), Ranks(), mixed=mixed)
        interaction, language, positives = losses(join_examples(batch, len(model.prototypes), {}))
        torch.autograd.backward(interaction + language)
        gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        assert {g.dtype for g in gradients.values()} == {torch.float32}
        found.append((interaction.item(), language.item(), positives, gradients))
    (exact, half) = found
    assert half[:2] != exact[:2]
    assert half[:2] == pytest.approx(exact[:2], rel=2e-2)
    assert half[2] == exact[2] > 0
    for name in ("human_weight", "object_weight", "prompts.ctx"):
        similar = torch.cosine_similarity(exact[3][name].flatten(), half[3][name].flatten(), dim=0)
        assert similar > 0.99, name


def test_a_batch_that_shows_no_pair_still_teaches_the_prompts(examples: CMMPExamples) -> None:
    model = make_model().train()
    losses = Losses(model, examples.seen(*model.validity.shape), Ranks(), mixed=False)
    interaction, language, positives = losses(join_examples([], len(model.prototypes), {}))
    torch.autograd.backward(interaction + language)
    assert (interaction.item(), positives) == (0, 0)
    assert model.prompts.ctx.grad is not None


def test_regions_are_dropped_out_in_training_alone(batch: list[Example]) -> None:
    model, one = make_model(), batch[0]
    feature_map = torch.randn(24, 4, 4)
    still = model.eval().pool(feature_map, one.instances).instance_means
    model.train()
    batch_ = join_examples([one], len(model.prototypes), {})
    drawn = torch.stack(
        [pool_dropping(model, feature_map[None], batch_).instance_means for _ in range(300)]
    )
    assert (drawn[0] - still).abs().max() > 1e-3
    torch.testing.assert_close(drawn.mean(0), still, atol=0.05, rtol=0)
    bins = region_bins(feature_map[None], [one.instances.boxes], 64)
    whole = region_means(feature_map[None], one.instances.boxes, 64)
    torch.testing.assert_close(bins.mean((2, 3)), whole, atol=1e-4, rtol=0)


def test_a_batch_is_to_the_network_what_its_pictures_are_one_by_one(batch: list[Example]) -> None:
    model = make_model().train()
    verbs = len(model.prototypes)
    joined = join_examples(batch, verbs, {})
    maps = torch.randn(len(joined.counts), 24, 4, 4)
    model.region_dropout.p = 0.0
    regions = pool_dropping(model, maps, joined)
    vectors = model.pair_vectors(regions)
    alone = [model.pool(one, each) for one, each in zip(maps, joined.each, strict=True)]
    expected = torch.cat([model.pair_vectors(each) for each in alone])
    torch.testing.assert_close(vectors, expected, atol=1e-4, rtol=1e-4)
    useful = [one for one in batch if one.has_pairs]
    labels = [
        label_pairs(one.instances, each.pairing, one.truth, verbs)
        for one, each in zip(useful, alone, strict=True)
    ]
    assert torch.equal(joined.labels, torch.cat(labels))
    assert joined.labels.any()
