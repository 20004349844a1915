"""Official weights become a bundle: every tensor lands once, DETR computes what it did."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import open_clip
import pytest
import supervision as sv
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.ops import FrozenBatchNorm2d

from models.bundle import CMMPSection, load_bundle
from models.cmmp import official
from models.cmmp.checkpoint import (
    TOKENS,
    WORDS,
    _dead,
    _weights,
    official_name,
)
from models.cmmp.detr import convert_detr
from models.cmmp.network import CMMP, CMMPConfig
from models.cmmp.official import convert_official, import_official
from models.cmmp.prompts import load_sentences, prompt_tokens
from models.cmmp.weights import load_cmmp, read_config
from models.detector import open_detector
from models.errors import ModelError
from models.scorer import load_scorer

SHARED = Path(__file__).parents[2] / "shared" / "cmmp"
Shapes = dict[str, tuple[int, ...]]


def attention_shapes(prefix: str) -> Shapes:
    return {
        f"{prefix}.in_proj_weight": (768, 256),
        f"{prefix}.in_proj_bias": (768,),
        f"{prefix}.out_proj.weight": (256, 256),
        f"{prefix}.out_proj.bias": (256,),
    }


def detr_shapes() -> Shapes:
    """The 458 names of DETR-R50 with 81 logits, from its description (spec 1.2)."""
    body = resnet50(norm_layer=FrozenBatchNorm2d).state_dict()
    shapes: Shapes = {
        f"backbone.0.body.{name}": tuple(t.shape)
        for name, t in body.items()
        if not name.startswith("fc.")
    }
    for side, norms in (("encoder", 2), ("decoder", 3)):
        for layer in range(6):
            prefix = f"transformer.{side}.layers.{layer}."
            shapes |= attention_shapes(f"{prefix}self_attn")
            if side == "decoder":
                shapes |= attention_shapes(f"{prefix}multihead_attn")
            shapes |= {f"{prefix}linear1.weight": (2048, 256), f"{prefix}linear1.bias": (2048,)}
            shapes |= {f"{prefix}linear2.weight": (256, 2048), f"{prefix}linear2.bias": (256,)}
            for norm in range(1, norms + 1):
                shapes |= {f"{prefix}norm{norm}.{kind}": (256,) for kind in ("weight", "bias")}
    shapes |= {f"transformer.decoder.norm.{kind}": (256,) for kind in ("weight", "bias")}
    shapes |= {"class_embed.weight": (81, 256), "class_embed.bias": (81,)}
    for layer, out in enumerate((256, 256, 4)):
        shapes |= {f"bbox_embed.layers.{layer}.weight": (out, 256)}
        shapes |= {f"bbox_embed.layers.{layer}.bias": (out,)}
    shapes |= {"query_embed.weight": (100, 256)}
    return shapes | {"input_proj.weight": (256, 2048, 1, 1), "input_proj.bias": (256,)}


def official_shapes(config: CMMPConfig) -> Shapes:
    with torch.device("meta"):
        model = CMMP(config)
    ours = {official_name(name): tuple(t.shape) for name, t in _weights(model).items()}
    detector = {f"detector.{name}": shape for name, shape in detr_shapes().items()}
    return {**ours, **_dead(config), **detector}


def fill(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Random numbers of a size that keeps activations finite; scales and variances near one."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        scale = (shape[-1] if len(shape) < 4 else int(np.prod(shape[1:]))) ** -0.5 if shape else 1
        state[name] = scale * torch.randn(shape, generator=generator)
        if len(shape) == 1:
            state[name] = 0.05 * torch.randn(shape, generator=generator)
            if name.endswith(("weight", "running_var")):
                state[name] = 1 + state[name].abs()
    return state


def detr_logits(state: Mapping[str, Tensor], pixels: Tensor) -> tuple[Tensor, Tensor]:
    """DETR of the paper in plain operations: pixels (1, 3, h, w) -> (100, 81), (100, 4)."""
    body: nn.Module = resnet50(norm_layer=FrozenBatchNorm2d)
    prefix = "backbone.0.body."
    own = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
    body.load_state_dict(
        {**own, "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    )
    x = pixels
    for name, child in body.eval().named_children():
        if name not in ("avgpool", "fc"):
            x = child(x)
    x = F.conv2d(x, state["input_proj.weight"], state["input_proj.bias"])
    position = sine(x.shape[2], x.shape[3])
    memory = x.flatten(2)[0].T  # (h * w, 256)
    for layer in range(6):
        part = Part(state, f"transformer.encoder.layers.{layer}.")
        memory = part.norm(
            1, memory + part.attend("self_attn", memory + position, memory + position, memory)
        )
        memory = part.norm(2, memory + part.feed(memory))
    query, out = state["query_embed.weight"], torch.zeros(100, 256)
    for layer in range(6):
        part = Part(state, f"transformer.decoder.layers.{layer}.")
        out = part.norm(1, out + part.attend("self_attn", out + query, out + query, out))
        seen = part.attend("multihead_attn", out + query, memory + position, memory)
        out = part.norm(2, out + seen)
        out = part.norm(3, out + part.feed(out))
    out = Part(state, "transformer.decoder.").norm("", out)
    boxes = out
    for layer in range(3):
        weights = (state[f"bbox_embed.layers.{layer}.{kind}"] for kind in ("weight", "bias"))
        boxes = F.linear(boxes.relu() if layer else boxes, *weights)
    return F.linear(out, state["class_embed.weight"], state["class_embed.bias"]), boxes.sigmoid()


class Part:
    """Operations of one layer, by the authors' names."""

    def __init__(self, state: Mapping[str, Tensor], prefix: str) -> None:
        self.state, self.prefix = state, prefix

    def of(self, name: str) -> tuple[Tensor, Tensor]:
        return self.state[f"{self.prefix}{name}weight"], self.state[f"{self.prefix}{name}bias"]

    def norm(self, number: int | str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (256,), *self.of(f"norm{number}."))

    def feed(self, x: Tensor) -> Tensor:
        return F.linear(F.linear(x, *self.of("linear1.")).relu(), *self.of("linear2."))

    def attend(self, name: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        weights, biases = (t.chunk(3) for t in self.of(f"{name}.in_proj_"))
        q, k, v = (
            F.linear(x, w, b).view(-1, 8, 32).transpose(0, 1)
            for x, w, b in zip((query, key, value), weights, biases, strict=True)
        )
        seen = (q @ k.transpose(1, 2) / 32**0.5).softmax(-1) @ v  # (8, n, 32)
        return F.linear(seen.transpose(0, 1).flatten(1), *self.of(f"{name}.out_proj."))


def sine(high: int, wide: int) -> Tensor:
    """Position embedding (h * w, 256): 128 of the row, 128 of the column."""
    rate = 10000 ** (2 * torch.div(torch.arange(128), 2, rounding_mode="floor") / 128)

    def encode(cells: int) -> Tensor:
        at = (torch.arange(cells) + 1) / (cells + 1e-6) * 2 * torch.pi
        angle = at[:, None] / rate  # (cells, 128)
        return torch.stack([angle[:, ::2].sin(), angle[:, 1::2].cos()], 2).flatten(1)

    rows, columns = encode(high), encode(wide)
    return torch.cat(
        [rows[:, None].expand(-1, wide, -1), columns[None].expand(high, -1, -1)], -1
    ).flatten(0, 1)


@torch.inference_mode()
def test_detr_computes_what_it_did_under_its_own_names() -> None:
    state = fill(detr_shapes())
    assert len(state) == 458
    pixels = torch.randn(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    network = convert_detr(state)
    result = network(pixels, torch.ones(1, 96, 128, dtype=torch.long))
    logits, boxes = detr_logits(state, pixels)
    torch.testing.assert_close(result.logits[0], logits, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(result.pred_boxes[0], boxes, atol=1e-4, rtol=1e-3)


def test_every_fault_of_a_detr_is_named() -> None:
    state = fill(detr_shapes())
    for change, said in (
        ({"class_embed.bias": torch.zeros(92)}, r"shape: class_labels_classifier.bias \(92,\)"),
        ({"colour": torch.zeros(1)}, "colour"),
    ):
        with pytest.raises(ModelError, match=said):
            convert_detr({**state, **change})
    del state["query_embed.weight"]
    with pytest.raises(ModelError, match=r"missing: model\.query_position_embeddings"):
        convert_detr(state)


def tracked() -> sv.Detections:
    return sv.Detections(
        xyxy=np.array([[20, 10, 60, 110], [50, 40, 70, 60]], np.float32),
        confidence=np.array([0.9, 0.8], np.float32),
        class_id=np.array([0, 41]),
        tracker_id=np.array([4, 5]),
        data={"class_name": np.array(["person", "cup"], dtype=object)},
    )


@pytest.mark.parametrize(
    ("architecture", "count"), [("ViT-B-16-quickgelu", 1029), ("ViT-L-14-336-quickgelu", 1401)]
)
def test_every_official_name_and_shape_is_known(architecture: str, count: int) -> None:
    shapes = official_shapes(read_config(architecture, {}))
    assert len(shapes) == count
    listed = SHARED / f"state_dict_{architecture.removesuffix('-quickgelu')}.json"
    if listed.is_file():
        entries = json.loads(listed.read_text())["entries"]
        assert shapes == {entry["name"]: tuple(entry["shape"]) for entry in entries}


@pytest.mark.parametrize(
    ("clip", "architecture"),
    [
        ("B16", "ViT-B-16-quickgelu"),
        pytest.param("L14", "ViT-L-14-336-quickgelu", marks=pytest.mark.slow),  # 7 GB, minutes
    ],
)
def test_official_weights_become_a_bundle_that_scores(
    clip: str, architecture: str, tmp_path: Path
) -> None:
    shapes = official_shapes(read_config(architecture, {}))
    state = fill(shapes)
    words = state[TOKENS][prompt_tokens(load_sentences("hico").verbs)]
    state |= {WORDS[0]: words[:, :1], WORDS[1]: words[:, 25:]}
    bundle = load_bundle(str(convert_official(state, clip, tmp_path / "official")))
    scorer = load_scorer(bundle)
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    (scores,) = scorer.score([image], [tracked()])
    cup = bundle.vocabulary.objects.index("cup")
    assert (np.isfinite(scores.evidence[0]) == bundle.vocabulary.validity[cup]).all()
    section = bundle.manifest.scorer
    assert isinstance(section, CMMPSection)
    kept = load_cmmp(section, bundle.folder, bundle.vocabulary)
    for name, tensor in _weights(kept).items():
        assert torch.equal(tensor, state[official_name(name)]), name
    kept.encode_texts((state[WORDS[0]], state[WORDS[1]]))
    np.testing.assert_allclose(scorer.prototypes, kept.prototypes.numpy(), rtol=1e-6)
    del kept
    assert bundle.has_detector
    detector = open_detector(str(bundle.folder), threshold=0.0)
    assert len(detector.classes) == 80
    assert detector.detect([image])[0].xyxy.shape[1] == 4


def test_an_import_that_was_killed_is_no_hindrance_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
    sizes = {"embed_dim": 24, "quick_gelu": True, "vision_cfg": image, "text_cfg": text}
    (tmp_path / "small-quickgelu.json").write_text(json.dumps(sizes))
    open_clip.add_model_config(tmp_path / "small-quickgelu.json")
    monkeypatch.setitem(official.ARCHITECTURES, "small", "small-quickgelu")
    shapes = official_shapes(read_config("small-quickgelu", {}))
    own = {name: shape for name, shape in shapes.items() if not name.startswith("detector.")}
    torch.save(fill(own), tmp_path / "a.pt")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(official, "write_manifest", killed)
        with pytest.raises(KeyboardInterrupt):
            import_official(tmp_path / "a.pt", "small", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    bundle = load_bundle(str(import_official(tmp_path / "a.pt", "small", tmp_path / "out")))
    assert bundle.name == "out"
    assert {path.name for path in tmp_path.iterdir()} == {"small-quickgelu.json", "a.pt", "out"}


def test_what_is_no_checkpoint_is_refused_in_a_line(tmp_path: Path) -> None:
    torch.save({"model_state_dict": {"a": torch.zeros(1)}}, tmp_path / "a.pt")
    torch.save({"model_state_dict": Path("x")}, tmp_path / "object.pt")
    for file, clip, said in (
        ("a.pt", "B16", "missing"),
        ("a.pt", "Z9", "B16, L14"),
        ("object.pt", "B16", "not readable"),
    ):
        with pytest.raises(ModelError, match=said) as refused:
            import_official(tmp_path / file, clip, tmp_path / "out")
        assert "\n" not in str(refused.value)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(ModelError, match="not empty"):
        import_official(tmp_path / "a.pt", "B16", tmp_path / "full")
    assert not (tmp_path / "out").exists()
