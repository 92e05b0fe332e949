/** Two states of a notebook, one changed cell after the other. Text only: nothing of a notebook is run or loaded. */
import { Dialog } from '@jupyterlab/apputils';
import type { ICell, IOutput, MultilineString } from '@jupyterlab/nbformat';
import type { TranslationBundle } from '@jupyterlab/translation';
import { JSONExt, type JSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';

import {
  diffLines,
  joined,
  outputsOf,
  pairCells,
  type ICellPair
} from './diff';

/** More lines of one cell than this help nobody, and cost time. */
const MAX_LINES = 2000;

export interface ISide {
  readonly label: string;
  readonly cells: readonly ICell[];
}

/** An output as text: what it prints, or what it is. */
export function outputText(output: IOutput): string {
  if (output.output_type === 'stream') {
    return joined(output.text as MultilineString);
  }
  if (output.output_type === 'error') {
    return `${String(output.ename)}: ${String(output.evalue)}`;
  }
  const data = (output.data ?? {}) as JSONObject;
  const rich = Object.keys(data).filter(type => type !== 'text/plain');
  const plain = joined(data['text/plain'] as MultilineString | undefined);
  return [...rich.map(type => `[${type}]`), plain].filter(Boolean).join('\n');
}

function outputsText(cell: ICell | null): string {
  return cell ? outputsOf(cell).map(outputText).join('\n') : '';
}

/** What a cell has besides its source and outputs, trust aside. */
function propertiesText(cell: ICell | null): string {
  const { trusted: _, ...metadata } = (cell?.metadata ?? {}) as JSONObject;
  const attachments = (cell?.attachments ?? {}) as JSONObject;
  const lines = Object.entries(metadata).map(
    ([name, value]) => `${name}: ${JSON.stringify(value)}`
  );
  lines.push(...Object.keys(attachments).map(name => `attachment: ${name}`));
  if (typeof cell?.execution_count === 'number') {
    lines.push(`execution_count: ${cell.execution_count}`);
  }
  return lines.sort().join('\n');
}

export class CompareView extends Widget {
  constructor(before: ISide, after: ISide, trans: TranslationBundle) {
    super();
    this.addClass('jp-Indelible-compare');
    const pairs = pairCells(before.cells, after.cells).filter(
      pair => pair.kind !== 'same'
    );
    const legend = this._add(this.node, 'div', 'jp-Indelible-legend');
    this._add(legend, 'span', 'jp-Indelible-removed', `− ${before.label}`);
    this._add(legend, 'span', 'jp-Indelible-added', `+ ${after.label}`);
    if (pairs.length === 0) {
      this._add(this.node, 'p', '', trans.__('The cells are the same.'));
    }
    for (const pair of pairs) {
      this._addPair(pair, trans);
    }
  }

  private _addPair(pair: ICellPair, trans: TranslationBundle): void {
    const cell = this._add(this.node, 'section', 'jp-Indelible-compareCell');
    const number = (pair.afterIndex ?? pair.beforeIndex ?? 0) + 1;
    const titles = {
      same: trans.__('Cell %1, unchanged', number),
      changed: trans.__('Cell %1, changed', number),
      added: trans.__('Cell %1, added', number),
      removed: trans.__('Cell %1, removed', number)
    };
    this._add(cell, 'h3', '', titles[pair.kind]);
    const { before, after } = pair;
    this._addLines(
      cell,
      joined(before?.source),
      joined(after?.source),
      before,
      after
    );
    const properties = [propertiesText(before), propertiesText(after)];
    if (before && after && properties[0] !== properties[1]) {
      this._add(cell, 'h4', '', trans.__('Properties'));
      this._addLines(cell, properties[0], properties[1], before, after);
    }
    const [old, now] = [outputsText(before), outputsText(after)];
    if (old !== now) {
      this._add(cell, 'h4', '', trans.__('Outputs'));
      this._addLines(
        cell,
        old,
        now,
        old === '' ? null : before,
        now === '' ? null : after
      );
    } else if (
      before &&
      after &&
      !JSONExt.deepEqual(outputsOf(before), outputsOf(after))
    ) {
      this._add(
        cell,
        'h4',
        '',
        trans.__('The outputs differ in what cannot be shown as text.')
      );
    }
    if (before && after && before.cell_type !== after.cell_type) {
      this._add(
        cell,
        'h4',
        '',
        trans.__('Type: %1 → %2', before.cell_type, after.cell_type)
      );
    }
  }

  private _addLines(
    parent: HTMLElement,
    old: string,
    now: string,
    before: ICell | null,
    after: ICell | null
  ): void {
    if (old === now) {
      return;
    }
    const lines = diffLines(old, now).filter(
      // A cell that is not there has no empty line.
      line =>
        !(
          line.text === '' &&
          ((line.kind === 'removed' && !before) ||
            (line.kind === 'added' && !after))
        )
    );
    const block = this._add(parent, 'div', 'jp-Indelible-lines');
    for (const line of lines.slice(0, MAX_LINES)) {
      const sign = { same: ' ', added: '+', removed: '−', gap: '⋯' }[line.kind];
      this._add(
        block,
        'div',
        `jp-Indelible-${line.kind}`,
        `${sign} ${line.text}`
      );
    }
    if (lines.length > MAX_LINES) {
      this._add(block, 'div', 'jp-Indelible-gap', '⋯');
    }
  }

  private _add(
    parent: HTMLElement,
    tag: string,
    className: string,
    text = ''
  ): HTMLElement {
    const node = document.createElement(tag);
    node.className = className;
    node.textContent = text;
    parent.append(node);
    return node;
  }
}

/** Show the two states in a dialog, which works in JupyterLab and in Notebook 7 alike. */
export async function showComparison(
  title: string,
  before: ISide,
  after: ISide,
  trans: TranslationBundle
): Promise<void> {
  const dialog = new Dialog({
    title,
    body: new CompareView(before, after, trans),
    buttons: [Dialog.okButton({ label: trans.__('Close') })],
    hasClose: true
  });
  dialog.addClass('jp-Indelible-compareDialog');
  await dialog.launch();
}
