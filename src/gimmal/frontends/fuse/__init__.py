"""The other side's tree as a folder of this computer, through FUSE (docs/decisions/0084-mount.md)."""
