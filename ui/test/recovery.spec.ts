import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Recovery } from '../src/recovery';
import type { IDraftSummary, IOpening } from '../src/protocol';
import { draft, notebook, settle, summary, trans } from './fakes';
import { Page } from './page';

let page: Page;
let recovery: Recovery;
const compare = vi.fn(async () => undefined);

beforeEach(() => {
  page = new Page();
});

afterEach(() => {
  recovery.dispose();
  page.notebooks.dispose();
  compare.mockClear();
});

async function openWith(opening: Partial<IOpening>): Promise<void> {
  page.protection.api.open.mockResolvedValue({
    draft: null,
    others: [],
    ...opening
  });
  const open = page.add();
  recovery = new Recovery({ open, api: page.protection.api, trans, compare });
  await page.context.revert();
  await settle();
}

const text = () =>
  recovery.notice?.node.querySelector('.jp-Indelible-noticeText')
    ?.textContent ?? null;
const buttons = () =>
  [
    ...(recovery.notice?.node.querySelectorAll<HTMLButtonElement>(
      '.jp-Indelible-noticeButton'
    ) ?? [])
  ].map(button => button.textContent);

async function press(label: string): Promise<void> {
  [...recovery.notice!.node.querySelectorAll('button')]
    .find(one => one.textContent === label)!
    .click();
  await settle();
}

describe('a draft that came back', () => {
  beforeEach(() =>
    openWith({ draft: draft(['one', 'two, typed'], { cells_changed: 1 }) })
  );

  it('is told once, quietly', () => {
    expect(text()).toMatch(
      /^Recovered unsaved work from .*: 1 cell changed\.$/
    );
    expect(buttons()).toEqual(['Compare', 'Discard']);
    expect(recovery.notice?.node.getAttribute('role')).toBe('status');
  });

  it('can be compared with the file', async () => {
    await press('Compare');
    const [, before, after] = compare.mock.calls[0] as unknown as [
      string,
      { cells: { source: string }[] },
      never
    ];
    expect(before.cells.map(cell => cell.source)).toEqual(['one', 'two']);
    expect((after as typeof before).cells.map(cell => cell.source)).toEqual([
      'one',
      'two, typed'
    ]);
  });

  it('is discarded: kept on the server, the file shown, a new recorder from there', async () => {
    const first = page.recorder;
    await press('Discard');
    expect(page.protection.detach).toHaveBeenCalledWith(first, 'discard');
    expect(page.sources).toEqual(['one', 'two']);
    expect(page.recorder).not.toBe(first);
    expect(page.recorder.options).toMatchObject({ base: 'hash-0', cells: 2 });
    expect(text()).toContain('indelible recover --list');
  });

  it('is taken out by ordinary edits when it is in the file already', async () => {
    await page.context.save();
    await press('Discard');
    expect(page.sources).toEqual(['one', 'two']);
    expect(page.protection.detach).not.toHaveBeenCalled();
    page.context.sharedModel.undo();
    expect(page.sources).toEqual(['one', 'two, typed']);
  });
});

describe('a draft that does not fit the file any more', () => {
  const other = summary({ base_is_current: false, cells_changed: 3 });
  beforeEach(async () => {
    page.protection.api.draft.mockResolvedValue(
      draft(['one, typed', 'two', 'three'])
    );
    await openWith({ others: [other] });
  });

  it('is offered beside the file', () => {
    expect(page.sources).toEqual(['one', 'two']);
    expect(text()).toMatch(
      /^The file has changed since\. Unsaved work from .* is kept: 3 cells changed\.$/
    );
    expect(buttons()).toEqual(['Compare', 'Open draft', 'Discard']);
  });

  it('is opened by ordinary edits that can be undone', async () => {
    await press('Open draft');
    expect(page.sources).toEqual(['one, typed', 'two', 'three']);
    expect(page.protection.api.discard).toHaveBeenCalledWith(other.wc);
    page.context.sharedModel.undo();
    expect(page.sources).toEqual(['one', 'two']);
  });

  it('is discarded on the server', async () => {
    await press('Discard');
    expect(page.protection.api.discard).toHaveBeenCalledWith(other.wc);
    expect(page.sources).toEqual(['one', 'two']);
  });

  it('stays when that fails, and says so', async () => {
    page.protection.api.discard.mockRejectedValue(new Error('no server'));
    await press('Discard');
    expect(text()).toBe('Discard did not work: no server');
    expect(buttons()).toHaveLength(3);
  });
});

describe('other drafts', () => {
  const open = (...others: IDraftSummary[]) => openWith({ others });

  it('of a living tab can be compared and nothing else', async () => {
    await open(summary({ state: 'live' }));
    expect(text()).toContain('open in another tab with unsaved work: 2 cells');
    expect(buttons()).toEqual(['Compare']);
  });

  it('that were discarded, or hold nothing, are not brought up', async () => {
    await open(summary({ state: 'discarded' }), summary({ cells_changed: 0 }));
    expect(recovery.notice).toBeNull();
  });

  it('come one after the other', async () => {
    await open(summary({ cells_changed: 1 }), summary({ cells_changed: 4 }));
    expect(text()).toContain('1 cell changed');
    recovery.notice?.dispose();
    expect(text()).toContain('4 cells changed');
    recovery.notice?.dispose();
    expect(recovery.notice).toBeNull();
    expect([...page.notebooks][0].loaded).toBeNull();
  });

  it('are no matter when there are none', async () => {
    page.file.write(notebook(['x']));
    await open();
    expect(recovery.notice).toBeNull();
  });
});
