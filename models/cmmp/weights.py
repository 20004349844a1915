"""A bundle's CMMP: built from the sizes in its manifest, saved and loaded as two safetensors."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import open_clip
from open_clip.transformer import TextTransformer
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.bundle import CMMPSection
from models.cmmp.network import CMMP, HEAD_WIDTH, CMMPConfig, build_text_tower
from models.cmmp.prompts import PromptLearner, Sentences
from models.errors import ModelError
from models.pairs import PERSON
from models.vocabulary import Vocabulary

_CLIP = "clip."
_TOWER = "encoder.visual."  # the image tower again, by its second path
_CONTEXT = "prompts.ctx"
_PROTOTYPES, _OBJECTS = "texts.prototypes", "texts.objects"


def class_names(vocabulary: Vocabulary) -> tuple[str, ...]:
    """Rows of the class table: the person, then all other objects."""
    return (PERSON, *(name for name in vocabulary.objects if name != PERSON))


def class_phrase(name: str) -> str:
    return f"a photo of {'an' if name[0] in 'aeiou' else 'a'} {name}"


def vocabulary_sentences(vocabulary: Vocabulary) -> Sentences:
    """What a CMMP of this vocabulary hears; labels are rows of `class_names`."""
    allowed = dict(zip(vocabulary.objects, vocabulary.allowed, strict=True))
    names = class_names(vocabulary)
    return Sentences(
        tuple(verb.sentence for verb in vocabulary.verbs),
        tuple(class_phrase(name) for name in names),
        tuple(allowed.get(name, ()) for name in names),
    )


def read_config(architecture: str | None, sizes: Mapping[str, Any]) -> CMMPConfig:
    """Sizes of an open_clip configuration, if one is named, and those given over them."""
    named = {} if architecture is None else _open_clip_sizes(architecture)
    try:
        rows = {k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()}
        return CMMPConfig(**{**named, **rows})
    except TypeError as error:
        raise ModelError(f"sizes of a CMMP: {error}") from error


def save_cmmp(model: CMMP, section: CMMPSection, folder: Path, *, half: bool = False) -> None:
    """Write both files of the section, the encoded texts included; `half`: weights as float16."""
    state = {name: t.contiguous() for name, t in model.state_dict().items()}
    if half:
        learned = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        state = {name: t.half() if name in learned else t for name, t in state.items()}
    clip = {name.removeprefix(_CLIP): t for name, t in state.items() if name.startswith(_CLIP)}
    own = {name: t for name, t in state.items() if not name.startswith((_CLIP, _TOWER))}
    own |= {
        _PROTOTYPES: model.prototypes.detach().clone(),
        _OBJECTS: model.embeddings.detach().clone(),
    }
    save_file(clip, folder / section.clip)
    save_file(own, folder / section.file)


def load_cmmp(section: CMMPSection, folder: Path, vocabulary: Vocabulary) -> CMMP:
    """The section's network in eval mode, float32, with the texts of the vocabulary encoded."""
    config = read_config(section.architecture, section.sizes)
    model = CMMP(config, vocabulary_sentences(vocabulary))
    own = _read(folder / section.file)
    texts = own.pop(_PROTOTYPES, None), own.pop(_OBJECTS, None)
    clip = {_CLIP + name: t for name, t in _read(folder / section.clip).items()}
    tower = {
        _TOWER + name.removeprefix("clip.visual."): t
        for name, t in clip.items()
        if name.startswith("clip.visual.")
    }
    try:
        model.load_state_dict({**clip, **tower, **own})
    except RuntimeError as error:
        faults = " ".join(str(error).split())[:300]
        raise ModelError(f"{folder}: weights do not fit the manifest ({faults})") from error
    _set_texts(model.eval(), texts, folder)
    return model


def load_prompts(section: CMMPSection, folder: Path) -> tuple[TextTransformer, PromptLearner]:
    """The text tower and the learned context alone, in eval mode, float32."""
    config = read_config(section.architecture, section.sizes)
    tower, prompts = build_text_tower(config), PromptLearner(config.context, config.text_width)
    try:
        tower.load_state_dict(_read(folder / section.clip, frozenset(tower.state_dict())))
        prompts.load_state_dict({"ctx": _read(folder / section.file, {_CONTEXT})[_CONTEXT]})
    except (RuntimeError, KeyError) as error:
        faults = " ".join(str(error).split())[:300]
        raise ModelError(f"{folder}: weights do not fit the manifest ({faults})") from error
    return tower.eval(), prompts.eval()


def _set_texts(model: CMMP, texts: Sequence[Tensor | None], folder: Path) -> None:
    prototypes, objects = texts
    if prototypes is None or objects is None:
        model.encode_texts()
        return
    known = len(model.embeddings)  # an official table has a row for "nothing" besides
    if prototypes.shape != model.prototypes.shape or len(objects) < known:
        raise ModelError(f"{folder}: the encoded texts do not fit the vocabulary")
    if not model.config.free_prototypes:
        model.prototypes.copy_(prototypes)
    model.embeddings.copy_(objects[:known])


def _open_clip_sizes(name: str) -> dict[str, Any]:
    row = open_clip.get_model_config(name)
    if row is None:
        raise ModelError(f"open_clip knows no architecture {name!r}")
    image, text = row["vision_cfg"], row["text_cfg"]
    if not row.get("quick_gelu") or not isinstance(image["layers"], int):
        raise ModelError(f"{name}: only vision transformers with QuickGELU (…-quickgelu) fit")
    widths = {image.get("head_width", HEAD_WIDTH)}
    if "heads" in text:
        widths.add(text["width"] // text["heads"])
    if widths != {HEAD_WIDTH}:  # the weights would load, and mean something else
        raise ModelError(f"{name}: only towers with attention heads {HEAD_WIDTH} wide fit")
    if "hf_tokenizer_name" in text:
        raise ModelError(
            f"{name}: reads words by {text['hf_tokenizer_name']}; only CLIP's own tokenizer fits"
        )
    return {
        "image_size": image["image_size"],
        "patch": image["patch_size"],
        "width": image["width"],
        "layers": image["layers"],
        "text_width": text["width"],
        "text_layers": text["layers"],
        "vocabulary": text["vocab_size"],
        "text_length": text["context_length"],
        "dim": row["embed_dim"],
    }


def _read(path: Path, names: Collection[str] | None = None) -> dict[str, Tensor]:
    """The tensors of the file, or of these names as far as they are there."""
    try:
        with safe_open(path, "pt") as file:
            kept = [name for name in file.keys() if names is None or name in names]  # noqa: SIM118
            state: dict[str, Tensor] = {name: file.get_tensor(name) for name in kept}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: not readable as weights ({error})") from error
    return {name: t.float() if t.is_floating_point() else t for name, t in state.items()}
