import type { ICell } from '@jupyterlab/nbformat';
import { ServerConnection } from '@jupyterlab/services';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { ApiError } from '../src/api';
import { FileChanges, type Choose } from '../src/filechanges';
import type { OpenNotebook } from '../src/opennotebook';
import type { IMergeAnswer } from '../src/protocol';
import { notebook, settle, trans } from './fakes';
import { Page } from './page';

const gone = () =>
  new ServerConnection.ResponseError(
    { status: 404, statusText: 'Not Found' } as Response,
    'no such file'
  );

describe('a file that somebody else writes', () => {
  let page: Page;
  let open: OpenNotebook;
  let changes: FileChanges;
  const choose = vi.fn<Choose>();

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    vi.spyOn(console, 'info').mockImplementation(() => undefined);
    choose.mockReset();
    page = new Page(['one', 'two']);
    open = await page.open();
    changes = open.changes = new FileChanges({
      open,
      api: page.protection.api as never,
      read: path => page.file.get(path, { content: true }),
      choose,
      trans
    });
  });

  afterEach(() => {
    page.notebooks.dispose();
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  const inFile = () =>
    (page.file.content as { cells: { source: string }[] }).cells.map(
      one => one.source
    );

  const said = () =>
    changes.notice?.node.querySelector('.jp-Indelible-noticeText')
      ?.textContent ?? null;

  const press = async (label: string): Promise<void> => {
    const buttons = [...changes.notice!.node.querySelectorAll('button')];
    buttons.find(one => one.textContent === label)!.click();
    await vi.advanceTimersByTimeAsync(0);
    await settle();
  };

  /** The server's merge: the second cell is the file's, the first is ours. */
  function answer(values: Partial<IMergeAnswer> = {}): IMergeAnswer {
    const theirs = notebook(['one', 'two, outside'])
      .cells[1] as unknown as ICell;
    return {
      hash: page.file.hash,
      trusted: false,
      theirs: 2,
      cells: [
        { ours: 0, theirs: 0, cell: null, is_theirs: false },
        { ours: 1, theirs: 1, cell: theirs, is_theirs: true }
      ],
      meta: { nbformat: 4, nbformat_minor: 5, metadata: {} },
      is_meta_ours: true,
      is_meta_theirs: true,
      conflicts: [],
      kept: 3,
      ...values
    };
  }

  function conflicting(theirs: string): IMergeAnswer {
    const cell = (source: string) =>
      ({ ...notebook([source]).cells[0], id: 'id-0' }) as unknown as ICell;
    return answer({
      conflicts: [
        {
          at: 0,
          kind: 'source',
          base: cell('one'),
          ours: cell('one!'),
          theirs: cell(theirs)
        }
      ]
    });
  }

  /** Another content, which the page learns of by its next save. */
  function outside(): void {
    page.file.write(notebook(['one', 'two, outside']));
    page.protection.api.merge.mockImplementation(async () => answer());
  }

  it('is shown when nothing is unsaved, and that is all', async () => {
    page.file.write(notebook(['one', 'two, outside', 'three']));
    await changes.fileChanged(page.file.hash);
    expect(page.sources).toEqual(['one', 'two, outside', 'three']);
    expect(page.context.model.dirty).toBe(false);
    expect(open.fileHash).toBe(page.file.hash);
    expect(said()).toMatch(/changed outside and is shown: 2 cells/);
    expect(page.recorder.rebase).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(said()).toBeNull();
  });

  it('is merged before it is replaced, and what is written is the merge', async () => {
    page.type('!');
    outside();
    await page.context.save();
    expect(page.sources).toEqual(['one!', 'two, outside']);
    expect(inFile()).toEqual(['one!', 'two, outside']);
    expect(open.lastSave?.failure).toBeNull();
    expect(said()).toMatch(/Both sides are in the notebook/);
  });

  it('where both sides changed the same, asks once, writes nothing, and takes what is chosen', async () => {
    page.type('!');
    page.file.write(notebook(['one?', 'two']));
    page.protection.api.merge.mockResolvedValue(conflicting('one?'));
    await expect(page.context.save()).rejects.toThrow();
    await expect(page.context.save()).rejects.toThrow();
    expect(open.conflict).toBe('merge');
    expect(said()).toMatch(/1 cell differs there and here/);
    expect(page.sources).toEqual(['one!', 'two']);
    expect(inFile()).toEqual(['one?', 'two']);
    choose.mockResolvedValueOnce(null);
    await press('Choose…');
    expect(open.conflict).toBe('merge');
    choose.mockResolvedValueOnce(['theirs']);
    await press('Choose…');
    expect(page.sources).toEqual(['one?', 'two, outside']);
    expect(open.conflict).toBeNull();
    expect(said()).toBeNull();
    expect(inFile()).toEqual(['one?', 'two, outside']);
  });

  it('goes on asking when the server tells, later than the save found out, that the file has changed', async () => {
    page.type('!');
    page.file.write(notebook(['one?', 'two']));
    page.protection.api.merge.mockResolvedValue(conflicting('one?'));
    const saved = expect(page.context.save()).rejects.toThrow();
    await changes.fileChanged(page.file.hash);
    await saved;
    await changes.fileChanged(page.file.hash);
    expect(open.conflict).toBe('merge');
    expect(said()).toMatch(/saving waits for your choice/);
    // As it was before: nothing is in conflict any more.
    page.file.hash = open.fileHash!;
    await changes.fileChanged(page.file.hash);
    expect(open.conflict).toBeNull();
    expect(said()).toBeNull();
  });

  it('asks again when the conflict became another while the user chose', async () => {
    page.type('!');
    page.file.write(notebook(['one?', 'two']));
    const { merge } = page.protection.api;
    merge.mockResolvedValue(conflicting('one?'));
    await expect(page.context.save()).rejects.toThrow();
    choose.mockImplementationOnce(async () => {
      merge.mockResolvedValue(conflicting('one, once more'));
      return ['theirs'];
    });
    choose.mockResolvedValueOnce(['theirs']);
    await press('Choose…');
    expect(choose).toHaveBeenCalledTimes(2);
    expect(page.sources[0]).toBe('one, once more');
  });

  it('lets stand what is typed during the merge into a cell that it leaves alone', async () => {
    page.type('!');
    outside();
    page.protection.api.merge.mockImplementationOnce(async () => {
      page.type('?');
      page.recorder.cellsSince.mockReturnValueOnce([0]);
      return answer();
    });
    await page.context.save();
    expect(page.protection.api.merge).toHaveBeenCalledOnce();
    expect(page.sources).toEqual(['one!?', 'two, outside']);
    const [, merged] = page.recorder.rebase.mock.calls[0] as unknown as [
      string,
      { differing: number[] }
    ];
    expect(merged.differing).toContain(0);
  });

  it('is merged anew when what is typed meanwhile is where the file has changed', async () => {
    page.type('!');
    outside();
    page.recorder.cellsSince.mockReturnValueOnce([1]);
    const saved = page.context.save();
    await vi.advanceTimersByTimeAsync(1_000);
    await saved;
    expect(page.protection.api.merge).toHaveBeenCalledTimes(2);
    expect(page.sources).toEqual(['one!', 'two, outside']);
  });

  it('is left for later when it is changed faster than it can be merged', async () => {
    page.type('!');
    outside();
    page.recorder.cellsSince.mockReturnValue(null);
    const saved = expect(page.context.save()).rejects.toMatchObject({
      name: 'ModalCancelError'
    });
    await vi.advanceTimersByTimeAsync(10_000);
    await saved;
    expect(open.lastSave?.failure).toMatchObject({ code: 'busy' });
    expect(inFile()).toEqual(['one', 'two, outside']);
  });

  it('that is gone is asked about once, and written when that is wanted', async () => {
    page.type('!');
    page.file.failure = gone();
    await expect(page.context.save()).rejects.toThrow();
    await expect(page.context.save()).rejects.toThrow();
    expect(said()).toMatch(/deleted or moved outside/);
    expect(page.file.writes).toEqual([]);
    // The question before the PUT meets the same 404, the PUT itself works.
    page.file.save.mockImplementationOnce(async (_path, options) => {
      page.file.failure = null;
      page.file.write(options?.content);
      return page.file.model(false);
    });
    await press('Save it here again');
    expect(inFile()).toEqual(['one!', 'two']);
    expect(open.conflict).toBeNull();
    expect(said()).toBeNull();
  });

  it('that was gone and is there again stops nothing any more', async () => {
    page.type('!');
    page.file.failure = gone();
    await expect(page.context.save()).rejects.toThrow();
    page.file.failure = null;
    await changes.fileChanged(page.file.hash);
    expect(open.conflict).toBeNull();
    expect(said()).toBeNull();
    await page.context.save();
    expect(inFile()).toEqual(['one!', 'two']);
  });

  it('that is no notebook any more is asked about, and written over when that is wanted', async () => {
    page.type('!');
    page.file.write({ cells: 'no list' });
    page.protection.api.merge.mockRejectedValue(
      new ApiError(409, 'not_a_notebook', 'no notebook')
    );
    await expect(page.context.save()).rejects.toThrow();
    expect(open.conflict).toBe('broken');
    expect(said()).toMatch(/is no notebook/);
    expect(page.file.content).toEqual({ cells: 'no list' });
    await press('Write the notebook');
    expect(inFile()).toEqual(['one!', 'two']);
    expect(open.conflict).toBeNull();
  });

  it('after a reload nothing is asked any more', async () => {
    page.type('!');
    page.file.write(notebook(['one?', 'two']));
    page.protection.api.merge.mockResolvedValue(conflicting('one?'));
    await expect(page.context.save()).rejects.toThrow();
    await page.context.revert();
    expect(open.conflict).toBeNull();
    expect(said()).toBeNull();
    expect(page.sources).toEqual(['one?', 'two']);
  });

  it('is not called gone when the notebook was renamed during the save', async () => {
    page.type('!');
    page.file.failure = gone();
    page.file.get.mockImplementationOnce(async () => {
      page.context.localPath = 'b.ipynb';
      throw gone();
    });
    await expect(page.context.save()).rejects.toMatchObject({
      name: 'ModalCancelError'
    });
    expect(open.conflict).toBeNull();
    expect(said()).toBeNull();
  });
});
