/** The small panel that a click on the indicator opens. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { detailsNode } from './statusdetails';
import type { IStatus } from './statustext';

export class StatusPanel extends Widget {
  constructor(options: StatusPanel.IOptions) {
    super();
    this._options = options;
    this.addClass('jp-Indelible-panel');
    this.addClass('jp-ThemedContainer');
    this.node.setAttribute('role', 'dialog');
    this.node.setAttribute(
      'aria-label',
      options.trans.__('Protection of this notebook')
    );
    this.node.tabIndex = -1;
    this._retry.type = 'button';
    this._retry.className =
      'jp-Button jp-mod-styled jp-mod-accept jp-Indelible-retry';
    this._retry.textContent = options.trans.__('Try again now');
    this._retry.addEventListener('click', this);
    this.node.append(this._body, this._retry);
    document.addEventListener('pointerdown', this, true);
    document.addEventListener('keydown', this, true);
    window.addEventListener('resize', this);
    Widget.attach(this, document.body);
    if (options.closeAfterMs) {
      this._timer = window.setTimeout(
        () => this.dispose(),
        options.closeAfterMs
      );
    } else {
      this.node.focus();
    }
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    window.clearTimeout(this._timer);
    this._retry.removeEventListener('click', this);
    document.removeEventListener('pointerdown', this, true);
    document.removeEventListener('keydown', this, true);
    window.removeEventListener('resize', this);
    super.dispose();
  }

  present(status: IStatus): void {
    if (!this.isDisposed) {
      this._body.replaceChildren(detailsNode(status, this._options.trans));
      this._retry.hidden = status.link === 'connected' || status.link === 'off';
      this._place();
    }
  }

  handleEvent(event: Event): void {
    const inside =
      event.target instanceof Node && this.node.contains(event.target);
    const onAnchor =
      event.target instanceof Node &&
      this._options.anchor.contains(event.target);
    if (event.type === 'click') {
      this._options.retry();
    } else if (event.type === 'resize') {
      this._place();
    } else if (event.type === 'pointerdown' && !inside && !onAnchor) {
      this.dispose();
    } else if (event instanceof KeyboardEvent && event.key === 'Escape') {
      event.stopPropagation();
      this.dispose();
      this._options.anchor.focus();
    }
  }

  /** Above the anchor when it stands in the lower half of the page, else below; always inside the page. */
  private _place(): void {
    const anchor = this._options.anchor.getBoundingClientRect();
    const { style, offsetWidth: width } = this.node;
    const left = Math.min(anchor.right - width, window.innerWidth - width - 8);
    style.left = `${Math.max(8, left)}px`;
    const isLow = anchor.top > window.innerHeight / 2;
    style.bottom = isLow ? `${window.innerHeight - anchor.top + 6}px` : '';
    style.top = isLow ? '' : `${anchor.bottom + 6}px`;
  }

  private _body = document.createElement('div');
  private _options: StatusPanel.IOptions;
  private _retry = document.createElement('button');
  private _timer = 0;
}

export namespace StatusPanel {
  export interface IOptions {
    anchor: HTMLElement;
    trans: TranslationBundle;
    /** It opened by itself: it takes no focus, and goes by itself. */
    closeAfterMs?: number;
    /** Try to reach the server now. */
    retry: () => void;
  }
}
