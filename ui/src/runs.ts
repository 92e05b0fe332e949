/** Lists of cell keys, run-length encoded as [first key, count]. */
import type { Runs } from './protocol';

export function compress(keys: readonly number[]): Runs {
  const runs: Runs = [];
  for (const key of keys) {
    const last = runs[runs.length - 1];
    if (last && last[0] + last[1] === key) {
      last[1]++;
    } else {
      runs.push([key, 1]);
    }
  }
  return runs;
}
