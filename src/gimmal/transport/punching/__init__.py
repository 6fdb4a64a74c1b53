"""Hole punching: both sides connect at the same time, so that each router lets the other in (docs/spec/paths.md, 7)."""
