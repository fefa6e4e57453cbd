"""The SSH door: rsync and SFTP by transfer links, with OpenSSH's own sshd in front.

``keeper`` starts sshd in a sandbox where nothing of the portal is but a socket; a login runs ``connect.py`` there,
which hands the session to the keeper. ``orders`` reads what the client wants, ``sandbox`` gives rsync or sftp-server
the link's folder and nothing else, ``session`` watches it, ``reports`` reads what it says it did.
"""
