/** All notebooks open in this page, one entry a document, however many views it has. */
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel, NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { IProtection } from './contracts';
import { OpenNotebook } from './opennotebook';

type Context = DocumentRegistry.IContext<INotebookModel>;

/** A widget extension: JupyterLab calls createNew for each new panel, before the document is read. */
export class OpenNotebooks
  implements
    DocumentRegistry.IWidgetExtension<NotebookPanel, INotebookModel>,
    IDisposable
{
  constructor(options: OpenNotebooks.IOptions) {
    this._options = options;
    this._options.contents.fileChanged.connect(this._onFileChanged, this);
    window.addEventListener('pagehide', this._onPageHide);
    window.addEventListener('pageshow', this._onPageShow);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** A notebook was opened. */
  get added(): ISignal<OpenNotebooks, OpenNotebook> {
    return this._added;
  }

  /** A notebook was opened, closed, attached or saved. */
  get changed(): ISignal<OpenNotebooks, void> {
    return this._changed;
  }

  [Symbol.iterator](): IterableIterator<OpenNotebook> {
    return this._notebooks.values();
  }

  /** Whether this context is one of ours. */
  has(context: DocumentRegistry.Context): boolean {
    return this._notebooks.has(context as unknown as Context);
  }

  forPanel(panel: NotebookPanel): OpenNotebook | null {
    return this._notebooks.get(panel.context) ?? null;
  }

  /** The notebook that waits for its first content. */
  waiting(path: string): OpenNotebook | null {
    return (
      this._at(path).find(open => !open.context.isReady && !open.loaded) ?? null
    );
  }

  /** The notebook that reads again; null when there is none, or when it could be either of two. */
  ready(path: string): OpenNotebook | null {
    const found = this._at(path).filter(open => open.context.isReady);
    return found.length === 1 ? found[0] : null;
  }

  createNew(panel: NotebookPanel, context: Context): IDisposable {
    let open = this._notebooks.get(context);
    if (!open) {
      const { protection, mode } = this._options;
      open = new OpenNotebook({
        context,
        protection,
        mode,
        isLeaving: () => this._isLeaving
      });
      this._notebooks.set(context, open);
      open.changed.connect(this._onNotebookChanged, this);
      this._added.emit(open);
      this._changed.emit();
    }
    const { panels } = open;
    panels.push(panel);
    return new DisposableDelegate(() => {
      panels.splice(panels.indexOf(panel) >>> 0, 1);
    });
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.removeEventListener('pagehide', this._onPageHide);
    window.removeEventListener('pageshow', this._onPageShow);
    this._options.contents.fileChanged.disconnect(this._onFileChanged, this);
    for (const open of [...this._notebooks.values()]) {
      open.dispose();
    }
    Signal.clearData(this);
  }

  private _at(path: string): OpenNotebook[] {
    const wanted = path.replace(/^\/+/, '');
    return [...this._notebooks.values()].filter(
      open => open.context.path === wanted
    );
  }

  private _onNotebookChanged(open: OpenNotebook): void {
    if (open.isDisposed) {
      this._notebooks.delete(open.context);
    }
    this._changed.emit();
  }

  private _onFileChanged(_: unknown, change: Contents.IChangedArgs): void {
    if (change.type === 'save' && change.newValue?.path) {
      for (const open of this._at(change.newValue.path)) {
        open.fileWritten(change.newValue as Contents.IModel);
      }
    }
  }

  private _onPageHide = (): void => {
    this._isLeaving = true;
  };

  private _onPageShow = (): void => {
    this._isLeaving = false; // back from the back-forward cache
  };

  private _added = new Signal<OpenNotebooks, OpenNotebook>(this);
  private _changed = new Signal<OpenNotebooks, void>(this);
  private _isDisposed = false;
  private _isLeaving = false;
  private _notebooks = new Map<Context, OpenNotebook>();
  private _options: OpenNotebooks.IOptions;
}

export namespace OpenNotebooks {
  export interface IOptions {
    protection: IProtection;
    mode: 'full' | 'record';
    contents: Contents.IManager;
  }
}
