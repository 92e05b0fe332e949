import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { FileSaves, SaveFailure } from '../src/filesave';
import type { ServerMessage } from '../src/protocol';

const point = { seq: 3, keys: [0] };

function wrote(id: number): Extract<ServerMessage, { t: 'wrote' }> {
  return {
    t: 'wrote',
    wc: 'a'.repeat(32),
    id,
    seq: 3,
    hash: 'new',
    size: 10,
    changed: true,
    shrunk: null,
    model: { path: 'n.ipynb' }
  } as never;
}

describe('a save that the server is asked for', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const sent: number[] = [];
  const send = (id: number): boolean => sent.push(id) > 0;
  const MB = 2 ** 20;

  it('ends with the answer of its own number', async () => {
    const saves = new FileSaves();
    const first = saves.ask(point, 0, send);
    const second = saves.ask({ ...point, seq: 4 }, 0, send);
    const [one, other] = sent.slice(-2);
    saves.answered(wrote(other));
    saves.answered(wrote(one));
    expect((await first).point.seq).toBe(3);
    expect((await second).point.seq).toBe(4);
  });

  it('fails when no answer comes in time, later for a large file', async () => {
    const saves = new FileSaves();
    const failed = vi.fn();
    saves.ask(point, 0, send).catch(failed);
    saves.ask(point, 50 * MB, send).catch(failed);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(failed).toHaveBeenCalledOnce();
    expect(failed.mock.calls[0][0]).toMatchObject({ code: 'no_answer' });
    await vi.advanceTimersByTimeAsync(25_000);
    expect(failed).toHaveBeenCalledTimes(2);
    // What comes after that is nobody's.
    saves.answered(wrote(sent[sent.length - 1]));
  });

  it('fails at once when nothing can be sent, and when the connection is lost', async () => {
    const saves = new FileSaves();
    const offline = { code: 'offline' };
    await expect(saves.ask(point, 0, () => false)).rejects.toMatchObject(
      offline
    );
    const asked = saves.ask(point, 0, send);
    saves.lost();
    await expect(asked).rejects.toMatchObject(offline);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is for Jupyter’s own way where the server or its store cannot, and not where the file is in question', () => {
    const isFull = (code: string) => new SaveFailure(code, '').isForFullSave;
    const full = ['behind', 'page_differs', 'not_local', 'store_failed'];
    const asked = ['file_changed', 'file_gone', 'disk_full', 'offline', 'busy'];
    expect(full.map(isFull)).toEqual(full.map(() => true));
    expect(asked.map(isFull)).toEqual(asked.map(() => false));
  });
});
