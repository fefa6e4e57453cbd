"""Transfer links at the door: ``/links/<id>/<path>`` by plain HTTP and by WebDAV, with the link's token.

``visits`` knows who is here and notes what is done, ``giving`` sends bytes, ``taking`` receives them, ``dav`` answers
the methods of WebDAV with WsgiDAV, ``copying`` copies from and to other servers.
"""
