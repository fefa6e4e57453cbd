// The button for light and dark colours; the choice is remembered on this computer.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");

export const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

export function themeToggle() {
  const button = document.querySelector("[data-theme-toggle]");
  const show = () => button?.setAttribute("aria-pressed", String(isDark()));
  system.addEventListener("change", () => {
    show();
    document.dispatchEvent(new Event("portolan:colours"));
  });
  if (!button) return;
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("portolan-theme", root.dataset.theme);
    } catch {
      // Not remembered, then.
    }
    show();
    document.dispatchEvent(new Event("portolan:colours"));
  });
}
