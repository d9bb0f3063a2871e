"""The words of trainer/CONTRACT.md, as both languages mean them: the batch and the errors. No torch."""
