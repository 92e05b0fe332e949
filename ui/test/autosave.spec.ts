import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

vi.mock('@jupyterlab/notebook', () => ({
  NotebookActions: { executed: new Signal({}) }
}));

import { NotebookActions } from '@jupyterlab/notebook';

import { Autosave } from '../src/autosave';
import { AutosaveInterval, chooseInterval } from '../src/interval';
import { Page } from './page';

const S = 1000;

describe('the interval', () => {
  it('is what was set in this page, before all else', () => {
    expect(
      chooseInterval(5 * S, { autosave: false, autosaveInterval: 30 }, 10 * S)
    ).toBe(5 * S);
    expect(chooseInterval(0, { autosaveInterval: 30 }, 10 * S)).toBe(0);
  });
  it('is the user’s own setting before the server’s default', () => {
    expect(chooseInterval(null, { autosaveInterval: 30 }, 10 * S)).toBe(30 * S);
    expect(chooseInterval(null, { autosave: false }, 10 * S)).toBe(0);
    expect(
      chooseInterval(null, { autosave: false, autosaveInterval: 30 }, 10 * S)
    ).toBe(0);
    expect(chooseInterval(null, { autosave: true }, 10 * S)).toBe(10 * S);
  });
  it('is the server’s default, else a minute; 0 is never', () => {
    expect(chooseInterval(null, {}, 10 * S)).toBe(10 * S);
    expect(chooseInterval(null, {}, 0)).toBe(0);
    expect(chooseInterval(null, {}, null)).toBe(60 * S);
  });
  it('stays within what a timer can do', () => {
    expect(chooseInterval(1e15, {}, null)).toBeLessThan(2 ** 31);
    expect(chooseInterval(1, {}, null)).toBe(100);
    expect(chooseInterval(NaN, {}, null)).toBe(0);
  });
});

describe('a notebook', () => {
  let page: Page;
  let interval: AutosaveInterval;
  let autosave: Autosave;
  const events = { saveOnBlur: false, saveAfterRun: false };

  beforeEach(async () => {
    vi.useFakeTimers();
    Object.assign(events, { saveOnBlur: false, saveAfterRun: false });
    page = new Page();
    interval = new AutosaveInterval();
    interval.setServer(10 * S);
    const open = await page.open();
    autosave = new Autosave({
      open,
      interval,
      protection: page.protection,
      events
    });
  });

  afterEach(() => {
    autosave.dispose();
    page.notebooks.dispose();
    vi.useRealTimers();
  });

  const writes = () => page.file.writes.length;

  it('is written when it has changed, and only then', async () => {
    await vi.advanceTimersByTimeAsync(35 * S);
    expect(writes()).toBe(0);
    page.type('!');
    await vi.advanceTimersByTimeAsync(5 * S);
    expect(writes()).toBe(1);
    expect(
      page.notebooks.forPanel({ context: page.context } as never)?.lastSave?.by
    ).toBe('autosave');
    page.recorder.isAhead = false;
    await vi.advanceTimersByTimeAsync(30 * S);
    expect(writes()).toBe(1);
  });

  it('is not written for what does not count, though Jupyter calls it changed', async () => {
    page.context.model.dirty = true;
    await vi.advanceTimersByTimeAsync(30 * S);
    expect(writes()).toBe(0);
  });

  it('keeps the interval after a slow save', async () => {
    const at: number[] = [];
    const start = Date.now();
    page.file.save.mockImplementation(async (_path, options) => {
      at.push((Date.now() - start) / S);
      await new Promise(resolve => setTimeout(resolve, 4 * S));
      page.file.write(options?.content);
      page.type('.');
      return page.file.model(false);
    });
    page.type('!');
    await vi.advanceTimersByTimeAsync(45 * S);
    expect(at).toEqual([10, 20, 30, 40]);
  });

  it('is saved once more at once when a save lasts longer than the interval', async () => {
    page.file.save.mockImplementationOnce(async (_path, options) => {
      await new Promise(resolve => setTimeout(resolve, 12 * S));
      page.file.write(options?.content);
      page.type('.');
      return page.file.model(false);
    });
    page.type('!');
    await vi.advanceTimersByTimeAsync(21 * S);
    expect(writes()).toBe(0);
    await vi.advanceTimersByTimeAsync(2 * S);
    expect(writes()).toBe(2);
  });

  it('waits while the server is away, and makes up for it when it is back', async () => {
    page.type('!');
    page.protection.setLink('offline');
    await vi.advanceTimersByTimeAsync(25 * S);
    expect(writes()).toBe(0);
    page.protection.setLink('connected');
    await vi.advanceTimersByTimeAsync(0);
    expect(writes()).toBe(1);
  });

  it('follows a new interval at once, and 0 switches it off', async () => {
    page.type('!');
    interval.setHere(2 * S);
    await vi.advanceTimersByTimeAsync(2 * S);
    expect(writes()).toBe(1);
    interval.setHere(0);
    page.type('!');
    await vi.advanceTimersByTimeAsync(600 * S);
    expect(writes()).toBe(1);
  });

  it('goes on after a save that failed', async () => {
    page.type('!');
    page.file.failure = new TypeError('Failed to fetch');
    await vi.advanceTimersByTimeAsync(10 * S);
    page.file.failure = null;
    await vi.advanceTimersByTimeAsync(10 * S);
    expect(writes()).toBe(1);
  });

  it('is saved when the page loses the focus, if that is wanted', async () => {
    page.type('!');
    window.dispatchEvent(new Event('blur'));
    await vi.advanceTimersByTimeAsync(0);
    expect(writes()).toBe(0);
    events.saveOnBlur = true;
    window.dispatchEvent(new Event('blur'));
    await vi.advanceTimersByTimeAsync(0);
    expect(writes()).toBe(1);
  });

  it('is saved after a run, if that is wanted', async () => {
    page.type('!');
    const panel = [...page.notebooks][0].panels[0];
    const run = () =>
      (NotebookActions.executed as unknown as Signal<object, object>).emit({
        notebook: panel.content
      });
    run();
    await vi.advanceTimersByTimeAsync(0);
    expect(writes()).toBe(0);
    events.saveAfterRun = true;
    run();
    await vi.advanceTimersByTimeAsync(0);
    expect(writes()).toBe(1);
  });

  it('stops when it is closed', async () => {
    page.type('!');
    page.context.dispose();
    expect(autosave.isDisposed).toBe(true);
    await vi.advanceTimersByTimeAsync(60 * S);
    expect(writes()).toBe(0);
  });
});
