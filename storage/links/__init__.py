"""Transfer links at use: what a token says, whether it still holds, what was moved by it."""
