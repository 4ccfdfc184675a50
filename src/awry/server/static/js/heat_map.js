/* The swim-lane heat map on one canvas: rows are the strangest series, columns ten minutes, colour the score class. */
import { axis } from './axis.js';
import { colour, font, surface, token } from './paint.js';
import { say, tip } from './tip.js';
import { MIN, ago, chip, every, hm, html, moment, rarity, raw } from './words.js';

const COLUMN = 10 * MIN, AXIS = 22, PHONE = 720;
const $ = id => document.getElementById(id);

export function heatMap(first) {
  const canvas = $('map');
  let data = first, hot = null;
  const narrow = () => innerWidth <= PHONE;
  const rowHeight = () => narrow() ? 40 : parseFloat(token('row')) || 24;
  const columns = () => data.hours * 6;
  const start = () => data.end - data.hours * 60 * MIN;
  const score = (i, y) => { const v = data.lanes[y].cells[i]; return v < 0 ? null : v / 254; };
  const words = s => s == null ? 'no judged sample' : rarity(s);

  function names() {
    $('names').innerHTML = data.lanes.map((l, y) => html`<a href="${l.href}" data-y="${y}" title="${l.key}"><b>${l.title}</b><span class="clip">${l.labels}</span></a>`).join('');
    $('vals').innerHTML = data.lanes.map(l => html`<span>${l.now}</span>`).join('');
    if ($('heat-table').open) table();
  }
  function table() {
    $('tab').innerHTML = data.lanes.map((l, y) => {
      let k = 0;
      l.cells.forEach((v, i) => { if (v > l.cells[k]) k = i; });
      const s = score(k, y), t = start() + k * COLUMN;
      return html`<tr><td class="mono small"><a href="${l.href}">${l.key}</a></td><td class="num">${raw(chip(s))}</td><td>${words(s)}</td><td class="nowrap">${s == null ? '' : `${moment(t)}–${hm(t + COLUMN)}`}</td><td class="num">${l.now}</td></tr>`;
    }).join('');
  }

  const draw = surface(canvas, () => Math.max(1, data.lanes.length) * rowHeight() + AXIS, (c, w) => {
    const n = columns(), rh = rowHeight(), cw = w / n, small = narrow(), gap = cw > 5 ? 1 : 0;
    data.lanes.forEach((lane, y) => {
      for (let i = 0; i < n; i++) {
        const x0 = Math.round(i * cw), x1 = Math.round((i + 1) * cw), s = score(i, y);
        if (s == null) { c.fillStyle = token('line'); c.fillRect(x0, y * rh + (small ? 28 : rh / 2), x1 - x0 - gap, 1); continue; }
        c.fillStyle = colour(s); c.fillRect(x0, y * rh + (small ? 20 : 1.5), x1 - x0 - gap, rh - (small ? 24 : 3));
      }
      if (!small) return;
      c.textBaseline = 'middle'; c.textAlign = 'left';
      font(c, 12, 600); c.fillStyle = token('ink');
      const right = c.measureText(lane.now).width + 12;
      c.save(); c.beginPath(); c.rect(0, y * rh, w - right, 20); c.clip();
      c.fillText(lane.title, 0, y * rh + 11);
      const x = c.measureText(lane.title).width + 6;
      font(c, 12); c.fillStyle = token('ink-3'); c.fillText(lane.labels, x, y * rh + 11);
      c.restore();
      font(c, 12); c.textAlign = 'right'; c.fillStyle = token('ink-2'); c.fillText(lane.now, w, y * rh + 11);
    });
    c.strokeStyle = token('critical'); c.lineWidth = 1.5;
    data.lanes.forEach((lane, y) => {                // lanes of open incidents, from their onset on
      if (lane.since == null) return;
      const x = Math.max(0, Math.floor((lane.since - start()) / COLUMN)) * cw;
      c.strokeRect(Math.min(x, w - 6) + .75, y * rh + (small ? 18.75 : .75), w - Math.min(x, w - 6) - 1.5, rh - (small ? 21 : 1.5));
    });
    axis(c, t => (t - start()) / (data.end - start()) * w, start(), data.end, data.lanes.length * rh + 6, w);
    if (hot) {
      const [i, y] = hot;
      c.fillStyle = token('c-cursor'); c.globalAlpha = .35;
      c.fillRect(Math.round((i + .5) * cw), 0, 1, data.lanes.length * rh); c.globalAlpha = 1;
      c.strokeStyle = token('ink'); c.lineWidth = 2; c.strokeRect(Math.round(i * cw) - .5, y * rh + (small ? 19 : 1), Math.max(3, Math.round(cw)), rh - (small ? 22 : 2));
    }
  });

  function reading(i, y) {
    const lane = data.lanes[y], s = score(i, y), t = start() + i * COLUMN;
    const rare = s >= .3 && lane.interval ? `, ${every(s, lane.interval)}` : '';
    return { lane, s, t, text: words(s) + rare };
  }
  function show(at, x, y) {
    hot = at; draw();
    document.querySelectorAll('#names a').forEach((a, k) => a.classList.toggle('on', at != null && k === at[1]));
    if (!at) { tip(); return; }
    const q = reading(...at), past = data.time - q.t - COLUMN / 2;
    tip(html`<div class="k">${q.lane.key}</div><div class="dim">${moment(q.t)}–${hm(q.t + COLUMN)}, ${past > MIN ? ago(past) + ' ago' : 'now'}</div><div class="r">${raw(chip(q.s))}<b>${q.text}</b></div>`, x, y);
  }
  const cellAt = e => {
    const b = canvas.getBoundingClientRect(), i = Math.floor((e.clientX - b.left) / b.width * columns()), y = Math.floor((e.clientY - b.top) / rowHeight());
    return i < 0 || i >= columns() || y < 0 || y >= data.lanes.length ? null : [i, y];
  };
  canvas.addEventListener('pointermove', e => show(cellAt(e), e.clientX, e.clientY));
  canvas.addEventListener('pointerleave', () => show(null));
  canvas.addEventListener('blur', () => show(null));
  canvas.addEventListener('click', e => { const at = cellAt(e); if (at) location.href = data.lanes[at[1]].href; });
  canvas.addEventListener('keydown', e => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (e.key === 'Enter' && hot) { location.href = data.lanes[hot[1]].href; return; }
    if (e.key === 'Escape') { show(null); return; }
    if (!step || !data.lanes.length) return;
    e.preventDefault();
    const far = e.shiftKey ? 10 : 1, [i, y] = hot || [columns() - 1 - step[0] * far, 0 - step[1]];
    const at = [Math.max(0, Math.min(columns() - 1, i + step[0] * far)), Math.max(0, Math.min(data.lanes.length - 1, y + step[1]))];
    const b = canvas.getBoundingClientRect();
    show(at, b.left + (at[0] + .5) / columns() * b.width, b.top + (at[1] + 1) * rowHeight());
    const q = reading(...at);
    say(`${q.lane.key}, ${hm(q.t)}: ${q.text}`);
  });
  $('heat-table').addEventListener('toggle', () => { if ($('heat-table').open) table(); });
  $('names').addEventListener('pointerleave', () => draw());
  names();
  let later = null;
  const set = next => {
    if (canvas.matches(':hover') || $('names').matches(':hover')) { later = next; return; }   // rows under the pointer hold still
    data = next; later = null; names(); draw();
  };
  for (const id of ['map', 'names']) $(id).addEventListener('pointerleave', () => { if (later) setTimeout(() => later && set(later)); });
  return { set, get lanes() { return data.lanes; } };
}
