/* Small multiples without axes: one line each on its own scale, on the page's range and cursor. */
import { ticks } from './axis.js';
import { surface, token } from './paint.js';

export function mini(canvas, view, get) {
  const draw = surface(canvas, 56, (c, w, h) => {
    const d = get(), X = t => (t - view.start) / (view.end - view.start) * w;
    c.fillStyle = token('c-grid');
    for (const [t] of ticks(view.start, view.end, w)) c.fillRect(Math.round(X(t)), 0, 1, h);
    let lo = Infinity, hi = -Infinity;
    for (const v of d.value) if (v != null) { if (v < lo) lo = v; if (v > hi) hi = v; }
    const Y = v => h - 6 - (v - lo) / (hi - lo || 1) * (h - 12);
    const line = (values, stroke, width, dash) => {
      c.strokeStyle = stroke; c.lineWidth = width; c.setLineDash(dash); c.lineJoin = 'round'; c.beginPath();
      let up = true;
      d.time.forEach((t, i) => { const v = values[i]; if (v == null) { up = true; return; } if (up) c.moveTo(X(t), Y(v)); else c.lineTo(X(t), Y(v)); up = false; });
      c.stroke(); c.setLineDash([]);
    };
    c.save(); c.beginPath(); c.rect(0, 0, w, h); c.clip();
    line(d.expected, token('c-expected'), 1, [1.5, 3]);
    line(d.value, token('c-value'), 1.2, []);
    c.restore();
    if (view.cursor != null) { c.fillStyle = token('c-cursor'); c.globalAlpha = .55; c.fillRect(Math.round(X(view.cursor)), 0, 1, h); c.globalAlpha = 1; }
  });
  view.on(draw);
  return draw;
}
