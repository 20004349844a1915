"""Verb prototypes and object embeddings from sentences and a learned context (spec 2, 1.5)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn

from models.errors import ModelError
from models.text import TextTower, TokenTable, encode_branches, encode_tokens

FOLDER = Path(__file__).parents[1] / "vocabularies"
CONTEXT = 24  # learned vectors before a sentence
Dataset = Literal["hico", "vcoco"]


@dataclass(frozen=True)
class Sentences:
    """What a data set's weights were trained to hear, word for word, misspellings included."""

    verbs: tuple[str, ...]  # V
    objects: tuple[str, ...]  # 81, the last one is "nothing"
    allowed: tuple[tuple[int, ...], ...]  # for each of 80 objects, its verbs

    def validity(self) -> Tensor:
        """(80, V) bool: may this verb be done with this class?"""
        table = torch.zeros(len(self.allowed), len(self.verbs), dtype=torch.bool)
        for row, verbs in enumerate(self.allowed):
            table[row, list(verbs)] = True
        return table


def _checked(sentences: list[str], sha256: str) -> tuple[str, ...]:
    if hashlib.sha256("\n".join(sentences).encode()).hexdigest() != sha256:
        raise ModelError("the prompt sentences are not those the CMMP weights were trained with")
    return tuple(sentences)


def _hico_verbs(facts: dict[str, Any]) -> tuple[str, ...]:
    exceptions = facts["verb_prompt_exceptions"]
    pattern = facts["verb_prompt_pattern"]
    gerunds = facts["verb_gerunds_as_spelled_in_prompts"]
    verbs = [exceptions.get(str(i), pattern.format(gerund=g)) for i, g in enumerate(gerunds)]
    return _checked(verbs, facts["sha256_of_117_verb_prompts_joined_by_newline"])


def _objects(facts: dict[str, Any]) -> tuple[str, ...]:
    articles_an = facts["object_prompt_article_an_ids"]
    pattern = facts["object_prompt_pattern"]
    objects = [
        pattern.format(article="an" if i in articles_an else "a", object=name)
        for i, name in enumerate(facts["objects"])
    ]
    objects.append(facts["object_prompt_extra_row_80"])
    return _checked(objects, facts["sha256_of_81_object_prompts_joined_by_newline"])


@cache
def load_sentences(dataset: Dataset) -> Sentences:
    """The sentences of a data set, checked against their SHA-256 where one is known."""
    hico = json.loads((FOLDER / "hico.json").read_text())
    objects = _objects(hico)
    if dataset == "hico":
        verbs, allowed = _hico_verbs(hico), hico["object_to_verbs"]
    else:
        facts = json.loads((FOLDER / "vcoco.json").read_text())
        verbs, allowed = tuple(facts["action_prompts"]), facts["object0based_to_actions"]
    return Sentences(verbs, objects, tuple(tuple(row) for row in allowed))


@cache
def tokenizer() -> SimpleTokenizer:
    return SimpleTokenizer()


def prompt_tokens(sentences: Sequence[str], context: int = CONTEXT) -> Tensor:
    """Token ids (n, 77) of placeholders for the context, the sentence and a full stop."""
    placeholders = " ".join(["X"] * context)
    ids: Tensor = tokenizer()([f"{placeholders} {sentence}." for sentence in sentences])
    return ids


class PromptLearner(nn.Module):
    """The context that all sentences share."""

    def __init__(self, context: int, width: int) -> None:
        super().__init__()
        self.ctx = nn.Parameter(0.02 * torch.randn(context, width))

    def embed(self, clip: TextTower, tokens: Tensor) -> Tensor:
        """Token ids (n, 77) -> [start | ctx | rest] (n, 77, Wt), before positions are added."""
        words = clip.token_embedding(tokens)  # (n, 77, Wt)
        return self.join(words[:, :1], words[:, 1 + len(self.ctx) :])

    def join(self, prefix: Tensor, suffix: Tensor) -> Tensor:
        """Start (n, 1, Wt), context, and sentence with its end (n, 52, Wt) -> (n, 77, Wt)."""
        return torch.cat([prefix, self.ctx.expand(len(prefix), -1, -1), suffix], dim=1)

    def unheard(self, clip: TextTower, sentence: str) -> str:
        """Its words that a small tower was never taught, which say nothing to it; "": none."""
        table, start = clip.token_embedding, 1 + len(self.ctx)
        if not isinstance(table, TokenTable):
            return ""
        tokens = prompt_tokens([sentence], len(self.ctx))[0]
        said = tokens[start : int(tokens.argmax())].to(table.rows.device)
        return str(tokenizer().decode(said[~table.knows(said)].tolist())).strip()

    def forward(self, clip: TextTower, sentences: Sequence[str]) -> Tensor:
        """Sentences -> prototypes (n, D), not of unit length; their common start is heard once."""
        tokens = prompt_tokens(sentences, len(self.ctx)).to(self.ctx.device)
        ends = tokens.argmax(-1)
        alike = int((tokens == tokens[:1]).all(0).int().cumprod(0).sum())
        start = min(alike, int(ends.min()))  # everyone's end is after it
        words = self.embed(clip, tokens)[:, : int(ends.max()) + 1]
        return encode_branches(clip, words[0, :start], words[:, start:], ends - start)


def embed_objects(clip: TextTower, sentences: Sequence[str]) -> Tensor:
    """Sentences without full stop or context -> (n, D), not of unit length: the table E."""
    tokens = tokenizer()(list(sentences)).to(clip.positional_embedding.device)
    return encode_tokens(clip, tokens)
