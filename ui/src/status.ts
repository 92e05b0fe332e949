/** The indicator: what the file holds, and beside it whether the rest is protected. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import type { ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import type { IProtection, IRecorder } from './contracts';
import { levelIcons } from './icons';
import type { AutosaveInterval } from './interval';
import type { ISaveResult, OpenNotebook } from './opennotebook';
import type { OpenNotebooks } from './opennotebooks';
import { hoverText } from './statusdetails';
import { StatusPanel } from './statuspanel';
import { describe, isAway, type IStatus, type Level } from './statustext';

/** "Saving…" stays this long after the last ack, so that it does not flicker at each key. */
const CALM_MS = 600;

/** How long the details of a failed save stay open. */
const FAILURE_MS = 10_000;

/** How often the text is looked at while something is not acked: time passes without any signal. */
const LOOK_MS = 1000;

export class StatusIndicator extends Widget {
  constructor(options: StatusIndicator.IOptions) {
    super({ node: document.createElement('button') });
    this._options = options;
    this.addClass('jp-Indelible-status');
    this.node.setAttribute('type', 'button');
    this.node.setAttribute('aria-haspopup', 'dialog');
    this._file.className = 'jp-Indelible-statusFile';
    this._icon.className = 'jp-Indelible-statusIcon';
    this._protection.className = 'jp-Indelible-statusProtection';
    this._live.className = 'jp-Indelible-srOnly';
    this._live.setAttribute('aria-live', 'polite');
    this.node.append(this._file, this._icon, this._protection);
    // Beside the button, whose name it would otherwise be part of.
    document.body.append(this._live);
    options.protection.changed.connect(this.refresh, this);
    options.notebooks.changed.connect(this.refresh, this);
    options.interval.changed.connect(this.refresh, this);
    options.currentChanged.connect(this.refresh, this);
    this.node.addEventListener('click', this);
    this.refresh();
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    const { protection, notebooks, interval, currentChanged } = this._options;
    protection.changed.disconnect(this.refresh, this);
    notebooks.changed.disconnect(this.refresh, this);
    interval.changed.disconnect(this.refresh, this);
    currentChanged.disconnect(this.refresh, this);
    this._recorder?.changed.disconnect(this.refresh, this);
    this.node.removeEventListener('click', this);
    window.clearTimeout(this._timer);
    this._live.remove();
    this._panel?.dispose();
    super.dispose();
  }

  handleEvent(event: Event): void {
    if (event.type === 'click') {
      this._togglePanel();
    }
  }

  /** What there is to say now; null when no notebook is shown. */
  get status(): IStatus | null {
    const open = this._options.current();
    const recorder = open?.recorder ?? null;
    if (!open || open.isDisposed) {
      return null;
    }
    const { protection, interval } = this._options;
    return {
      now: Date.now(),
      link: protection.link,
      mode: open.mode,
      problems: protection.problems,
      pending: recorder?.pending ?? 0,
      kept: recorder?.kept ?? 0,
      oldestUnackedAt: recorder?.oldestUnackedAt ?? null,
      lastAckAt: recorder?.lastAckAt ?? null,
      isAhead: open.isAhead,
      lastSave: open.lastSave,
      autosaveMs: interval.ms,
      path: open.context.path
    };
  }

  /** Say what is so now. */
  refresh(): void {
    if (this.isDisposed) {
      return;
    }
    this._follow(this._options.current()?.recorder ?? null);
    const status = this.status;
    this.setHidden(status === null);
    window.clearTimeout(this._timer);
    if (!status) {
      this._panel?.dispose();
      return;
    }
    this._show(status);
    if (status.pending > 0 || this._isCalming(status.now)) {
      this._timer = window.setTimeout(
        () => this.refresh(),
        status.pending > 0
          ? LOOK_MS
          : Math.max(50, this._savingAt + CALM_MS - status.now)
      );
    }
  }

  protected override onBeforeDetach(message: Message): void {
    this._panel?.dispose();
    super.onBeforeDetach(message);
  }

  private _isCalming(now: number): boolean {
    return now - this._savingAt < CALM_MS;
  }

  private _show(status: IStatus): void {
    const { trans } = this._options;
    let text = describe(status, trans);
    if (text.level === 'saving') {
      this._savingAt = status.now;
    } else if (text.level === 'protected' && this._isCalming(status.now)) {
      text = { ...text, level: 'saving', protection: trans.__('Saving…') };
    }
    const { dataset } = this.node;
    dataset.level = text.level;
    dataset.file = text.isFileBad ? 'bad' : 'ok';
    setText(this._file, text.file);
    setText(this._protection, text.protection);
    if (this._shown !== text.level) {
      this._shown = text.level;
      levelIcons[text.level].element({ container: this._icon, tag: 'span' });
    }
    // Not "Saving…": a screen reader would never be quiet.
    if (text.level !== 'saving') {
      setText(
        this._live,
        [text.isFileBad ? text.file : '', text.protection]
          .filter(Boolean)
          .join('. ')
      );
    }
    const title = hoverText(status, trans);
    if (this.node.title !== title) {
      this.node.title = title;
    }
    if (this._tellFailure(status)) {
      this._openPanel(status, FAILURE_MS);
    } else {
      this._panel?.present(status);
    }
  }

  private _follow(recorder: IRecorder | null): void {
    if (recorder !== this._recorder) {
      this._recorder?.changed.disconnect(this.refresh, this);
      this._recorder = recorder;
      recorder?.changed.connect(this.refresh, this);
    }
  }

  private _togglePanel(): void {
    const { status } = this;
    if (this._panel || !status) {
      this._panel?.dispose();
    } else {
      this._openPanel(status);
    }
  }

  private _openPanel(status: IStatus, closeAfterMs = 0): void {
    const { trans, protection } = this._options;
    this._panel = new StatusPanel({
      anchor: this.node,
      closeAfterMs,
      trans,
      retry: () => protection.retry()
    });
    this._panel.disposed.connect(() => {
      this._panel = null;
      this.node.setAttribute('aria-expanded', 'false');
    });
    this.node.setAttribute('aria-expanded', 'true');
    this._panel.present(status);
  }

  /** A save that the user asked for, and no server: say at once what is safe. */
  private _tellFailure({ lastSave, link }: IStatus): boolean {
    if (!lastSave?.failure || lastSave === this._told) {
      return false;
    }
    this._told = lastSave;
    return lastSave.by === 'user' && isAway(link) && !this._panel;
  }

  private _file = document.createElement('span');
  private _icon = document.createElement('span');
  private _live = document.createElement('span');
  private _options: StatusIndicator.IOptions;
  private _panel: StatusPanel | null = null;
  private _protection = document.createElement('span');
  private _recorder: IRecorder | null = null;
  private _savingAt = -Infinity;
  private _shown: Level | null = null;
  private _timer = 0;
  private _told: ISaveResult | null = null;
}

function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

export namespace StatusIndicator {
  export interface IOptions {
    protection: IProtection;
    notebooks: OpenNotebooks;
    interval: AutosaveInterval;
    /** The notebook that is looked at. */
    current: () => OpenNotebook | null;
    currentChanged: ISignal<unknown, unknown>;
    trans: TranslationBundle;
  }
}
