import { ServerConnection } from '@jupyterlab/services';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { OPEN_MS } from '../src/provider';
import { draft, notebook, settle, summary } from './fakes';
import { Page } from './page';

let page: Page;

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  page = new Page();
});

afterEach(() => {
  page.notebooks.dispose();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('opening', () => {
  it('shows the file when there is no draft, and attaches with its hash', async () => {
    await page.open();
    expect(page.sources).toEqual(['one', 'two']);
    expect(page.protection.api.open).toHaveBeenCalledWith('a.ipynb', 'hash-0');
    expect(page.recorder.options).toMatchObject({
      base: 'hash-0',
      cells: 2,
      mode: 'full'
    });
    expect(page.recorder.options.draft).toBeUndefined();
    expect(page.context.model.dirty).toBe(false);
  });

  it('shows the draft, with the file’s hash, marked unsaved', async () => {
    const found = draft(['one', 'two, typed', 'three']);
    page.protection.api.open.mockResolvedValue({ draft: found, others: [] });
    await page.open();
    await settle();
    expect(page.sources).toEqual(['one', 'two, typed', 'three']);
    expect(page.context.contentsModel?.hash).toBe('hash-0');
    expect(page.recorder.options).toMatchObject({
      base: 'hash-0',
      cells: 2,
      draft: found
    });
    expect(page.context.model.dirty).toBe(true);
  });

  it('sends what another tab left before it asks for a draft', async () => {
    const order: string[] = [];
    page.protection.flushOrphans.mockImplementation(
      async () => void order.push('flush')
    );
    page.protection.api.open.mockImplementation(async () => {
      order.push('open');
      return { draft: null, others: [] };
    });
    await page.open();
    expect(order).toEqual(['flush', 'open']);
  });

  it('shows the file when the draft cannot be had', async () => {
    page.protection.api.open.mockRejectedValue(new Error('500'));
    page.protection.flushOrphans.mockRejectedValue(new Error('no database'));
    await page.open();
    expect(page.sources).toEqual(['one', 'two']);
  });

  it('shows the file when the server does not answer in time', async () => {
    vi.useFakeTimers();
    page.protection.api.open.mockReturnValue(new Promise(() => undefined));
    page.add();
    const opened = page.context.revert();
    await vi.advanceTimersByTimeAsync(OPEN_MS + 1);
    await opened;
    expect(page.sources).toEqual(['one', 'two']);
  });

  it('shows the file when the draft is not a notebook', async () => {
    page.protection.api.open.mockResolvedValue({
      draft: draft([], { content: {} }),
      others: []
    });
    await page.open();
    expect(page.sources).toEqual(['one', 'two']);
  });

  it('does not ask a server that has no Indelible', async () => {
    page.protection.link = 'missing';
    await page.open();
    expect(page.protection.api.open).not.toHaveBeenCalled();
    expect(page.sources).toEqual(['one', 'two']);
  });

  it('lets Jupyter report a file that cannot be read', async () => {
    page.file.failure = new Error('no such file');
    await expect(page.open()).rejects.toThrow('no such file');
  });

  it('takes later reads for reverts and gives the file', async () => {
    page.protection.api.open.mockResolvedValue({
      draft: draft(['drafted']),
      others: []
    });
    await page.open();
    await settle();
    page.file.write(notebook(['from', 'the', 'file']));
    await page.context.revert();
    expect(page.sources).toEqual(['from', 'the', 'file']);
    expect(page.recorder.reloading).toHaveBeenCalledWith(
      'hash-1',
      3,
      notebook(['from', 'the', 'file']).cells
    );
    expect(page.protection.api.open).toHaveBeenCalledTimes(1);
  });

  it('leaves other readers of the path alone', async () => {
    const model = await page.provider.get('a.ipynb', {
      type: 'notebook',
      content: true
    });
    expect(model.content).toEqual(notebook(['one', 'two']));
    expect(page.protection.api.open).not.toHaveBeenCalled();
  });

  it('remembers drafts that are not shown', async () => {
    const others = [summary({ base_is_current: false })];
    page.protection.api.open.mockResolvedValue({ draft: null, others });
    const open = await page.open();
    expect(open.loaded?.others).toEqual(others);
  });
});

describe('saving', () => {
  it('marks when the content is made, and tells the recorder the file’s new hash', async () => {
    const open = await page.open();
    page.type('!');
    await page.context.save();
    expect(page.file.writes).toHaveLength(1);
    expect(page.recorder.saved).toHaveBeenCalledWith(
      { seq: 1, keys: [0] },
      'hash-1'
    );
    expect(open.lastSave).toMatchObject({ by: 'user', failure: null });
  });

  it('calls the notebook unsaved again when more was typed meanwhile', async () => {
    await page.open();
    page.type('!');
    page.file.save.mockImplementationOnce(async (_path, options) => {
      page.file.write(options?.content);
      page.type('?');
      return page.file.model(false);
    });
    await page.context.save();
    expect(page.recorder.saved).toHaveBeenCalledWith(
      { seq: 1, keys: [0] },
      'hash-1'
    );
    expect(page.context.model.dirty).toBe(true);
  });

  it('does not take somebody else’s hash for ours', async () => {
    await page.open();
    page.type('!');
    page.file.save.mockImplementationOnce(async (_path, options) => {
      page.file.write(options?.content);
      const answer = page.file.model(false);
      page.file.write(notebook(['theirs']));
      return answer;
    });
    await page.context.save();
    expect(page.recorder.saved).toHaveBeenCalledWith(
      { seq: 1, keys: [0] },
      null
    );
    expect(page.context.contentsModel?.hash).toBeUndefined();
  });

  it('fails without a dialog, and says so', async () => {
    const open = await page.open();
    const states: string[] = [];
    page.context.saveState.connect((_, state) => void states.push(state));
    page.type('!');
    page.file.failure = new TypeError('Failed to fetch');
    await expect(page.context.save()).rejects.toMatchObject({
      name: 'ModalCancelError'
    });
    expect(open.lastSave?.failure?.message).toBe('Failed to fetch');
    expect(states).toEqual(['started', 'failed']);
    expect(page.recorder.saved).not.toHaveBeenCalled();
  });

  it('lets Jupyter handle a file that is gone', async () => {
    await page.open();
    const response = new Response('', { status: 404 });
    page.file.failure = new ServerConnection.ResponseError(response);
    await expect(page.provider.get('a.ipynb', { content: false })).rejects.toBe(
      page.file.failure
    );
  });

  it('knows its own write again when the answer to it was lost', async () => {
    await page.open();
    page.type('!');
    page.file.save.mockImplementationOnce(async (_path, options) => {
      page.file.write(options?.content);
      throw new TypeError('Failed to fetch');
    });
    await expect(page.context.save()).rejects.toMatchObject({
      name: 'ModalCancelError'
    });
    await page.context.save();
    expect(page.recorder.saved).toHaveBeenCalledTimes(1);
  });

  it('never writes over a file that is really another, and opens no dialog', async () => {
    const open = await page.open();
    page.type('!');
    page.file.write(notebook(['theirs']));
    await expect(page.context.save()).rejects.toMatchObject({
      name: 'ModalCancelError'
    });
    expect(open.lastSave?.failure).toMatchObject({
      code: 'file_changed'
    });
    expect(page.file.model(true).content).toEqual(notebook(['theirs']));
  });

  it('does not call a “Save As” elsewhere a save of this file', async () => {
    await page.open();
    page.type('!');
    page.context.saveState.emit('started');
    page.fileChanged.emit({
      type: 'save',
      oldValue: null,
      newValue: { path: 'b.ipynb' }
    });
    page.context.saveState.emit('completed');
    expect(page.recorder.saved).not.toHaveBeenCalled();
  });

  it('lets a second save wait for the first', async () => {
    await page.open();
    page.type('!');
    const first = page.context.save();
    page.type('?');
    const second = page.context.save();
    await Promise.allSettled([first, second]);
    expect(page.recorder.saved).toHaveBeenCalledTimes(2);
  });
});

describe('closing', () => {
  it('says clean when the file holds everything', async () => {
    await page.open();
    page.context.dispose();
    expect(page.protection.detach).toHaveBeenCalledWith(page.recorder, 'clean');
  });

  it('says discard when the user closed it unsaved', async () => {
    await page.open();
    page.type('!');
    page.context.dispose();
    expect(page.protection.detach).toHaveBeenCalledWith(
      page.recorder,
      'discard'
    );
  });

  it('says away when the page itself goes', async () => {
    await page.open();
    page.type('!');
    window.dispatchEvent(new Event('pagehide'));
    page.context.dispose();
    expect(page.protection.detach).toHaveBeenCalledWith(page.recorder, 'away');
  });
});
