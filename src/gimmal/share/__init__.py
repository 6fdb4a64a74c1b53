"""The answering side: shared folders, and every operation the peer may ask for on them.

`shares` says what is shared and with which rights; `places` turns a wire path into a place below a share or
refuses it; each group of operations has a file; `service` is what the serving loop talks to. All of it is
synchronous and called from worker threads. What the peer may do is decided in `places` and nowhere else;
what is below a share is reached through `gimmal.base.beneath` and in no other way.
"""
