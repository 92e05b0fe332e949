import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Tab } from '../src/tab';

const KEY = 'indelible:tab';
const ID = /^[0-9a-f]{32}$/;

/** Stands in for the browser's: what one says, all others of the same name hear. */
class Channel extends EventTarget {
  static all: Channel[] = [];
  constructor(readonly name: string) {
    super();
    Channel.all.push(this);
  }
  postMessage(data: unknown): void {
    for (const one of Channel.all) {
      if (one !== this && one.name === this.name) {
        one.dispatchEvent(new MessageEvent('message', { data }));
      }
    }
  }
  close(): void {
    Channel.all = Channel.all.filter(one => one !== this);
  }
}

/** Stands in for the browser's lock manager. */
class Locks {
  readonly held: string[] = ['of somebody else'];
  async query(): Promise<{ held: { name: string }[] }> {
    return { held: this.held.map(name => ({ name })) };
  }
  async request(name: string, act: () => Promise<void>): Promise<void> {
    this.held.push(name);
    await act();
    this.held.splice(this.held.indexOf(name), 1);
  }
}

function setLocks(value: Locks | undefined): void {
  Object.defineProperty(navigator, 'locks', { configurable: true, value });
}

let tabs: Tab[] = [];

/** Let what waits for an answer of other tabs have waited for it. */
async function waited<T>(work: Promise<T>): Promise<T> {
  await vi.advanceTimersByTimeAsync(200);
  return work;
}

async function start(): Promise<Tab> {
  const tab = await waited(Tab.start());
  tabs.push(tab);
  return tab;
}

/** Its page is gone, and the browser has let go of what it held. */
async function end(tab: Tab): Promise<void> {
  tab.dispose();
  await vi.advanceTimersByTimeAsync(0);
}

/** Another window has a session storage of its own. */
async function startElsewhere(): Promise<Tab> {
  const mine = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  const tab = await start();
  if (mine !== null) {
    sessionStorage.setItem(KEY, mine);
  }
  return tab;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('BroadcastChannel', Channel);
});

afterEach(() => {
  tabs.forEach(one => one.dispose());
  tabs = [];
  Channel.all = [];
  sessionStorage.clear();
  setLocks(undefined);
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe.each([
  ['with the lock manager', () => new Locks()],
  ['without it, as on plain http', () => undefined]
])('a tab, %s', (_, locks) => {
  beforeEach(() => setLocks(locks()));

  it('has an id of its own', async () => {
    const [one, two] = [await start(), await startElsewhere()];
    expect(one.id).toMatch(ID);
    expect(two.id).toMatch(ID);
    expect(one.id).not.toBe(two.id);
  });

  it('knows the others that live, and not itself', async () => {
    const one = await start();
    expect(await waited(one.others())).toEqual(new Set());
    const two = await startElsewhere();
    const three = await startElsewhere();
    expect(await waited(one.others())).toEqual(new Set([two.id, three.id]));
    expect(await waited(two.others())).toEqual(new Set([one.id, three.id]));
    await end(three);
    expect(await waited(one.others())).toEqual(new Set([two.id]));
  });

  it('keeps its id when it is reloaded', async () => {
    const tab = await start();
    await end(tab);
    expect((await start()).id).toBe(tab.id);
  });

  it('takes a new id when it is the double of one that lives', async () => {
    const first = await start();
    const double = await start();
    expect(double.id).not.toBe(first.id);
    expect(sessionStorage.getItem(KEY)).toBe(double.id);
    expect(await waited(double.others())).toEqual(new Set([first.id]));
  });

  it('takes nothing for its id that is none', async () => {
    sessionStorage.setItem(KEY, '<script>');
    expect((await start()).id).toMatch(ID);
  });

  it('starts without session storage', async () => {
    const refuse = () => {
      throw new DOMException('not here', 'SecurityError');
    };
    vi.spyOn(Storage.prototype, 'getItem').mockImplementation(refuse);
    vi.spyOn(Storage.prototype, 'setItem').mockImplementation(refuse);
    expect((await start()).id).toMatch(ID);
  });
});

it('a tab without any way to ask has no others', async () => {
  setLocks(undefined);
  vi.stubGlobal('BroadcastChannel', undefined);
  const tab = await start();
  expect(tab.id).toMatch(ID);
  expect(await waited(tab.others())).toEqual(new Set());
});
