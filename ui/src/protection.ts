/** Protection of everything open in this tab: the link to the server, the recorders, and what dead tabs left. */
import type { ServerConnection } from '@jupyterlab/services';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { Api, ApiError } from './api';
import type { IChunk } from './chunker';
import type { IAttachOptions, IProtection, IRecorder, Link } from './contracts';
import { Feed } from './feed';
import { newId } from './hash';
import type { OutboxProblem } from './outbox';
import { OLD_MS, Outbox, type ICopy } from './outbox';
import { openingOf, rebaseOf, replay } from './orphans';
import type {
  ClientMessage,
  How,
  IHello,
  IProblem,
  ServerMessage
} from './protocol';
import type { ILine } from './recorder';
import { Recorder } from './recorder';
import { Tab } from './tab';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;
/** A server without (working) Indelible is asked again so often. */
const MISSING_RETRY_MS = 30_000;
const ANSWER_MS = 20_000;

export class Protection implements IProtection, ILine {
  constructor(settings: ServerConnection.ISettings) {
    this._settings = settings;
    this.api = new Api(settings, () => this.tab);
    this._outbox = this._openOutbox(this._rememberedName());
    window.addEventListener('pagehide', this._onPageHide);
    window.addEventListener('online', this._onMaybeBack);
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
    return this._ownProblem
      ? [...this._problems, this._ownProblem]
      : this._problems;
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
    window.removeEventListener('online', this._onMaybeBack);
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
    feed.closed.connect(() => {
      this._feed = null;
      this._answers.forEach(one =>
        one.reject(new Error('the connection is gone'))
      );
      this._answers.clear();
      this._setLink('offline');
      this._settle();
      this._later(this._nextRetry());
    });
  }

  private _onUnreachable(reason: unknown): void {
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
    this._timer = window.setTimeout(() => void this._connect(), ms);
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
      this._rememberName(name);
    }
    this._changed.emit();
  }

  // Messages

  private _onMessage(message: ServerMessage): void {
    if (message.t === 'welcome') {
      this._retryMs = FIRST_RETRY_MS;
      this._takeProblems(message.problems);
      this._setLink('connected');
      this._recorders.forEach(one => one.connected());
      this._orphansFlushed = this._flushAll().catch(reason => {
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
      const answer = this._answers.get(message.wc);
      if (answer) {
        this._answers.delete(message.wc);
        answer.resolve(message);
      } else {
        this._recorders.find(one => one.wc === message.wc)?.receive(message);
      }
    }
  }

  private _takeProblems(problems: IProblem[]): void {
    this._problems = problems;
    this._changed.emit();
  }

  /** Send a message for a working copy that is not open in this tab, and wait for its answer. */
  private _ask(wc: string, message: ClientMessage): Promise<ServerMessage> {
    return new Promise((resolve, reject) => {
      const timer = window.setTimeout(() => {
        this._answers.delete(wc);
        reject(new Error('no answer'));
      }, ANSWER_MS);
      const done = () => window.clearTimeout(timer);
      this._answers.set(wc, {
        resolve: answer => (done(), resolve(answer)),
        reject: reason => (done(), reject(reason))
      });
      this.send(message);
    });
  }

  // What dead tabs left

  private async _flushAll(): Promise<void> {
    const copies = await this._outbox.copies();
    const living =
      copies.length > 0 && this._tab
        ? await this._tab.others()
        : new Set<string>();
    for (const copy of copies) {
      const isOurs = this._recorders.some(one => one.wc === copy.wc);
      if (isOurs || living.has(copy.tab)) {
        continue;
      }
      if (Date.now() - copy.at > OLD_MS) {
        await this._outbox.forget(copy.wc);
      } else {
        await this._flush(copy);
      }
    }
  }

  private async _flush(copy: ICopy): Promise<void> {
    const { wc } = copy;
    const opened = await this._ask(wc, openingOf(copy));
    if (opened.t === 'nack') {
      await this._flushAsNew(copy);
      return;
    }
    if (opened.t !== 'opened') {
      throw new Error(`unexpected answer ${opened.t}`);
    }
    let acked = opened.acked;
    if (!opened.known) {
      const wasSent = copy.sentSeq !== undefined && copy.sentSeq >= copy.seq;
      if (wasSent && (await this.api.fileHash(copy.path)) !== copy.base) {
        await this._outbox.forget(wc); // Saved or dropped since, through another browser.
        this.send({ t: 'closed', wc, epoch: copy.epoch, how: 'clean' });
        return;
      }
      acked = copy.base === null ? 0 : copy.savedSeq;
      if (copy.base !== null) {
        await this._ask(wc, rebaseOf(copy));
      }
    }
    const left = await replay(this._outbox, copy, acked);
    if (left) {
      await this.upload(left.chunks);
      const answer = await this._ask(wc, left.edit);
      if (answer.t === 'nack') {
        if (answer.error === 'superseded' || answer.error === 'stale_part') {
          await this._flushAsNew(copy);
          return;
        }
        throw new Error(`${answer.error}: ${answer.message}`);
      }
    }
    await this._ask(wc, {
      t: 'closed',
      wc,
      epoch: copy.epoch,
      how: copy.how ?? 'away'
    });
    await (copy.how === null
      ? this._outbox.sent(wc, copy.seq)
      : this._outbox.forget(wc));
  }

  /** Somebody went on with it elsewhere: what is here becomes a draft of its own, and nothing is lost. */
  private async _flushAsNew(copy: ICopy): Promise<void> {
    const fresh: ICopy = { ...copy, wc: newId(), epoch: 1 };
    const left = await replay(
      this._outbox,
      copy,
      copy.base === null ? 0 : copy.savedSeq
    );
    if (left) {
      await this._ask(fresh.wc, openingOf(fresh));
      if (fresh.base !== null) {
        await this._ask(fresh.wc, rebaseOf(fresh));
      }
      await this.upload(left.chunks);
      const answer = await this._ask(fresh.wc, {
        ...left.edit,
        wc: fresh.wc,
        epoch: 1
      });
      if (answer.t === 'nack') {
        throw new Error(`${answer.error}: ${answer.message}`);
      }
      await this._ask(fresh.wc, {
        t: 'closed',
        wc: fresh.wc,
        epoch: 1,
        how: 'away'
      });
    }
    await this._outbox.forget(copy.wc);
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

  private _rememberedName(): string {
    try {
      return (
        localStorage.getItem(this._nameKey) ??
        `unknown:${this._settings.baseUrl}`
      );
    } catch {
      return `unknown:${this._settings.baseUrl}`;
    }
  }

  private _rememberName(name: string): void {
    try {
      localStorage.setItem(this._nameKey, name);
    } catch {
      // The next page asks the server first.
    }
  }

  private _whenSettled(): Promise<void> {
    return this._settled;
  }

  private _answers = new Map<
    string,
    {
      resolve: (message: ServerMessage) => void;
      reject: (reason: Error) => void;
    }
  >();
  private _changed = new Signal<IProtection, void>(this);
  private _feed: Feed | null = null;
  private _hello: IHello | null = null;
  private _isConnecting = false;
  private _isDisposed = false;
  private _link: Link = 'unknown';
  private _orphansFlushed: Promise<void> = Promise.resolve();
  private _outbox: Outbox;
  private _ownProblem: IProblem | null = null;
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
