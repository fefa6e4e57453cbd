"""A folder as a small page, or as JSON for scripts."""

from __future__ import annotations

import json
from html import escape
from urllib.parse import quote, urlencode

from storage.door.http import Reply
from storage.door.links.visits import Visit
from storage.links.rights import Operation
from storage.listing import Entry, Listing
from storage.quota import in_words

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex"><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b2733;background:#fff}}
table{{width:100%;border-collapse:collapse}}th,td{{text-align:left;padding:.4rem .5rem;border-bottom:1px solid #d5dde5}}
td.n,th.n{{text-align:right;white-space:nowrap}}td{{overflow-wrap:anywhere}}a{{color:#0b5cad}}h1{{font-size:1.3rem}}
@media(prefers-color-scheme:dark){{body{{color:#e4eaf0;background:#131a21}}th,td{{border-color:#31404e}}a{{color:#7cb8f2}}}}
</style></head><body><main><h1>{title}</h1>{tools}<table><thead><tr><th scope="col">Name</th>
<th scope="col" class="n">Size</th><th scope="col" class="n">Changed (UTC)</th></tr></thead><tbody>
{rows}</tbody></table>{more}</main></body></html>
"""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
    " allow-downloads allow-top-navigation-by-user-activation",
    "Cache-Control": "private, no-store",
}


def listing_reply(visit: Visit, page: Listing) -> Reply:
    """One page of a folder as the client likes it."""
    entries = [entry for entry in page.entries if entry.kind in ("file", "folder") and visit.here.sees(entry.path)]
    as_json = visit.query.get("format") == "json" or "application/json" in visit.request.headers.get("accept", "")
    return _json(visit, page, entries) if as_json else _html(visit, page, entries)


def _json(visit: Visit, page: Listing, entries: list[Entry]) -> Reply:
    rows = [
        {
            "name": entry.name,
            "path": visit.here.shown(entry.path),
            "kind": entry.kind,
            "size": entry.size,
            "modified": entry.modified.isoformat(),
        }
        for entry in entries
    ]
    body = json.dumps({"path": visit.asked.strip("/"), "results": rows, "next_cursor": page.next_cursor})
    return Reply(status=200, headers={**HEADERS, "Content-Type": "application/json"}, body=body.encode())


def _html(visit: Visit, page: Listing, entries: list[Entry]) -> Reply:
    kept = {"authz": visit.query["authz"]} if "authz" in visit.query else {}
    rows = [_row(entry, kept) for entry in entries]
    if visit.asked.strip("/"):
        rows.insert(0, f'<tr><td><a href="../{_query(kept)}">..</a></td><td></td><td></td></tr>')
    tools = ""
    if visit.here.allows(Operation.READ, Operation.LIST):
        zipped, tarred = (_query({**kept, "archive": kind}) for kind in ("zip", "tar"))
        tools = f'<p>Everything in here: <a href="./{zipped}">as a zip</a>, <a href="./{tarred}">as a tar</a>.</p>'
    more = ""
    if page.next_cursor:
        more = f'<p><a href="./{_query({**kept, "cursor": page.next_cursor})}">More files</a></p>'
    title = escape(visit.asked.strip("/") or visit.here.link.label or "Files")
    body = PAGE.format(title=title, tools=tools, rows="\n".join(rows), more=more)
    return Reply(status=200, headers={**HEADERS, "Content-Type": "text/html; charset=utf-8"}, body=body.encode())


def _row(entry: Entry, kept: dict[str, str]) -> str:
    slash = "/" if entry.kind == "folder" else ""
    address = escape(f"./{quote(entry.name)}{slash}{_query(kept)}")
    size = in_words(entry.size) if entry.kind == "file" else ""
    when = entry.modified.strftime("%Y-%m-%d %H:%M")
    name = f'<a href="{address}">{escape(entry.name)}{slash}</a>'
    return f'<tr><td>{name}</td><td class="n">{size}</td><td class="n">{when}</td></tr>'


def _query(words: dict[str, str]) -> str:
    return f"?{escape(urlencode(words))}" if words else ""
