"""Asking the router of this network to let the other side in: PCP, NAT-PMP and UPnP (docs/spec/paths.md, section 2)."""
