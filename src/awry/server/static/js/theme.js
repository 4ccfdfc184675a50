/* Runs before the first paint: the theme this browser chose, if it chose one. */
(() => {
  try {
    const chosen = localStorage.getItem('awry-theme');
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
  } catch { /* storage is off: the system's theme it is */ }
})();
