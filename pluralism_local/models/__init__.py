"""The files that models are: found, read, checked and described; nothing here runs one.

name ──store──> the file it means ──gguf_file──> header ──rules, vocabulary_rules──> safe to hand to llama.cpp
header ──details──> what a user is told        ──check──> its bytes read once more
an adapter's header ──adapter_rules──> fits a model        a model ──optimized──> a faster copy beside it
"""
