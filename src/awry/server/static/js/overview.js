/* The overview: heat map, grouping and range kept in the address, live changes. */
import { heatMap } from './heat_map.js';
import { live } from './live.js';
import { shell } from './shell.js';

shell();
const $ = id => document.getElementById(id);
const state = document.body.dataset.state;
const map = $('map') ? heatMap(JSON.parse($('heat-data').textContent)) : null;
const stream = live();

function choose(changes) {
  const here = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) here.searchParams.set(name, value);
  history.replaceState(null, '', here);
  const query = new URLSearchParams({ page: 'overview', by: $('by').value, hours: here.searchParams.get('hours') || '24' });
  stream.ask(query.toString());
}
$('by')?.addEventListener('change', () => choose({ by: $('by').value }));
$('hours')?.addEventListener('pick', e => choose({ hours: e.detail }));
if (map) {
  document.addEventListener('awry:heat', e => map.set(e.detail));
  if (innerWidth <= 720 && !new URLSearchParams(location.search).has('hours')) document.querySelector('#hours button[value="6"]').click();
}
const whole = s => s === 'empty' || s === 'first';
document.addEventListener('awry:state', e => { if (e.detail !== state && (whole(e.detail) || whole(state))) location.reload(); });
