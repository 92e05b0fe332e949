import { describe, expect, it } from 'vitest';

import { detailsNode, duration, facts, hoverText } from '../src/statusdetails';
import {
  clockTime,
  describe as say,
  OVERDUE_MS,
  type IStatus
} from '../src/statustext';
import { trans } from './fakes';

const NOW = new Date(2026, 10, 23, 15, 32, 10).getTime();

function status(values: Partial<IStatus> = {}): IStatus {
  return {
    now: NOW,
    link: 'connected',
    mode: 'full',
    problems: [],
    pending: 0,
    kept: 0,
    oldestUnackedAt: null,
    lastAckAt: NOW,
    isAhead: false,
    lastSave: null,
    autosaveMs: 60_000,
    path: 'a.ipynb',
    ...values
  };
}

function problem(code: string, values: object = {}) {
  return {
    code,
    message: `${code} happened`,
    hint: 'do this',
    since: '',
    path: null,
    ...values
  };
}

describe('the file', () => {
  const save = (by: 'user' | 'autosave', failure: Error | null = null) => ({
    at: NOW,
    by,
    failure,
    shrunk: null
  });
  it.each([
    [{ lastSave: save('autosave') }, 'Autosaved: 15:32'],
    [{ lastSave: save('user') }, 'Saved: 15:32'],
    [{ lastSave: save('user'), autosaveMs: 0 }, 'Saved: 15:32'],
    [{ lastSave: save('autosave'), autosaveMs: 0 }, 'Autosave off'],
    [{ autosaveMs: 0 }, 'Autosave off'],
    [{}, 'Autosave on'],
    [{ lastSave: save('user', new Error('disk')) }, 'Not saved: 15:32']
  ])('%j: %s', (values, expected) => {
    expect(say(status(values), trans).file).toBe(expected);
  });
});

describe('the protection', () => {
  it.each<[string, Partial<IStatus>, string, string]>([
    ['all acked', {}, 'protected', 'Protected'],
    [
      'on its way',
      { pending: 1, oldestUnackedAt: NOW - 100 },
      'saving',
      'Saving…'
    ],
    [
      'no ack for too long',
      { pending: 3, kept: 3, oldestUnackedAt: NOW - OVERDUE_MS - 1 },
      'bad',
      'Not protected, because the server does not confirm'
    ],
    [
      'no server',
      { link: 'offline', pending: 3, kept: 3 },
      'offline',
      'Offline, 3 edits kept in this browser'
    ],
    [
      'one edit',
      { link: 'offline', pending: 1, kept: 1 },
      'offline',
      'Offline, 1 edit kept in this browser'
    ],
    [
      'nothing to send',
      { link: 'offline' },
      'offline',
      'Offline, nothing waits to be sent'
    ],
    [
      'no server and no database',
      { link: 'offline', pending: 3, kept: 0 },
      'bad',
      'Not protected, because the server is out of reach and this browser keeps nothing'
    ],
    [
      'login',
      { link: 'login', pending: 2, kept: 2 },
      'offline',
      'Login expired, 2 edits kept in this browser'
    ],
    [
      'no server part',
      { link: 'missing' },
      'bad',
      'Not protected, because the server part of Indelible is missing or broken'
    ],
    [
      'a server part that says why it is broken',
      { link: 'missing', problems: [problem('server_part_broken')] },
      'bad',
      'Not protected, because the server part of Indelible could not be loaded'
    ],
    [
      'journal off',
      { link: 'off' },
      'bad',
      'Not protected, because the journal is switched off'
    ],
    ['starting', { link: 'unknown' }, 'unknown', 'Connecting…'],
    [
      'disk full',
      { problems: [problem('disk_full')] },
      'bad',
      'Not protected, because the server’s disk is full'
    ],
    [
      'a problem that does not stop protection',
      { problems: [problem('journal_set_aside')] },
      'protected',
      'Protected'
    ],
    [
      'a problem of another notebook',
      { problems: [problem('read_only', { path: 'b.ipynb' })] },
      'protected',
      'Protected'
    ],
    [
      'a file that cannot be saved, while the journal takes every edit',
      {
        problems: [
          problem('disk_full', { path: '/home/a.ipynb', is_about_file: true })
        ]
      },
      'protected',
      'Protected'
    ],
    [
      'a disk that is nearly full',
      { problems: [problem('disk_low', { path: '/home', is_warning: true })] },
      'protected',
      'Protected, but the server’s disk is nearly full'
    ],
    [
      'a warning and a problem',
      {
        problems: [
          problem('disk_low', { path: '/home', is_warning: true }),
          problem('disk_full', { path: '/home/store' })
        ]
      },
      'bad',
      'Not protected, because the server’s disk is full'
    ]
  ])('%s', (_, values, level, expected) => {
    const text = say(status(values), trans);
    expect(text.protection).toBe(expected);
    expect(text.level).toBe(level);
  });

  it('gives a warning’s advice', () => {
    const problems = [problem('disk_low', { is_warning: true })];
    expect(say(status({ problems }), trans).advice).toBe('do this');
  });

  it('says what to do, with the server’s hint', () => {
    const values = { problems: [problem('disk_full')], pending: 2, kept: 2 };
    expect(say(status(values), trans).advice).toBe(
      'do this 2 edits are kept in this browser and will follow by themselves.'
    );
  });
});

describe('the details', () => {
  it('tell the last ack, the journal and the file', () => {
    const all = facts(status({ isAhead: true, kept: 2 }), trans).map(
      fact => `${fact.label}: ${fact.value}`
    );
    expect(all).toEqual([
      'Journal: everything is on the server’s disk',
      'This browser: keeps 2 edits',
      `Last confirmed: ${clockTime(NOW)}`,
      'File: older than what you see',
      'Autosave: every 60 s'
    ]);
  });
  it('say why a save failed', () => {
    const lastSave = {
      at: NOW,
      by: 'user' as const,
      failure: new Error('Permission denied'),
      shrunk: null
    };
    expect(hoverText(status({ lastSave }), trans)).toContain(
      'not saved: Permission denied'
    );
  });
  it('show a warning with its figures', () => {
    const problems = [problem('disk_low', { path: '/home', is_warning: true })];
    const shown = detailsNode(status({ problems }), trans);
    expect(shown.dataset.level).toBe('protected');
    expect(
      [...shown.querySelectorAll('.jp-Indelible-problem > *')].map(
        node => node.textContent
      )
    ).toEqual([
      'the server’s disk is nearly full',
      'disk_low happened',
      'do this',
      '/home'
    ]);
  });
  it('say durations as people do', () => {
    expect(
      [500, 60_000, 90_000, 300_000].map(ms => duration(ms, trans))
    ).toEqual(['0.5 s', '60 s', '90 s', '5 min']);
  });
});
