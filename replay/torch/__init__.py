"""The part of replay that knows PyTorch: it runs in a process of its own, or in one that asks for it."""
