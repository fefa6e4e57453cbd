"""Paths that must never do anything, and where they came from."""

# What the text alone gives away.
BAD_TEXTS = [
    "..", "../", "../x", "a/..", "a/../b", "a/../../x", "./../x", "../../../../etc/passwd", "a/b/../../../x", ".//..",
    "/", "/etc/passwd", "//etc/passwd", "///", "/a", "//server/share/x",
    "C:", "C:/Windows/win.ini", "c:/x", "Z:/",
    "a\\b", "..\\x", "..\\..\\x", "\\\\server\\share", "a/..\\..\\x", "\\", "C:\\x",
    "\0", "a\0b", "a.txt\0.png", "a/\0/b", "\0../x",
    "a\nb", "a\rb", "a\tb", "\x1b[31mred", "a\x7fb", "a\x85b", "\x01", "a\r\nSet-Cookie: x=1",
    "a\u202egnp.exe", "\u202d", "a\u2066b", "a\u2069b", "a\u200fb", "a\u061cb",
    "a\u200bb", "a\u200db", "\ufeffa", "a\u2060b", "a\u00adb", "a\u180eb",
    "a\u2028b", "a\u2029b", "a\ud800b", "\udcff", "a/\udc80/b", "\U000e0041",
    ".portolan", ".portolan/", "./.portolan", ".portolan/trash", ".portolan/uploads/x.part", ".Portolan", ".PORTOLAN/x",
    ".portolan.", ".portolan ", ".portolan. .", ".portolan::$DATA", ".portolan:x", "a/.portolan", "a/.portolan/x",
    ".ｐortolan", "．portolan/x", ".\u200bportolan", ".portolan\u200c/x", ".porto\u00adlan",
    "%2e%2e", "%2e%2e/x", "a/%2E%2E/b", "%252e%252e", ".%2e", "..%2fx", "a%2fb", "a%5cb", "a%00b", "%2fetc%2fpasswd",
    "x" * 256, "é" * 128, "/".join(["d"] * 101), "/".join(["x" * 200] * 11),
]  # fmt: skip

# Fine to look at where a job made them, refused as new names.
BAD_NEW_NAMES = ["", ".", "./", "a.", "a ", " a", "a..", "...", "a. ", "d./x", " d/x", "\u00a0a", "a\u3000", "\u2003"]

# Made on disk by a job; every one leads out of the folder, or to where users must not go.
LINKS = {
    "absolute file": ("/etc/passwd", ""),
    "absolute folder": ("/etc", "passwd"),
    "root": ("/", "etc/passwd"),
    "up": ("..", "outside/secret.txt"),
    "up and out": ("../outside", "secret.txt"),
    "down and up": ("sub/../../outside", "secret.txt"),
    "up to a file": ("../outside/secret.txt", ""),
    "the folder by its full name": ("{root}", "sub/inner.txt"),
    "hidden area": (".portolan", "uploads/part"),
    "hidden area in a way round": ("sub/../.portolan", "uploads/part"),
    "hidden file": (".portolan/uploads/part", ""),
    "own process": ("/proc/self/root", "etc/passwd"),
    "working directory": ("/proc/self/cwd", ""),
    "itself": ("{name}", ""),
    "chain": ("chain-1", "secret.txt"),
    "nothing": ("../nothing-here", ""),
}
