"""Schedulers behind one contract (``base``). Plain Python: argv out, text in, no Django."""
