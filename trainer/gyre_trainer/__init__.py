"""Gyre's trainer: turns a token tree into one LoRA update and keeps vLLM running beside it.

It is not a rollout worker and knows no tools, judges or SQLite; the HTTP contract is `trainer/CONTRACT.md`.
"""

__version__ = "0.3.0"
