"""The half: its files, password, disable code, and joining (docs/spec/half.md). Disk, no network."""
