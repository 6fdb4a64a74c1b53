"""A document of the other side in the person's own program: a copy in memory, and every save of it sent home."""
