"""Whether the llama.cpp library is the one that its Python declarations were written for.

    default parameters of the library ──unexpected──> "n_batch is 7 and not 2048" | None

Parameters travel as C structs. A library whose structs have other fields than the installed package declares is read
at wrong offsets, silently: wrong settings, then wrong answers or a fault. Its own defaults, read through the same
declarations, show that: values at the beginning, the middle and the end of each struct, with floats that no other field
would look like.
"""

from __future__ import annotations

from collections.abc import Mapping

EXPECTED: Mapping[str, Mapping[str, int | float | bool]] = {
    "model": {
        "n_gpu_layers": -1,
        "split_mode": 1,
        "main_gpu": 0,
        "vocab_only": False,
        "check_tensors": False,
        "use_extra_bufts": True,
        "no_host": False,
    },
    "context": {
        "n_ctx": 512,
        "n_batch": 2048,
        "n_ubatch": 512,
        "n_seq_max": 1,
        "rope_scaling_type": -1,
        "pooling_type": -1,
        "attention_type": -1,
        "flash_attn_type": -1,
        "rope_freq_base": 0.0,
        "yarn_ext_factor": -1.0,
        "yarn_beta_slow": -1.0,
        "type_k": 1,
        "type_v": 1,
        "embeddings": False,
        "offload_kqv": True,
        "op_offload": True,
        "swa_full": True,
        "kv_unified": False,
    },
    "quantization": {"nthread": 0, "allow_requantize": False, "quantize_output_tensor": True, "pure": False},
}
"""By struct, the defaults of llama.cpp that are the same in every release since the one that is declared."""


def unexpected(defaults: Mapping[str, object]) -> str | None:
    """The first default that is not as expected, as a clause; None if all are.

    Args:
        defaults: by the names of `EXPECTED`, what the library's functions for default parameters return.
    """
    for struct, fields in EXPECTED.items():
        for name, value in fields.items():
            read = getattr(defaults[struct], name, None)
            if read != value:
                return f"its {struct} parameter {name} reads {read} by default and not {value}"
    return None
