/**
 * The browser's own copy of what the file does not hold yet: IndexedDB, durability strict. One database for each
 * store and root directory, so that servers behind one origin do not mix.
 */
import type { DBSchema, IDBPDatabase, IDBPTransaction } from 'idb';
import { openDB } from 'idb';

import type { KeptPart } from './celltrack';
import { OUTPUT } from './celltrack';
import type { IChunk } from './chunker';
import type { How, Runs } from './protocol';

/** A working copy in the outbox. */
export interface ICopy {
  wc: string;
  epoch: number;
  path: string;
  /** Null when the parts are complete by themselves. */
  base: string | null;
  /** The file's hash when it was loaded or last saved, also when the parts do not build on it. */
  file?: string | null;
  /** Keys of the base's cells. */
  baseKeys: Runs;
  savedSeq: number;
  seq: number;
  mode: 'full' | 'record';
  tab: string;
  /**
   * Everything up to here was acked to the page that wrote it. May be less than the server's `acked`, which also
   * covers an edit that it refused before it took a later one. Not there: nothing was ever acked.
   */
  sentSeq?: number;
  /** How it was closed, when the server has not been told. */
  how: How | null;
  /** When it was written last; for people, and to let go of what nobody came back for. */
  at: number;
}

export interface IPart {
  /** Cell, or -1 for the notebook itself (part 0: order, 1: metadata). */
  key: number;
  part: number;
  seq: number;
  value: KeptPart;
}

export interface IOutboxWrite {
  copy: ICopy;
  parts: IPart[];
  chunks: IChunk[];
  /** The cells that are left, when that changed. */
  keys: readonly number[] | null;
  /** Number of outputs by cell: later ones are gone. */
  outputs?: Record<number, number>;
  /** Whatever was there before is replaced. */
  isReset: boolean;
}

interface ISchema extends DBSchema {
  copies: { key: string; value: ICopy };
  parts: { key: [string, number, number]; value: IPart & { wc: string } };
  chunks: { key: string; value: Uint8Array };
}

type Transaction = IDBPTransaction<
  ISchema,
  ('chunks' | 'copies' | 'parts')[],
  'readwrite'
>;

const STORES: ('chunks' | 'copies' | 'parts')[] = ['copies', 'parts', 'chunks'];
/** Nobody came back for this long. */
export const OLD_MS = 30 * 24 * 3600 * 1000;

export type OutboxProblem = 'outbox_full' | 'outbox_unavailable' | null;

export class Outbox {
  /** `onProblem` is told when the outbox begins or ceases to fail. */
  constructor(
    readonly name: string,
    private readonly _onProblem: (problem: OutboxProblem) => void = () =>
      undefined
  ) {
    this._db = opened(name);
    this._db.catch(() => this._setProblem('outbox_unavailable'));
  }

  /** Write one edit's parts. Resolves to whether they are on the browser's disk. */
  write(write: IOutboxWrite): Promise<boolean> {
    return this._change('strict', async transaction => {
      const { wc } = write.copy;
      const parts = transaction.objectStore('parts');
      const chunks = transaction.objectStore('chunks');
      void transaction.objectStore('copies').put(write.copy);
      for (const chunk of write.chunks) {
        void chunks.put(chunk.bytes, chunk.hash);
      }
      if (write.isReset) {
        void parts.delete(cellRange(wc, -1, Infinity));
      } else if (write.keys !== null) {
        await this._dropCells(transaction, wc, new Set(write.keys));
      }
      for (const [key, length] of Object.entries(write.outputs ?? {})) {
        void parts.delete(
          IDBKeyRange.bound(
            [wc, Number(key), OUTPUT + length],
            [wc, Number(key), Infinity]
          )
        );
      }
      for (const part of write.parts) {
        void parts.put({ wc, ...part });
      }
    });
  }

  /** The file holds everything up to `seq`. With nothing newer the working copy leaves the outbox. */
  saved(copy: ICopy, seq: number, last: number): Promise<boolean> {
    if (seq >= last) {
      return this.forget(copy.wc);
    }
    return this._change('strict', async transaction => {
      const parts = transaction.objectStore('parts');
      for (const part of await parts.getAll(cellRange(copy.wc, -1, Infinity))) {
        if (part.seq <= seq) {
          void parts.delete([part.wc, part.key, part.part]);
        }
      }
      void transaction.objectStore('copies').put(copy);
      await this._sweep(transaction);
    });
  }

  /** Remember how it was closed, for a server that is not there. */
  closed(copy: ICopy): Promise<boolean> {
    return this._change('strict', async transaction => {
      if (await transaction.objectStore('copies').get(copy.wc)) {
        void transaction.objectStore('copies').put(copy);
      }
    });
  }

  /**
   * The server has everything up to `seq`; the file may not. Not waited for until it is on the disk: should it be
   * lost, edits are sent twice.
   */
  sent(wc: string, seq: number): Promise<boolean> {
    return this._change('relaxed', async transaction => {
      const copies = transaction.objectStore('copies');
      const copy = await copies.get(wc);
      if (copy && (copy.sentSeq ?? 0) < seq) {
        void copies.put({ ...copy, sentSeq: seq });
      }
    });
  }

  /** Drop a working copy, and the chunks that only it used. */
  forget(wc: string): Promise<boolean> {
    return this._change('strict', async transaction => {
      void transaction.objectStore('copies').delete(wc);
      void transaction.objectStore('parts').delete(cellRange(wc, -1, Infinity));
      await this._sweep(transaction);
    });
  }

  /** Every working copy that is here. Empty when there is no storage. */
  async copies(): Promise<ICopy[]> {
    try {
      return await (await this._db).getAll('copies');
    } catch {
      return [];
    }
  }

  /** The parts of one, those of the notebook first. */
  async parts(wc: string): Promise<IPart[]> {
    return (await this._db).getAll('parts', cellRange(wc, -1, Infinity));
  }

  async chunk(hash: string): Promise<Uint8Array | undefined> {
    return (await this._db).get('chunks', hash);
  }

  async close(): Promise<void> {
    try {
      (await this._db).close();
    } catch {
      // It never opened.
    }
  }

  private async _dropCells(
    transaction: Transaction,
    wc: string,
    left: ReadonlySet<number>
  ): Promise<void> {
    const parts = transaction.objectStore('parts');
    for (const key of await parts.getAllKeys(cellRange(wc, 0, Infinity))) {
      if (!left.has(key[1])) {
        void parts.delete(key);
      }
    }
  }

  /** Drop the chunks that no part names any more. */
  private async _sweep(transaction: Transaction): Promise<void> {
    const chunks = transaction.objectStore('chunks');
    const hashes = await chunks.getAllKeys();
    if (hashes.length === 0) {
      return;
    }
    const named = new Set<string>();
    for (const part of await transaction.objectStore('parts').getAll()) {
      collectHashes(part.value, named);
    }
    for (const hash of hashes) {
      if (!named.has(hash)) {
        void chunks.delete(hash);
      }
    }
  }

  /**
   * One transaction; whether it is done, and on disk when that is `strict`. A failure is told once and never hides
   * behind a success.
   */
  private async _change(
    durability: 'strict' | 'relaxed',
    act: (transaction: Transaction) => Promise<void>
  ): Promise<boolean> {
    try {
      const db: IDBPDatabase<ISchema> = await this._db;
      const transaction = db.transaction(STORES, 'readwrite', {
        durability
      });
      try {
        await Promise.all([act(transaction), transaction.done]);
      } catch (reason) {
        // The requests of an aborted transaction fail too; `done` has told the reason.
        transaction.done.catch(() => undefined);
        throw reason;
      }
      this._setProblem(null);
      return true;
    } catch (reason) {
      const isFull =
        reason instanceof DOMException && reason.name === 'QuotaExceededError';
      this._setProblem(isFull ? 'outbox_full' : 'outbox_unavailable');
      console.warn('Indelible: the browser could not keep an edit', reason);
      return false;
    }
  }

  private _setProblem(problem: OutboxProblem): void {
    if (problem !== this._problem) {
      this._problem = problem;
      this._onProblem(problem);
    }
  }

  private _db: Promise<IDBPDatabase<ISchema>>;
  private _problem: OutboxProblem = null;
}

/** Rejects, and never throws, where a browser has or allows no IndexedDB. */
async function opened(name: string): Promise<IDBPDatabase<ISchema>> {
  return openDB<ISchema>(`indelible:${name}`, 1, {
    upgrade: db => {
      db.createObjectStore('copies', { keyPath: 'wc' });
      db.createObjectStore('parts', { keyPath: ['wc', 'key', 'part'] });
      db.createObjectStore('chunks');
    }
  });
}

function cellRange(wc: string, from: number, to: number): IDBKeyRange {
  return IDBKeyRange.bound([wc, from], [wc, to, Infinity]);
}

/** The chunks that a part names, wherever in it they stand. */
function collectHashes(value: unknown, named: Set<string>): void {
  if (value === null || typeof value !== 'object') {
    return;
  }
  for (const [name, one] of Object.entries(value)) {
    if (name === 'chunks' && Array.isArray(one)) {
      for (const ref of one) {
        named.add(String(Array.isArray(ref) ? ref[0] : ref));
      }
    }
    collectHashes(one, named);
  }
}
