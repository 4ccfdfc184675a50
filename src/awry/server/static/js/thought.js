/* "What the detector thought" at the cursor, or of the newest sample: value, expected, band, score, rarity, the part that spoke. */
import { ago, chip, every, moment, num, rarity, scoreClass, span } from './words.js';

const $ = id => document.getElementById(id);
const PARTS = {
  day: 'unlike this time of day', pca: 'its recent values do not go together as usual',
  records: 'a level, spread or change this series has not reached before', shape: 'a course unlike any it has taken', start: 'far from the few samples known so far',
  heartbeat: 'an expected event did not come, or the line is flat', absent: 'no sample came',
};

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
  const calm = s != null && s < .2;
  $('rare2').textContent = s == null ? (v == null ? 'No observation: nothing was judged or learnt.' : 'Learning: this sample was not judged.')
    : calm && g >= .3 ? 'The sample itself is ordinary by now; the stretch it belongs to is not.'
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
  const part = d.part?.[i];
  if (part && part !== 'none' && s >= .2) text += ` Strongest sign (${part}): ${PARTS[part] ?? part}.`;
  if (s != null && series.threshold != null) text += s >= series.threshold ? ' It reaches the threshold of its rule.' : s >= .2 ? ` It stays below the threshold (${rarity(series.threshold)}).` : '';
  $('sentence').textContent = text;
  return `${moment(t)}: ${num(v, unit)}, expected ${span(lo, hi, unit)}, ${rare}`;
}
