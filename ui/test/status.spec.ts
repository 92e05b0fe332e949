import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { AutosaveInterval } from '../src/interval';
import type { OpenNotebook } from '../src/opennotebook';
import { StatusIndicator } from '../src/status';
import { trans } from './fakes';
import { Page } from './page';

let page: Page;
let open: OpenNotebook | null;
let indicator: StatusIndicator;
const currentChanged = new Signal<object, void>({});

beforeEach(async () => {
  vi.useFakeTimers();
  page = new Page();
  open = await page.open();
  indicator = new StatusIndicator({
    protection: page.protection,
    notebooks: page.notebooks,
    interval: new AutosaveInterval(),
    current: () => open,
    currentChanged,
    trans
  });
  document.body.append(indicator.node);
});

afterEach(() => {
  indicator.dispose();
  page.notebooks.dispose();
  vi.useRealTimers();
});

const said = () =>
  indicator.node.querySelector('.jp-Indelible-statusProtection')?.textContent;
const panels = () => document.querySelectorAll('.jp-Indelible-panel').length;

function edit(pending: number, kept = pending): void {
  Object.assign(page.recorder, {
    pending,
    kept,
    oldestUnackedAt: pending > 0 ? Date.now() : null
  });
  page.recorder.changed.emit();
}

describe('the indicator', () => {
  it('says "Saving…" while an edit is on its way, and a moment longer', async () => {
    await vi.advanceTimersByTimeAsync(1000);
    expect(said()).toBe('Protected');
    edit(1);
    expect(said()).toBe('Saving…');
    edit(0);
    expect(said()).toBe('Saving…');
    await vi.advanceTimersByTimeAsync(1000);
    expect(said()).toBe('Protected');
  });

  it('says within ten seconds that nothing is confirmed, without any signal', async () => {
    edit(1);
    await vi.advanceTimersByTimeAsync(11_000);
    expect(said()).toBe('Not protected, because the server does not confirm');
    expect(indicator.node.dataset.level).toBe('bad');
  });

  it('follows the link at once', () => {
    edit(3);
    page.protection.setLink('offline');
    expect(said()).toBe('Offline, 3 edits kept in this browser');
  });

  it('is read out politely, but not at each key', async () => {
    const live = document.querySelector('[aria-live=polite]')!;
    await vi.advanceTimersByTimeAsync(1000);
    expect(live.textContent).toBe('Protected');
    edit(1);
    expect(live.textContent).toBe('Protected');
    expect(indicator.node.contains(live)).toBe(false);
  });

  it('hides when no notebook is shown', () => {
    open = null;
    currentChanged.emit();
    expect(indicator.isHidden).toBe(true);
  });

  it('opens and closes its details', () => {
    indicator.node.click();
    expect(panels()).toBe(1);
    expect(indicator.node.getAttribute('aria-expanded')).toBe('true');
    document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }));
    expect(panels()).toBe(0);
    indicator.node.click();
    indicator.node.click();
    expect(panels()).toBe(0);
  });

  it('shows the details by itself when a save fails that was asked for, and no server is there', async () => {
    page.type('!');
    page.protection.setLink('offline');
    page.file.failure = new TypeError('Failed to fetch');
    await page.context.save().catch(() => undefined);
    expect(panels()).toBe(1);
    expect(
      document.querySelector('.jp-Indelible-panel')?.textContent
    ).toContain('not saved: no answer from the server');
    await vi.advanceTimersByTimeAsync(11_000);
    expect(panels()).toBe(0);
  });

  it('leaves nothing behind', () => {
    indicator.node.click();
    indicator.dispose();
    expect(panels()).toBe(0);
    expect(document.querySelector('[aria-live]')).toBeNull();
  });
});
