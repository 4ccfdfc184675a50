/* Numbers, times and rarity in words; the same as pages/words.py says on the server. */
export const MIN = 60e3, HOUR = 3600e3, DAY = 864e5;
const NBSP = '\u00a0';
const CUTS = [.1, .2, .3, .4, .5, .7];
export const scoreClass = s => { let k = 0; while (k < 6 && s >= CUTS[k]) k++; return k; };
const group = n => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

export function rarity(s) {
  if (s == null || Number.isNaN(s)) return 'not judged';
  const n = 10 ** (s * 10);
  if (n < 2) return 'ordinary';
  if (s >= 1) return 'rarer than 1 in 10 billion';
  const [unit, word] = n >= 1e9 ? [1e9, ' billion'] : n >= 1e6 ? [1e6, ' million'] : [1, ''];
  const lead = n / unit, power = 10 ** Math.floor(Math.log10(lead) + 1e-9);
  return '1 in ' + group(Math.floor(lead / power + .5) * power) + word;
}

const SPANS = [[365 * DAY, 'year'], [30 * DAY, 'month'], [7 * DAY, 'week'], [DAY, 'day'], [HOUR, 'hour'], [MIN, 'minute']];
const MEASURED = 1e5;      // odds to which calibration is measured; rarer ones are not told as a longer time
export function every(s, interval) {
  if (s == null || !(interval > 0)) return '';
  const odds = 10 ** (s * 10), beyond = odds > MEASURED * 1.01, ms = Math.min(odds, MEASURED) * interval;
  for (const [length, word] of SPANS) if (ms >= length * .95) {
    const n = Math.floor(ms / length + .5), often = n === 1 ? `once ${word === 'hour' ? 'an' : 'a'} ${word}` : `once in ${n} ${word}s`;
    return beyond ? `less than ${often}` : often;
  }
  return beyond ? 'less than once a minute' : 'all the time';
}

/* 9e-7, 5.93e15: three digits and a power of ten */
export const short = v => v.toExponential(2).replace('e+', 'e').replace(/\.?0+e/, 'e');
function plain(v) {
  const a = Math.abs(v);
  if (a === 0) return '0';
  if (a >= 1e15 || a < 1e-4) return short(v);
  if (a >= 1e9) { const [unit, word] = a >= 1e12 ? [1e12, 'trillion'] : [1e9, 'billion']; return plain(v / unit) + NBSP + word; }
  if (a >= 999.5 || (Number.isInteger(v) && a >= 1)) return group(Math.floor(v + .5));
  if (a >= 100) return v.toFixed(0);
  const text = v.toFixed(a >= 10 ? 1 : a >= 1 ? 2 : 2 - Math.floor(Math.log10(a)));
  return text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text;
}
const PREFIXES = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];
function scale(v, unit) {
  if (unit === 's' && v && Math.abs(v) < 1e-3) return Math.abs(v) >= 1e-6 ? [1e-6, 'µs'] : [1e-9, 'ns'];
  if (!unit.startsWith('B')) return [1, unit];
  const [divisor, prefix] = PREFIXES.find(([s]) => Math.abs(v) >= s) || [1, ''];
  return [divisor, prefix + unit];
}
export function num(v, unit = '') {
  if (v == null || Number.isNaN(v)) return 'no sample';
  const [divisor, u] = scale(v, unit);
  return plain(v / divisor) + (u ? NBSP + u : '');
}
export function span(lo, hi, unit = '') {
  if (lo == null || hi == null) return 'not known yet';
  const [divisor, u] = scale(Math.abs(lo) > Math.abs(hi) ? lo : hi, unit);
  return [...new Set([plain(lo / divisor), plain(hi / divisor)])].join(Math.min(lo, hi) < 0 ? ' to ' : '\u2013') + (u ? NBSP + u : '');
}

export function ago(ms) {
  if (ms < MIN) return Math.max(0, Math.round(ms / 1000)) + NBSP + 's';
  if (ms < HOUR) return Math.floor(ms / MIN) + NBSP + 'min';
  if (ms < DAY) return Math.floor(ms / HOUR) + NBSP + 'h' + NBSP + two(Math.floor(ms % HOUR / MIN)) + NBSP + 'min';
  return Math.floor(ms / DAY) + NBSP + 'd' + NBSP + Math.floor(ms % DAY / HOUR) + NBSP + 'h';
}
const two = n => String(n).padStart(2, '0');
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
export const hm = t => { const d = new Date(t); return two(d.getUTCHours()) + ':' + two(d.getUTCMinutes()); };
export const hms = t => hm(t) + ':' + two(new Date(t).getUTCSeconds());
export const dm = t => { const d = new Date(t); return `${WEEKDAYS[d.getUTCDay()]} ${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`; };
export const moment = (t, fine) => `${dm(t)} ${fine ? hms(t) : hm(t)}`;
export const esc = x => String(x ?? '').replace(/[&<>"']/g, c => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c]);
/* A template whose values are escaped; wrap made HTML in raw(). */
export const raw = text => ({ raw: text });
export const html = (parts, ...values) => parts.reduce((all, text, i) => all + text + (i < values.length ? values[i]?.raw ?? esc(values[i]) : ''), '');
export const chip = s => s == null ? '<span class="dim">not judged</span>' : `<span class="chip c${scoreClass(s)}">${s.toFixed(2)}</span>`;
