// The chosen colours are in force before anything is drawn; without a choice the system's are.
try {
  const chosen = localStorage.getItem("portolan-theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // Storage can be forbidden; the system's colours do.
}
document.documentElement.classList.add("js");
