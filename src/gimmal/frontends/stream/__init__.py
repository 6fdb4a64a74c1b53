"""One file of the other side over HTTP on this computer, for players and browsers: an adapter over ``remote``."""
