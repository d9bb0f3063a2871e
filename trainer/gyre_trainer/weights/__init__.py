"""Weights as files: the model's folder, made from a GGUF file, and the directories of adapter versions."""
