/**
 * JupyterLab opens a dialog over the notebook when no server answers. Here nothing is lost by that and the indicator
 * says how things stand, so the user may go on typing.
 */
import { PageConfig } from '@jupyterlab/coreutils';
import type { ServiceManager } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import type { IProtection } from './contracts';

export function quietConnectionLost(
  services: ServiceManager.IManager,
  protection: IProtection
): void {
  const failure = services.connectionFailure;
  // Under JupyterHub the dialog offers to start the server again: that is worth showing.
  if (!(failure instanceof Signal) || PageConfig.getOption('hubPrefix')) {
    return;
  }
  const emit = failure.emit.bind(failure);
  failure.emit = reason => {
    const isOurs = protection.hello !== null && protection.link !== 'missing';
    if (!isOurs) {
      emit(reason);
    }
  };
}
