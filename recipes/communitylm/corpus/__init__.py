"""A corpus: from texts of any kind to clean passages, ranked, with subjects, a part of them held out."""
