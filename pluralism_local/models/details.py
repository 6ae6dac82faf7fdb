"""What a model's header means: size, quantization, shape, memory, one model out of several parts.

    path ──parts──> files ──read_model_header──> GGUFHeader ──describe──> ModelDetails

Only headers are read. A file that is an adapter, names no architecture, or could not be run (see `rules`), is
`InvalidInput`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from pluralism_local.display.figures import many, one_line
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.gguf_header import GGML_TYPES, GGUFHeader, fingerprint
from pluralism_local.models.gguf_file import read_header
from pluralism_local.models.published_templates import published_template
from pluralism_local.models.rules import check_model

DEFAULT_CONTEXT = 8192  # tokens; for the memory estimate where nobody says
CHUNK = 256  # tokens that the engine decodes in one call
F16_BYTES = 2
F32_BYTES = 4

# llama.cpp's llama_ftype; ids missing here were withdrawn or are newer.
FILE_TYPES: dict[int | None, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
    19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL",
    26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0",
    37: "TQ2_0", 38: "MXFP4_MOE",
}  # fmt: skip

_LONGEST_SAID = 200  # terminal cells of a name or a licence

_PART = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})\.gguf")


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """What a model's header says. None: it does not say.

    Attributes:
        architecture: llama.cpp's name for it, such as ``"llama"``.
        name: the title its makers gave it, on one line of at most 200 characters; likewise `license`.
        parameters: elements of all tensors.
        quantization: as the file declares it, else the type that holds most of the parameters.
        tensor_types: ggml type to parameters stored in it, most first.
        context_length: tokens it was trained for.
        chat_template_sha256: hex digest of the template's text (UTF-8); None for a base model.
        license: as declared; nobody has checked it.
        file_bytes: size on disk, all parts.
        estimated_memory_bytes: see `estimate_memory`, for `estimated_context` tokens.
        layers, embedding, heads, kv_heads: of the transformer; the most of any layer where layers differ.
        vocabulary: tokens.
        fingerprint: see `gguf_header.fingerprint`.
    """

    architecture: str
    name: str | None
    parameters: int
    quantization: str
    tensor_types: dict[str, int]
    context_length: int | None
    chat_template_sha256: str | None
    license: str | None
    file_bytes: int
    estimated_memory_bytes: int
    estimated_context: int
    layers: int | None
    embedding: int | None
    heads: int | None
    kv_heads: int | None
    vocabulary: int | None
    fingerprint: str


def describe(path: Path, ctx: int | None = None) -> ModelDetails:
    """Read the header of the model at `path`.

    `ctx` is the context to estimate memory for, by default the model's own, up to 8,192 tokens.

    Raises:
        NotFound: the file, or a part of it, is not there.
        InvalidInput: not GGUF, damaged, an adapter instead of a model, one that cannot be run, or not the first part.
    """
    header = read_model_header(path)
    arch = header.text("general.architecture")
    context = header.integer(f"{arch}.context_length")
    template = header.text("tokenizer.chat_template") or published_template(header.text("general.name"))
    estimated_context = ctx or min(context or DEFAULT_CONTEXT, DEFAULT_CONTEXT)
    types = _parameters_by_type(header)
    return ModelDetails(
        architecture=_short(arch) or "",
        name=_short(header.text("general.name")),
        parameters=sum(types.values()),
        quantization=FILE_TYPES.get(header.integer("general.file_type"), next(iter(types), "none")),
        tensor_types=types,
        context_length=context,
        chat_template_sha256=None if template is None else hashlib.sha256(template.encode()).hexdigest(),
        license=_short(header.text("general.license")),
        file_bytes=header.file_bytes,
        estimated_memory_bytes=estimate_memory(header, estimated_context),
        estimated_context=estimated_context,
        layers=header.integer(f"{arch}.block_count"),
        embedding=header.integer(f"{arch}.embedding_length"),
        heads=_heads(header, "head_count")[0] or None,
        kv_heads=_heads(header, "head_count_kv")[0] or None,
        vocabulary=_vocabulary(header),
        fingerprint=fingerprint(header),
    )


def estimate_memory(header: GGUFHeader, ctx: int) -> int:
    """Bytes to run a model with `ctx` tokens of context on the CPU: weights + KV cache + compute.

    - weights: the file, of which all pages are in use after the first token;
    - KV cache: ctx · Σ_layers kv_heads · (key length + value length) · 2 bytes (f16), with both lengths
      embedding / heads unless the file says otherwise;
    - compute: 256 tokens at a time · max(vocabulary, heads · ctx) · 4 bytes, the larger of a full set of
      logits and the attention scores of one layer.

    An upper bound for the plain transformer; parts that the header does not describe count as 0.
    """
    arch = header.text("general.architecture")
    heads, heads_of_all_layers = _heads(header, "head_count")
    kv_heads_of_all_layers = _heads(header, "head_count_kv")[1] or heads_of_all_layers
    head_length = (header.integer(f"{arch}.embedding_length") or 0) // max(heads, 1)
    key = header.integer(f"{arch}.attention.key_length") or head_length
    value = header.integer(f"{arch}.attention.value_length") or head_length
    cache = ctx * kv_heads_of_all_layers * (key + value) * F16_BYTES
    compute = CHUNK * max(_vocabulary(header) or 0, heads * ctx) * F32_BYTES
    return header.file_bytes + cache + compute


def parts(path: Path) -> tuple[Path, ...]:
    """All files of a model, in order: `path` alone, or ``x-00001-of-0000N.gguf`` and its siblings.

    Raises:
        NotFound: another part is not there.
        InvalidInput: `path` is a part but not the first, which llama.cpp starts from.
    """
    match = _PART.fullmatch(path.name)
    if match is not None and int(match["index"]) != 1:
        raise InvalidInput(
            f"{path} is part {int(match['index'])} of {int(match['count'])}.",
            f"Give the first part, {match['stem']}-00001-of-{match['count']}.gguf.",
        )
    files = tuple(path.with_name(name) for name in part_names(path.name))
    missing = [other.name for other in files[1:] if not other.is_file()]
    if missing:
        absent = many(len(missing), "is", "are")
        raise NotFound(
            f"{path} is the first of {len(files)} parts; {absent} not beside it, first {missing[0]}.",
            "Get the missing parts into the same folder.",
        )
    return files


def part_names(first: str) -> tuple[str, ...]:
    """Names of all files of the model whose first file is called so: that name alone, or those of its parts."""
    match = _PART.fullmatch(first)
    if match is None:
        return (first,)
    numbers = range(2, int(match["count"]) + 1)
    return (first, *(f"{match['stem']}-{number:05}-of-{match['count']}.gguf" for number in numbers))


def read_model_header(path: Path) -> GGUFHeader:
    """The header of a model, checked and joined with the tensors and sizes of its other parts.

    Raises:
        NotFound, InvalidInput: as `describe`.
    """
    return whole(read_header(parts(path)[0]))


def whole(header: GGUFHeader) -> GGUFHeader:
    """The header of a model's first part joined with the tensors and sizes of the others, and checked.

    Raises:
        NotFound, InvalidInput: as `describe`.
    """
    if header.text("general.type") == "adapter":
        raise InvalidInput(
            f"{header.path} is an adapter, not a model.",
            "An adapter belongs to a community's card; give its base with -m.",
        )
    if not header.text("general.architecture"):
        raise InvalidInput(f"{header.path} does not name its architecture.", "It is no model for llama.cpp.")
    for other in parts(header.path)[1:]:
        part = read_header(other)
        header = replace(
            header, tensors=header.tensors + part.tensors, file_bytes=header.file_bytes + part.file_bytes
        )
    check_model(header)
    return header


def _short(text: str | None) -> str | None:
    """What a stranger's header says, on one line of at most 200 characters; None for nothing."""
    return None if text is None else one_line(text[: 4 * _LONGEST_SAID], _LONGEST_SAID) or None


def _parameters_by_type(header: GGUFHeader) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for tensor in header.tensors:
        block = GGML_TYPES.get(tensor.type)
        counts[block.name if block else f"type {tensor.type}"] += tensor.elements
    return dict(counts.most_common())


def _heads(header: GGUFHeader, key: str) -> tuple[int, int]:
    """(most heads of any layer, heads of all layers together); stored as one number or as a list."""
    arch = header.text("general.architecture")
    value = header.metadata.get(f"{arch}.attention.{key}")
    if isinstance(value, list):
        numbers = [number for number in value if isinstance(number, int)]
        return max(numbers, default=0), sum(numbers)
    if isinstance(value, int):
        return value, value * (header.integer(f"{arch}.block_count") or 0)
    return 0, 0


def _vocabulary(header: GGUFHeader) -> int | None:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, list):
        return len(tokens)
    return header.integer(f"{header.text('general.architecture')}.vocab_size")
