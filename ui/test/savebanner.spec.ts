import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { SaveFailure } from '../src/filesave';
import { AWAY_MS, SaveBanner } from '../src/savebanner';
import type { OpenNotebook } from '../src/opennotebook';
import { Page } from './page';

const trans = nullTranslator.load('indelible');

describe('the banner of a save that failed', () => {
  let page: Page;
  let open: OpenNotebook;
  let banner: SaveBanner;
  const logIn = vi.fn();

  beforeEach(async () => {
    vi.useFakeTimers({ now: new Date('2026-03-01T15:32:00') });
    page = new Page();
    open = await page.open();
    banner = new SaveBanner({
      open,
      protection: page.protection,
      logIn,
      trans
    });
  });

  afterEach(() => {
    banner.dispose();
    page.notebooks.dispose();
    vi.useRealTimers();
  });

  const text = () =>
    banner.notice?.node.querySelector('.jp-Indelible-noticeText')
      ?.textContent ?? null;

  const button = () =>
    banner.notice!.node.querySelector<HTMLButtonElement>(
      '.jp-Indelible-noticeButton'
    )!;

  async function fail(failure: Error): Promise<void> {
    page.type('!');
    page.file.failure = failure;
    await open.autosave();
  }

  it('names the cause and what is safe, and goes when the save succeeds', async () => {
    expect(text()).toBeNull();
    await fail(
      new SaveFailure(
        'disk_full',
        'no space is left to write /home/a.ipynb: 0.0 MB free'
      )
    );
    expect(text()).toBe(
      'Not saved (15:32): the disk of the file is full. Your edits are safe in the server’s journal. It is tried again by itself.'
    );
    expect(
      banner.notice?.node.querySelector<HTMLElement>('.jp-Indelible-noticeText')
        ?.title
    ).toBe('no space is left to write /home/a.ipynb: 0.0 MB free');
    page.file.failure = null;
    await open.autosave();
    expect(text()).toBeNull();
  });

  it('tries again when it is told to', async () => {
    await fail(new SaveFailure('no_permission', 'no'));
    page.file.failure = null;
    button().click();
    await vi.advanceTimersByTimeAsync(0);
    expect(page.file.writes.length).toBe(1);
    expect(text()).toBeNull();
  });

  it('closed by the user, comes back for another cause only', async () => {
    await fail(new SaveFailure('disk_full', 'full'));
    banner.notice!.dispose();
    await fail(new SaveFailure('disk_full', 'full'));
    expect(text()).toBeNull();
    await fail(new SaveFailure('read_only', 'read-only'));
    expect(text()).toMatch(/a disk that is read-only/);
  });

  it('leaves a conflict to the notice that asks about it', async () => {
    open.conflict = 'merge';
    await fail(new SaveFailure('conflict', ''));
    expect(text()).toBeNull();
  });

  it('says when the server stays out of reach and edits wait', async () => {
    page.type('!');
    page.recorder.pending = page.recorder.kept = 1;
    page.protection.setLink('offline');
    await vi.advanceTimersByTimeAsync(AWAY_MS - 1);
    expect(text()).toBeNull();
    await vi.advanceTimersByTimeAsync(1);
    expect(text()).toBe(
      'The server is out of reach. Go on working. 1 edit is kept in this browser and will follow by itself.'
    );
    page.recorder.pending = page.recorder.kept = 2;
    page.recorder.changed.emit();
    expect(text()).toMatch(/2 edits are kept/);
    page.protection.setLink('connected');
    expect(text()).toBeNull();
  });

  it('offers the login page when the login has expired', async () => {
    page.type('!');
    page.protection.setLink('login');
    await vi.advanceTimersByTimeAsync(AWAY_MS);
    expect(text()).toMatch(/^Your login has expired/);
    button().click();
    expect(logIn).toHaveBeenCalledOnce();
  });

  it('without unsaved edits is not there', async () => {
    page.protection.setLink('offline');
    await vi.advanceTimersByTimeAsync(AWAY_MS);
    expect(text()).toBeNull();
  });
});
