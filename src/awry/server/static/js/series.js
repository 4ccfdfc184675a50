/* The series page: chart, strips and brush on one range and one cursor; what the detector thought; live while it shows now. */
import { brush } from './brush.js';
import { forecaster, foreseen } from './forecast.js';
import { withGaps } from './gaps.js';
import { live } from './live.js';
import { mini } from './mini.js';
import { oddities } from './oddities.js';
import { LENGTHS, fromAddress, toAddress, usual } from './ranges.js';
import { Refusal, nearest, reader } from './samples.js';
import { sampleRows } from './sample_table.js';
import { pick, shell } from './shell.js';
import { silenceForm } from './silence.js';
import { strip } from './strip.js';
import { thought } from './thought.js';
import { say } from './tip.js';
import { valueChart } from './value_chart.js';
import { makeView } from './view.js';
import { moment, num } from './words.js';

shell();
silenceForm();
const $ = id => document.getElementById(id);
const series = JSON.parse($('data').textContent);
const NONE = { time: [], value: [], expected: [], low: [], high: [], score: [], segment: [] };
let data = NONE, long = { ...NONE, start: 0, end: 1 }, range = fromAddress(series.now, usual(series.interval)), home = range.name ?? usual(series.interval);
const view = makeView(range.start, range.end), read = reader(series.key), foresee = forecaster(series.key), readLong = reader(series.key);
const skew = Date.now() - series.now;      // the server's clock is the one that counts
const now = () => Date.now() - skew;

const overdue = () => series.interval > 0 && now() - series.last > Math.max(5 * series.interval, 60e3);

/* The part of the range that lies ahead, where a forecast is wanted and there is one. */
const AHEAD = 1 / 8;
let ahead = null, forecastable = series.state === 'watching', wanted = remembered() !== 'off';
function remembered() { try { return localStorage.getItem('awry.forecast'); } catch { return null; } }
const reach = name => wanted && forecastable && !overdue() ? LENGTHS[name] * AHEAD : 0;
function showButton() { $('ahead').setAttribute('aria-pressed', String(wanted)); $('ahead').hidden = !forecastable; $('k-f').hidden = !ahead; }
if (range.name) { range.end += reach(range.name); view.end = range.end; }

const zoom = (a, b) => view.show(a, b);
const whole = () => choose(home);
const extras = () => ({ ...series, stale: series.state === 'silent' || overdue() ? series.last : null });
const chart = valueChart($('value-c'), view, extras, { zoom, reset: whole });
const stripOf = name => () => ({ time: data.time, score: data[name], gap: Math.max(series.interval || 0, (view.end - view.start) / 800) });
strip($('score-c'), view, stripOf('score'), { height: 36, line: true, threshold: () => series.threshold, label: 'score' });
strip($('seg-c'), view, stripOf('segment'), { height: 12, label: 'segment', quiet: () => (series.threshold ?? .1) - .1 });
const drawBrush = brush($('brush-c'), view, () => long);

function message(text, button) {
  $('over').hidden = !text;
  $('over').textContent = text;
  if (!button) return;
  const b = document.createElement('button');
  b.className = 'btn small'; b.type = 'button'; b.textContent = button.text; b.addEventListener('click', button.act);
  $('over').append(' ', b);
}
function think() {
  const latest = view.cursor == null;
  if (!latest && ahead && view.cursor > ahead.from) {
    const text = foreseen(series, ahead, view.cursor);
    if (document.activeElement === $('value-c')) say(text);
    return;
  }
  let i = latest ? data.time.length - 1 : nearest(data.time, view.cursor);
  while (latest && i > 0 && data.value[i] == null) i--;
  const text = thought(series, data, i, latest);
  if (!latest && document.activeElement === $('value-c')) say(text);
}
function table() { if ($('as-table').open) $('tab').innerHTML = sampleRows(data, series.unit, view); }

async function load() {
  const points = Math.max(200, Math.min(2000, Math.round($('value-c').clientWidth))), { start, end } = view;
  try {
    const found = await read(start, end + 1, points);
    data = withGaps(found, series.interval, end - start, points);
    if (found.time.length) message('');
    else if (!series.last) message('No sample is stored yet.');
    else message(`No samples between ${moment(start)} and ${moment(end)}; the last was ${moment(series.last)}.`, { text: 'Go there', act: () => { const w = view.end - view.start; view.show(series.last - w * .9, series.last + w * .1); } });
    const judged = found.score.some(s => s != null);
    if (found.time.length && !judged) message(series.state === 'warming' ? 'Learning: values only. Band and scores appear once there is enough history.' : 'This stretch was not judged: the series was still being learnt.');
    const strange = found.score.filter(s => s >= (series.threshold ?? 2)).length;
    $('alt').textContent = `${found.time.length} samples drawn from ${moment(start)} to ${moment(end)}; ${strange} reach the threshold. Newest value ${num(found.value.at(-1), series.unit)}.`;
  } catch (error) {
    if (error.name === 'AbortError') return;
    if (!(error instanceof Refusal)) throw error;
    message(error.message, { text: 'Try again', act: load });
    return;
  }
  chart.set(data, ahead); view.tell('data'); think(); table(); oddities($('odd'), data, view, series);
  await loadAhead();
}
async function loadAhead() {
  const ms = view.end - series.last;
  let next = null;
  const known = data.expected.some(v => v != null);      // what was never expected cannot be forecast either
  if (wanted && known && forecastable && !overdue() && ms > (series.interval || 0)) {
    try { next = await foresee(ms, series.interval || 0); } catch (error) {
      if (error.name === 'AbortError') return;
      if (!(error instanceof Refusal)) throw error;
      forecastable = false;             // too young yet, or its detector keeps nothing to forecast from
      if (range.name) choose(range.name);
    }
  }
  ahead = next; showButton();
  chart.set(data, ahead);
}
async function loadLong() {
  const length = Math.max((view.end - view.start) * 5, LENGTHS[home] * 4), end = Math.max(now(), view.end), start = Math.min(end - length, view.start);
  try { long = { ...await readLong(start, end + 1, 500), start, end }; } catch (error) { if (error.name !== 'AbortError' && !(error instanceof Refusal)) throw error; return; }
  drawBrush();
}
async function loadSiblings() {
  for (const box of document.querySelectorAll('[data-key-of]')) {
    const one = minis.get(box);
    try { one.data = await one.read(view.start, view.end + 1, 240); } catch (error) { if (error.name !== 'AbortError' && !(error instanceof Refusal)) throw error; continue; }
    box.querySelector('.t span').textContent = num(one.data.value.at(-1), series.unit);
    one.draw();
  }
}
const minis = new Map([...document.querySelectorAll('[data-key-of]')].map(box => {
  const one = { data: NONE, read: reader(box.dataset.keyOf) };
  one.draw = mini(box.querySelector('canvas'), view, () => one.data);
  return [box, one];
}));

function choose(name) {
  home = name;
  const at = now();
  range = { start: at - LENGTHS[name], end: at + reach(name), name };
  view.show(range.start, range.end, 'pick');
}
let timer = 0;
view.on(what => {
  if (what === 'cursor') { think(); return; }
  if (what !== 'range') return;
  const fresh = view.start !== range.start || view.end !== range.end;
  if (fresh) range = { start: view.start, end: view.end, name: null };
  $('whole').hidden = range.name != null;
  pick($('span'), range.name ?? '');
  clearTimeout(timer);
  timer = setTimeout(() => {
    toAddress(range); load(); loadSiblings();
    if (range.name || view.start < long.start || view.end > long.end + 1000) loadLong();
  }, 60);
});

$('span').addEventListener('pick', e => choose(e.detail));
$('whole').addEventListener('click', whole);
$('ahead').addEventListener('click', () => {
  wanted = !wanted;
  try { localStorage.setItem('awry.forecast', wanted ? 'on' : 'off'); } catch { /* not kept, then */ }
  showButton();
  if (range.name) choose(range.name); else loadAhead();
});
const pan = way => { const w = view.end - view.start; view.show(view.start + way * w / 2, view.end + way * w / 2); };
$('earlier').addEventListener('click', () => pan(-1));
$('later').addEventListener('click', () => pan(1));
$('pick-open').addEventListener('click', () => {
  const form = $('pick-form');
  form.hidden = !form.hidden;
  $('pick-open').setAttribute('aria-expanded', String(!form.hidden));
  form.elements.from.value = new Date(view.start).toISOString().slice(0, 16);
  form.elements.to.value = new Date(view.end).toISOString().slice(0, 16);
});
$('pick-form').addEventListener('submit', e => {
  e.preventDefault();
  const a = Date.parse(e.target.elements.from.value + 'Z'), b = Date.parse(e.target.elements.to.value + 'Z');
  if (b > a) { $('pick-form').hidden = true; view.show(a, b); }
});
$('value-c').addEventListener('keydown', e => {
  const way = { ArrowLeft: -1, ArrowRight: 1, PageUp: -12, PageDown: 12 }[e.key];
  if (!way || !data.time.length) return;
  e.preventDefault();
  const i = view.cursor == null ? data.time.length - 1 : nearest(data.time, view.cursor);
  const next = Math.max(0, Math.min(data.time.length - 1, i + way * (e.shiftKey ? 10 : 1)));
  view.at(data.time[next]);
});
$('value-c').addEventListener('blur', () => view.at(null));
$('stack').addEventListener('pointerleave', () => view.at(null));
document.addEventListener('keydown', e => { if (e.key === 'Escape' && !document.querySelector('dialog[open]') && e.target.tagName !== 'INPUT') { view.at(null); if (!range.name) whole(); } });
$('as-table').addEventListener('toggle', table);
const odd = e => e.target.closest?.('[data-time]');
for (const kind of ['pointerover', 'focusin']) $('odd').addEventListener(kind, e => { if (odd(e)) view.at(Number(odd(e).dataset.time)); });
for (const kind of ['pointerleave', 'focusout']) $('odd').addEventListener(kind, () => view.at(null));
$('odd').addEventListener('click', e => {                       // nearer, with the sample a little right of the middle
  if (!odd(e)) return;
  const t = Number(odd(e).dataset.time), w = Math.max((view.end - view.start) / 6, 60 * (series.interval || 1000));
  if (w < view.end - view.start) view.show(t - w * .6, t + w * .4);
});

document.addEventListener('awry:tail', e => {
  const newer = e.detail.last > series.last;
  Object.assign(series, e.detail);
  if (!range.name) { chart.redraw(); return; }
  if (view.cursor != null || $('stack').matches(':hover')) return;      // nothing moves under the pointer
  const at = now();
  range = { ...range, start: at - LENGTHS[range.name], end: at + reach(range.name) };
  view.show(range.start, range.end, 'live');
  if (newer) load();
});
pick($('span'), range.name ?? '');
$('whole').hidden = range.name != null;
showButton(); load(); loadLong(); loadSiblings();
live();
