/** Cells that were changed here and in the file: both sides beside each other, and a choice for each. */
import { Dialog } from '@jupyterlab/apputils';
import type { ICell } from '@jupyterlab/nbformat';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { outputText } from './compare';
import { diffLines, joined, outputsOf } from './diff';
import type { Choice } from './mergefile';
import type { IMergeAnswer, IMergeConflict } from './protocol';

const MAX_LINES = 500;

export class ConflictView extends Widget {
  constructor(answer: IMergeAnswer, trans: TranslationBundle) {
    super();
    this.addClass('jp-Indelible-conflicts');
    this._trans = trans;
    const words = document.createElement('p');
    words.textContent = trans.__(
      'Whatever you choose, both sides stay in the store. Everything else is merged already.'
    );
    this.node.append(words);
    this.choices = answer.conflicts.map(() => 'ours');
    answer.conflicts.forEach((one, index) => this._add(one, index));
  }

  readonly choices: Choice[];

  private _add(conflict: IMergeConflict, index: number): void {
    const trans = this._trans;
    const group = document.createElement('fieldset');
    group.className = 'jp-Indelible-conflict';
    const title = document.createElement('legend');
    title.textContent =
      conflict.at < 0
        ? trans.__('The notebook’s metadata')
        : `${trans.__('Cell %1', conflict.at + 1)}: ${this._kind(conflict)}`;
    group.append(title);
    const sides = document.createElement('div');
    sides.className = 'jp-Indelible-sides';
    const [ours, theirs] = [textOf(conflict.ours), textOf(conflict.theirs)];
    sides.append(
      this._side('ours', index, conflict.ours, theirs, ours),
      this._side('theirs', index, conflict.theirs, ours, theirs)
    );
    group.append(sides);
    if (conflict.at >= 0 && conflict.ours && conflict.theirs) {
      group.append(this._radio('both', index, trans.__('Both, as two cells')));
    }
    this.node.append(group);
  }

  private _kind({ kind }: IMergeConflict): string {
    const trans = this._trans;
    switch (kind) {
      case 'source':
        return trans.__('the same lines were changed');
      case 'outputs':
        return trans.__('it was run on both sides');
      case 'deleted_here':
        return trans.__('deleted here, changed in the file');
      case 'deleted_there':
        return trans.__('changed here, deleted in the file');
      default:
        return trans.__('its properties were changed');
    }
  }

  private _side(
    choice: Choice,
    index: number,
    cell: ICell | null,
    other: string,
    text: string
  ): HTMLElement {
    const trans = this._trans;
    const side = document.createElement('div');
    side.className = 'jp-Indelible-side';
    side.append(
      this._radio(
        choice,
        index,
        choice === 'ours' ? trans.__('Here') : trans.__('In the file')
      )
    );
    const lines = document.createElement('div');
    lines.className = 'jp-Indelible-lines';
    lines.tabIndex = 0;
    if (cell === null) {
      lines.textContent = trans.__('(deleted)');
    } else {
      const shown = diffLines(other, text).filter(
        one => one.kind !== 'removed'
      );
      for (const one of shown.slice(0, MAX_LINES)) {
        const line = document.createElement('div');
        line.className = `jp-Indelible-${one.kind}`;
        line.textContent = one.kind === 'gap' ? '⋯' : one.text || '\u00a0';
        lines.append(line);
      }
    }
    side.append(lines);
    return side;
  }

  private _radio(choice: Choice, index: number, text: string): HTMLElement {
    const label = document.createElement('label');
    const radio = document.createElement('input');
    radio.type = 'radio';
    radio.name = `${this.id}-${index}`;
    radio.value = choice;
    radio.checked = this.choices[index] === choice;
    radio.addEventListener('change', () => {
      this.choices[index] = choice;
    });
    label.append(radio, ` ${text}`);
    return label;
  }

  private _trans: TranslationBundle;
}

function textOf(cell: ICell | null): string {
  if (!cell) {
    return '';
  }
  if (cell.source === undefined) {
    return JSON.stringify(cell, null, 1);
  }
  const outputs = outputsOf(cell).map(outputText).join('\n');
  return outputs ? `${joined(cell.source)}\n\n${outputs}` : joined(cell.source);
}

/** Ask for a choice for each conflict; null when the user puts it off. */
export async function chooseSides(
  answer: IMergeAnswer,
  trans: TranslationBundle
): Promise<Choice[] | null> {
  const body = new ConflictView(answer, trans);
  const dialog = new Dialog({
    title: trans.__('Changed here and in the file'),
    body,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Later') }),
      Dialog.okButton({ label: trans.__('Take these and save') })
    ],
    hasClose: true
  });
  dialog.addClass('jp-Indelible-compareDialog');
  const result = await dialog.launch();
  return result.button.accept ? body.choices : null;
}
