"""The door: an ASGI application of its own process that moves bytes between people and folders.

``app`` answers HTTP, ``tus`` speaks the protocol, ``sessions`` moves an upload on and knows no header, ``pouring``
brings a stream of chunks to the disk. Another protocol is another module beside ``tus`` on the same sessions.
"""
