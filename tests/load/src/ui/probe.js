// Looks at the page from inside, before any of its own scripts runs.
(() => {
  const probe = { frames: null, first: null, streamed: 0, messages: 0, memory: null };
  window.poolscopeProbe = probe;

  // When each frame began, by the clock that frames are made by: a frame that was left out is a distance twice as long.
  // Asking for frames makes the browser draw them all, so this runs only while frames are measured.
  const look = (at) => {
    if (probe.frames === null) return;
    probe.frames.push(at);
    if (probe.scroll) window.scrollBy(0, probe.scroll);
    requestAnimationFrame(look);
  };
  probe.watchFrames = (scroll) => {
    probe.frames = [];
    probe.scroll = scroll;
    requestAnimationFrame(look);
  };
  probe.takeFrames = () => {
    const frames = probe.frames;
    probe.frames = null;
    return frames;
  };

  // From navigation to the frame after the one that has the first pool.
  const seen = new MutationObserver(() => {
    if (document.querySelector('[data-testid="pool-row"]') === null) return;
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => { probe.first = performance.now(); }));
  });
  seen.observe(document, { childList: true, subtree: true });

  const Source = window.EventSource;
  window.EventSource = class extends Source {
    constructor(...settings) {
      super(...settings);
      this.addEventListener('message', (event) => {
        probe.messages += 1;
        probe.streamed += event.data.length;
      });
    }
  };

  for (const name of ['instantiate', 'instantiateStreaming']) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (...settings) => {
      const made = await original.apply(WebAssembly, settings);
      probe.memory = (made.instance ?? made).exports.memory ?? probe.memory;
      return made;
    };
  }
})();
