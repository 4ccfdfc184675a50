/* The page's one visible range and one cursor; charts listen and draw. */
export function makeView(start, end) {
  const listeners = new Set();
  const view = {
    start, end, cursor: null,
    on(f) { listeners.add(f); },
    tell(what) { listeners.forEach(f => f(what)); },
    at(t) { if (t !== view.cursor) { view.cursor = t; view.tell('cursor'); } },
    show(a, b, by = 'user') { if (b - a >= 1000) { view.start = a; view.end = b; view.tell(by === 'live' ? 'live' : 'range'); } },
  };
  return view;
}
