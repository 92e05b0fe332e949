/** Which tab this is, and which others live; works without a secure context. */
import { newId } from './hash';

const KEY = 'indelible:tab';
const LOCK = 'indelible:tab:';
const ANSWER_MS = 150;

interface IRollCall {
  type: 'who' | 'here';
  tab: string;
}

function remembered(): string | null {
  try {
    const tab = sessionStorage.getItem(KEY);
    return tab && /^[0-9a-f]{32}$/.test(tab) ? tab : null;
  } catch {
    return null;
  }
}

export class Tab {
  /** A reloaded tab keeps its id; a duplicated one, whose session storage was copied, takes a new one. */
  static async start(): Promise<Tab> {
    const last = remembered();
    let id = last ?? newId();
    const tab = new Tab(id);
    if (last !== null && (await tab.others()).has(last)) {
      id = newId();
      tab._id = id;
    }
    try {
      sessionStorage.setItem(KEY, id);
    } catch {
      // Without session storage every page load is a tab of its own.
    }
    tab._live();
    return tab;
  }

  get id(): string {
    return this._id;
  }

  /** The ids of the other tabs of this origin that live. */
  async others(): Promise<Set<string>> {
    const found = new Set<string>();
    if (navigator.locks) {
      const { held } = await navigator.locks.query();
      for (const { name } of held ?? []) {
        if (name?.startsWith(LOCK)) {
          found.add(name.slice(LOCK.length));
        }
      }
      if (this._isAlive) {
        found.delete(this._id);
      }
      return found;
    }
    const listen = (event: MessageEvent<IRollCall>) => {
      if (event.data.type === 'here') {
        found.add(event.data.tab);
      }
    };
    this._channel?.addEventListener('message', listen);
    this._channel?.postMessage({
      type: 'who',
      tab: this._id
    } satisfies IRollCall);
    await new Promise(resolve => window.setTimeout(resolve, ANSWER_MS));
    this._channel?.removeEventListener('message', listen);
    return found;
  }

  dispose(): void {
    this._release?.();
    this._channel?.close();
  }

  private constructor(private _id: string) {
    this._channel =
      typeof BroadcastChannel === 'undefined'
        ? null
        : new BroadcastChannel('indelible');
  }

  private _live(): void {
    this._isAlive = true;
    this._channel?.addEventListener(
      'message',
      (event: MessageEvent<IRollCall>) => {
        if (event.data.type === 'who') {
          this._channel?.postMessage({
            type: 'here',
            tab: this._id
          } satisfies IRollCall);
        }
      }
    );
    // Held until the page is gone, however it goes.
    void navigator.locks?.request(
      LOCK + this._id,
      () => new Promise<void>(resolve => (this._release = resolve))
    );
  }

  private _channel: BroadcastChannel | null;
  private _isAlive = false;
  private _release: (() => void) | null = null;
}
