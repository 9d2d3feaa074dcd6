"""A small OpenAI-compatible server for this machine: llama.cpp with a small model, the CPU default."""
