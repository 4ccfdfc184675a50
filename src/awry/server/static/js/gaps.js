/* Breaks lines where samples are missing: a row without a value goes into every hole. */
const COLUMNS = ['value', 'expected', 'low', 'high', 'score', 'segment'];

export function withGaps(d, interval, range, points) {
  const hole = Math.max(3 * (interval || 0), 4 * range / Math.max(1, points));
  const times = d.time, out = { ...d, time: [] };
  for (const name of COLUMNS) out[name] = [];
  const words = ['part', 'why'].filter(name => d[name]);
  for (const name of words) out[name] = [];
  for (let i = 0; i < times.length; i++) {
    if (i && interval && times[i] - times[i - 1] > hole) {
      out.time.push(times[i - 1] + Math.min(interval, (times[i] - times[i - 1]) / 2));
      for (const name of COLUMNS) out[name].push(null);
      for (const name of words) out[name].push(null);
    }
    out.time.push(times[i]);
    for (const name of COLUMNS) out[name].push(d[name]?.[i] ?? null);
    for (const name of words) out[name].push(d[name][i]);
  }
  return out;
}
