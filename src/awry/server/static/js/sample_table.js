/* Samples as table rows: all that are drawn when few, else the strangest and the newest; it says which. */
import { chip, html, moment, num, rarity, raw, span } from './words.js';

const MOST = 300;
export function sampleRows(d, unit, view, lead = () => '') {
  let rows = [];
  for (let i = 0; i < d.time.length; i++) if (d.time[i] >= view.start && d.time[i] <= view.end && d.value[i] != null) rows.push(i);
  const all = rows.length;
  if (all > MOST) {
    const strange = [...rows].sort((a, b) => (d.score[b] ?? 0) - (d.score[a] ?? 0)).slice(0, MOST / 2);
    rows = [...new Set([...strange, ...rows.slice(-MOST / 2)])].sort((a, b) => a - b);
  }
  const note = all > rows.length ? html`<tr><td colspan="8" class="dim small">The ${rows.length} strangest and newest of ${all} drawn samples</td></tr>` : '';
  return note + rows.reverse().map(i => html`<tr>${raw(lead(i))}<td class="nowrap">${moment(d.time[i], true)}</td><td class="num">${num(d.value[i], unit)}</td>${raw(lead(i) ? '' : html`<td class="num">${d.expected[i] == null ? 'not known yet' : num(d.expected[i], unit)}</td>`)}<td class="num">${span(d.low[i], d.high[i], unit)}</td><td class="num">${raw(chip(d.score[i]))}</td><td class="nowrap">${rarity(d.score[i])}</td><td class="what">${d.why?.[i] ?? ''}</td></tr>`).join('');
}
