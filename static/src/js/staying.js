// While something must go on, a link changes the page's content and not the document.
export function followLinks(busy, kept) {
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a[href]");
    const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !plain || event.defaultPrevented || !busy() || !within(link)) return;
    event.preventDefault();
    go(link.href, kept).then((at) => history.pushState({ staying: true }, "", at), () => location.assign(link.href));
  });
  addEventListener("popstate", () => (busy() ? go(location.href, kept).catch(() => location.reload()) : location.reload()));
}

function within(link) {
  const files = /\/(content|zip|manifest)\/$/.test(link.pathname) || link.hasAttribute("download");
  return link.origin === location.origin && !link.target && !files && !(link.hash && link.pathname === location.pathname);
}

async function go(url, kept) {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (!answer.headers.get("Content-Type")?.startsWith("text/html")) throw new Error("not a page");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const area of page.querySelectorAll("[data-uploads]")) area.remove();
  document.title = page.title;
  document.body.replaceChildren(...page.body.childNodes, kept);
  scrollTo(0, 0);
  document.dispatchEvent(new CustomEvent("portolan:page"));
  return answer.url;
}
