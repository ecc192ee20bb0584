"""Resource kinds: how a family of tunables is read, written and undone. Text in, text out."""
