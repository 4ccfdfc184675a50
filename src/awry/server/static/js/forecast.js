/* What a series will be: the forecast from the API, and what is said of it at the cursor. */
import { ago, moment, num, span } from './words.js';
import { api } from './samples.js';

const $ = id => document.getElementById(id);
const FOLLOWS = { stay: 'It is expected to stay about where it is.', day: 'It is expected to follow its usual day.', ramp: 'It is expected to go on at its lasting slope.' };

/* One question at a time, of so many ms from the newest sample; a newer one cancels the older. */
export function forecaster(key) {
  let pending = null;
  return async (ms, interval) => {
    pending?.abort();
    const mine = pending = new AbortController(), horizon = Math.max(1, Math.ceil(ms / 1000)), step = Math.max(1, Math.ceil(Math.max(interval, ms / 150) / 1000));
    return api('/api/v1/forecast?' + new URLSearchParams({ series: key, horizon: `${horizon}s`, step: `${Math.min(step, horizon)}s` }), { signal: mine.signal });
  };
}

/* The panel beside the chart, for a moment that has not come yet. */
export function foreseen(series, f, t) {
  let i = f.time.findIndex(u => u >= t);
  if (i < 0) i = f.time.length - 1;
  const { unit } = series, text = FOLLOWS[f.follows];
  $('pin').textContent = 'forecast';
  $('when').textContent = `${moment(f.time[i])}, ${ago(f.time[i] - f.from)} after the latest sample`;
  $('val').textContent = `about ${num(f.expected[i], unit)}`;
  $('exp').textContent = num(f.expected[i], unit);
  $('rng').textContent = span(f.low[i], f.high[i], unit);
  for (const id of ['chip', 'rare', 'rare2']) $(id).textContent = '';
  for (const id of ['score', 'seg']) { $(`bar-${id}`).style.width = '0'; $(`num-${id}`).textContent = '\u2013'; }
  $('sentence').textContent = `${text} ${f.confidence} of 100 values are meant to lie in the band.`;
  return `Forecast for ${moment(f.time[i])}: ${num(f.expected[i], unit)}, ${span(f.low[i], f.high[i], unit)}`;
}
