/** Put the indicator where each application has its place for it. */
import type { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { NotebookPanel, type INotebookTracker } from '@jupyterlab/notebook';
import type { IStatusBar } from '@jupyterlab/statusbar';
import { Signal, type ISignal } from '@lumino/signaling';

import type { OpenNotebook } from './opennotebook';
import { StatusIndicator } from './status';
import type { IIndelible } from './tokens';

/** Right of everything in Notebook 7's top area, whose last widget has the rank 900. */
const TOP_RANK = 950;

export function addIndicator(
  app: JupyterFrontEnd,
  { protection, notebooks, interval, trans }: IIndelible,
  tracker: INotebookTracker,
  labShell: ILabShell | null,
  statusBar: IStatusBar | null
): void {
  const current = (): OpenNotebook | null => {
    const { currentWidget } = app.shell;
    const panel =
      currentWidget instanceof NotebookPanel
        ? currentWidget
        : tracker.currentWidget;
    return panel && !panel.isDisposed ? notebooks.forPanel(panel) : null;
  };
  const currentChanged: ISignal<unknown, unknown> =
    labShell?.currentChanged ?? tracker.currentChanged;
  const indicator = new StatusIndicator({
    protection,
    notebooks,
    interval,
    current,
    currentChanged,
    trans
  });
  const activity = new Signal<unknown, void>(indicator);
  const onActivity = (): void => activity.emit();
  notebooks.changed.connect(onActivity);
  currentChanged.connect(onActivity);
  indicator.disposed.connect(() => {
    notebooks.changed.disconnect(onActivity);
    currentChanged.disconnect(onActivity);
  });
  indicator.id = 'jp-indelible-status';
  if (labShell && statusBar) {
    statusBar.registerStatusItem('indelible:status', {
      item: indicator,
      align: 'right',
      rank: 2,
      priority: 10,
      isActive: () => current() !== null,
      activeStateChanged: activity
    });
  } else if (!labShell) {
    app.shell.add(indicator, 'top', { rank: TOP_RANK });
  }
}
