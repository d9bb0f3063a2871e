/** What a fuzzed gateway has before it is asked: models of upstreams, and answers, so that ids of them are found. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { startEngine, type Script } from '../../tests/fakes/engine.js';
import { startRelayUpstream, VECTOR } from '../../tests/fakes/relayed.js';
import { api, type Gateway } from '../demo/gateway.js';

const CHATTING = 'big';
const RELAYED = VECTOR.model;
/** Of each kind of answer; what is deleted on the way is no longer found. */
const ANSWERS = 60;

export interface Upstreams {
  /** A configuration that names them. */
  readonly config: string;
  close(): Promise<void>;
}

/** One that talks, and one that answers everything else; it takes every seventh request for a mistake. */
export async function startUpstreams(script: Script, folder: string): Promise<Upstreams> {
  const chatting = await startEngine({ script, models: [CHATTING] });
  let asked = 0;
  const relaying = await startRelayUpstream((outgoing, { url }) => {
    asked += 1;
    const status = url.endsWith('/completions') ? 404 : asked % 7 === 0 ? 400 : 200;
    const body = status === 200 ? VECTOR : { error: { message: `I do not take this (${status}).` } };
    outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  const config = join(folder, 'gyre.yaml');
  const upstreams = [
    { url: chatting.url, models: [CHATTING] },
    { url: relaying.url, models: [RELAYED] },
  ];
  // Every JSON is YAML.
  writeFileSync(config, JSON.stringify({ upstreams }));
  return {
    config,
    async close() {
      await chatting.close();
      await relaying.close();
    },
  };
}

/** Asks the gateway, and tells the dictionaries of tests/clients/schemathesis.toml. */
export async function seed(gateway: Gateway): Promise<string> {
  const responses: string[] = [];
  for (let at = 0; at < ANSWERS; at += 1) {
    const question = `What is ${at} * 23?`;
    const chat = { model: 'gyre', messages: [{ role: 'user', content: question }] };
    responses.push(
      (await api<{ id: string }>(gateway, 'POST', '/v1/responses', { model: 'gyre', input: question })).id,
    );
    await api(gateway, 'POST', '/v1/chat/completions', chat);
  }
  const { data } = await api<{ data: { id: string; steps: { id: string }[] }[] }>(
    gateway,
    'GET',
    '/gyre/v1/trajectories?limit=200&view=client',
  );
  const { id: cycle } = await api<{ id: string }>(gateway, 'POST', '/gyre/v1/cycles', {});
  const dictionaries: Readonly<Record<string, readonly (string | number)[]>> = {
    models: ['gyre', 'gyre@base', 'gyre', CHATTING],
    relayed: [RELAYED],
    responses,
    trajectories: data.map(({ id }) => id),
    steps: data.flatMap(({ steps }) => steps.map(({ id }) => id)),
    cycles: [cycle],
    versions: [0, 1, 2],
  };
  return Object.entries(dictionaries)
    .map(([name, values]) => `[dictionaries.${name}]\nvalues = ${JSON.stringify(values)}\n`)
    .join('\n');
}
