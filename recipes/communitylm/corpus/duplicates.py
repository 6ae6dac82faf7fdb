"""Near-duplicates: passages that share most of their word sequences with an earlier one.

Press offices send one text out many times with a changed first line, and a model learns such texts by heart.
MinHash over sets of five-word shingles finds them (Broder 1997): the estimated Jaccard similarity counts.
"""

from __future__ import annotations

from collections.abc import Sequence

SHINGLE = 5
PERMUTATIONS = 64


def near_duplicates(texts: Sequence[str], threshold: float = 0.5) -> list[bool]:
    """For each text, whether an earlier kept one is at least this similar (Jaccard of shingles, in [0, 1])."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    duplicates = []
    for number, shingles in enumerate(map(_shingles, texts)):
        sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
        sketch.update_batch(shingles)
        repeated = bool(index.query(sketch))
        duplicates.append(repeated)
        if not repeated:
            index.insert(str(number), sketch)
    return duplicates


def _shingles(text: str) -> list[bytes]:
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    most = max(1, len(words) - SHINGLE + 1)
    return [" ".join(words[i : i + SHINGLE]).encode() for i in range(most)]
