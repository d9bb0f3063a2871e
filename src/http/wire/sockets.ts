/** WebSockets beside the HTTP routes: which upgrades are taken, and how they end when the gateway does. */
import { type IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { WebSocketServer } from 'ws';

import { discreetly, GyreError } from '../../core/errors.js';
import type { Bodies } from './bodies.js';
import { requestIdOf } from './exchange.js';
import { type ErrorShape, failureOf, shuttingDown } from './failure.js';
import { Link, type LinkLimits } from './link.js';
import { errorMessage } from './socket_exchange.js';
import { pathOf, settleTarget } from './target.js';

/** Connections one key may have at once; without keys, all of them together. */
const CONNECTIONS = 256;

export interface SocketService {
  readonly errors: ErrorShape;
  /** The key it is opened by. Rejects with why an upgrade is refused. */
  admit(incoming: IncomingMessage): Promise<string>;
  /** What answers the messages of a connection. It never rejects. */
  open(link: Link): (message: Buffer) => Promise<void>;
}

export class Sockets {
  readonly #services: ReadonlyMap<string, SocketService>;
  readonly #limits: LinkLimits;
  readonly #bodies: Bodies;
  readonly #admit: (incoming: IncomingMessage) => void;
  readonly #server: WebSocketServer;
  readonly #links = new Set<Link>();
  /** How many connections each key has. */
  readonly #open = new Map<string, number>();
  #closing = false;

  /** `services` by path; `admit` throws why an upgrade is refused whatever it is to. */
  constructor(
    services: ReadonlyMap<string, SocketService>,
    limits: LinkLimits,
    bodies: Bodies,
    admit: (incoming: IncomingMessage) => void,
  ) {
    this.#services = services;
    this.#limits = limits;
    this.#bodies = bodies;
    this.#admit = admit;
    // What is compressed has a window for each connection, and the events of an answer are short.
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: bodies.most,
      perMessageDeflate: false,
    });
  }

  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    void this.#upgrade(incoming, socket, head);
  }

  async #upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Until a WebSocket has taken it over nobody else listens, and an error would end the process.
    const ignore = (): void => undefined;
    socket.on('error', ignore);
    let service: SocketService | undefined;
    try {
      settleTarget(incoming);
      const path = pathOf(incoming);
      service = this.#services.get(path);
      if (this.#closing) throw shuttingDown();
      this.#admit(incoming);
      if (service === undefined) throw noSocket(path, [...this.#services.keys()]);
      const keyId = await service.admit(incoming);
      if (this.#closing) throw shuttingDown();
      this.#count(keyId, socket);
    } catch (thrown) {
      return refuse(thrown, incoming, socket, service?.errors);
    }
    const { open, errors } = service;
    const requestId = requestIdOf(incoming.headers['x-request-id']);
    this.#server.handleUpgrade(incoming, socket, head, (opened) => {
      socket.off('error', ignore);
      const link = new Link({ socket: opened, bytes: socket, incoming }, this.#limits, this.#bodies, (why) => {
        const { status, body, headers } = failureOf(why, requestId, false, errors);
        return errorMessage(status, body, headers);
      });
      this.#links.add(link);
      link.onGone(() => void this.#links.delete(link));
      link.serve(open(link));
      if (this.#closing) link.goAway();
    });
  }

  #count(keyId: string, socket: Duplex): void {
    const open = this.#open.get(keyId) ?? 0;
    if (open >= CONNECTIONS) throw tooMany();
    if (socket.destroyed) return;
    this.#open.set(keyId, open + 1);
    socket.once('close', () => {
      const left = (this.#open.get(keyId) ?? 1) - 1;
      if (left === 0) this.#open.delete(keyId);
      else this.#open.set(keyId, left);
    });
  }

  /** Takes nobody new, sends away who waits for nothing, and the others when they have their answer. */
  close(): void {
    this.#closing = true;
    for (const link of [...this.#links]) link.goAway();
  }

  /** Cuts off who is left. */
  terminate(): void {
    for (const link of [...this.#links]) link.terminate();
  }
}

function noSocket(path: string, paths: readonly string[]): GyreError {
  return new GyreError({
    side: 'client',
    status: 404,
    code: 'unknown_url',
    message: `There is no WebSocket at ${path}. There is one at ${paths.join(', ')}.`,
  });
}

function tooMany(): GyreError {
  return new GyreError({
    side: 'client',
    status: 429,
    code: 'rate_limit_exceeded',
    retryAfterMs: 1_000,
    message: `A key may have ${CONNECTIONS} WebSockets open at once, and has. Close some, or use them again.`,
  });
}

function refuse(thrown: unknown, incoming: IncomingMessage, socket: Duplex, errors?: ErrorShape): void {
  const failure = failureOf(discreetly(thrown), requestIdOf(incoming.headers['x-request-id']), false, errors);
  const outgoing = new ServerResponse(incoming);
  // A server over TCP is given its own sockets; the type allows any stream.
  if (socket instanceof Socket) outgoing.assignSocket(socket);
  else return void socket.destroy();
  outgoing.on('finish', () => socket.end());
  outgoing
    .writeHead(failure.status, {
      ...failure.headers,
      'content-length': Buffer.byteLength(failure.body),
      connection: 'close',
    })
    .end(failure.body);
}
