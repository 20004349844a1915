"""The CMMP network: CLIP images and detections in, pair vectors and verb logits out.

It knows no detector, no file and no tracking; sizes come with `CMMPConfig`. Boxes are xyxy in the
squashed S x S frame of the CLIP image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, _build_text_tower
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from models.cmmp.encoder import ImageEncoder
from models.cmmp.geometry import Geometry
from models.cmmp.instances import HUMAN, Instances, pair_indices
from models.cmmp.priors import Priors
from models.cmmp.prompts import (
    Dataset,
    PromptLearner,
    Sentences,
    embed_objects,
    load_sentences,
    prompt_tokens,
)
from models.cmmp.regions import region_means, union_boxes, unit
from models.cmmp.rounds import Round
from models.cmmp.stem import ConvStem
from models.errors import ModelError
from models.text import TokenTable, encode_embedded

HEAD_WIDTH = 64  # of all CLIP attention
REGION_DROPOUT = 0.2
LAMBDA = 2.8  # exponent of detection scores at inference
SIZING = frozenset(  # official names that sizes are read off
    {
        "adapter_H_bias",
        "clip_head.image_encoder.conv1.weight",
        "clip_head.image_encoder.positional_embedding",
        "clip_head.image_encoder.proj",
        "clip_head.image_encoder.transformer.resblocks.0.adaptermlp.down_proj.weight",
        "clip_head.image_encoder.transformer.resblocks.0.adaptermlp.mhsa_layers.0.linear1.weight",
        "clip_head.prompt_learner.ctx",
        "clip_head.text_encoder.positional_embedding",
        "fusion_attn.linear1.weight",
        "global_prior",
    }
)


@dataclass(frozen=True)
class CMMPConfig:
    """All sizes of a network."""

    image_size: int = 224  # S
    patch: int = 16
    width: int = 768  # W, of the image tower
    layers: int = 12
    text_width: int = 512
    text_layers: int = 12
    stem: tuple[int, ...] = ()  # channels of convolutions in place of `conv1`; their stride is 16
    vocabulary: int = 49408  # text tokens
    words: int = 0  # rows of a table of few tokens; 0: one row a token
    text_length: int = 77
    dim: int = 512  # D, of the joint space
    context: int = 24  # learned vectors before a sentence
    bottleneck: int = 64  # of adapters and prior tokens
    adapter_hidden: int = 128
    prior_hidden: tuple[int, ...] = (128, 128)
    pattern_hidden: tuple[int, ...] = (64, 64)
    patterns: int = 10
    pattern_width: int = 36
    fusion_hidden: int = 64
    verbs: int = 117
    free_prototypes: bool = False  # V-COCO: prototypes are weights, not texts
    geometry: int = 0  # hidden width of a term of boxes alone; 0: none, like the official network

    @property
    def dataset(self) -> Dataset:
        return "vcoco" if self.free_prototypes else "hico"

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> "CMMPConfig":
        """Read every size off official names and shapes (section 6)."""
        image, text = "clip_head.image_encoder.", "clip_head.text_encoder."
        if missing := sorted(SIZING - state.keys()):
            raise ModelError(f"not an official CMMP checkpoint: missing: {', '.join(missing)}")
        try:
            patch = state[f"{image}conv1.weight"].shape[-1]
            tokens, width = state[f"{image}positional_embedding"].shape
            text_length, text_width = state[f"{text}positional_embedding"].shape
            first = f"{image}transformer.resblocks.0.adaptermlp."
            embedding = f"{text}token_embedding.weight"
            return cls(
                image_size=round((tokens - 1) ** 0.5) * patch,
                patch=patch,
                width=width,
                layers=_count(state, f"{image}transformer.resblocks."),
                text_width=text_width,
                text_layers=_count(state, f"{text}transformer.resblocks."),
                vocabulary=len(state[embedding]) if embedding in state else cls.vocabulary,
                text_length=text_length,
                dim=state[f"{image}proj"].shape[1],
                context=len(state["clip_head.prompt_learner.ctx"]),
                bottleneck=len(state[f"{first}down_proj.weight"]),
                adapter_hidden=len(state[f"{first}mhsa_layers.0.linear1.weight"]),
                prior_hidden=_hidden(state, "priors_downproj.layers."),
                pattern_hidden=_hidden(state, "priors_downproj_global.layers."),
                patterns=state["global_prior"].shape[0],
                pattern_width=state["global_prior"].shape[1],
                fusion_hidden=len(state["fusion_attn.linear1.weight"]),
                verbs=len(state["adapter_H_bias"]),
                free_prototypes="adapter_union_weight" in state,
            )
        except (KeyError, IndexError, ValueError) as error:
            raise ModelError(f"not an official CMMP checkpoint: no usable {error}") from error


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({name[len(prefix) :].split(".")[0] for name in state if name.startswith(prefix)})


def _hidden(state: Mapping[str, Tensor], prefix: str) -> tuple[int, ...]:
    count = _count(state, prefix)
    return tuple(len(state[f"{prefix}{i}.bias"]) for i in range(count - 1))


def build_clip(config: CMMPConfig) -> CLIP:
    """open_clip's two towers with QuickGELU, at random."""
    clip = CLIP(
        config.dim,
        CLIPVisionCfg(
            layers=config.layers,
            width=config.width,
            head_width=HEAD_WIDTH,
            patch_size=config.patch,
            image_size=config.image_size,
        ),
        _text_sizes(config),
        quick_gelu=True,
    )
    if config.stem:
        clip.visual.conv1 = ConvStem(config.stem, config.width)
    if config.words:
        clip.token_embedding = TokenTable(config.vocabulary, config.words, config.text_width)
    return clip


def build_text_tower(config: CMMPConfig) -> TextTransformer:
    """The same text tower alone, at random."""
    tower = _build_text_tower(config.dim, _text_sizes(config), quick_gelu=True)
    if config.words:
        tower.token_embedding = TokenTable(config.vocabulary, config.words, config.text_width)
    return tower


def _text_sizes(config: CMMPConfig) -> CLIPTextCfg:
    return CLIPTextCfg(
        context_length=config.text_length,
        vocab_size=config.vocabulary,
        width=config.text_width,
        heads=config.text_width // HEAD_WIDTH,
        layers=config.text_layers,
    )


@dataclass(frozen=True)
class PairScores:
    """The M valid (pair, verb) cells of an image, row-major (1.10)."""

    scores: Tensor  # (M,)
    verbs: Tensor  # (M,)
    objects: Tensor  # (M,) COCO-80
    pairing: Tensor  # (2, M) rows of the image's instances: human, object


@dataclass(frozen=True)
class Pairs:
    """P pairs of one image, all verbs; `vectors @ prototypes.T` are the logits."""

    instances: Instances
    pairing: Tensor  # (2, P) rows of instances: human, object
    vectors: Tensor  # (P, D) q
    logits: Tensor  # (P, V)
    prior: Tensor  # (P, V) float32, 0 where the class does not allow the verb

    def scores(self) -> PairScores:
        """What the official model returns."""
        scores = self.logits.float().sigmoid() * self.prior  # (P, V)
        pair, verb = torch.nonzero(self.prior, as_tuple=True)  # (M,), (M,)
        pairing = self.pairing[:, pair]
        return PairScores(scores[pair, verb], verb, self.instances.labels[pairing[1]], pairing)


@dataclass(frozen=True)
class Regions:
    """Pooled features before L2 normalisation (1.8), of one image or of all images of a batch."""

    instances: Instances
    pairing: Tensor  # (2, P)
    unions: Tensor  # (P, 4) boxes
    instance_means: Tensor  # (N, D)
    union_means: Tensor  # (P, D)


class CMMP(nn.Module):
    """Stages are methods, in the order of the specification's section 1."""

    embeddings: Tensor  # E, class embeddings: (81, D) officially, a row for every object sentence
    prototypes: Tensor  # (V, D) T
    validity: Tensor  # (classes, V) bool; officially 80

    def __init__(self, config: CMMPConfig, sentences: Sentences | None = None) -> None:
        """`sentences` of any vocabulary, the person's class first; None: the data set's own."""
        super().__init__()
        self.config = config
        self.sentences = load_sentences(config.dataset) if sentences is None else sentences
        if len(self.sentences.verbs) != config.verbs:
            raise ModelError(
                f"a CMMP of {config.verbs} verbs but {len(self.sentences.verbs)} sentences of verbs"
            )
        self.clip = build_clip(config)
        self.encoder = ImageEncoder(self.clip.visual, config.bottleneck, config.adapter_hidden)
        self.prompts = PromptLearner(config.context, config.text_width)
        self.priors = Priors(
            (config.dim + 5, *config.prior_hidden, config.bottleneck),
            (config.pattern_width, *config.pattern_hidden, config.bottleneck),
            config.patterns,
            config.fusion_hidden,
        )
        self.human_weight = nn.Parameter(torch.eye(config.dim))  # W_H, multiplied from the right
        self.object_weight = nn.Parameter(torch.eye(config.dim))  # W_O
        self.human_scale = nn.Parameter(torch.tensor(0.357))  # ln(1 / 0.7), used as stored
        self.object_scale = nn.Parameter(torch.tensor(0.357))
        self.union_scale = nn.Parameter(torch.tensor(2.659))  # ln(1 / 0.07)
        prototypes = torch.zeros(config.verbs, config.dim)
        if config.free_prototypes:
            self.prototypes = nn.Parameter(prototypes)
        else:
            self.register_buffer("prototypes", prototypes, persistent=False)
        self.region_dropout = nn.Dropout(REGION_DROPOUT)
        self.geometry = Geometry(config.dim, config.geometry) if config.geometry else None
        objects = torch.zeros(len(self.sentences.objects), config.dim)
        self.register_buffer("embeddings", objects, persistent=False)
        self.register_buffer("validity", self.sentences.validity(), persistent=False)

    @torch.no_grad()
    def encode_texts(self, stored: tuple[Tensor, Tensor] | None = None) -> None:
        """Compute prototypes and class embeddings anew: once after weights are loaded.

        `stored` are a checkpoint's own embedded words around the context, (V, 1, Wt) and
        (V, 52, Wt), which the official code hears in place of embedding the sentences again.
        """
        sentences = self.sentences
        self.embeddings.copy_(embed_objects(self.clip, sentences.objects))
        if self.config.free_prototypes:
            return
        if stored is None:
            self.prototypes.copy_(self.encode_prompts(sentences.verbs))
        else:
            ends = prompt_tokens(sentences.verbs, self.config.context).argmax(-1)
            self.prototypes.copy_(encode_embedded(self.clip, self.prompts.join(*stored), ends))

    def encode_prompts(self, sentences: Sequence[str]) -> Tensor:
        """Sentences without full stop -> prototypes (n, D): new verbs, heard with the same ctx."""
        out: Tensor = self.prompts(self.clip, sentences)
        return out

    def context(self, instances: Sequence[Instances]) -> tuple[Tensor, Tensor]:
        """What the adapters attend to: tokens (B, N, 64), padding (B, N), True = padding."""
        inputs, padding = self.priors.inputs(instances, self.embeddings, self.config.image_size)
        return self.priors.fuse(self.priors.tokens(inputs), padding), padding

    def feature_maps(self, clip_images: Tensor, instances: Sequence[Instances]) -> Tensor:
        """Images (B, 3, S, S), each with at least one instance -> (B, D, g, g)."""
        out: Tensor = self.encoder(clip_images, *self.context(instances))
        return out

    def pool(
        self, feature_map: Tensor, instances: Instances, pairing: Tensor | None = None
    ) -> Regions:
        """Feature map (D, g, g) of one image -> means of its boxes and of its pairs' unions.

        pairing: (2, P) rows of instances; None: every human with everything else.
        """
        boxes = instances.boxes
        if pairing is None:
            pairing = pair_indices(instances.humans, len(instances), boxes.device)
        return self._pool(feature_map[None], instances, pairing)

    def _pool(
        self, maps: Tensor, instances: Instances, pairing: Tensor, taps: int | None = None
    ) -> Regions:
        """Of B maps (B, D, g, g), each with as many instances and as many pairs."""
        boxes, side = instances.boxes, self.config.image_size
        unions = union_boxes(boxes[pairing[0]], boxes[pairing[1]])
        return Regions(
            instances,
            pairing,
            unions,
            region_means(maps, boxes, side, taps),
            region_means(maps, unions, side, taps),
        )

    def vectors(self, clip_images: Tensor, packed: Round, patterns: Tensor) -> Tensor:
        """Images (B, 3, S, S) and a round of B -> pair vectors (B * P, D).

        The tower runs in the images' number format. Nothing here waits for a GPU, so it can be a
        CUDA graph.
        """
        every, shape = packed.instances, packed.padding.shape
        rows = self.priors.rows(every, self.embeddings, self.config.image_size)
        tokens = self.priors.tokens(rows).view(*shape, -1)  # (B, N, 64)
        context = self.priors.fuse(tokens, packed.padding, patterns)
        maps = self.encoder(clip_images, context.to(clip_images.dtype), packed.padding)
        return self.pair_vectors(self._pool(maps.float(), every, packed.pairing, packed.size.taps))

    def pair_vectors(self, regions: Regions) -> Tensor:
        """q (P, D) = s_H h W_H + s_O o W_O + s_T u [+ g]; the products are taken per instance."""
        instance = unit(regions.instance_means)  # (N, D)
        human = self.human_scale * instance @ self.human_weight
        thing = self.object_scale * instance @ self.object_weight
        rows, columns = regions.pairing
        q = human[rows] + thing[columns] + self.union_scale * unit(regions.union_means)
        if self.geometry is None:
            return q
        boxes, labels = regions.instances.boxes, regions.instances.labels
        embeddings = self.embeddings[labels[columns]]  # (P, D)
        side = self.config.image_size
        term: Tensor = self.geometry(boxes[rows], boxes[columns], embeddings, side)
        return q + term

    def prior(self, instances: Instances, pairing: Tensor, exponent: float = LAMBDA) -> Tensor:
        """(P, V) float32: detection scores of both to the exponent where the verb is valid."""
        powers = instances.scores.float() ** exponent  # (N,)
        allowed = self.validity[instances.labels[pairing[1]]]  # (P, V)
        return (powers[pairing[0]] * powers[pairing[1]])[:, None] * allowed

    def score(self, feature_map: Tensor, instances: Instances) -> Pairs:
        """Feature map (D, g, g) and instances of one image -> its pairs."""
        regions = self.pool(feature_map, instances)
        vectors = self.pair_vectors(regions)
        prior = self.prior(instances, regions.pairing)
        return Pairs(instances, regions.pairing, vectors, vectors @ self.prototypes.T, prior)

    def forward(self, clip_images: Tensor, instances: Sequence[Instances]) -> list[Pairs]:
        """CLIP images (B, 3, S, S) and each one's instances, humans first -> pairs of each.

        An image without a human or without a second instance costs nothing and has no pairs.
        """
        if len(clip_images) != len(instances):
            raise ModelError(f"{len(clip_images)} images but instances of {len(instances)}")
        if any((each.labels[: each.humans] != HUMAN).any() for each in instances):
            raise ModelError("humans must stand first among the instances of an image")
        useful = [i for i, each in enumerate(instances) if each.humans and len(each) > 1]
        results = [self._no_pairs(each) for each in instances]
        if useful:
            chosen = [instances[i] for i in useful]
            maps = self.feature_maps(clip_images[useful], chosen)  # (B, D, g, g)
            for i, feature_map in zip(useful, maps, strict=True):
                results[i] = self.score(feature_map, instances[i])
        return results

    def _no_pairs(self, instances: Instances) -> Pairs:
        pairing = instances.labels.new_zeros(2, 0, dtype=torch.long)
        vectors = self.prototypes.new_zeros(0, self.config.dim)
        empty = self.prototypes.new_zeros(0, self.config.verbs)
        return Pairs(instances, pairing, vectors, empty, empty.float())
