/* Score and segment strips: one column per pixel, the worst score in it, in the seven colours. */
import { colour, font, surface, token } from './paint.js';
import { scoreClass } from './words.js';

/* get() -> {time, score}; options: height, line (bars that rise) or flat, threshold(), quiet(): below it a score is drawn pale, label, left, right */
export function strip(canvas, view, get, { height, line = false, threshold = () => null, quiet = () => 0, label = '', left = 60, right = 12 }) {
  const draw = surface(canvas, height, (c, w, h) => {
    const { time, score, gap } = get(), width = w - left - right, n = Math.ceil(width), X = t => (t - view.start) / (view.end - view.start) * width;
    c.fillStyle = token('score-0'); c.fillRect(left, line ? h - 1 : 0, width, line ? 1 : h);
    const worst = new Float32Array(n + 1), pale = quiet();
    for (let i = 0; i < time.length; i++) {
      if (score[i] == null) continue;
      const x0 = X(time[i]), step = Math.min(i + 1 < time.length ? time[i + 1] - time[i] : gap || 0, gap || Infinity), x1 = X(time[i] + step);
      if (x1 < 0 || x0 > width) continue;
      for (let k = Math.max(0, Math.floor(x0)); k < Math.min(n, Math.max(Math.floor(x0) + 1, Math.ceil(x1))); k++) if (score[i] > worst[k]) worst[k] = score[i];
    }
    for (let k = 0; k < n; k++) {
      if (worst[k] < (line ? .02 : .1)) continue;
      c.fillStyle = line && scoreClass(worst[k]) < 2 ? token('line-strong') : worst[k] < pale ? token('score-1') : colour(worst[k]);
      if (line) { const y = Math.max(1, Math.min(1, worst[k] / .8) * h); c.fillRect(left + k, h - y, 1, y); } else c.fillRect(left + k, 0, 1, h);
    }
    const limit = threshold();
    if (line && limit != null) {
      const y = Math.max(.5, Math.round(h - limit / .8 * h) + .5);
      c.strokeStyle = token('ink-3'); c.lineWidth = 1; c.setLineDash([2, 3]); c.beginPath(); c.moveTo(left, y); c.lineTo(w - right, y); c.stroke(); c.setLineDash([]);
    }
    if (view.cursor != null && view.cursor >= view.start && view.cursor <= view.end) { c.fillStyle = token('c-cursor'); c.globalAlpha = .55; c.fillRect(left + Math.round(X(view.cursor)), 0, 1, h); c.globalAlpha = 1; }
    if (label) { font(c); c.fillStyle = token('c-axis'); c.textAlign = 'right'; c.textBaseline = 'middle'; c.fillText(label, left - 6, h / 2); }
  });
  view.on(draw);
  canvas.addEventListener('pointermove', e => {
    const r = canvas.getBoundingClientRect();
    view.at(view.start + (e.clientX - r.left - left) / (r.width - left - right) * (view.end - view.start));
  });
  return draw;
}
