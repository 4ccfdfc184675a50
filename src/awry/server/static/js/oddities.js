/* The strangest samples of the range, what spoke of each in words; where they are near each other, the strangest stands for all. */
import { chip, every, html, moment, raw } from './words.js';

const TELLING = .2, MOST = 8, FEW = 3, APART = 1 / 40;
/* Rows of samples that reach the limit, the strangest of each stretch, newest first; where they are few, the next telling ones too. */
export function strangest(d, view, limit) {
  const found = [];
  for (let i = 0; i < d.time.length; i++) if (d.score[i] >= TELLING && d.value[i] != null && d.time[i] >= view.start && d.time[i] <= view.end) found.push(i);
  const kept = [], near = (view.end - view.start) * APART;
  for (const i of found.sort((a, b) => d.score[b] - d.score[a])) {
    if (kept.length < (d.score[i] >= limit ? MOST : FEW) && kept.every(k => Math.abs(d.time[k] - d.time[i]) > near)) kept.push(i);
  }
  return kept.sort((a, b) => d.time[b] - d.time[a]);
}
export function oddities(box, d, view, series) {
  const kept = strangest(d, view, series.threshold ?? TELLING), fine = series.interval < 60e3, limit = series.threshold;
  box.innerHTML = kept.map(i => {
    const often = series.interval ? every(d.score[i], series.interval) : '';
    const below = limit != null && d.score[i] < limit;
    return html`<li><button type="button" data-time="${d.time[i]}"><span class="at">${moment(d.time[i], fine)}</span>${raw(chip(d.score[i]))}<span class="what">${(d.why?.[i] ?? '').replace(/^is /, '')}<small>${often}${below ? ', below the threshold' : ''}</small></span></button></li>`;
  }).join('') || html`<li class="soft none">Nothing in this range was rarer than 1 in 100.</li>`;
}
