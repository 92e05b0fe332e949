/** A page with one notebook on a pretended server, all of the visible half joined as index.ts does. */
import type { Contents } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import { OpenNotebooks } from '../src/opennotebooks';
import type { OpenNotebook } from '../src/opennotebook';
import { IndelibleProvider } from '../src/provider';
import {
  FakeContext,
  FakeFile,
  FakeProtection,
  type FakeRecorder
} from './fakes';

export class Page {
  constructor(cells: string[] = ['one', 'two']) {
    this.file = new FakeFile(cells);
    this.notebooks = new OpenNotebooks({
      protection: this.protection,
      mode: 'full',
      contents: {
        fileChanged: this.fileChanged
      } as unknown as Contents.IManager
    });
    this.provider = new IndelibleProvider({
      rest: this.file,
      notebooks: this.notebooks,
      protection: this.protection
    });
    this.context = new FakeContext(
      'a.ipynb',
      () => this.provider,
      change => this.fileChanged.emit(change)
    );
  }
  readonly fileChanged = new Signal<object, Contents.IChangedArgs>({});
  readonly protection = new FakeProtection();
  readonly file: FakeFile;
  readonly notebooks: OpenNotebooks;
  readonly provider: IndelibleProvider;
  readonly context: FakeContext;

  /** Make the panel, and read the notebook. */
  async open(): Promise<OpenNotebook> {
    const open = this.add();
    await this.context.revert();
    await this.context.ready;
    return open;
  }

  add(): OpenNotebook {
    const panel = this.context.asPanel();
    this.notebooks.createNew(panel, this.context.asContext());
    return this.notebooks.forPanel(panel)!;
  }

  get recorder(): FakeRecorder {
    return this.protection.recorders[this.protection.recorders.length - 1];
  }

  /** A key was pressed. */
  type(text: string, cell = 0): void {
    const shared = this.context.sharedModel.getCell(cell);
    shared.setSource(shared.getSource() + text);
    this.context.model.dirty = true;
    this.recorder.isAhead = true;
    this.recorder.seq++;
  }

  get sources(): string[] {
    return this.context.isDisposed
      ? []
      : this.context.sharedModel.cells.map(cell => cell.getSource());
  }
}
