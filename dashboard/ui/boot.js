// Starts the dashboard. A file of its own, because the content security policy allows no script inside a page.

// Before the first paint, so that a chosen theme does not flash: theme.rs keeps it under this key.
try {
  const theme = localStorage.getItem('poolscope-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // A browser that forbids storage gets the theme of the system.
}

try {
  const { default: init } = await import('/{{js}}');
  await init({ module_or_path: '/{{wasm}}' });
} catch (error) {
  const fatal = document.getElementById('fatal');
  fatal.textContent =
    `The dashboard could not start. Reload the page; if that does not help, use a browser that supports WebAssembly. (${error})`;
  fatal.hidden = false;
  for (const line of document.querySelectorAll('#app .loading')) line.remove();
  throw error;
}
