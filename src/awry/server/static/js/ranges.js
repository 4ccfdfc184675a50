/* Time ranges as people pick them, kept in the page's address. */
import { DAY, HOUR } from './words.js';

export const LENGTHS = { '1h': HOUR, '6h': 6 * HOUR, '24h': DAY, '7d': 7 * DAY, '30d': 30 * DAY };
export const usual = interval => !interval || interval <= 15e3 ? '1h' : interval <= 120e3 ? '6h' : interval <= 900e3 ? '24h' : '7d';

/* {start, end, name}: name is null for a fixed stretch. */
export function fromAddress(now, fallback) {
  const q = new URLSearchParams(location.search), start = Number(q.get('start')), end = Number(q.get('end'));
  if (q.has('start') && q.has('end') && end > start && start >= 0) return { start, end, name: null };
  const name = LENGTHS[q.get('range')] ? q.get('range') : fallback;
  return { start: now - LENGTHS[name], end: now, name };
}
export function toAddress({ start, end, name }) {
  const here = new URL(location.href);
  for (const k of ['start', 'end', 'range']) here.searchParams.delete(k);
  if (name) here.searchParams.set('range', name);
  else { here.searchParams.set('start', String(Math.round(start))); here.searchParams.set('end', String(Math.round(end))); }
  history.replaceState(null, '', here);
}
