"""One view of the other side's tree for all that show it as if it were here (docs/decisions/0079-tree-view.md)."""
