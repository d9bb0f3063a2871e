"""What would fail silently is measured: engine against trainer for a version, and both against known maths at start."""
