/** The gateway as it is started: to whom it opens, and that no secret it was given comes out anywhere. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { startEngine, type Engine, type EngineRequest, type Reply } from '../fakes/engine.js';
import { until } from '../fakes/gateway.js';
import { temporaryFolder } from '../store/fixture.js';
import { gyre } from './child.js';

async function engineOf(script: (request: EngineRequest, number: number) => Reply): Promise<Engine> {
  const engine = await startEngine({ script });
  onTestFinished(() => engine.close());
  return engine;
}

/** Every file below the folder that holds one of the needles. */
function holding(folder: string, needles: readonly (string | Buffer)[]): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) =>
      statSync(join(folder, file)).isFile() &&
      needles.some((needle) => readFileSync(join(folder, file)).includes(needle)),
  );
}

const ASK = { model: 'gyre', messages: [{ role: 'user', content: 'hi' }] };
const post = (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

test('another address than loopback is refused while there are no keys, and the process ends', async () => {
  const folder = temporaryFolder();
  for (const host of ['0.0.0.0', '::', '192.168.1.1']) {
    const { code, out, err } = await gyre([
      'serve',
      '--data',
      folder,
      '--host',
      host,
      '--port',
      '0',
      '--engine',
      'http://127.0.0.1:9',
    ]).ended;
    expect([host, code, out]).toEqual([host, 1, '']);
    expect(err).toBe(
      `gyre: --host is "${host}" and there are no API keys, so anyone who reaches this machine could use and ` +
        'read everything; make one with "gyre keys add NAME --role admin", or serve 127.0.0.1\n',
    );
  }
});

test('every web page is refused while there are no keys, and the process ends', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'gyre.yaml'), 'cors: ["*"]\n');
  const common = [
    '--data',
    folder,
    '--config',
    join(folder, 'gyre.yaml'),
    '--port',
    '0',
    '--engine',
    'http://127.0.0.1:9',
  ];
  const { code, out, err } = await gyre(['serve', ...common]).ended;
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(/^gyre: "cors" is "\*" and there are no API keys.*gyre keys add NAME/);
  const beyond = await gyre(['serve', ...common, '--host', '0.0.0.0']).ended;
  expect(beyond.code).toBe(1);
  expect(beyond.err).toMatch(/--host is "0\.0\.0\.0" and there are no API keys.*pages of \* \("cors"\) among them/);
});

test('with a key another address is served, to that key only', async () => {
  const folder = temporaryFolder();
  const { url: engine } = await engineOf(() => ({ text: 'ok' }));
  const secret = (await gyre(['keys', 'add', 'ada', '--data', folder]).ended).out.trim();
  const gateway = gyre(['serve', '--data', folder, '--host', '0.0.0.0', '--port', '0', '--engine', engine]);
  const url = (await gateway.word('ready')).replace('0.0.0.0', '127.0.0.1');
  expect((await post(`${url}/v1/chat/completions`, ASK)).status).toBe(401);
  expect((await fetch(`${url}/gyre/v1/status`)).status).toBe(401);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect((await post(`${url}/v1/chat/completions`, ASK, { authorization: `Bearer ${secret}` })).status).toBe(200);
  // A limit set by another process acts within the time a key is believed.
  expect((await gyre(['keys', 'set', 'ada', '--rpm', '1', '--data', folder]).ended).out).toContain(
    'requestsPerMinute 1',
  );
  const seen = new Set<number>();
  await expect
    .poll(
      async () =>
        seen
          .add((await post(`${url}/v1/chat/completions`, ASK, { authorization: `Bearer ${secret}` })).status)
          .has(429),
      { timeout: 10_000, interval: 250 },
    )
    .toBe(true);
  expect(seen).toEqual(new Set([200, 429]));
  expect((await gyre(['keys', 'revoke', 'ada', '--data', folder]).ended).code).toBe(0);
  await expect
    .poll(async () => (await post(`${url}/v1/chat/completions`, ASK, { authorization: `Bearer ${secret}` })).status, {
      timeout: 10_000,
      interval: 250,
    })
    .toBe(401);
  expect((await gateway.stop()).code).toBe(0);
});

test('keys of clients and of the engine are in no file, no metric, no error and nothing that is printed', async () => {
  const folder = temporaryFolder();
  const ENGINE_KEY = 'engine-secret-77aa11';
  const CLIENT_KEY = 'client-secret-88bb22';
  const ADDRESS = 'address-secret-99cc33';
  // An engine that is careless with what it is told: it repeats its key wherever it can.
  const careless = ({ headers }: EngineRequest): string => `bad thing with ${String(headers['authorization'])} in it`;
  const engine = await engineOf((request) => {
    switch (request.body.messages.at(-1)?.content) {
      case '500':
        return { status: 500, body: careless(request) };
      case '400':
        return { status: 400, body: JSON.stringify({ error: { message: careless(request), code: 400, param: null } }) };
      case '429':
        return { status: 429, body: JSON.stringify({ error: { message: careless(request) } }) };
      case '401':
        return { status: 401, body: careless(request) };
      case 'late':
        return {
          text: 'x',
          deltas: [`data: ${JSON.stringify({ error: { message: careless(request), code: 500 } })}\n\n`],
          done: false,
        };
      case 'garbage':
        return { deltas: [`data: {"not JSON ${careless(request)}\n\n`] };
      default:
        return { text: 'fine' };
    }
  });
  const file = join(folder, 'gyre.yaml');
  writeFileSync(
    file,
    `engine:\n  url: ${engine.url.replace('//', `//user:${ADDRESS}@`)}\n  model: base\n  api_key: \${ENGINE_KEY}\n`,
  );
  const data = join(folder, 'data');
  const gateway = gyre(['serve', '--config', file, '--data', data, '--port', '0'], { ENGINE_KEY });
  const url = await gateway.word('ready');
  const told: string[] = [];
  const tell = async (response: Response): Promise<void> =>
    void told.push(`${response.status} ${[...response.headers].join()} ${await response.text()}`);
  const secrets = [{ authorization: `Bearer ${CLIENT_KEY}` }, { 'x-api-key': CLIENT_KEY }] as Record<string, string>[];
  for (const headers of secrets) {
    for (const content of ['hi', '500', '400', '429', '401', 'late', 'garbage']) {
      for (const stream of [false, true]) {
        await tell(
          await post(
            `${url}/v1/chat/completions`,
            { model: 'gyre', messages: [{ role: 'user', content }], stream },
            headers,
          ),
        );
        await tell(await post(`${url}/v1/responses`, { model: 'gyre', input: content, stream }, headers));
      }
    }
    await tell(await post(`${url}/v1/chat/completions`, { nonsense: true }, headers));
    for (const path of [
      '/v1/models',
      '/v1/models/none',
      '/gyre/v1/trajectories',
      '/gyre/v1/trajectories/none',
      '/gyre/v1/status',
      '/nowhere',
      '/ready',
      '/health',
      '/metrics',
    ])
      await tell(await fetch(url + path, { headers }));
  }
  expect(engine.requests.every((request) => request.headers['authorization'] === `Bearer ${ENGINE_KEY}`)).toBe(true);
  expect(told.filter((text) => text.includes('[api_key]')).length).toBeGreaterThan(10);
  // Now there are keys, and what was good enough is refused.
  const made = (await gyre(['keys', 'add', 'ada', '--data', data]).ended).out.trim();
  await expect
    .poll(async () => (await post(`${url}/v1/chat/completions`, ASK, secrets[0])).status, {
      timeout: 10_000,
      interval: 250,
    })
    .toBe(401);
  for (const headers of [...secrets, { authorization: `Bearer ${made}x` }, { authorization: `Basic ${made}` }])
    await tell(await post(`${url}/v1/chat/completions`, ASK, headers));
  await tell(await post(`${url}/v1/chat/completions`, ASK, { authorization: `Bearer ${made}` }));
  expect(told.at(-1)).toMatch(/^200 /);
  await tell(await fetch(`${url}/gyre/v1/trajectories`, { headers: { authorization: `Bearer ${made}` } }));
  await tell(await fetch(`${url}/metrics`));

  const needles = [ENGINE_KEY, CLIENT_KEY, ADDRESS, made];
  expect(holding(data, ['fine'])).not.toEqual([]);
  expect(holding(data, needles)).toEqual([]);
  const said = await gateway.stop();
  expect(holding(data, needles)).toEqual([]);
  expect(needles.filter((needle) => `${told.join()}${said.out}${said.err}`.includes(needle))).toEqual([]);
  expect(said.code).toBe(0);
});

test('a configuration that cannot be read or does not fit is refused without its secrets', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'gyre.yaml');
  const texts = [
    'engine:\n  api_key: sk-secret: 1\n',
    'engine:\n  api_key: "sk-secret\nport: [',
    'upstreams:\n  - {url: "http://h/", models: [m], api_key: sk-secret, colour: red}\n',
    'mcp:\n  - {name: files, command: x, env: {KEY: [sk-secret]}}\n',
  ];
  for (const text of texts) {
    writeFileSync(file, text);
    const { code, out, err } = await gyre(['status', '--config', file, '--data', folder]).ended;
    expect(code).toBe(1);
    expect(err).toMatch(/gyre\.yaml/);
    expect(out + err).not.toContain('sk-secret');
  }
});

test('redaction is done where a serving gateway writes its log, and its clients notice nothing', async () => {
  const folder = temporaryFolder();
  const MAIL = 'ann.lee@example.org';
  const engine = await engineOf((_request, number) =>
    number === 0
      ? { text: 'Look. ', calls: [{ id: 'c1', name: 'calculator', arguments: '{"expression":"17*23"}' }] }
      : { text: `${MAIL} has 391.` },
  );
  const file = join(folder, 'gyre.yaml');
  writeFileSync(file, `engine: {url: "${engine.url}", model: base}\nredact: ['[\\w.]+@[\\w.]+']\n`);
  const data = join(folder, 'data');
  const gateway = gyre(['serve', '--config', file, '--data', data, '--port', '0']);
  const url = await gateway.word('ready');
  const asked = [{ role: 'user', content: `I am ${MAIL}. 17*23?` }];
  const first = await post(`${url}/v1/chat/completions`, { model: 'gyre', messages: asked, metadata: { who: MAIL } });
  const answer = (await first.json()) as { id: string; choices: { message: { content: string } }[] };
  expect(answer.choices[0]?.message.content).toBe(`Look. ${MAIL} has 391.`);
  const next = [
    ...asked,
    { role: 'assistant', content: answer.choices[0]?.message.content },
    { role: 'user', content: 'Sure?' },
  ];
  const second = await post(`${url}/v1/chat/completions`, { model: 'gyre', messages: next });
  expect(second.headers.get('x-gyre-trajectory')).toBe(first.headers.get('x-gyre-trajectory'));
  expect(engine.requests.at(-1)?.body.messages).toEqual(next);
  await second.text();
  expect(
    (
      await post(`${url}/v1/feedback`, {
        response_id: answer.id,
        value: false,
        comment: `no, ${MAIL}`,
        demonstration: MAIL,
      })
    ).status,
  ).toBe(200);
  const refused = await post(`${url}/v1/responses`, { model: 'gyre', input: 'And?', previous_response_id: answer.id });
  expect([refused.status, await refused.json()]).toMatchObject([
    400,
    { error: { code: 'previous_response_redacted', param: 'previous_response_id' } },
  ]);
  const read = (await (
    await fetch(`${url}/gyre/v1/trajectories/${first.headers.get('x-gyre-trajectory') ?? ''}?include=tokens`)
  ).json()) as {
    steps: { action: string; trainable: boolean; not_trainable_reason: string; token_ids: null }[];
    feedback: unknown;
  };
  expect(read.steps.map((step) => [step.action, step.trainable, step.not_trainable_reason, step.token_ids])).toEqual([
    ['Look. ', false, 'redacted', null],
    ['[redacted] has 391.', false, 'redacted', null],
    ['[redacted] has 391.', false, 'redacted', null],
  ]);
  expect(read.feedback).toMatchObject([{ comment: 'no, [redacted]', demonstration: '[redacted]' }]);
  await until(() => holding(data, ['[redacted] has 391.']).length > 0, 'the log on disk');
  expect(holding(data, [MAIL, 'ann.lee'])).toEqual([]);
  const said = await gateway.stop();
  expect(said.out + said.err).not.toContain('ann.lee');
  const verified = await gyre(['verify', '--data', data]).ended;
  expect([verified.code, verified.out]).toEqual([0, expect.stringContaining('the log is whole')]);
});

test('what is deleted is gone from every file of a serving gateway within five seconds', async () => {
  const folder = temporaryFolder();
  const MARK = 'plugh-xyzzy-4815162342';
  const engine = await engineOf(() => ({ text: `I know ${MARK}.` }));
  const gateway = gyre(['serve', '--data', folder, '--port', '0', '--engine', engine.url]);
  const url = await gateway.word('ready');
  const trajectories = await Promise.all(
    Array.from({ length: 8 }, async (_, at) => {
      const answered = await post(`${url}/v1/chat/completions`, {
        model: 'gyre',
        messages: [{ role: 'user', content: `${at}: remember ${MARK}` }],
        metadata: { note: MARK },
      });
      const { id } = (await answered.json()) as { id: string };
      expect(
        (await post(`${url}/v1/feedback`, { response_id: id, value: 1, comment: MARK, demonstration: MARK })).status,
      ).toBe(200);
      return answered.headers.get('x-gyre-trajectory') ?? '';
    }),
  );
  expect(holding(folder, [MARK])).not.toEqual([]);
  for (const id of trajectories) {
    const deleted = await fetch(`${url}/gyre/v1/trajectories/${id}`, { method: 'DELETE' });
    expect([deleted.status, await deleted.json()]).toEqual([
      200,
      { id, deleted: true, batches: [], versions: [], pending: [] },
    ]);
    const again = await fetch(`${url}/gyre/v1/trajectories/${id}`, { method: 'DELETE' });
    expect([again.status, await again.json()]).toMatchObject([404, { error: { code: 'trajectory_not_found' } }]);
  }
  await expect.poll(() => holding(folder, [MARK]), { timeout: 5_000, interval: 50 }).toEqual([]);
  expect((await gyre(['verify', '--data', folder]).ended).out).toContain('the log is whole');
  expect((await gateway.stop()).code).toBe(0);
  expect(holding(folder, [MARK])).toEqual([]);
});
