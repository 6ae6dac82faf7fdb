"""From a trained adapter to the file and the card that `plocal` reads, proven to compute the same."""
