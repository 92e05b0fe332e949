/** A slim bar above a notebook: a sentence or two and what can be done about it. Never in the way, never modal. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

/** Of one line, and what is above and below the text. */
const LOWEST_PX = 32;
const AROUND_PX = 12;

export interface INoticeAction {
  readonly label: string;
  readonly caption: string;
  /** While it runs the buttons are off; a rejection is shown in the notice. */
  readonly run: () => Promise<void> | void;
}

export class Notice extends Widget {
  constructor(options: Notice.IOptions) {
    super();
    this._options = options;
    this.addClass('jp-Indelible-notice');
    this.node.setAttribute('role', 'status');
    this._text.className = 'jp-Indelible-noticeText';
    this._buttons.className = 'jp-Indelible-noticeButtons';
    const close = document.createElement('button');
    close.type = 'button';
    close.className = 'jp-Indelible-noticeClose';
    close.title = options.trans.__('Close this notice');
    close.setAttribute('aria-label', close.title);
    closeIcon.element({ container: close });
    close.addEventListener('click', () => this.dispose());
    this.node.append(this._text, this._buttons, close);
    this.say(options.text, options.actions);
  }

  override dispose(): void {
    window.clearTimeout(this._timer);
    super.dispose();
  }

  /** More than the sentence says, on hover. */
  set detail(text: string) {
    this._text.title = text || (this._text.textContent ?? '');
  }

  /** Replace the sentence and the actions. With `closeAfterMs` the notice then goes by itself. */
  say(
    text: string,
    actions: readonly INoticeAction[] = [],
    closeAfterMs = 0
  ): void {
    if (this.isDisposed) {
      return;
    }
    this._text.textContent = text;
    this._text.title = text;
    this._buttons.replaceChildren(
      ...actions.map(action => this._button(action))
    );
    this._fit();
    window.clearTimeout(this._timer);
    if (closeAfterMs > 0) {
      this._timer = window.setTimeout(() => this.dispose(), closeAfterMs);
    }
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._fit();
  }

  protected override onResize(message: Widget.ResizeMessage): void {
    super.onResize(message);
    this._fit();
  }

  /** As high as the text needs: the layout asks for the limits, not for the content. */
  private _fit(): void {
    if (!this.isAttached) {
      return;
    }
    const height = Math.max(LOWEST_PX, this._text.scrollHeight + AROUND_PX);
    if (height !== this._height) {
      this._height = height;
      this.node.style.minHeight = this.node.style.maxHeight = `${height}px`;
      this.parent?.fit();
    }
  }

  private _button(action: INoticeAction): HTMLButtonElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'jp-Indelible-noticeButton';
    button.textContent = action.label;
    button.title = action.caption;
    button.addEventListener('click', () => void this._run(action));
    return button;
  }

  private async _run(action: INoticeAction): Promise<void> {
    const buttons = [...this._buttons.querySelectorAll('button')];
    buttons.forEach(button => (button.disabled = true));
    try {
      await action.run();
    } catch (reason) {
      const why = reason instanceof Error ? reason.message : String(reason);
      this._text.textContent = this._options.trans.__(
        '%1 did not work: %2',
        action.label,
        why
      );
    } finally {
      buttons.forEach(button => (button.disabled = false));
    }
  }

  private _buttons = document.createElement('span');
  private _height = LOWEST_PX;
  private _options: Notice.IOptions;
  private _text = document.createElement('span');
  private _timer = 0;
}

export namespace Notice {
  export interface IOptions {
    text: string;
    actions: readonly INoticeAction[];
    trans: TranslationBundle;
  }
}
