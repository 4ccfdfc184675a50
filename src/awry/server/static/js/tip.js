/* One tooltip per page, beside the pointer or a focused cell. */
let box;
export function tip(content, x, y) {
  if (!box) { box = document.createElement('div'); box.className = 'tip'; box.setAttribute('aria-hidden', 'true'); document.body.append(box); }
  if (!content) { box.classList.remove('on'); return; }
  box.innerHTML = content;
  const r = box.getBoundingClientRect();
  box.style.left = Math.max(8, Math.min(innerWidth - r.width - 8, x + 14)) + 'px';
  box.style.top = (y + 18 + r.height > innerHeight ? Math.max(8, y - r.height - 12) : y + 18) + 'px';
  box.classList.add('on');
}
export const say = text => { const at = document.getElementById('say'); if (at) at.textContent = text; };
