"""Our CMMP against numbers of the official classes; skipped where the fixtures are not at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from models.cmmp.adapters import Adapter
from models.cmmp.attention import mask_padding
from models.cmmp.checkpoint import load_official
from models.cmmp.instances import Instances, choose_instances, read_detr
from models.cmmp.network import CMMP, Pairs
from models.cmmp.preprocess import prepare_image
from models.cmmp.prompts import load_sentences, prompt_tokens, tokenizer

FIXTURES = Path(__file__).parents[1].parent / "shared" / "cmmp" / "parity"
TOLERANCE = 1e-5  # of the largest value of a tensor

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="no parity fixtures at hand")


@dataclass(frozen=True)
class Fixture:
    model: CMMP
    values: dict[str, Tensor]

    def instances(self, image: int) -> Instances:
        logits, boxes = self.values["in.pred_logits"], self.values["in.pred_boxes_cxcywh"]
        return choose_instances(
            read_detr(logits[image], boxes[image], self.model.config.image_size)
        )


def load_fixture(name: str) -> Fixture:
    values = load_file(FIXTURES / name / "tensors.safetensors")
    used = values["text.used_token_embeddings"]
    tokens = torch.zeros(49408, used.shape[1])
    tokens[values["text.used_token_ids"]] = used
    weights = load_file(FIXTURES / name / "weights.safetensors")
    return Fixture(load_official(weights, tokens), values)


@pytest.fixture(scope="module")
def a() -> Fixture:
    return load_fixture("a")


@pytest.fixture(scope="module")
def c() -> Fixture:
    return load_fixture("c")


def check(values: dict[str, Tensor], prefix: str, ours: dict[str, Tensor]) -> None:
    """Whole numbers are equal, others within TOLERANCE of the tensor's maximum."""
    for name, tensor in ours.items():
        theirs = values[prefix + name]
        assert tensor.shape == theirs.shape, name
        if theirs.is_floating_point():
            error = float((tensor - theirs).abs().max() / theirs.abs().max())
            assert error < TOLERANCE, f"{prefix}{name}: {error:.1e}"
        else:
            assert torch.equal(tensor.to(theirs.dtype), theirs), prefix + name


def final(pairs: Pairs) -> dict[str, Tensor]:
    found = pairs.scores()
    return {
        "final.img0.scores": found.scores,
        "final.img0.labels": found.verbs,
        "final.img0.objects": found.objects,
        "final.img0.pairing": found.pairing,
        "final.img0.boxes": pairs.instances.boxes,
        "pair.img0.logits": pairs.logits,
    }


def region(instances: Instances) -> dict[str, Tensor]:
    return {
        "region.img0.boxes": instances.boxes,
        "region.img0.scores": instances.scores,
        "region.img0.labels": instances.labels,
    }


@pytest.mark.parametrize("name", ["a", "c"])
def test_texts_are_the_official_ones(name: str, request: pytest.FixtureRequest) -> None:
    fixture: Fixture = request.getfixturevalue(name)
    model, sentences = fixture.model, load_sentences("hico")
    tokens = prompt_tokens(sentences.verbs)
    check(
        fixture.values,
        "text.",
        {
            "tokenized_prompts": tokens,
            "eot_positions": tokens.argmax(-1),
            "prompt_embeddings": model.prompts.embed(model.clip, tokens[:4]).detach(),
            "prototypes": model.prototypes,
            "object_tokens": tokenizer()(list(sentences.objects)),
            "object_embedding": model.embeddings,
            "origin_tokens": tokenizer()(list(sentences.verbs)),
        },
    )


@torch.inference_mode()
def test_detections_priors_and_tokens_of_a(a: Fixture) -> None:
    model, side = a.model, a.model.config.image_size
    found = read_detr(a.values["in.pred_logits"][0], a.values["in.pred_boxes_cxcywh"][0], side)
    chosen = choose_instances(found)
    inputs, padding = model.priors.inputs([chosen], model.embeddings, side)
    tokens = model.priors.tokens(inputs)
    check(
        a.values,
        "eval.",
        {
            "det.img0.scores": found.scores,
            "det.img0.labels": found.labels,
            "det.img0.boxes": found.boxes,
            **region(chosen),
            "prior.input": inputs,
            "prior.mask_true_is_padding": padding,
            "prior.tokens": tokens,
            "prior.global_tokens": model.priors.global_tokens(),
            "prior.fused_tokens": model.priors.fuse(tokens, padding),
        },
    )


@torch.inference_mode()
def test_image_tower_of_a(a: Fixture) -> None:
    encoder, images = a.model.encoder, a.values["in.clip_image"]
    context, padding = a.model.context([a.instances(0)])
    x = encoder.embed(images)
    adapter = encoder.adapters[0]
    assert isinstance(adapter, Adapter)
    down = adapter.down_proj(x)
    ours = {
        "conv1": encoder.visual.conv1(images),
        "ln_pre": x,
        "block0.adapter.down": down,
        "block0.adapter.decoder_out": adapter.decode(
            down.relu(), context, mask_padding(padding, down.dtype)
        ),
    }
    for index, (added, out) in enumerate(encoder.blocks(x, context, padding)):
        ours |= {f"block{index}.adapter_out": added, f"block{index}.out": out}
    ours["featmap"], ours["global"] = encoder.project(out)
    check(a.values, "eval.vit.", ours)


@torch.inference_mode()
def test_regions_pairs_and_scores_of_a(a: Fixture) -> None:
    model, chosen = a.model, a.instances(0)
    feature_map = model.feature_maps(a.values["in.clip_image"], [chosen])[0]
    regions = model.pool(feature_map, chosen)
    (pairs,) = model(a.values["in.clip_image"], [chosen])
    check(
        a.values,
        "eval.",
        {
            "roi.img0.union_boxes": regions.unions,
            "roi.img0.union_mean": regions.union_means,
            "roi.img0.instance_mean": regions.instance_means,
            "pair.img0.human_index": pairs.pairing[0],
            "pair.img0.object_index": pairs.pairing[1],
            "pair.img0.object_label": chosen.labels[pairs.pairing[1]],
            **final(pairs),
        },
    )
    prior = a.values["eval.pair.img0.prior_h_o"].prod(0)
    check({"prior": prior}, "", {"prior": pairs.prior})


@torch.inference_mode()
def check_c(c: Fixture, images: Sequence[int]) -> None:
    model, chosen = c.model, [c.instances(i) for i in images]
    clip_images = c.values["in.clip_image"][list(images)]
    inputs, padding = model.priors.inputs(chosen, model.embeddings, model.config.image_size)
    tokens = model.priors.tokens(inputs)
    fused = model.priors.fuse(tokens, padding)
    last = [
        out for _, out in model.encoder.blocks(model.encoder.embed(clip_images), fused, padding)
    ]
    maps, classes = model.encoder.project(last[-1])
    for row, (image, pairs) in enumerate(zip(images, model(clip_images, chosen), strict=True)):
        count = len(chosen[row])
        ours = {
            "prior.tokens": tokens[row : row + 1, :count],
            "prior.fused_tokens": fused[row : row + 1, :count],
            "vit.featmap": maps[row : row + 1],
            "vit.global": classes[row : row + 1],
            **region(chosen[row]),
            **final(pairs),
        }
        check(c.values, f"single{image}.", ours)


@pytest.mark.parametrize("images", [(0,), (1,), (0, 1)])
def test_images_of_c_alone_and_in_one_batch(c: Fixture, images: tuple[int, ...]) -> None:
    check_c(c, images)


@torch.inference_mode()
def test_detections_and_unions_of_c_in_the_official_batch(c: Fixture) -> None:
    side = c.model.config.image_size
    maps = c.model.feature_maps(c.values["in.clip_image"], [c.instances(0), c.instances(1)])
    for image in (0, 1):
        logits, boxes = c.values["in.pred_logits"], c.values["in.pred_boxes_cxcywh"]
        found = read_detr(logits[image], boxes[image], side)
        regions = c.model.pool(maps[image], c.instances(image))
        ours = {
            f"det.img{image}.scores": found.scores,
            f"det.img{image}.labels": found.labels,
            f"det.img{image}.boxes": found.boxes,
            f"roi.img{image}.union_boxes": regions.unions,
            f"pair.img{image}.human_index": regions.pairing[0],
            f"pair.img{image}.object_index": regions.pairing[1],
        }
        if image == 0:  # the longest of the batch: no padding leaks into its official numbers
            ours["roi.img0.union_mean"] = regions.union_means
            ours["roi.img0.instance_mean"] = regions.instance_means
        check(c.values, "batch.", ours)


@pytest.mark.parametrize(
    ("name", "side"), [("landscape", 224), ("panorama", 224), ("portrait336", 336)]
)
def test_preprocessing(name: str, side: int) -> None:
    values = load_file(FIXTURES / "preproc.safetensors")
    image = Image.fromarray(values[f"{name}.rgb_uint8_hwc"].numpy())
    detector, clip = prepare_image(image, side)
    assert list(detector.shape) == values[f"{name}.detr_shape"].tolist()
    ours = {"detr_every16": detector[:, ::16, ::16], "clip_every2": clip[:, ::2, ::2]}
    for kind, tensor in (("detr", detector), ("clip", clip)):
        ours[f"{kind}_mean_std"] = torch.stack([tensor.mean((1, 2)), tensor.std((1, 2))])
    check(values, f"{name}.", ours)
