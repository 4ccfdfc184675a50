/* The rules page: the form with its bill, saving and deleting over the API, ending silences. */
import { live } from './live.js';
import { send } from './samples.js';
import { shell } from './shell.js';
import { silenceForm } from './silence.js';
import { say } from './tip.js';
import { html, moment, rarity, raw } from './words.js';

shell();
silenceForm(() => location.reload());
live();
const $ = id => document.getElementById(id);
const form = $('rule-form'), dialog = $('d-rule'), refusal = form.querySelector('.refusal'), field = name => form.elements[name];
let editing = null;

const PAUSE_MS = 350;
let asked = null, timer = 0;

function kinds(consequence = '') {
  form.querySelectorAll('[data-kind]').forEach(l => { l.hidden = l.dataset.kind !== field('kind').value; });
  $('rarer').textContent = `${Number(field('threshold').value).toFixed(2)}, ${rarity(Number(field('threshold').value))}${consequence}`;
  field('threshold').setAttribute('aria-valuetext', $('rarer').textContent);
}
function fill(rule) {
  editing = rule?.origin === 'api' ? rule : null;
  $('dr-h').textContent = editing ? `Change ${rule.name}` : 'New rule';
  form.reset();
  if (rule) {
    for (const name of ['selector', 'severity', 'for', 'keep_for']) field(name).value = rule[name];
    field('name').value = editing ? rule.name : `${rule.name}-2`;
    field('group_by').value = rule.group_by.join(', ');
    field('absent').checked = rule.absent;
    field('enabled').checked = rule.enabled;
    field('kind').value = rule.threshold != null ? 'threshold' : 'budget';
    if (rule.threshold != null) field('threshold').value = rule.threshold;
    if (rule.budget) field('budget').value = rule.budget;
    for (const o of field('notify').options) o.selected = rule.notify.includes(o.value);
  }
  field('name').readOnly = Boolean(editing);
  $('rule-delete').hidden = !editing;
  refusal.hidden = true;
  $('bill').innerHTML = '';
  kinds();
  dialog.showModal();
  replay();
}
function rule() {
  const threshold = field('kind').value === 'threshold';
  return {
    ...(editing ? { clear: editing.clear, together: editing.together } : {}),
    name: field('name').value, selector: field('selector').value, severity: field('severity').value,
    threshold: threshold ? Number(field('threshold').value) : null, budget: threshold ? null : field('budget').value,
    for: field('for').value, keep_for: field('keep_for').value, absent: field('absent').checked, enabled: field('enabled').checked,
    group_by: field('group_by').value.split(',').map(x => x.trim()).filter(Boolean), notify: [...field('notify').selectedOptions].map(o => o.value),
  };
}
async function attempt(button, work) {
  button.disabled = true;
  refusal.hidden = true;
  try { await work(); } catch (error) { refusal.textContent = error.message; refusal.hidden = false; } finally { button.disabled = false; }
}
const times = n => n === 1 ? '1 incident' : `${n.toLocaleString('en-US')} incidents`;
function bill(b) {
  const days = Math.max(1, Math.round((b.end - b.start) / 864e5));
  const opens = b.threshold_low == null ? '' : b.threshold_low === b.threshold_high ? rarity(b.threshold_low) : `${rarity(b.threshold_low)} to ${rarity(b.threshold_high)}`;
  $('bill').innerHTML = html`<div class="row"><span>In the last ${days} days it would have opened</span><b>${times(b.incidents)}</b></div><div class="row"><span>That is, a week</span><b>${b.per_week.toFixed(1)}</b></div><div class="row"><span>Series replayed${b.complete ? '' : ' (not all: it would take too long)'}</span><b>${b.replayed} of ${b.series}${b.complete ? '' : '+'}</b></div>${raw(opens ? html`<div class="row"><span>Opens at</span><b>${opens}</b></div>` : '')}${raw(b.examples.length ? `<ul class="small verdict">${b.examples.slice(0, 4).map(x => html`<li><span class="dim">${moment(x.start)}</span> ${x.title.replace(/, since [^;]* UTC/, '')}</li>`).join('')}</ul>` : '')}`;
}

document.addEventListener('click', e => {
  const button = e.target.closest('button');
  if (!button) return;
  if (button.dataset.new === 'rule') fill(null);
  if (button.dataset.rule) fill(JSON.parse(button.dataset.rule));
  if (button.dataset.endSilence) {
    button.disabled = true;
    send('DELETE', `/api/v1/silences/${encodeURIComponent(button.dataset.endSilence)}`).then(() => location.reload(), error => { button.disabled = false; button.title = error.message; say(error.message); });
  }
});
/* What the rule would have done: asked for when the hand rests, the last question only. Old numbers stay, faint, until the new ones come. */
async function replay() {
  clearTimeout(timer);
  asked?.abort();
  const mine = asked = new AbortController();
  refusal.hidden = true;
  $('bill').classList.add('waiting');
  if (!$('bill').firstChild) $('bill').innerHTML = '<p class="soft">Replaying 30 days…</p>';
  const { name, ...rest } = rule();
  try {
    const found = await send('POST', '/api/v1/rules/dry-run', { rule: { ...rest, name: field('name').validity.valid ? name : 'new' }, days: 30 }, mine.signal);
    bill(found);
    kinds(`; ${times(found.incidents)} in 30 days`);
  } catch (error) {
    if (error.name === 'AbortError') return;
    $('bill').innerHTML = html`<p class="soft">Could not replay: ${error.message}</p>`;
  }
  $('bill').classList.remove('waiting');
}
const COSTLY = new Set(['kind', 'threshold', 'budget', 'selector', 'for', 'keep_for', 'group_by']);
form.addEventListener('input', e => {
  kinds();
  if (!COSTLY.has(e.target.name)) return;
  clearTimeout(timer);
  asked?.abort();
  $('bill').classList.add('waiting');
  timer = setTimeout(replay, PAUSE_MS);
});
dialog.addEventListener('close', () => { clearTimeout(timer); asked?.abort(); });
form.addEventListener('submit', e => {
  e.preventDefault();
  attempt(form.querySelector('[type=submit]'), async () => {
    const body = rule();
    if (editing) await send('PUT', `/api/v1/rules/${encodeURIComponent(editing.name)}`, body);
    else await send('POST', '/api/v1/rules', body);
    location.reload();
  });
});
$('rule-delete').addEventListener('click', () => attempt($('rule-delete'), async () => {
  await send('DELETE', `/api/v1/rules/${encodeURIComponent(editing.name)}`);
  location.reload();
}));
const chosen = document.body.dataset.chosen;
if (chosen) document.getElementById(`rule-${chosen}`)?.scrollIntoView({ block: 'center' });
