"""Rebuilds the Hugging Face tokenizer files from what a GGUF file stores about its tokenizer.

Only byte-level BPE with the `smollm` pre-tokenizer is known. Other kinds are refused: a tokenizer that splits text
a little differently would sample and train on token sequences the model has hardly ever seen.
"""

import json
from pathlib import Path
from typing import Any

CONTROL = 3  # gguf TokenType.CONTROL: special tokens, never produced from plain text


def write_tokenizer(fields: dict[str, Any], target: Path, chat_template: str) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja into `target`.

    `fields` are the GGUF key/value pairs. Digits are split one by one before byte-level BPE, as llama.cpp does for
    the pre-tokenizer named `smollm` (src/llama-vocab.cpp) and as the original tokenizer.json does.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    kind = (fields["tokenizer.ggml.model"], fields["tokenizer.ggml.pre"])
    if kind != ("gpt2", "smollm"):
        raise ValueError(f"tokenizer {kind} is not known; convert a model whose GGUF says ('gpt2', 'smollm')")
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    types: list[int] = fields["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.save(str(target / "tokenizer.json"))

    def named(key: str) -> str:
        return tokens[int(fields[f"tokenizer.ggml.{key}_token_id"])]

    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": named("bos"),
        "eos_token": named("eos"),
        "pad_token": named("padding"),
        "unk_token": named("unknown"),
        "clean_up_tokenization_spaces": False,
        "model_max_length": int(fields["llama.context_length"]),
    }
    (target / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    (target / "chat_template.jinja").write_text(chat_template)
