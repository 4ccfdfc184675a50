/* The brush: the whole stretch small, the visible part framed; drag it, its ends, or a new one; arrow keys move it. */
import { axis } from './axis.js';
import { colour, surface, token } from './paint.js';
import { moment } from './words.js';

const LEFT = 60, RIGHT = 12, FOOT = 18;

/* whole() -> {start, end, time, value, score} of the long stretch. */
export function brush(canvas, view, whole) {
  let width = 1, grip = null;
  const X = t => { const a = whole(); return LEFT + (t - a.start) / (a.end - a.start) * width; };
  const draw = surface(canvas, 64, (c, w, h) => {
    width = w - LEFT - RIGHT;
    const a = whole(), floor = h - FOOT;
    c.fillStyle = token('sunken'); c.fillRect(LEFT, 0, width, floor);
    let lo = Infinity, hi = -Infinity;
    for (const v of a.value) if (v != null) { if (v < lo) lo = v; if (v > hi) hi = v; }
    if (lo < Infinity) {
      const Y = v => floor - 7 - (v - lo) / (hi - lo || 1) * (floor - 13);
      c.strokeStyle = token('ink-3'); c.lineWidth = 1; c.beginPath();
      let up = true;
      a.time.forEach((t, i) => { if (a.value[i] == null) { up = true; return; } const x = X(t), y = Y(a.value[i]); if (up) c.moveTo(x, y); else c.lineTo(x, y); up = false; });
      c.stroke();
      a.time.forEach((t, i) => { if (a.score[i] >= .3) { c.fillStyle = colour(a.score[i]); c.fillRect(X(t), floor - 4, 2, 4); } });
    }
    axis(c, X, a.start, a.end, h - 13, width);
    const x0 = Math.max(LEFT, Math.min(w - RIGHT, X(view.start))), x1 = Math.min(w - RIGHT, Math.max(LEFT, X(view.end)));
    c.fillStyle = token('bg'); c.globalAlpha = .72; c.fillRect(LEFT, 0, x0 - LEFT, floor); c.fillRect(x1, 0, w - RIGHT - x1, floor); c.globalAlpha = 1;
    c.strokeStyle = token('ink-2'); c.strokeRect(Math.round(x0) + .5, .5, Math.max(2, Math.round(x1 - x0) - 1), floor - 1);
    c.fillStyle = token('ink-2');
    for (const x of [x0, x1]) { c.beginPath(); c.roundRect(x - 3, floor / 2 - 8, 6, 16, 2); c.fill(); }
    canvas.setAttribute('aria-valuenow', String(Math.max(0, Math.min(100, Math.round((view.start - a.start) / (a.end - a.start) * 100)))));
    canvas.setAttribute('aria-valuetext', `${moment(view.start)} to ${moment(view.end)}`);
  });
  view.on(what => { if (what !== 'cursor') draw(); });
  const at = e => { const a = whole(); return a.start + (e.clientX - canvas.getBoundingClientRect().left - LEFT) / width * (a.end - a.start); };
  const inside = t => { const a = whole(); return Math.max(a.start, Math.min(a.end, t)); };
  const slide = to => { const a = whole(), length = view.end - view.start, s = Math.max(a.start, Math.min(a.end - length, to)); view.show(s, s + length); };
  canvas.addEventListener('pointerdown', e => {
    const a = whole(), t = at(e), near = (a.end - a.start) / width * 8;
    grip = { part: Math.abs(t - view.start) < near ? 'left' : Math.abs(t - view.end) < near ? 'right' : t > view.start && t < view.end ? 'all' : 'new', from: t, start: view.start, end: view.end };
    canvas.setPointerCapture(e.pointerId);
  });
  canvas.addEventListener('pointermove', e => {
    if (!grip) return;
    const t = at(e), least = (whole().end - whole().start) / width * 3;
    if (grip.part === 'left') view.show(inside(Math.min(t, grip.end - least)), grip.end);
    else if (grip.part === 'right') view.show(grip.start, inside(Math.max(t, grip.start + least)));
    else if (grip.part === 'all') slide(grip.start + t - grip.from);
    else if (Math.abs(t - grip.from) > least) view.show(inside(Math.min(t, grip.from)), inside(Math.max(t, grip.from)));
  });
  for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, () => { grip = null; });
  canvas.addEventListener('keydown', e => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (way) { e.preventDefault(); slide(view.start + way * (view.end - view.start) / (e.shiftKey ? 1 : 8)); }
  });
  return draw;
}
