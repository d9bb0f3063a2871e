"""The running service: HTTP in front, one thread that owns the policy behind it, and the record of every batch."""
