"""The supervisor: holds no key, notices halves that are plugged in, and runs one agent for each."""
