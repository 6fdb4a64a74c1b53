"""The other side's files as a network drive on this computer (WebDAV): an adapter over ``remote``."""
