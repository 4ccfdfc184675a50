/* Canvas drawing shared by heat map, strips, brush and sparklines: tokens as colours, sharp sizes, redraw on theme and paper. */
import { scoreClass } from './words.js';
const root = document.documentElement;
let cache = {};
export const token = name => cache[name] ??= getComputedStyle(root).getPropertyValue('--' + name).trim();
export const colour = s => token('score-' + scoreClass(s));
export const isDark = () => root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
export const font = (c, px = 11, weight = 400) => { c.font = `${weight} ${px}px ${token('sans')}`; };

const redraws = new Set();
export const onTheme = f => redraws.add(f);
export const redrawAll = () => { cache = {}; redraws.forEach(f => f()); };
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawAll);

export function setTheme(name) {
  if (name) root.dataset.theme = name; else delete root.dataset.theme;
  redrawAll();
}
let before;
addEventListener('beforeprint', () => { before = root.dataset.theme; setTheme('light'); });
addEventListener('afterprint', () => setTheme(before));

/* draw(context, width, height) whenever size or theme change; returns the function that draws now. */
export function surface(canvas, height, draw) {
  const go = () => {
    const h = typeof height === 'function' ? height() : height, w = canvas.clientWidth;
    if (!w || !h) return;
    const ratio = Math.min(3, devicePixelRatio || 1);
    if (canvas.style.height !== h + 'px') canvas.style.height = h + 'px';
    const pw = Math.round(w * ratio), ph = Math.round(h * ratio);
    if (canvas.width !== pw) canvas.width = pw;
    if (canvas.height !== ph) canvas.height = ph;
    const c = canvas.getContext('2d');
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, w, h);
    draw(c, w, h);
  };
  redraws.add(go);
  new ResizeObserver(go).observe(canvas);
  go();
  return go;
}

export const hatch = (c, x, y, w, h) => {
  c.save(); c.beginPath(); c.rect(x, y, w, h); c.clip();
  c.strokeStyle = token('c-silence'); c.lineWidth = 1.5;
  for (let i = x - h; i < x + w; i += 7) { c.beginPath(); c.moveTo(i, y + h); c.lineTo(i + h, y); c.stroke(); }
  c.restore();
};
