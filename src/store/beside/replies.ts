/** Who waits for the log's thread: for a commit, or for where a conversation goes on. */
import { newId } from '../../core/ids.js';
import type { Opening } from '../../core/log.js';
import type { UnwrittenMessage } from './held.js';
import type { FromLog } from './wire.js';

export type Opened = Extract<FromLog, { readonly type: 'opened' }>;

export class Replies {
  readonly #commits = new Map<number, (committed: boolean) => void>();
  readonly #openings = new Map<number, { readonly resolve: (opened: Opened) => void; readonly opening: Opening }>();
  #lastNumber = 0;

  /** A number for a reply, or for a recording. */
  next(): number {
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  /** Commits that are waited for. */
  get commits(): number {
    return this.#commits.size;
  }

  get any(): boolean {
    return this.#commits.size > 0 || this.#openings.size > 0;
  }

  awaitCommit(resolve: (committed: boolean) => void): number {
    const replyId = this.next();
    this.#commits.set(replyId, resolve);
    return replyId;
  }

  /** The texts of messages that are to be committed, where each that somebody waits for asks for a reply. */
  textsOf(messages: readonly Pick<UnwrittenMessage, 'resolve'>[], texts: readonly string[]): readonly string[] {
    return texts.map((text, at) => {
      const resolve = messages[at]?.resolve;
      return resolve === undefined ? text : `{"replyId":${this.awaitCommit(resolve)},${text.slice(1)}`;
    });
  }

  awaitOpened(opening: Opening, resolve: (opened: Opened) => void): number {
    const replyId = this.next();
    this.#openings.set(replyId, { resolve, opening });
    return replyId;
  }

  /** Pairs, as the log's thread sends them. */
  results(results: readonly number[]): void {
    for (let at = 0; at < results.length; at += 2) this.committed(results[at] ?? 0, results[at + 1] === 1);
  }

  committed(replyId: number, is: boolean): void {
    const resolve = this.#commits.get(replyId);
    this.#commits.delete(replyId);
    resolve?.(is);
  }

  opened(opened: Opened): void {
    this.#openings.get(opened.replyId)?.resolve(opened);
    this.#openings.delete(opened.replyId);
  }

  openAsNew(replyId: number): void {
    const waiting = this.#openings.get(replyId);
    if (waiting === undefined) return;
    const trajectoryId = newId('traj', waiting.opening.at);
    this.opened({ type: 'opened', replyId, trajectoryId, continued: false });
  }

  openAllAsNew(): void {
    for (const replyId of [...this.#openings.keys()]) this.openAsNew(replyId);
  }

  /** Nobody waits for a commit any longer. */
  letGo(): void {
    for (const replyId of [...this.#commits.keys()]) this.committed(replyId, false);
  }

  /** No reply will come: nothing of it is committed, and conversations are new ones. Returns how many there were. */
  fail(): number {
    const count = this.#commits.size + this.#openings.size;
    this.letGo();
    this.openAllAsNew();
    return count;
  }
}
