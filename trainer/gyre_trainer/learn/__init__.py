"""Learning itself: a token tree through the policy, a loss, a gradient, and the checkpoint of what came of it."""
