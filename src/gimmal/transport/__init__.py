"""Links and sessions over asyncio.

A ``Link`` is one TCP connection whose records are sealed; a ``Session`` is what two processes share and may have
several links; ``dial`` and ``listener`` make links over whatever path answers, ``relay_client`` asks a relay for
them. Bytes come in at the link's socket, are opened in place in a pooled buffer and handed to the session, which
knows who asked; nothing here decides what the bytes mean.
"""
