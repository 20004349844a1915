"""Prompts that begin alike are encoded by parts; the numbers are those of encoding them whole."""

import pytest
import torch

from models.cmmp.network import CMMP, CMMPConfig
from models.cmmp.prompts import load_sentences, prompt_tokens
from models.text import encode_embedded

TINY = CMMPConfig(image_size=64, patch=16, width=64, layers=1, text_width=64, text_layers=3, dim=24)
HICO = load_sentences("hico").verbs


@pytest.mark.parametrize("sentences", [HICO, HICO[:1], ("eating", "a dog with a long tail")])
def test_prompts_and_their_gradients_are_those_of_whole_texts(sentences: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    model = CMMP(TINY).double()
    tokens = prompt_tokens(sentences)
    whole = encode_embedded(model.clip, model.prompts.embed(model.clip, tokens), tokens.argmax(-1))
    weight = torch.randn(whole.shape, dtype=torch.double)
    gradients, results = [], [whole, model.encode_prompts(sentences)]
    for result in results:
        model.zero_grad()
        torch.autograd.backward((result * weight).sum())
        gradient = model.prompts.ctx.grad
        assert gradient is not None
        gradients.append(gradient.clone())
    torch.testing.assert_close(*results)
    torch.testing.assert_close(*gradients)
