"""A checkpoint like Kaleido's, of a few thousand random weights: T5 with a word tokenizer; its texts mean nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

WORDS = (
    "Value Right Duty Health Safety to clean air obey laws Biking work Fishing Supports Opposes Either Yes No Generate "
    "Relevance Valence Explanation Situation Action It keeps people fit : [ ] . ,"
)


def write_kaleido(folder: Path, templates: Mapping[str, object] | None = None) -> Path:
    """Save model and tokenizer into `folder`; `templates` are its ``task_specific_params``."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    vocabulary = {
        word: place for place, word in enumerate(["<pad>", "</s>", "<unk>", *dict.fromkeys(WORDS.split())])
    }
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", eos_token="</s>", pad_token="<pad>", model_max_length=64
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(vocabulary),
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
        eos_token_id=1,
        pad_token_id=0,
        task_specific_params=templates,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder
