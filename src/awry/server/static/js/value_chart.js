/* Value, expected and band by uPlot, with incidents shaded, silences hatched and strange samples dotted; range and cursor are the page's. */
import { ticks } from './axis.js';
import { colour, font, hatch, onTheme, token } from './paint.js';
import { num, short } from './words.js';

/* The visible y range: values first; a band wider than three times the values' own range is cut. */
function limits(d, f, a, b) {
  let lo = Infinity, hi = -Infinity, bandLo = Infinity, bandHi = -Infinity;
  for (let i = 0; i < f.time.length; i++) {
    if (f.time[i] < a || f.time[i] > b) continue;
    lo = Math.min(lo, f.expected[i]); hi = Math.max(hi, f.expected[i]);
    bandLo = Math.min(bandLo, f.low[i]); bandHi = Math.max(bandHi, f.high[i]);
  }
  for (let i = 0; i < d.time.length; i++) {
    if (d.time[i] < a || d.time[i] > b) continue;
    const v = d.value[i], l = d.low[i], h = d.high[i];
    if (v != null) { if (v < lo) lo = v; if (v > hi) hi = v; }
    if (l != null && l < bandLo) bandLo = l;
    if (h != null && h > bandHi) bandHi = h;
  }
  if (lo === Infinity) { lo = bandLo; hi = bandHi; }
  if (lo === Infinity) return [0, 1];
  const room = (hi - lo) || Math.abs(hi) * .1 || 1, positive = lo >= 0;
  lo = Math.min(lo, Math.max(bandLo, lo - room * 1.5)); hi = Math.max(hi, Math.min(bandHi, hi + room * 1.5));
  if (positive && lo < 0) lo = 0;
  if (lo >= 0 && lo < hi * .45) lo = 0;
  const margin = (hi - lo) * .08 || Math.abs(hi) * .05 || 1;
  return [lo === 0 ? 0 : lo - margin, hi + margin];
}

/* A time label, or none where the frame would cut it. */
const whole = (u, t, text, right) => u.valToPos(t, 'x') + text.length * 3.1 > u.bbox.width / (devicePixelRatio || 1) + right ? '' : text;

/* Axis labels: with the unit where it is short; all by powers of ten where one is long. */
function labels(at, unit, big) {
  const scaled = unit.startsWith('B'), u = scaled || (big && unit.length < 3) ? unit : '';
  const far = !scaled && at.some(v => Math.abs(v) >= 1e9);
  return at.map(v => v == null ? '' : far && v ? short(v) : num(v, u && (v || !scaled) ? u : '').replace('/s', ''));
}

const NOTHING = { time: [], expected: [], low: [], high: [] };

/* The forecast goes on from the newest sample: rows of its own after the samples' rows, beginning at that sample. */
function joined(data, ahead) {
  const none = data.time.map(() => null), gap = ahead.time.map(() => null);
  let last = data.time.length - 1;
  while (last >= 0 && data.value[last] == null) last--;
  const from = column => { const c = none.concat(ahead[column]); if (last >= 0 && ahead.time.length && data.time[last] < ahead.time[0]) c[last] = data.value[last]; return c; };
  return [data.time.concat(ahead.time), ...['low', 'high', 'expected', 'value'].map(c => data[c].concat(gap)), from('low'), from('high'), from('expected')];
}

/* extras() -> {incidents, silences, threshold, unit, stale}; o: {left, right, axis, label, dots, zoom(a, b), reset()} */
export function valueChart(box, view, extras, o = {}) {
  const left = o.left ?? 60, right = o.right ?? 12, big = o.axis !== false;
  let data = { time: [], value: [], expected: [], low: [], high: [], score: [], segment: [] }, ahead = NOTHING, chart = null, columns = joined(data, ahead);

  const under = u => {
    const c = u.ctx, r = devicePixelRatio || 1, { left: x0, top: y0, width: w, height: h } = u.bbox, e = extras();
    const X = t => u.valToPos(t, 'x', true), inside = x => Math.max(x0, Math.min(x0 + w, x));
    c.save();
    if (e.stale) { const a = inside(X(e.stale)); c.fillStyle = token('sunken'); c.fillRect(a, y0, x0 + w - a, h); }
    for (const s of e.silences ?? []) { const a = inside(X(s.start)), b = inside(X(s.end)); if (b > a) hatch(c, a, y0, b - a, h); }
    for (const k of e.incidents ?? []) {
      const a = inside(X(k.start)), b = inside(X(k.end ?? view.end));
      if (b < x0 || a >= x0 + w || b <= a) continue;
      c.fillStyle = token('c-incident'); c.fillRect(a, y0, b - a, h);
      c.fillStyle = token('c-incident-edge'); c.fillRect(a, y0, 1.5 * r, h);
    }
    c.restore();
  };
  const over = u => {
    const c = u.ctx, r = devicePixelRatio || 1, limit = extras().threshold;
    c.save(); c.beginPath(); c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); c.clip();
    for (let i = 0; i < data.time.length; i++) {                  // a sample without neighbours has no line to be seen by
      if (data.value[i] == null || data.value[i - 1] != null || data.value[i + 1] != null) continue;
      c.beginPath(); c.arc(u.valToPos(data.time[i], 'x', true), u.valToPos(data.value[i], 'y', true), 2 * r, 0, 7); c.fillStyle = token('c-value'); c.fill();
    }
    if (limit == null || o.dots === false) { c.restore(); return; }
    for (let i = 0; i < data.time.length; i++) {
      if (!(data.score[i] >= limit) || data.value[i] == null || data.time[i] < view.start || data.time[i] > view.end) continue;
      c.beginPath(); c.arc(u.valToPos(data.time[i], 'x', true), u.valToPos(data.value[i], 'y', true), (big ? 3.4 : 2.4) * r, 0, 7);
      c.fillStyle = colour(data.score[i]); c.fill(); c.lineWidth = 1.25 * r; c.strokeStyle = token('surface'); c.stroke();
    }
    c.restore();
  };
  const write = () => `11px ${token('sans')}`;
  const options = () => ({
    width: box.clientWidth, height: box.clientHeight, ms: 1, padding: [big ? 10 : 6, right, big ? 0 : 4, 0], legend: { show: false },
    scales: { x: { time: false, range: () => [view.start, view.end] }, y: { range: () => limits(data, ahead, view.start, view.end) } },
    series: [{}, { points: { show: false } }, { points: { show: false } },
      { stroke: () => token('c-expected'), width: 1.25, dash: [1.5, 3], points: { show: false }, show: o.expected !== false },
      { stroke: () => token('c-value'), width: 1.4, points: { show: false } },
      { points: { show: false } }, { points: { show: false } }, { stroke: () => token('c-forecast'), width: 1.25, dash: [5, 4], points: { show: false } }],
    bands: [{ series: [2, 1], fill: () => token('c-band') }, { series: [6, 5], fill: () => token('c-ahead') }],
    axes: [
      { show: big, stroke: () => token('c-axis'), font: write(), size: 24, gap: 5, ticks: { show: false }, grid: { stroke: () => token('c-grid'), width: 1 },
        splits: u => ticks(view.start, view.end, u.bbox.width / (devicePixelRatio || 1)).map(t => t[0]),
        values: (u, at) => { const text = new Map(ticks(view.start, view.end, u.bbox.width / (devicePixelRatio || 1))); return at.map(t => whole(u, t, text.get(t) ?? '', right)); } },
      { stroke: () => token('c-axis'), font: write(), size: left, gap: 6, space: big ? 44 : 24, ticks: { show: false }, grid: { show: big, stroke: () => token('c-grid'), width: 1 },
        values: (u, at) => data.time.length ? labels(at, extras().unit ?? '', big) : at.map(() => '') },
    ],
    cursor: {
      y: false, drag: { x: Boolean(o.zoom), y: false, setScale: false, dist: 6 },
      points: { size: (u, i) => i === 4 ? 8 : 0, width: (u, i) => i === 4 ? 2 : 0, stroke: () => token('c-value'), fill: () => token('surface') },
      bind: { dblclick: () => () => { o.reset?.(); return null; } },
    },
    hooks: {
      drawClear: [under], draw: [over],
      setCursor: [u => { const i = u.cursor.idx; view.at(u.cursor.left >= 0 && i != null ? columns[0][i] : null); }],
      setSelect: [u => {
        if (u.select.width < 6) return;
        const a = u.posToVal(u.select.left, 'x'), b = u.posToVal(u.select.left + u.select.width, 'x');
        u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        o.zoom?.(a, b);
      }],
    },
  });
  const fit = () => { if (!chart) return; if (box.clientWidth && (chart.width !== box.clientWidth || chart.height !== box.clientHeight)) chart.setSize({ width: box.clientWidth, height: box.clientHeight }); };
  const redraw = () => { if (chart) chart.setData(columns); };
  chart = new window.uPlot(options(), columns, box);
  new ResizeObserver(fit).observe(box);
  onTheme(() => chart.redraw(true, true));
  view.on(what => {
    if (what !== 'cursor') { redraw(); return; }
    if (view.cursor == null) { chart.setCursor({ left: -10, top: -10 }, false); return; }
    if (!chart.over.matches(':hover')) chart.setCursor({ left: chart.valToPos(view.cursor, 'x'), top: chart.over.clientHeight / 2 }, false);
  });
  return { set(next, forecast) { data = next; ahead = forecast ?? NOTHING; columns = joined(data, ahead); redraw(); }, redraw, font };
}
