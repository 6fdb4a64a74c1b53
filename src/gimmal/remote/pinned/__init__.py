"""Folders of the other side that the person keeps with them: fetched ahead, sealed, there without a line too."""
