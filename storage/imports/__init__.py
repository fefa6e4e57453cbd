"""Files brought from outside: what is there, whether it fits, and the bytes, in short turns of a worker."""
