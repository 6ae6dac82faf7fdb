"""A PEFT LoRA as the GGUF that llama.cpp loads; numpy and safetensors, no torch.

PEFT folder ──peft_files──> config, pairs (A, B) of float32
base's config.json or GGUF header ──base_shape──> BaseShape
  both ──conversion.read_lora──> Lora (under GGUF names; what has no form there is refused by name)
       ──gguf_writer.write_lora_gguf──> file, whole or not at all; LoraInfo
"""

from pluralism_local.lora.base_shape import BaseShape
from pluralism_local.lora.conversion import read_lora
from pluralism_local.lora.gguf_writer import Lora, LoraInfo, write_lora_gguf
from pluralism_local.lora.peft_files import CONFIG, PICKLED, WEIGHTS, read_config, refuse_unsupported

__all__ = [
    "CONFIG",
    "PICKLED",
    "WEIGHTS",
    "BaseShape",
    "Lora",
    "LoraInfo",
    "read_config",
    "read_lora",
    "refuse_unsupported",
    "write_lora_gguf",
]
