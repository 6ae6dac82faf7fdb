"""What the recipes share: from a community's texts to a proven GGUF adapter and its card.

    originals ──prepare.py──> corpus (JSONL passages) ──train_community.py──> run folder (PEFT adapter, training.json)
      run folder ──export_gguf.py──> adapters/<id>/ (GGUF, card), parity proven
      corpora + adapters ──evaluate_adapters.py──> results/adapter-perplexity.json and .png

The scripts beside this package are the command line; what they do is here, a room for each part of the way: `corpus`
and `distilling` make texts, `training` is what `community` and `nli` share, `export` and `evaluation` are what follows.
Only `pluralism_local` is imported from the toolkit, never the other way round: who asks needs neither torch nor this.
"""
