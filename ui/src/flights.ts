/** The edits that the server has not acked. */
import type { ITouched } from './notebooktrack';
import type { IEdit } from './protocol';

export interface IFlight {
  /** Null when it was not sent: what it said goes along with a later one. */
  message: IEdit | null;
  touched: ITouched;
  /** When the first change of it was made. */
  at: number;
}

export class Flights {
  /** Last edit made, last one acked, and last one that is in the outbox. */
  seq = 0;
  acked = 0;
  keptSeq = 0;
  lastAckAt: number | null = null;

  get size(): number {
    return this._flights.size;
  }

  get kept(): number {
    return [...this._flights.keys()].filter(seq => seq <= this.keptSeq).length;
  }

  get oldestAt(): number | null {
    for (const one of this._flights.values()) {
      return one.at;
    }
    return null;
  }

  /** All of them, when each was sent as a message; else null. */
  get messages(): IEdit[] | null {
    const messages = [...this._flights.values()].map(one => one.message);
    return messages.every(one => one !== null) ? messages : null;
  }

  add(seq: number, flight: IFlight): void {
    this._flights.set(seq, flight);
  }

  /** The server has everything up to `seq`. */
  ack(seq: number, now: number): void {
    this.acked = Math.max(this.acked, Math.min(seq, this.seq));
    this.lastAckAt = now;
    for (const one of [...this._flights.keys()]) {
      if (one <= this.acked) {
        this._flights.delete(one);
      }
    }
  }

  /** The server has refused it; what it carried, if it was ours. */
  refuse(seq: number): ITouched | null {
    const flight = this._flights.get(seq);
    this._flights.delete(seq);
    return flight?.touched ?? null;
  }

  /** What they carried goes with a new edit: its age is theirs. Returns it. */
  land(): number | null {
    const oldest = this.oldestAt;
    this._flights.clear();
    return oldest;
  }

  private _flights = new Map<number, IFlight>();
}
