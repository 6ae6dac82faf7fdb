"""The modes' algorithms, a function each, named as its mode: generators of steps (see `steps`)."""
