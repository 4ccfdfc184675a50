/* The incident page: its series as small multiples on one range with one cursor, redrawn as the incident goes on. */
import { axis } from './axis.js';
import { withGaps } from './gaps.js';
import { live } from './live.js';
import { surface } from './paint.js';
import { LENGTHS } from './ranges.js';
import { Refusal, nearest, reader } from './samples.js';
import { sampleRows } from './sample_table.js';
import { shell } from './shell.js';
import { silenceForm } from './silence.js';
import { strip } from './strip.js';
import { say } from './tip.js';
import { valueChart } from './value_chart.js';
import { makeView } from './view.js';
import { MIN, html, hm, num, rarity } from './words.js';

shell();
silenceForm();
const $ = id => document.getElementById(id), LEFT = 44, RIGHT = 6;
const incident = JSON.parse($('data').textContent);
const skew = Date.now() - incident.now, now = () => Date.now() - skew;
let span = 'fit';
function stretch() {
  const end = incident.end == null ? now() : Math.min(now(), incident.end + Math.max(10 * MIN, (incident.end - incident.start) / 4));
  const length = span === 'fit' ? Math.max(45 * MIN, (end - incident.start) * 1.6) : LENGTHS[span];
  return [end - length, end];
}
const view = makeView(...stretch());
const NONE = { time: [], value: [], expected: [], low: [], high: [], score: [], segment: [] };
const rows = [...document.querySelectorAll('[data-index]')].map((box, i) => {
  const meta = incident.series[i], row = { meta, box, data: NONE, step: 0, read: reader(meta.key), label: document.querySelector(`[data-now="${i}"]`) };
  row.rest = row.label.textContent;
  row.chart = valueChart(box, view, () => ({ incidents: [meta], unit: meta.unit, threshold: meta.threshold }), { axis: false, left: LEFT, right: RIGHT, expected: false });
  strip(document.querySelector(`[data-strip="${i}"]`), view, () => ({ time: row.data.time, score: row.data.score.map((s, k) => Math.max(s ?? 0, row.data.segment[k] ?? 0)), gap: Math.max((view.end - view.start) / 200, row.step * 1.1) }), { height: 5, left: LEFT, right: RIGHT });
  box.addEventListener('keydown', e => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!way || !row.data.time.length) return;
    e.preventDefault();
    const k = view.cursor == null ? row.data.time.length - 1 : nearest(row.data.time, view.cursor);
    const next = Math.max(0, Math.min(row.data.time.length - 1, k + way * (e.shiftKey ? 10 : 1)));
    view.at(row.data.time[next]);
    say(`${meta.key}, ${hm(view.cursor)}: ${num(row.data.value[next], meta.unit)}, ${rarity(row.data.score[next])}`);
  });
  return row;
});
const drawAxis = surface($('axis'), 24, (c, w) => axis(c, t => LEFT + (t - view.start) / (view.end - view.start) * (w - LEFT - RIGHT), view.start, view.end, 6, w - LEFT - RIGHT));
view.on(what => {
  if (what !== 'cursor') drawAxis();
  for (const row of rows) {
    const k = view.cursor == null ? -1 : nearest(row.data.time, view.cursor);
    row.label.textContent = k < 0 ? row.rest : `${hm(row.data.time[k])} ${num(row.data.value[k], row.meta.unit)}`;
  }
});
$('multi').addEventListener('pointerleave', () => view.at(null));

const AT_ONCE = 3;
async function load() {
  await Promise.all(rows.slice(0, AT_ONCE).map((_, first) => fill(rows.filter((_, i) => i % AT_ONCE === first))));
  view.tell('data');
  table();
}
async function fill(some) {
  for (const row of some) {
    try {
      const points = Math.max(120, Math.min(600, row.box.clientWidth)), found = await row.read(view.start, view.end + 1, points);
      const times = found.time, step = times.length > 2 ? (times.at(-1) - times[0]) / (times.length - 1) : 0;
      row.step = step;
      row.data = withGaps(found, step, view.end - view.start, points);
      row.chart.set(row.data);
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (!(error instanceof Refusal)) throw error;
      row.label.textContent = error.message;
    }
  }
}
function table() {
  if (!$('as-table').open) return;
  $('tab').innerHTML = rows.map(row => sampleRows(row.data, row.meta.unit, view, () => html`<td class="mono small">${row.meta.key}</td>`)).join('');
}
$('as-table').addEventListener('toggle', table);
$('span').addEventListener('pick', e => { span = e.detail; view.show(...stretch()); load(); });

let busy = false;
document.addEventListener('awry:tail', async e => {
  const shown = incident.series.map(s => s.key).join('\n');
  if (e.detail.series.join('\n') !== shown) { location.reload(); return; }     // a series joined: a new row
  incident.end = e.detail.end;
  if (busy || view.cursor != null || $('multi').matches(':hover')) return;
  busy = true;
  view.show(...stretch(), 'live');
  try { await load(); } finally { setTimeout(() => { busy = false; }, 4000); }   // many charts: every few seconds is enough
});
load();
live();
