/* Manners of every page: search box, keys, theme, menu, dialogs, pickers, lists. */
import { isDark, setTheme } from './paint.js';

const $ = id => document.getElementById(id);
const fields = /^(INPUT|SELECT|TEXTAREA)$/;

function search() {
  const input = $('q'), box = $('found');
  let at = -1, chosen = '';
  const options = () => [...box.querySelectorAll('[role=option]')];
  const show = on => { box.hidden = !on; input.setAttribute('aria-expanded', String(on)); if (!on) input.removeAttribute('aria-activedescendant'); };
  const mark = i => {
    const all = options();
    at = all.length ? (i + all.length) % all.length : -1;
    all.forEach((o, k) => o.setAttribute('aria-selected', String(k === at)));
    chosen = at >= 0 ? all[at].href : '';
    if (at >= 0) { input.setAttribute('aria-activedescendant', all[at].id); all[at].scrollIntoView({ block: 'nearest' }); }
  };
  box.addEventListener('htmx:afterSwap', () => { if (document.activeElement === input) show(true); mark(Math.max(0, options().findIndex(o => o.href === chosen))); });
  box.addEventListener('mousedown', e => e.preventDefault());   // a click inside must not blur the field first
  input.addEventListener('blur', () => show(false));
  input.addEventListener('input', () => { chosen = ''; });
  input.addEventListener('focus', () => { if (box.children.length) show(true); });
  input.addEventListener('keydown', e => {
    if (e.key === 'ArrowDown') { mark(at + 1); e.preventDefault(); }
    else if (e.key === 'ArrowUp') { mark(at - 1); e.preventDefault(); }
    else if (e.key === 'Escape') { input.blur(); e.stopPropagation(); }
    else if (e.key === 'Enter') {
      const option = options()[at];
      e.preventDefault();
      if (option && !box.hidden && !e.shiftKey) location.href = option.href;
      else if (input.value.trim()) location.href = '/series?' + new URLSearchParams({ match: input.value.trim() });
    }
  });
}

function keys() {
  const pages = { o: '/', i: '/incidents', s: '/series', r: '/rules', t: '/status' };
  let went = 0, row = -1;
  const list = () => [...document.querySelectorAll('.inc, a.row-link, #rules button[data-rule]')];
  document.addEventListener('keydown', e => {
    if (fields.test(e.target.tagName) || e.metaKey || e.ctrlKey || e.altKey || e.defaultPrevented) return;
    if (document.querySelector('dialog[open]')) return;
    const key = e.key;
    if (key === '/') { $('q').focus(); $('q').select(); e.preventDefault(); }
    else if (key === '?') $('keys').showModal();
    else if (key === 'g') went = Date.now();
    else if (Date.now() - went < 900 && pages[key]) location.href = pages[key];
    else if (key === 'j' || key === 'k') {
      const all = list();
      if (!all.length) return;
      const now = all.indexOf(document.activeElement);
      row = Math.max(0, Math.min(all.length - 1, (now >= 0 ? now : row) + (key === 'j' ? 1 : -1)));
      all[row].focus();
    } else {
      const button = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
      if (button) { button.click(); e.preventDefault(); }
    }
  });
}

export function pick(group, chosen) {
  group.querySelectorAll('button[value]').forEach(b => b.setAttribute('aria-pressed', String(b.value === chosen)));
}

export function shell() {
  search();
  keys();
  const menu = document.querySelector('[data-do=menu]');
  menu.addEventListener('click', () => menu.setAttribute('aria-expanded', String($('nav').classList.toggle('open'))));
  document.querySelector('[data-do=theme]').addEventListener('click', () => {
    const next = isDark() ? 'light' : 'dark';
    setTheme(next);
    try { localStorage.setItem('awry-theme', next); } catch { /* storage is off: until the next page, then */ }
  });
  document.querySelector('[data-do=keys]').addEventListener('click', () => $('keys').showModal());
  document.addEventListener('click', e => {
    const button = e.target.closest('button');
    if (!button) return;
    if (button.dataset.open) $(button.dataset.open).showModal();
    if ('close' in button.dataset) button.closest('dialog').close();
    const group = button.closest('.pick');
    if (group && button.value && button.hasAttribute('aria-pressed')) {
      pick(group, button.value);
      group.dispatchEvent(new CustomEvent('pick', { detail: button.value, bubbles: true }));
    }
  });
  document.querySelectorAll('dialog').forEach(d => d.addEventListener('click', e => { if (e.target === d) d.close(); }));
}
