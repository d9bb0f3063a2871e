/**
 * One server of tools: its session is opened before the first call, shared by all calls, checked in between, and opened
 * again when it is gone. A server that is down stops nothing else: calls to it fail with the reason, and it is tried
 * again after pauses that double.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import type { McpServer } from '../../src/core/config.js';
import { GyreError, reasonOf } from '../../src/core/errors.js';
import type { ProxyFor } from '../../src/core/proxy.js';
import type { Tool, ToolLimits } from '../../src/core/tool.js';
import type { Connection } from './connection.js';
import { fault, NotDelivered } from './faults.js';
import { Offering } from './offering.js';
import { scrubber } from './secrets.js';

/** Intervals, in milliseconds. */
export interface Pace {
  /** Pause before a server that failed is tried again: the first one, and the longest. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** Between two lists of tools of a server that announces no change. */
  readonly refreshMs: number;
  /** At least between two lists of tools of a server that announces change after change. */
  readonly listMs: number;
  /** Between two checks whether the operator has accepted a changed tool. */
  readonly acceptedMs: number;
}

export const PACE: Pace = { firstMs: 1_000, longestMs: 60_000, refreshMs: 300_000, listMs: 500, acceptedMs: 1_000 };

export interface ToolServerOptions {
  readonly server: McpServer;
  readonly version: string;
  readonly prefixes: readonly string[];
  readonly proxyFor?: ProxyFor | undefined;
  readonly dataDir: string;
  readonly limits: ToolLimits;
  readonly toolbox: Map<string, Tool>;
  /** One line for the operator. */
  readonly warn: (text: string) => void;
  readonly pace: Pace;
}

/** As `/ready` shows it. */
export interface ServerPart {
  readonly part: string;
  readonly ready: boolean;
  readonly needed: false;
  readonly detail: string;
}

/** A server may have to be downloaded before it starts. */
const OPEN_MS = 60_000;
/** A call ends this much after its caller's own timeout, should the caller not have ended it. */
const GRACE_MS = 5_000;
/** Characters of a server's own words that are passed on as a reason. */
const MAX_REASON = 300;

export class ToolServer {
  readonly name: string;
  readonly #options: ToolServerOptions;
  readonly #offering: Offering;
  readonly #scrub: (text: string) => string;
  readonly #closing = new AbortController();
  /** Sessions that are being closed. */
  readonly #ending = new Set<Promise<void>>();
  #connection: Connection | undefined;
  #connecting: Promise<void> | undefined;
  #refreshing: Promise<void> | undefined;
  /** The server's list has changed since it was read, or may have. */
  #stale = false;
  #retry: NodeJS.Timeout | undefined;
  #check: NodeJS.Timeout | undefined;
  #timers: readonly NodeJS.Timeout[] | undefined;
  #failures = 0;
  #failedAt = 0;
  #upSince = 0;
  #listedAt = 0;
  #reason = 'not started';
  /** The operator has a warning that it is down. */
  #warned = false;
  #lastLine = '';

  constructor(options: ToolServerOptions) {
    const { server, prefixes, dataDir, limits, toolbox, warn } = options;
    this.name = server.name;
    this.#options = options;
    this.#scrub = scrubber(server);
    this.#offering = new Offering({
      server: server.name,
      only: server.tools,
      prefixes,
      dataDir,
      limits,
      toolbox,
      call: (name, tool, args, signal) => this.#call(name, tool, args, signal),
      warn: (text) => warn(this.#scrub(text)),
    });
  }

  /** Begins to keep it up. */
  start(): void {
    if (this.#timers !== undefined || this.#closing.signal.aborted) return;
    const { pace } = this.#options;
    this.#timers = [
      setInterval(() => this.#refresh(), pace.refreshMs),
      setInterval(() => this.#offering.takeAccepted(), pace.acceptedMs),
    ];
    for (const timer of this.#timers) timer.unref();
    void this.#connect();
  }

  /** Starts it. Resolves when it is up, or has just failed to come up. */
  async ready(): Promise<void> {
    this.start();
    await this.#reach().catch(() => undefined);
  }

  part(): ServerPart {
    const ready = this.#connection !== undefined;
    const detail = ready
      ? this.#offering.detail
      : this.#connecting !== undefined
        ? 'connecting'
        : `${this.#reason}; it is tried again`;
    return { part: `mcp:${this.name}`, ready, needed: false, detail: this.#scrub(detail) };
  }

  async close(): Promise<void> {
    if (this.#connection !== undefined) this.#abandon(this.#connection, 'the gateway stops');
    this.#closing.abort(new Error('the gateway stops'));
    for (const timer of this.#timers ?? []) clearInterval(timer);
    clearTimeout(this.#retry);
    clearTimeout(this.#check);
    await this.#connecting;
    await this.#refreshing;
    this.#offering.clear();
    await Promise.all(this.#ending);
  }

  async #call(name: string, tool: string, args: Record<string, unknown>, signal: AbortSignal): Promise<string> {
    for (let again = false; ; again = true) {
      // A list that is being read may say that this tool has changed.
      await this.#refreshing;
      this.#offering.require(name);
      const connection = this.#connection ?? (await this.#reach());
      this.#offering.require(name);
      signal.throwIfAborted();
      try {
        const { text, isError } = await connection.call(tool, args, signal);
        if (isError) throw fault(this.#scrub(text));
        return this.#scrub(text);
      } catch (thrown) {
        if (thrown instanceof NotDelivered && !again) this.#abandon(connection, 'its session is gone');
        else throw thrown instanceof GyreError ? thrown : fault(this.#reasonOf(thrown));
      }
    }
  }

  async #reach(): Promise<Connection> {
    const quiet = this.#connecting === undefined && Date.now() - this.#failedAt < this.#options.pace.firstMs;
    if (this.#connection === undefined && !quiet) await this.#connect();
    if (this.#connection === undefined)
      throw fault(`the tool server "${this.name}" cannot be reached: ${this.#reason}`);
    return this.#connection;
  }

  /** One attempt at a time; never rejects. */
  #connect(): Promise<void> {
    clearTimeout(this.#retry);
    if (this.#connection !== undefined || this.#closing.signal.aborted) return Promise.resolve();
    return (this.#connecting ??= this.#attempt().finally(() => (this.#connecting = undefined)));
  }

  async #attempt(): Promise<void> {
    const { server, version, limits, warn } = this.#options;
    const { signal } = this.#closing;
    let made: Connection | undefined;
    try {
      const { openConnection } = await import('./connection.js');
      const opened = await openConnection({
        server,
        version,
        proxyFor: this.#options.proxyFor,
        signal,
        openMs: OPEN_MS,
        callMs: limits.timeoutMs + GRACE_MS,
        listChanged: () => this.#refresh(),
        transportError: () => this.#checkSoon(),
        closed: () => this.#lost(opened),
        line: (text) => (this.#lastLine = text),
      });
      made = opened;
      this.#stale = false;
      this.#listedAt = Date.now();
      this.#offering.apply(await opened.list());
      signal.throwIfAborted();
      this.#connection = opened;
      this.#upSince = Date.now();
      if (this.#warned) warn(`tool server "${this.name}" is up: ${this.#offering.detail}`);
      this.#warned = false;
      if (this.#stale) this.#refresh();
    } catch (thrown) {
      await made?.close();
      this.#failed(this.#reasonOf(thrown));
    }
  }

  /** Warns once and tries again later; the pause doubles with each failure. */
  #failed(reason: string): void {
    if (this.#closing.signal.aborted) return;
    const { pace, warn } = this.#options;
    this.#reason = reason;
    this.#failedAt = Date.now();
    this.#retry = setTimeout(() => void this.#connect(), Math.min(pace.firstMs * 2 ** this.#failures, pace.longestMs));
    this.#retry.unref();
    this.#failures += 1;
    if (!this.#warned)
      warn(
        `tool server "${this.name}" is down: ` +
          `${this.#reason}${this.#lastLine === '' ? '' : ` (it said last: ${this.#scrub(this.#lastLine)})`}; ` +
          'it is tried again',
      );
    this.#warned = true;
    this.#lastLine = '';
  }

  /** The session ended by itself. */
  #lost(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#abandon(
      connection,
      this.#options.server.url === undefined ? 'its process has ended' : 'the connection was closed',
    );
    this.#failed(this.#reason);
  }

  /** Closes a session; the next call opens another. */
  #abandon(connection: Connection, reason: string): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#reason = reason;
    // It was up for long: the next failure counts as the first.
    if (Date.now() - this.#upSince >= this.#options.pace.longestMs) this.#failures = 0;
    const ending = connection.close().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #checkSoon(): void {
    clearTimeout(this.#check);
    this.#check = setTimeout(() => this.#refresh(), this.#options.pace.firstMs);
    this.#check.unref();
  }

  /** Reads the list again, which also shows whether the server is still there. */
  #refresh(): void {
    this.#stale = true;
    const connection = this.#connection;
    if (connection === undefined || this.#refreshing !== undefined) return;
    this.#refreshing = this.#list(connection).finally(() => (this.#refreshing = undefined));
  }

  async #list(connection: Connection): Promise<void> {
    try {
      while (this.#stale && this.#connection === connection) {
        const wait = this.#listedAt + this.#options.pace.listMs - Date.now();
        if (wait > 0) await sleep(wait, undefined, { ref: false, signal: this.#closing.signal });
        this.#stale = false;
        this.#listedAt = Date.now();
        const definitions = await connection.list();
        if (this.#connection === connection) this.#offering.apply(definitions);
      }
    } catch {
      // A server that cannot list its tools is not used. Opening it again will show the reason.
      if (this.#connection !== connection) return;
      this.#abandon(connection, 'it did not list its tools');
      await this.#connect();
    }
  }

  #reasonOf(thrown: unknown): string {
    const reason = this.#scrub(reasonOf(thrown)).trim();
    return reason.length > MAX_REASON ? `${reason.slice(0, MAX_REASON)}...` : reason;
  }
}
