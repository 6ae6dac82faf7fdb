"""Models of some 100 kB that llama.cpp loads and runs: seeded noise in the shape of all families in docs/speed.md."""
