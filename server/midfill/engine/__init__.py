"""Inference: prompts in, text out. Knows nothing of editors, files or protocols."""
