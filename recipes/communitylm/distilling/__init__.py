"""Texts that a larger model writes or reads for a corpus: comments, questions, what an LLM is to answer."""
