/** Protection of everything open in this tab: the link to the server, the recorders, and what dead tabs left. */
import type { ServerConnection } from '@jupyterlab/services';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { Api, ApiError } from './api';
import type { IChunk } from './chunker';
import type { IAttachOptions, IProtection, IRecorder, Link } from './contracts';
import { Feed } from './feed';
import { Leftovers } from './leftovers';
import type { OutboxProblem } from './outbox';
import { Outbox } from './outbox';
import type {
  ClientMessage,
  How,
  IHello,
  IProblem,
  ServerMessage
} from './protocol';
import { Recorder } from './recorder';
import type { ILine } from './sender';
import { Tab } from './tab';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;
/** A server without (working) Indelible is asked again so often. */
const MISSING_RETRY_MS = 30_000;
/** So many connections that end before a word of the server, while it answers requests: they do not pass. */
const BARREN = 3;
const FEED_BLOCKED: IProblem = {
  code: 'feed_blocked',
  message: 'the server’s WebSocket cannot be opened',
  hint: 'Let the proxy pass WebSockets below /indelible/api/feed.',
  since: '',
  path: null
};

export class Protection implements IProtection, ILine {
  constructor(settings: ServerConnection.ISettings) {
    this._settings = settings;
    this.api = new Api(settings, () => this.tab);
    this._outbox = this._openOutbox(this._rememberedName());
    this._leftovers = new Leftovers(this, this.api, wc =>
      this._recorders.some(one => one.wc === wc)
    );
    window.addEventListener('pagehide', this._onPageHide);
    window.addEventListener('pageshow', this._onMaybeBack);
    window.addEventListener('online', this._onMaybeBack);
    document.addEventListener('freeze', this._onPageHide);
    document.addEventListener('visibilitychange', this._onMaybeBack);
    void Tab.start().then(tab => {
      this._tab = tab;
      void this._connect();
    });
  }

  readonly api: Api;

  get tab(): string {
    return this._tab?.id ?? '';
  }

  get link(): Link {
    return this._link;
  }

  get hello(): IHello | null {
    return this._hello;
  }

  get problems(): readonly IProblem[] {
    const own = this._ownProblem ? [this._ownProblem] : [];
    const blocked = this._isFeedBlocked ? [FEED_BLOCKED] : [];
    return [...this._problems, ...own, ...blocked];
  }

  get recorders(): readonly IRecorder[] {
    return this._recorders;
  }

  get changed(): ISignal<IProtection, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  attach(options: IAttachOptions): IRecorder {
    const recorder = new Recorder({
      attach: options,
      line: this,
      outbox: () => this._outbox
    });
    this._recorders.push(recorder);
    this._changed.emit();
    return recorder;
  }

  detach(recorder: IRecorder, how: How): void {
    this._recorders = this._recorders.filter(one => one !== recorder);
    (recorder as Recorder).close(how);
    this._changed.emit();
  }

  async flushOrphans(timeoutMs: number): Promise<void> {
    const work = this._whenSettled().then(() =>
      this.isOpen ? this._orphansFlushed : undefined
    );
    await Promise.race([
      work,
      new Promise(resolve => window.setTimeout(resolve, timeoutMs))
    ]);
  }

  retry(): void {
    this._retryMs = FIRST_RETRY_MS;
    if (this._link !== 'connected') {
      void this._connect();
    }
    this._recorders.forEach(one => one.retry());
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.removeEventListener('pagehide', this._onPageHide);
    window.removeEventListener('pageshow', this._onMaybeBack);
    window.removeEventListener('online', this._onMaybeBack);
    document.removeEventListener('freeze', this._onPageHide);
    document.removeEventListener('visibilitychange', this._onMaybeBack);
    window.clearTimeout(this._timer);
    this._recorders.forEach(one => one.dispose());
    this._feed?.close();
    this._tab?.dispose();
    void this._outbox.close();
    Signal.clearData(this);
  }

  // ILine

  get isOpen(): boolean {
    return this._feed?.isOpen ?? false;
  }

  send(message: ClientMessage): void {
    this._feed?.send(message);
  }

  upload(chunks: readonly IChunk[]): Promise<void> {
    return this._feed
      ? this._feed.upload(chunks)
      : Promise.reject(new Error('there is no connection'));
  }

  // The link

  private async _connect(): Promise<void> {
    if (this._isConnecting || this._isDisposed || this._feed || !this._tab) {
      return;
    }
    this._isConnecting = true;
    window.clearTimeout(this._timer);
    try {
      const hello = await this.api.hello();
      this._takeHello(hello);
      if (!hello.journal) {
        this._setLink('off');
        this._later(MISSING_RETRY_MS);
      } else if (!hello.store) {
        // The server has Indelible, but no store that works: it says why in its problems.
        this._setLink('missing');
        this._later(FIRST_RETRY_MS * 10);
      } else {
        this._openFeed();
      }
    } catch (reason) {
      this._onUnreachable(reason);
    } finally {
      this._isConnecting = false;
      if (this._link !== 'unknown') {
        this._settle();
      }
    }
  }

  private _openFeed(): void {
    const feed = new Feed(
      new this._settings.WebSocket(this.api.feedUrl()),
      this.tab
    );
    this._feed = feed;
    feed.received.connect((_, message) => this._onMessage(message));
    this._barren++;
    feed.closed.connect(() => {
      this._feed = null;
      this._leftovers.disconnected();
      this._recorders.forEach(one => one.disconnected());
      // Jupyter's own way of saving is left then, and is not to be held up.
      this._setLink(this._isFeedBlocked ? 'missing' : 'offline');
      this._settle();
      this._later(this._nextRetry());
    });
  }

  private get _isFeedBlocked(): boolean {
    return this._barren >= BARREN;
  }

  private _onUnreachable(reason: unknown): void {
    this._barren = 0;
    const status = reason instanceof ApiError ? reason.status : 0;
    if (status === 401 || status === 403) {
      this._setLink('login');
    } else if (status === 404) {
      this._setLink('missing');
      this._later(MISSING_RETRY_MS);
      return;
    } else {
      this._setLink('offline');
    }
    this._later(this._nextRetry());
  }

  private _nextRetry(): number {
    const wait = this._retryMs;
    this._retryMs = Math.min(2 * wait, LAST_RETRY_MS);
    return wait;
  }

  private _later(ms: number): void {
    window.clearTimeout(this._timer);
    if (!this._isDisposed) {
      this._timer = window.setTimeout(() => void this._connect(), ms);
    }
  }

  private _onMaybeBack = (): void => {
    if (document.visibilityState === 'visible' && this._link !== 'connected') {
      this._retryMs = FIRST_RETRY_MS;
      void this._connect();
    }
  };

  private _onPageHide = (): void => {
    this.api.sendLast(this._recorders.flatMap(one => one.unacked()));
  };

  private _setLink(link: Link): void {
    if (link !== this._link) {
      this._link = link;
      this._changed.emit();
    }
  }

  private _takeHello(hello: IHello): void {
    this._hello = hello;
    this._problems = hello.problems;
    if (hello.store) {
      const name = `${hello.store}:${hello.root}`;
      if (name !== this._outbox.name) {
        void this._outbox.close();
        this._outbox = this._openOutbox(name);
      }
      remember(this._nameKey, name);
    }
    this._changed.emit();
  }

  // Messages

  private _onMessage(message: ServerMessage): void {
    if (message.t === 'welcome') {
      this._barren = 0;
      this._retryMs = FIRST_RETRY_MS;
      this._takeProblems(message.problems);
      this._setLink('connected');
      this._recorders.forEach(one => one.connected());
      this._orphansFlushed = this._flushEverything().catch(reason => {
        console.warn(
          'Indelible: what another tab left could not be sent',
          reason
        );
      });
      this._settle();
    } else if (message.t === 'problems') {
      this._takeProblems(message.problems);
      this._recorders.forEach(one => one.retry());
    } else if ('wc' in message) {
      const recorder = this._recorders.find(one => one.wc === message.wc);
      (recorder ?? this._leftovers).receive(message);
    }
  }

  private _takeProblems(problems: IProblem[]): void {
    this._problems = problems;
    this._changed.emit();
  }

  /** What tabs that are gone have left in this browser. */
  private async _flushEverything(): Promise<void> {
    const living = (await this._tab?.others()) ?? new Set<string>();
    await this._leftovers.flush(this._outbox, living, true);
    const name = this._unknownName;
    if (this._outbox.name !== name && read(name) !== null) {
      const outbox = this._openOutbox(name);
      try {
        await this._leftovers.flush(outbox, living, false);
        if ((await outbox.copies()).length === 0) {
          forget(name);
        }
      } finally {
        await outbox.close();
      }
    }
  }

  // The outbox

  private _openOutbox(name: string): Outbox {
    return new Outbox(name, problem => this._setOwnProblem(problem));
  }

  private _setOwnProblem(code: OutboxProblem): void {
    this._ownProblem = code && {
      code,
      message: '',
      hint: '',
      since: new Date().toISOString(),
      path: null
    };
    this._changed.emit();
  }

  private get _nameKey(): string {
    return `indelible:store:${this._settings.baseUrl}`;
  }

  /** Of the outbox for a server that has never said which store it has. */
  private get _unknownName(): string {
    return `unknown:${this._settings.baseUrl}`;
  }

  private _rememberedName(): string {
    const name = read(this._nameKey);
    if (name === null) {
      remember(this._unknownName, 'used');
    }
    return name ?? this._unknownName;
  }

  private _whenSettled(): Promise<void> {
    return this._settled;
  }

  private _changed = new Signal<IProtection, void>(this);
  private _feed: Feed | null = null;
  private _hello: IHello | null = null;
  private _isConnecting = false;
  private _isDisposed = false;
  private _link: Link = 'unknown';
  private _leftovers: Leftovers;
  private _orphansFlushed: Promise<void> = Promise.resolve();
  private _outbox: Outbox;
  private _ownProblem: IProblem | null = null;
  /** Connections that were begun since the server last said anything. */
  private _barren = 0;
  private _problems: IProblem[] = [];
  private _recorders: Recorder[] = [];
  private _retryMs = FIRST_RETRY_MS;
  private _settings: ServerConnection.ISettings;
  private _settle: () => void = () => undefined;
  /** Resolves when the first attempt to connect has ended, well or not. */
  private _settled = new Promise<void>(resolve => {
    this._settle = resolve;
  });
  private _tab: Tab | null = null;
  private _timer = 0;
}

// Without local storage the next page asks the server first.

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    return;
  }
}

function forget(key: string): void {
  try {
    localStorage.removeItem(key);
  } catch {
    return;
  }
}
