/* Live updates: one stream of server-sent events per visible page; swaps changed parts, says when it stopped hearing. */
import { hms } from './words.js';
import { say } from './tip.js';

const RETRY_MS = 5000;
const $ = id => document.getElementById(id);

export function live(query = document.body.dataset.live ?? '') {
  const button = document.querySelector('[data-do=pause]'), box = document.querySelector('.live'), waiting = new Map();
  let source = null, paused = false, heard = Date.now(), timer = 0, known = null, asked = query;

  const state = (name, text) => { box.dataset.state = name; box.querySelector('.txt').textContent = text; };
  const note = content => { $('lost').hidden = !content; $('lost').className = content ? 'note lost' : ''; $('lost').textContent = content; };

  const held = element => element.matches(':hover') || element.contains(document.activeElement);
  const swap = (id, text) => {
    const old = $(id);
    if (!old) return;
    if (id !== 'answer' && id !== 'status' && held(old)) {              // a row under the pointer does not move
      if (!waiting.has(id)) {
        const later = () => { if (waiting.has(id) && !held(old)) { const t = waiting.get(id); waiting.delete(id); swap(id, t); } };
        old.addEventListener('pointerleave', later); old.addEventListener('focusout', () => setTimeout(later));
      }
      waiting.set(id, text);
      return;
    }
    waiting.delete(id);
    old.outerHTML = text;
    const fresh = $(id);
    if (fresh) window.htmx?.process(fresh);
  };

  const onStatus = s => {
    $('rate').textContent = s.rate;
    $('series-count').textContent = s.series.toLocaleString('en-US');
    const fresh = known ? Object.keys(s.open).filter(id => !known.has(id)) : [];
    if (fresh.length) say(`New incident: ${s.open[fresh[0]]}`);
    known = new Set(Object.keys(s.open));
  };

  const close = () => { clearTimeout(timer); source?.close(); source = null; };
  const lost = () => {
    if (paused || document.hidden) return;
    state('stale', `Stopped ${hms(heard).slice(0, 5)}`);
    note(`This page stopped hearing from Awry at ${hms(heard)} UTC. What you see is from then. Trying again every 5 s.`);
  };
  const open = () => {
    close();
    if (paused || document.hidden) return;
    source = new EventSource('/events?' + asked);
    const heed = f => e => { heard = Date.now(); f(JSON.parse(e.data)); };
    source.addEventListener('open', () => { heard = Date.now(); state('live', 'Live'); note(''); });
    source.addEventListener('status', heed(onStatus));
    source.addEventListener('parts', heed(parts => Object.entries(parts).forEach(([id, text]) => swap(id, text))));
    source.addEventListener('trouble', heed(text => note(`Awry cannot read its store: ${text}`)));
    for (const name of ['state', 'heat', 'tail']) source.addEventListener(name, heed(v => document.dispatchEvent(new CustomEvent('awry:' + name, { detail: v }))));
    source.addEventListener('error', () => {
      lost();
      if (source?.readyState === EventSource.CLOSED) { close(); timer = setTimeout(open, RETRY_MS); }
    });
  };
  button.addEventListener('click', () => {
    paused = !paused;
    button.setAttribute('aria-pressed', String(paused));
    if (paused) { close(); note(''); state('paused', 'Paused'); } else open();
  });
  document.addEventListener('visibilitychange', () => document.hidden ? close() : open());
  addEventListener('pagehide', close);
  addEventListener('pageshow', e => { if (e.persisted) open(); });
  open();
  return { ask(next) { asked = next; open(); } };
}
