/* Samples from the API, one request per reader at a time: a newer question cancels the older. */
export class Refusal extends Error {}

export async function api(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { headers: { Accept: 'application/json' }, credentials: 'same-origin', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal('Awry does not answer. It may be restarting; try again.');
  }
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => null);
  if (!answer.ok) {
    const e = body?.error;
    throw new Refusal(e ? e.message + (e.hint ? `. What to do: ${e.hint}` : '') : `Awry answered ${answer.status}.`);
  }
  if (body === null) throw new Refusal('The answer was cut short; try again.');      // the page is being left, or the line broke
  return body;
}
export const send = (method, path, body, signal) => api(path, {
  method, signal, headers: { 'Content-Type': 'application/json', Accept: 'application/json' }, body: body === undefined ? undefined : JSON.stringify(body),
});

export function reader(key) {
  let pending = null;
  return async (start, end, points) => {
    pending?.abort();
    const mine = pending = new AbortController();
    const query = new URLSearchParams({ series: key, start: Math.floor(start), end: Math.ceil(end) });
    if (points) query.set('points', points);
    return api('/api/v1/samples?' + query, { signal: mine.signal });
  };
}
/* Index of the sample nearest in time, or -1. */
export function nearest(times, t) {
  if (!times.length) return -1;
  let a = 0, b = times.length - 1;
  while (b - a > 1) { const m = (a + b) >> 1; if (times[m] <= t) a = m; else b = m; }
  return Math.abs(times[a] - t) <= Math.abs(times[b] - t) ? a : b;
}
