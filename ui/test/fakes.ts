/** Doubles for what the visible half is given. */
import { YNotebook } from '@jupyter/ydoc';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel, NotebookPanel } from '@jupyterlab/notebook';
// The package itself would load every editor language there is.
import { NotebookModel } from '@jupyterlab/notebook/lib/model';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { nullTranslator } from '@jupyterlab/translation';
import { PromiseDelegate } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';
import { BoxPanel } from '@lumino/widgets';
import { vi } from 'vitest';

import type {
  IApi,
  IAttachOptions,
  IProtection,
  IRecorder,
  Link
} from '../src/contracts';
import type { IDraft, IDraftSummary, IHello, IProblem } from '../src/protocol';

export const trans: TranslationBundle = nullTranslator.load('indelible');

export class FakeRecorder implements IRecorder {
  constructor(readonly options: IAttachOptions) {
    this.isAhead = Boolean(options.draft);
  }
  readonly wc = 'a'.repeat(32);
  readonly changed: Signal<IRecorder, void> = new Signal<IRecorder, void>(this);
  isAhead: boolean;
  seq = 0;
  acked = 0;
  pending = 0;
  kept = 0;
  oldestUnackedAt: number | null = null;
  lastAckAt: number | null = null;
  isDisposed = false;
  canSave = false;
  readonly epoch = 1;
  readonly fileSeen: Signal<IRecorder, string> = new Signal<IRecorder, string>(
    this
  );
  mark = vi.fn(() => ({ seq: this.seq, keys: [0] }));
  rebase = vi.fn();
  save = vi.fn<IRecorder['save']>();
  saved = vi.fn((point: { seq: number }) => {
    this.isAhead = this.seq > point.seq;
  });
  settle = vi.fn(() => this.seq);
  cellsSince = vi.fn<IRecorder['cellsSince']>(() => []);
  reloading = vi.fn();
  get context(): DocumentRegistry.IContext<INotebookModel> {
    return this.options.context;
  }
  dispose(): void {
    this.isDisposed = true;
  }
}

export class FakeProtection implements IProtection {
  link: Link = 'connected';
  hello: IHello | null = null;
  problems: IProblem[] = [];
  recorders: FakeRecorder[] = [];
  isDisposed = false;
  readonly changed: Signal<IProtection, void> = new Signal<IProtection, void>(
    this
  );
  readonly api = {
    hello: vi.fn<IApi['hello']>(),
    open: vi.fn<IApi['open']>(async () => ({ draft: null, others: [] })),
    draft: vi.fn<IApi['draft']>(),
    drafts: vi.fn<IApi['drafts']>(async () => []),
    discard: vi.fn<IApi['discard']>(async () => undefined),
    merge: vi.fn<IApi['merge']>(),
    version: vi.fn<IApi['version']>()
  };
  flushOrphans = vi.fn(async () => undefined);
  detach = vi.fn<IProtection['detach']>();
  retry = vi.fn();
  attach(options: IAttachOptions): IRecorder {
    const recorder = new FakeRecorder(options);
    this.recorders.push(recorder);
    return recorder;
  }
  dispose(): void {
    this.isDisposed = true;
  }
  setLink(link: Link): void {
    this.link = link;
    this.changed.emit();
  }
}

/** A file on a pretended server, and the two calls by which Jupyter reads and writes it. */
export class FakeFile {
  constructor(cells: string[], path = 'a.ipynb') {
    this.path = path;
    this.content = notebook(cells);
  }
  path: string;
  content: unknown;
  hash = 'hash-0';
  modified = 0;
  failure: Error | null = null;
  writes: unknown[] = [];
  get = vi.fn(
    async (
      path: string,
      options?: Contents.IFetchOptions
    ): Promise<Contents.IModel> => {
      this.check(path);
      return this.model(options?.content !== false);
    }
  );
  save = vi.fn(
    async (
      path: string,
      options?: Partial<Contents.IModel>
    ): Promise<Contents.IModel> => {
      this.check(path);
      this.write(options?.content);
      return this.model(false);
    }
  );
  /** Somebody writes it. */
  write(content: unknown): void {
    this.content = structuredClone(content);
    this.modified++;
    this.hash = `hash-${this.modified}`;
    this.writes.push(this.content);
  }
  model(withContent: boolean): Contents.IModel {
    return {
      name: this.path,
      path: this.path,
      type: 'notebook',
      writable: true,
      created: '0',
      last_modified: String(this.modified),
      mimetype: '',
      format: withContent ? 'json' : null,
      content: withContent ? structuredClone(this.content) : null,
      hash: this.hash,
      hash_algorithm: 'sha256'
    } as unknown as Contents.IModel;
  }
  private check(path: string): void {
    if (this.failure) {
      throw this.failure;
    }
    if (path !== this.path) {
      throw new Error(`404 ${path}`);
    }
  }
}

export function notebook(
  sources: string[]
): { cells: Record<string, unknown>[] } & Record<string, unknown> {
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: sources.map((source, index) => ({
      cell_type: 'code',
      id: `id-${index}`,
      source,
      metadata: {},
      outputs: [],
      execution_count: null
    }))
  };
}

/** A context that reads and saves as JupyterLab's does, as far as we look. */
export class FakeContext {
  constructor(
    readonly path: string,
    readonly provider: () => Pick<Contents.IDrive, 'get' | 'save'>,
    readonly onWritten: (change: Contents.IChangedArgs) => void
  ) {
    this.sharedModel = YNotebook.create() as YNotebook;
    this.model = new NotebookModel({ sharedModel: this.sharedModel });
  }
  readonly sharedModel: YNotebook;
  readonly model: NotebookModel;
  readonly saveState = new Signal<this, DocumentRegistry.SaveState>(this);
  readonly disposed = new Signal<this, void>(this);
  readonly fileChanged = new Signal<this, unknown>(this);
  readonly sessionContext = {
    iopubMessage: new Signal<object, unknown>({}),
    session: null
  };
  contentsModel: Contents.IModel | null = null;
  localPath = this.path;
  isReady = false;
  isDisposed = false;
  populated = new PromiseDelegate<void>();
  get ready(): Promise<void> {
    return this.populated.promise;
  }
  async revert(): Promise<void> {
    const model = await this.provider().get(this.path, {
      type: 'notebook',
      content: true,
      hash: true
    });
    this.model.fromJSON(model.content as never);
    this.contentsModel = model;
    this.model.dirty = false;
    if (!this.isReady) {
      this.sharedModel.clearUndoHistory();
      this.isReady = true;
      this.populated.resolve();
    }
  }
  async save(): Promise<void> {
    this.saveState.emit('started');
    const content = this.model.toJSON();
    const before = await this.provider().get(this.path, {
      content: false,
      hash: true
    });
    if (
      before.hash &&
      this.contentsModel?.hash &&
      before.hash !== this.contentsModel.hash
    ) {
      throw new Error('conflict dialog');
    }
    const written = await this.provider().save(this.path, {
      type: 'notebook',
      format: 'json',
      content
    });
    this.onWritten({ type: 'save', oldValue: null, newValue: written });
    const after = await this.provider().get(this.path, {
      content: false,
      hash: true
    });
    this.model.dirty = false;
    this.contentsModel = { ...written, hash: after.hash } as Contents.IModel;
    this.saveState.emit('completed');
  }
  dispose(): void {
    this.isDisposed = true;
    this.model.dispose();
    this.disposed.emit();
  }
  asContext(): DocumentRegistry.IContext<INotebookModel> {
    return this as unknown as DocumentRegistry.IContext<INotebookModel>;
  }
  asPanel(): NotebookPanel {
    return {
      context: this,
      content: {},
      node: document.createElement('div'),
      contentHeader: new BoxPanel(),
      isDisposed: false
    } as unknown as NotebookPanel;
  }
}

export function summary(values: Partial<IDraftSummary> = {}): IDraftSummary {
  return {
    wc: 'b'.repeat(32),
    path: 'a.ipynb',
    edited_at: new Date().toISOString(),
    state: 'away',
    base: null,
    base_is_current: true,
    cells_changed: 2,
    bytes: 10,
    ...values
  };
}

export function draft(sources: string[], values: Partial<IDraft> = {}): IDraft {
  return {
    ...summary(),
    epoch: 2,
    seq: 7,
    keys: sources.map((_, index) => index),
    content: notebook(sources) as unknown as IDraft['content'],
    ...values
  };
}

/** Let everything that is already possible happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) {
    await Promise.resolve();
  }
}
