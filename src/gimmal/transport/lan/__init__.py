"""The local network: the other side found there by questions in multicast DNS (docs/spec/paths.md, section 3)."""
