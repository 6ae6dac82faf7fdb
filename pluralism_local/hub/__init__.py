"""The Hugging Face Hub: its cache on this machine, and what is fetched from it and sent to it.

    name ──look_up──> Repository(commit, files with sizes and checksums) ──download──> file of the cache, checked
    folder ──upload──> commit                       everything is told as one of our errors; see `troubles`

The only room that knows `huggingface_hub`. Nothing here runs unless the user asked for a transfer: `cache` alone is
what all other commands look at, and asks nobody.
"""
