/** The plugins. What they join is in the other files. */
import {
  ILabShell,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  INotebookTracker,
  INotebookWidgetFactory,
  type NotebookWidgetFactory
} from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Autosave } from './autosave';
import { isCollaborative, isContentProviderTaken } from './collaboration';
import { bindLegacyNames, followAutosaveMagic } from './console';
import { AutosaveInterval, DOCMANAGER } from './interval';
import { OpenNotebooks } from './opennotebooks';
import { AutosaveEvents } from './events';
import { registerProvider, standBeforeProvider } from './registerprovider';
import { Recovery } from './recovery';
import { SaveBanner } from './savebanner';
import { addIndicator } from './addindicator';
import { quietConnectionLost } from './connectionlost';
import { loadSettings } from './settings';
import { startProtection } from './startprotection';
import { silenceStockAutosave } from './stockautosave';
import { IIndelible } from './tokens';

const protection: JupyterFrontEndPlugin<IIndelible> = {
  id: 'indelible:protection',
  description: 'Records every edit of every open notebook.',
  autoStart: true,
  provides: IIndelible,
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null
  ): IIndelible => {
    const mode = isCollaborative(app) ? 'record' : 'full';
    const protection = startProtection(app.serviceManager.serverSettings);
    quietConnectionLost(app.serviceManager, protection);
    const { contents } = app.serviceManager;
    const notebooks = new OpenNotebooks({ protection, mode, contents });
    app.docRegistry.addWidgetExtension('Notebook', notebooks);
    return {
      protection,
      notebooks,
      mode,
      interval: new AutosaveInterval(),
      events: new AutosaveEvents(),
      trans: (translator ?? nullTranslator).load('indelible')
    };
  }
};

const provider: JupyterFrontEndPlugin<void> = {
  id: 'indelible:provider',
  description: 'Opens a notebook with what its file does not hold yet.',
  autoStart: true,
  requires: [IIndelible, INotebookWidgetFactory],
  activate: (
    app: JupyterFrontEnd,
    indelible: IIndelible,
    factory: NotebookWidgetFactory.IFactory
  ) => {
    const { contents } = app.serviceManager;
    // In JupyterLab 4.4 its interface does not tell of it yet.
    const { defaultDrive } = contents as Contents.IManager & {
      defaultDrive?: Contents.IDrive;
    };
    if (!defaultDrive) {
      return;
    }
    if (!isContentProviderTaken(app)) {
      registerProvider(defaultDrive, factory, indelible);
    } else if (indelible.mode === 'full') {
      void app.started.then(() =>
        standBeforeProvider(defaultDrive, factory, indelible)
      );
    }
  }
};

/** Named as our settings are. */
const autosave: JupyterFrontEndPlugin<void> = {
  id: 'indelible:plugin',
  description: 'Saves notebooks by themselves.',
  autoStart: true,
  requires: [IIndelible],
  optional: [ISettingRegistry],
  activate: (
    _: JupyterFrontEnd,
    indelible: IIndelible,
    settings: ISettingRegistry | null
  ) => {
    const { protection, notebooks, interval, events, mode } = indelible;
    (events as AutosaveEvents).follow(protection, settings, autosave.id);
    protection.changed.connect(() => {
      interval.setServer(protection.hello?.autosave_interval_ms ?? null);
    });
    if (settings) {
      loadSettings(settings, DOCMANAGER).then(
        loaded => interval.setSettings(loaded),
        () => undefined // No document manager settings: the server's default holds.
      );
    }
    if (mode === 'full') {
      silenceStockAutosave(context => notebooks.has(context));
      notebooks.added.connect((_, open) => {
        new Autosave({ open, interval, protection, events });
      });
    }
  }
};

const status: JupyterFrontEndPlugin<void> = {
  id: 'indelible:status',
  description: 'Says what is saved and what is protected.',
  autoStart: true,
  requires: [IIndelible, INotebookTracker],
  optional: [ILabShell, IStatusBar],
  activate: addIndicator
};

const recovery: JupyterFrontEndPlugin<void> = {
  id: 'indelible:recovery',
  description:
    'Tells what was recovered, and lets it be compared and discarded.',
  autoStart: true,
  requires: [IIndelible],
  activate: (
    _: JupyterFrontEnd,
    { notebooks, protection, trans }: IIndelible
  ) => {
    notebooks.added.connect((_, open) => {
      new Recovery({ open, api: protection.api, trans });
    });
  }
};

const failures: JupyterFrontEndPlugin<void> = {
  id: 'indelible:failures',
  description: 'Says why a notebook could not be saved, and what is safe.',
  autoStart: true,
  requires: [IIndelible],
  activate: (
    app: JupyterFrontEnd,
    { notebooks, protection, mode, trans }: IIndelible
  ) => {
    const { baseUrl } = app.serviceManager.serverSettings;
    if (mode === 'full') {
      notebooks.added.connect((_, open) => {
        const logIn = () => void window.open(baseUrl, '_blank', 'noopener');
        new SaveBanner({ open, protection, logIn, trans });
      });
    }
  }
};

const legacy: JupyterFrontEndPlugin<void> = {
  id: 'indelible:console',
  description:
    'set_autosave_interval() in the browser’s console, and %autosave.',
  autoStart: true,
  requires: [IIndelible],
  activate: (_: JupyterFrontEnd, { notebooks, interval }: IIndelible) => {
    bindLegacyNames(interval);
    notebooks.added.connect((_, open) =>
      followAutosaveMagic(open.context.sessionContext, interval)
    );
  }
};

export default [
  protection,
  provider,
  autosave,
  status,
  recovery,
  failures,
  legacy
];
