"""Models as files: looked up by name, read, checked and described. Nothing here runs one.

name ──store──> the file that it means ──gguf_file──> its header, a `gguf_header.GGUFHeader`
header ──rules, vocabulary_rules──> safe to hand to llama.cpp
header ──details──> what a user is told of a model       an adapter's header ──adapter_rules──> fits a model
file ──check──> read whole, against its checksum         a model ──optimized──> a faster copy, with a note beside it
"""
