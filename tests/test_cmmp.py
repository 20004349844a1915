"""CMMP on tiny random networks: batches, edges, checkpoints, and a golden of its own."""

import copy
import json
from dataclasses import astuple, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transformer import QuickGELU
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchvision.ops import roi_align

from models.cmmp import graphs
from models.cmmp.adapters import Adapter
from models.cmmp.checkpoint import (
    TOKENS,
    WORDS,
    _dead,
    _weights,
    detector_state,
    load_official,
    official_name,
    read_state,
)
from models.cmmp.graphs import GraphedNetwork, _Captured
from models.cmmp.instances import Instances, choose_instances, pair_indices
from models.cmmp.network import CMMP, CMMPConfig
from models.cmmp.prompts import load_sentences, prompt_tokens, tokenizer
from models.cmmp.regions import region_means
from models.cmmp.rounds import Round, Size, measure_round, pack_round, pair_rows
from models.errors import ModelError
from models.text import TextEncoder

GOLDEN = Path(__file__).parent / "data" / "cmmp_golden.safetensors"
SHARED = Path(__file__).parents[1].parent / "shared" / "cmmp"
TINY = CMMPConfig(image_size=64, patch=16, width=64, layers=2, text_width=64, text_layers=1, dim=24)


def fill(shape: tuple[int, ...], seed: int) -> Tensor:
    return 0.05 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def make_state() -> dict[str, Tensor]:
    """An official state dict of TINY with the same numbers on every machine."""
    shapes = {official_name(n): tuple(t.shape) for n, t in _weights(CMMP(TINY)).items()}
    shapes |= _dead(TINY)
    filled = {name: fill(shape, i) for i, (name, shape) in enumerate(sorted(shapes.items()))}
    state = {name: t + 1 if "ln_" in name or ".norm" in name else t for name, t in filled.items()}
    words = state[TOKENS][prompt_tokens(load_sentences("hico").verbs)]  # (V, 77, Wt)
    return {**state, WORDS[0]: words[:, :1], WORDS[1]: words[:, 1 + TINY.context :]}


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return make_state()


@pytest.fixture(scope="module")
def model(state: dict[str, Tensor]) -> CMMP:
    return load_official(state)


def make_instances(seed: int, humans: int, things: int) -> Instances:
    generator = torch.Generator().manual_seed(seed)
    count = humans + things
    corners = torch.rand(count, 2, generator=generator) * 50 - 5
    sizes = torch.rand(count, 2, generator=generator) * 40 + 2
    labels = torch.cat([torch.zeros(humans), torch.arange(1, things + 1)]).long()
    boxes = torch.cat([corners, corners + sizes], -1)
    return Instances(boxes, torch.rand(count, generator=generator), labels)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(5))


ROUND = (
    make_instances(1, 2, 3),
    make_instances(2, 0, 2),
    make_instances(3, 1, 0),
    make_instances(4, 1, 1),
)


@torch.inference_mode()
def test_numbers_stay_as_they_were(model: CMMP, images: Tensor) -> None:
    pairs = model(images, ROUND)[0]
    ours = {"vectors": pairs.vectors, "logits": pairs.logits, "scores": pairs.scores().scores}
    golden = load_file(GOLDEN)
    for name, tensor in ours.items():
        assert (tensor - golden[name]).abs().max() < 1e-5 * golden[name].abs().max(), name


@torch.inference_mode()
def test_a_batch_equals_its_images_one_by_one(model: CMMP, images: Tensor) -> None:
    for row, together in enumerate(model(images, ROUND)):
        (alone,) = model(images[row : row + 1], [ROUND[row]])
        torch.testing.assert_close(together.logits, alone.logits, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(together.vectors, alone.vectors, rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_an_image_without_a_pair_gives_an_empty_result(model: CMMP, images: Tensor) -> None:
    nothing = Instances(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long))
    for pairs in model(images[:3], [ROUND[1], ROUND[2], nothing]):
        found = pairs.scores()
        assert pairs.vectors.shape == (0, TINY.dim)
        assert found.scores.shape == (0,)
        assert found.pairing.shape == (2, 0)
    assert model(images[:0], []) == []


@torch.inference_mode()
def test_a_box_outside_the_image_gives_finite_numbers(model: CMMP, images: Tensor) -> None:
    boxes = torch.tensor([[200.0, 200, 240, 240], [300, 300, 310, 310]])
    gone = Instances(boxes, torch.tensor([0.9, 0.8]), torch.tensor([0, 3]))
    (pairs,) = model(images[:1], [gone])
    assert pairs.logits.isfinite().all()


@torch.inference_mode()
def test_stored_vectors_give_the_logits_back(model: CMMP, images: Tensor) -> None:
    pairs = model(images, ROUND)[0]
    stored = pairs.vectors.half()
    assert stored.isfinite().all()
    error = (stored.float() @ model.prototypes.T - pairs.logits).abs().max()
    assert error < 2e-3 * pairs.logits.abs().max()


@torch.inference_mode()
def test_new_verbs_are_encoded_like_the_known_ones(model: CMMP) -> None:
    known = load_sentences("hico").verbs[:2]
    torch.testing.assert_close(model.encode_prompts(known), model.prototypes[:2])


def test_text_encoder_gives_one_float32_row_a_phrase(model: CMMP) -> None:
    encoder = TextEncoder(model.clip, tokenizer())
    vectors = encoder.encode(["a cup", "a person drinks"])
    assert vectors.shape == (2, TINY.dim)
    assert vectors.dtype == "float32"
    assert encoder.encode([]).shape == (0, TINY.dim)
    objects = load_sentences("hico").objects
    torch.testing.assert_close(torch.from_numpy(encoder.encode(objects)), model.embeddings)


def test_pairs_are_row_major_and_leave_out_oneself() -> None:
    assert pair_indices(2, 3).tolist() == [[0, 0, 1, 1], [1, 2, 0, 2]]
    assert pair_indices(0, 3).shape == (2, 0)


def test_no_detection_chooses_nothing() -> None:
    nothing = Instances(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long))
    assert len(choose_instances(nothing)) == 0


@settings(max_examples=60, deadline=None)
@given(
    corner=st.tuples(st.floats(-40, 60), st.floats(-40, 60)),
    size=st.tuples(st.floats(0.5, 120), st.floats(0.5, 120)),
)
def test_separable_mean_is_the_mean_of_roi_align(
    corner: tuple[float, float], size: tuple[float, float]
) -> None:
    features = torch.randn(5, 6, 6, generator=torch.Generator().manual_seed(0))
    x, y = corner
    box = torch.tensor([[x, y, x + size[0], y + size[1]]])
    bins = roi_align(features[None], [box], 7, spatial_scale=6 / 64, aligned=True)
    torch.testing.assert_close(
        region_means(features[None], box, 64), bins.mean((2, 3)), atol=1e-4, rtol=0
    )


@torch.inference_mode()
@pytest.mark.parametrize("room", [0, 1])
def test_pair_vectors_of_a_round_are_those_of_each_image(images: Tensor, room: int) -> None:
    model, (each, pairings) = round_model(), round_of_three()
    size = measure_round(each, pairings, 4, 64)
    size = Size(*(number + room for number in astuple(size)))
    pixels = torch.cat([images[:3], torch.zeros(room, 3, 64, 64)])
    every = model.vectors(pixels, pack_round(each, pairings, size), model.priors.global_tokens())
    maps = model.feature_maps(images[:3], each)
    alone = [
        model.pair_vectors(model.pool(*image)) for image in zip(maps, each, pairings, strict=True)
    ]
    torch.testing.assert_close(
        every[pair_rows(pairings, size)], torch.cat(alone), atol=1e-5, rtol=1e-5
    )


def round_model() -> CMMP:
    torch.manual_seed(0)
    model = CMMP(replace(TINY, geometry=16)).eval()
    model.embeddings.normal_()
    for adapter in model.encoder.adapters:  # as if trained: instances matter
        assert isinstance(adapter, Adapter)
        torch.nn.init.normal_(adapter.up_proj.weight, std=0.2)
        torch.nn.init.constant_(adapter.scale, 1.0)
    assert model.geometry is not None
    torch.nn.init.normal_(model.geometry.body.layers[-1].get_parameter("weight"))
    return model


def round_of_three() -> tuple[list[Instances], list[Tensor]]:
    each = [make_instances(1, 2, 3), make_instances(2, 1, 1), make_instances(3, 3, 0)]
    pairings = [pair_indices(one.humans, len(one)) for one in each]
    pairings[0] = pairings[0][:, [4, 0, 2]]
    return each, pairings


def test_module_prefix_and_detector_are_set_apart(state: dict[str, Tensor], model: CMMP) -> None:
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    wrapped["module.detector.query_embed.weight"] = torch.ones(2, 3)
    torch.testing.assert_close(load_official(wrapped).prototypes, model.prototypes)
    assert list(detector_state(wrapped)) == ["query_embed.weight"]


def test_every_fault_of_a_checkpoint_is_named(state: dict[str, Tensor]) -> None:
    broken = {**state, "surplus": torch.zeros(1), "logit_scale_H": torch.zeros(2)}
    del broken["adapter_O_weight"]
    with pytest.raises(ModelError) as caught:
        load_official(broken)
    for name in ("surplus", "logit_scale_H", "adapter_O_weight"):
        assert name in str(caught.value)


def test_all_missing_names_that_sizes_need_are_told(state: dict[str, Tensor]) -> None:
    gone = ("global_prior", "clip_head.prompt_learner.ctx")
    with pytest.raises(ModelError, match=r"missing: clip_head.prompt_learner.ctx, global_prior"):
        load_official({name: tensor for name, tensor in state.items() if name not in gone})


def test_the_words_that_a_checkpoint_holds_are_the_ones_heard(state: dict[str, Tensor]) -> None:
    other = {**state, WORDS[1]: state[WORDS[1]].flip(0)}
    assert not torch.allclose(load_official(other).prototypes, load_official(state).prototypes)


def test_files_are_read_without_unpickling_objects(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save({"model_state_dict": {"module.x": torch.ones(2)}, "epoch": 3}, tmp_path / "a.pt")
    assert list(read_state(tmp_path / "a.pt")) == ["module.x"]
    save_file({"global_prior": state["global_prior"]}, tmp_path / "a.safetensors")
    assert torch.equal(
        read_state(tmp_path / "a.safetensors")["global_prior"], state["global_prior"]
    )
    torch.save({"model_state_dict": TINY}, tmp_path / "object.pt")
    for broken in ("object.pt", "absent.pt", "absent.safetensors"):
        with pytest.raises(ModelError, match=broken):
            read_state(tmp_path / broken)


def test_humans_that_do_not_stand_first_are_refused(model: CMMP, images: Tensor) -> None:
    turned = ROUND[0].take(torch.arange(4, -1, -1))
    with pytest.raises(ModelError, match="humans must stand first"):
        model(images[:1], [turned])
    with pytest.raises(ModelError, match="2 images but instances of 1"):
        model(images[:2], [ROUND[0]])


def test_a_box_of_any_size_takes_bounded_memory() -> None:
    boxes = torch.tensor([[-1e9, -1e9, 1e9, 1e9]])
    assert region_means(torch.ones(1, 2, 4, 4), boxes, 64).isfinite().all()


def test_a_foreign_file_is_refused() -> None:
    with pytest.raises(ModelError, match="not an official CMMP checkpoint"):
        load_official({"weight": torch.zeros(1)})


def test_vcoco_weights_bring_their_own_prototypes(state: dict[str, Tensor]) -> None:
    own = {n: t[:24] if len(t.shape) and len(t) == 117 else t for n, t in state.items()}
    own["adapter_union_weight"] = fill((24, TINY.dim), 99)
    loaded = load_official(own)
    torch.testing.assert_close(loaded.prototypes.data, own["adapter_union_weight"])
    assert loaded.validity.shape == (80, 24)


@pytest.mark.skipif(not SHARED.is_dir(), reason="no official name lists at hand")
@pytest.mark.parametrize(
    ("name", "dim"),
    [("ViT-B-16", 512), pytest.param("ViT-L-14-336", 768, marks=pytest.mark.slow)],
)
def test_official_names_load_strictly(name: str, dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CMMP, "encode_texts", lambda *_: None)  # seconds, and random numbers
    entries = json.loads((SHARED / f"state_dict_{name}.json").read_text())["entries"]
    official = {e["name"]: torch.rand(e["shape"]) for e in entries}
    loaded = load_official(official)
    assert loaded.config.dim == dim
    assert torch.equal(loaded.human_weight.data, official["adapter_H_weight"])
    assert len(detector_state(official)) == 458


def write_golden() -> None:
    """Call by hand when the numbers are meant to change."""
    pixels = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        pairs = load_official(make_state())(pixels, ROUND)[0]
        scores = pairs.scores().scores
    save_file({"vectors": pairs.vectors, "logits": pairs.logits, "scores": scores}, GOLDEN)


@torch.inference_mode()
def test_an_encoder_folded_for_inference_gives_the_same_maps(model: CMMP, images: Tensor) -> None:
    context, padding = model.context(ROUND[: len(images)])
    folded = copy.deepcopy(model.encoder)
    folded.fold()
    folded.fold()  # a second time changes nothing
    assert not any(isinstance(each, QuickGELU) for each in folded.modules())
    torch.testing.assert_close(
        folded(images, context, padding), model.encoder(images, context, padding)
    )


def test_graphs_that_are_not_used_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (each, pairings) = round_model(), round_of_three()
    captured: list[int] = []

    def capture(_: GraphedNetwork, images: Tensor, packed: Round) -> _Captured:
        captured.append(packed.size.pairs)
        if packed.size.pairs == 64:
            raise torch.OutOfMemoryError
        pixels = images.new_zeros(packed.size.images, 3, 64, 64)
        vectors = torch.zeros(packed.size.images * packed.size.pairs, TINY.dim)
        graph = cast(Any, SimpleNamespace(replay=lambda: None))
        return _Captured(graph, pixels, packed, vectors)

    monkeypatch.setattr(GraphedNetwork, "_capture", capture)
    monkeypatch.setattr(graphs, "MOST_GRAPHS", 2)
    network = GraphedNetwork(model, model.priors.global_tokens())
    least = network.fit(measure_round(each, pairings, 4, 64))

    def run(pairs: int) -> None:
        network(torch.zeros(3, 3, 64, 64), pack_round(each, pairings, replace(least, pairs=pairs)))

    for pairs in (16, 32, 16, 48, 16, 32):
        run(pairs)
    assert captured == [16, 32, 48, 32], "the one that was not used for longest is gone"
    with pytest.raises(torch.OutOfMemoryError):
        run(64)
    run(32)
    assert captured[-2:] == [64, 32], "all made room"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@torch.inference_mode()
def test_graphs_give_the_network_s_vectors_for_rounds_of_any_size() -> None:
    model, device = round_model().cuda(), torch.device("cuda")
    patterns = model.priors.global_tokens()
    graphed = GraphedNetwork(model, patterns)
    for seed, counts in enumerate([[3], [2, 5, 1], [20], [4, 9, 3], [1] * 70, [3]]):
        each = [make_instances(seed, 2, things) for things in counts]
        pairings = [pair_indices(one.humans, len(one)) for one in each]
        size = measure_round(each, pairings, 4, 64)
        pixels = torch.randn(len(each), 3, 64, 64, device=device)
        alone = model.vectors(pixels, pack_round(each, pairings, size).to(device), patterns)
        expected = alone[pair_rows(pairings, size)]
        size = graphed.fit(size)
        found = graphed(pixels, pack_round(each, pairings, size))[pair_rows(pairings, size)]
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
