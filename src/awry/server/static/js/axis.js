/* The time axis that everything on a page shares. */
import { DAY, HOUR, MIN, dm, hm, hms } from './words.js';
import { font, token } from './paint.js';

const STEPS = [1e3, 5e3, 15e3, 30e3, ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 4320, 10080, 20160, 40320].map(m => m * MIN)];
export function ticks(t0, t1, width) {
  const step = STEPS.find(s => (t1 - t0) / s * (s >= DAY ? 84 : 64) <= width) || STEPS.at(-1), found = [];
  const offset = step % (7 * DAY) ? 0 : 4 * DAY;   // weeks start on Monday
  for (let t = Math.ceil((t0 - offset) / step) * step + offset; t <= t1; t += step)
    found.push([t, step >= DAY || t % DAY === 0 ? dm(t) : step < MIN ? hms(t) : hm(t)]);
  return found;
}
export function axis(c, x, t0, t1, y, width, grid) {
  font(c); c.textAlign = 'center'; c.textBaseline = 'top';
  for (const [t, text] of ticks(t0, t1, width)) {
    const px = Math.round(x(t)) + .5;
    if (grid) { c.strokeStyle = token('c-grid'); c.lineWidth = 1; c.beginPath(); c.moveTo(px, grid[0]); c.lineTo(px, grid[1]); c.stroke(); }
    const half = c.measureText(text).width / 2;
    if (px - half < x(t0) - 30 || px + half > x(t1) + 8 || px - half < 0 || px + half > c.canvas.clientWidth) continue;
    c.fillStyle = token('c-axis'); c.fillText(text, px, y);
  }
}
export const shortRange = ms => ms < 3 * HOUR;
