/* "What the detector thought" at the cursor, or of the newest sample: value, expected, band, score, rarity, the part that spoke. */
import { ago, chip, every, moment, num, rarity, scoreClass, span } from './words.js';

const $ = id => document.getElementById(id);
const HELD = .1;      // a rule holds until the segment falls so far below its threshold
function bar(id, number, s) {
  const el = $(id);
  el.className = `c${scoreClass(s ?? 0)}`;
  el.style.width = `${Math.min(100, (s ?? 0) * 100)}%`;
  $(number).textContent = s == null ? '–' : s.toFixed(2);
}

/* The tick on the score's bar, and the words for it: the threshold in use. */
function limit({ threshold, why }) {
  $('at-score').hidden = threshold == null;
  if (threshold != null) $('at-score').style.left = `${Math.min(100, threshold * 100)}%`;
  $('why').textContent = why;
}

/* "is 93, ..." -> "was 93, ...": of an earlier sample. */
const asPast = why => why.replace(/^is /, 'was ').replace(/^has /, 'had ').replace(/\band has stayed\b/, 'and had stayed').replace(/\band swings\b/, 'and swung');

export function thought(series, d, i, latest) {
  $('pin').textContent = latest ? 'latest sample' : 'at the cursor';
  if (i < 0) {
    for (const id of ['when', 'exp', 'rng', 'rare2', 'sentence', 'chip']) $(id).textContent = '';
    $('val').textContent = 'No sample here'; $('rare').textContent = ''; bar('bar-score', 'num-score', null); bar('bar-seg', 'num-seg', null);
    return 'No sample here';
  }
  const { unit, interval } = series, [t, v, e, lo, hi, s, g] = [d.time[i], d.value[i], d.expected[i], d.low[i], d.high[i], d.score[i], d.segment[i]];
  const past = Date.now() - t;
  $('when').textContent = moment(t, interval < 60e3) + (past > 0 && past < 1e11 ? `, ${ago(past)} ago` : '');
  $('val').textContent = num(v, unit);
  $('exp').textContent = e == null ? 'not known yet' : num(e, unit);
  $('rng').textContent = span(lo, hi, unit);
  $('chip').innerHTML = s == null ? '' : chip(s);
  const rare = rarity(s);
  $('rare').textContent = rare === 'ordinary' || s == null || rare[0] === '1' ? rare : rare[0].toUpperCase() + rare.slice(1);
  const calm = s != null && s < .2, held = series.threshold == null ? .3 : Math.max(.1, series.threshold - HELD);
  $('rare2').textContent = s == null ? (v == null ? 'No observation: nothing was judged or learnt.' : 'Learning: this sample was not judged.')
    : calm && g >= held ? 'The sample itself is ordinary by now; the stretch it belongs to is not.'
      : interval && s >= .1 ? `For this series ${every(s, interval)}.` : '';
  bar('bar-score', 'num-score', s); bar('bar-seg', 'num-seg', g);
  limit(series);
  let text = '';
  if (v == null) text = 'No observation came with this sample.';
  else if (e == null || lo == null) text = 'Awry had no expectation yet.';
  else {
    const off = v - e, share = e ? Math.abs(off / e) * 100 : 0;
    const by = Math.abs(off) < 1e-12 ? 'Exactly as expected' : `${num(Math.abs(off), unit)} ${off < 0 ? 'below' : 'above'} expected${share >= 1 && share < 1000 ? ` (${num(Math.round(share))}\u00a0%)` : ''}`;
    text = `${by}, ${v < lo || v > hi ? 'outside' : 'within'} its band.`;
  }
  const told = d.why?.[i];
  if (told) { const what = told.replace(/^is /, ''); text = `${what[0].toUpperCase()}${what.slice(1)}. ${text}`; }
  else if (g >= held) {                                   // what the stretch that this sample belongs to was when it was strangest
    let worst = -1;
    for (let k = i; k >= 0 && (d.segment[k] == null || d.segment[k] >= held); k--) if (d.why?.[k] && !(d.score[k] < d.score[worst])) worst = k;
    if (worst >= 0) text += ` Strangest in this stretch, at ${moment(d.time[worst], interval < 60e3)}: it ${asPast(d.why[worst])}.`;
  }
  if (s != null && series.threshold != null) text += s >= series.threshold ? ' It reaches the threshold of its rule.' : s >= .2 ? ` It stays below the threshold (${rarity(series.threshold)}).` : '';
  $('sentence').textContent = text;
  return `${moment(t)}: ${num(v, unit)}, expected ${span(lo, hi, unit)}, ${rare}`;
}
