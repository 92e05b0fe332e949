/** Brings to the server what tabs that are gone have left in this browser. */
import type { Api } from './api';
import { newId } from './hash';
import { OLD_MS, type ICopy, type Outbox } from './outbox';
import { replay } from './orphans';
import type { ClientMessage, ServerMessage } from './protocol';
import type { ILine } from './sender';
import { openingOf, rebaseOf } from './workingcopy';

const ANSWER_MS = 20_000;

export class Leftovers {
  constructor(
    private readonly _line: ILine,
    private readonly _api: Pick<Api, 'fileHash'>,
    private readonly _isOpenHere: (wc: string) => boolean
  ) {}

  /** A message of the server for a working copy that is not open here. */
  receive(message: Extract<ServerMessage, { wc: string }>): void {
    const answer = this._answers.get(message.wc);
    this._answers.delete(message.wc);
    answer?.resolve(message);
  }

  disconnected(): void {
    this._answers.forEach(one =>
      one.reject(new Error('the connection is gone'))
    );
    this._answers.clear();
  }

  /**
   * Send what is in this outbox of tabs that are not `living`. `isKept`: it stays there until the file has it, too.
   * Rejects when the connection breaks.
   */
  async flush(
    outbox: Outbox,
    living: ReadonlySet<string>,
    isKept: boolean
  ): Promise<void> {
    const copies = await outbox.copies();
    for (const copy of copies) {
      if (this._isOpenHere(copy.wc) || living.has(copy.tab)) {
        continue;
      }
      if (Date.now() - copy.at > OLD_MS) {
        await outbox.forget(copy.wc);
        continue;
      }
      try {
        await this._send(outbox, copy, isKept);
      } catch (reason) {
        if (!this._line.isOpen) {
          throw reason;
        }
        // The others may still go; this one stays where it is.
        console.warn(`Indelible: a draft of ${copy.path} waits`, reason);
      }
    }
  }

  private async _send(
    outbox: Outbox,
    copy: ICopy,
    isKept: boolean
  ): Promise<void> {
    const { wc } = copy;
    const wasSent = copy.sentSeq !== undefined && copy.sentSeq >= copy.seq;
    const opened = await this._ask(wc, openingOf(copy));
    if (opened.t === 'nack' && opened.error === 'superseded') {
      await (wasSent ? outbox.forget(wc) : this._sendAsNew(outbox, copy));
      return;
    }
    if (opened.t !== 'opened') {
      throw new Error(`unexpected answer ${opened.t}`);
    }
    let { acked } = opened;
    if (!opened.known) {
      const file = copy.base ?? copy.file ?? null;
      if (wasSent && (await this._api.fileHash(copy.path)) !== file) {
        await outbox.forget(wc); // Saved or dropped since, through another browser.
        this._line.send({ t: 'closed', wc, epoch: copy.epoch, how: 'clean' });
        return;
      }
      acked = copy.base === null ? 0 : copy.savedSeq;
      if (copy.base !== null) {
        await this._ask(wc, rebaseOf(copy));
      }
    }
    const left = await replay(outbox, copy, acked, opened.saved);
    if (left) {
      await this._line.upload(left.chunks);
      const answer = await this._ask(wc, left.edit);
      if (answer.t === 'nack') {
        if (answer.error === 'superseded' || answer.error === 'stale_part') {
          await this._sendAsNew(outbox, copy);
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
    // What a browser kept for a server that it did not know is not looked for again.
    await (copy.how === null && isKept
      ? outbox.sent(wc, copy.seq)
      : outbox.forget(wc));
  }

  /** Somebody went on with it elsewhere: what is here becomes a draft of its own, and nothing is lost. */
  private async _sendAsNew(outbox: Outbox, copy: ICopy): Promise<void> {
    const fresh: ICopy = { ...copy, wc: newId(), epoch: 1 };
    const left = await replay(
      outbox,
      copy,
      copy.base === null ? 0 : copy.savedSeq
    );
    if (left) {
      await this._ask(fresh.wc, openingOf(fresh));
      if (fresh.base !== null) {
        await this._ask(fresh.wc, rebaseOf(fresh));
      }
      await this._line.upload(left.chunks);
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
    await outbox.forget(copy.wc);
  }

  /** Send a message for a working copy that is not open in this tab, and wait for its answer. */
  private _ask(wc: string, message: ClientMessage): Promise<ServerMessage> {
    if (this._isOpenHere(wc)) {
      // Its recorder sees to it from now on.
      return Promise.reject(new Error('it was opened meanwhile'));
    }
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
      this._line.send(message);
    });
  }

  private _answers = new Map<
    string,
    {
      resolve: (message: ServerMessage) => void;
      reject: (reason: Error) => void;
    }
  >();
}
