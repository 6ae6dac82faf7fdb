"""What this machine does with a model and a pool: `plocal bench`.

    measure ──> Report            prefill, decode, batched decode, one overton ask with fixed token counts
    naive   ──> the yardstick     the loop a user would write with llama-cpp-python's high-level API
    seeded  ──> adapters          for pools whose cards have none yet

Fixed token counts: no answer may end early (`LlamaOptions.ignore_end`), so both sides decode the same number of
tokens. Times are wall seconds, medians over repeats after one warm-up; machines are noisy, so trust the ratios, which
compare runs made in turn in one process.
"""
