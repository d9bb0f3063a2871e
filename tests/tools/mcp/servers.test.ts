/** Which servers there are and which of their tools, under which names; what is refused and what harms nothing. */
import { expect, test } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import { echo, says } from '../../fakes/mcp.js';
import { fake, open, until, up } from './bench.js';

test('only the tools that the configuration names are taken, and one it names in vain is told', async () => {
  const server = await fake([echo, { name: 'danger', run: () => says('no') }]);
  const { toolbox, servers } = await up([{ name: 's', url: server.url, tools: ['echo', 'missing'] }]);
  expect([...toolbox.keys()]).toEqual(['s__echo']);
  expect(servers.parts()[0]?.detail).toContain('the server has no tool "missing"');
});

test('names that OpenAI does not allow are made to fit, and two that collide do not stand for each other', async () => {
  const long = 'a'.repeat(80);
  const server = await fake([
    { name: 'read.file', run: () => says('dot') },
    { name: 'read/file', run: () => says('slash') },
    { name: long, run: () => says('long') },
    { name: 'twin', run: () => says('first') },
    { name: 'twin', run: () => says('second') },
  ]);
  const { toolbox, call, servers } = await up([{ name: 's', url: server.url }]);
  const names = [...toolbox.keys()];
  expect(names).toHaveLength(4);
  expect(names.every((name) => /^[a-zA-Z0-9_-]{1,64}$/.test(name))).toBe(true);
  expect(await Promise.all(names.map(async (name) => (await call(name)).content))).toEqual([
    'first',
    'dot',
    'slash',
    'long',
  ]);
  expect(servers.parts()[0]?.detail).toContain('"twin" is left out: the name s__twin is taken');
});

test("a tool cannot pass for another server's", async () => {
  const impostor = await fake([{ name: 'b__open', run: () => says('impostor') }]);
  const honest = await fake([{ name: 'open', run: () => says('honest') }]);
  const { toolbox, call } = await up([
    { name: 'a', url: impostor.url },
    { name: 'a__b', url: honest.url },
  ]);
  expect(toolbox.size).toBe(2);
  expect((await call('a__b__open')).content).toBe('honest');
});

test('a redirect within the server is followed, one to another origin is refused with the headers kept', async () => {
  const elsewhere = await fake([echo]);
  const server = await fake([echo]);
  const moved = (to: string): void =>
    void (server.instead = (incoming, outgoing) => {
      if (incoming.url !== '/mcp') return false;
      outgoing.writeHead(307, { location: to }).end();
      return true;
    });
  moved('/moved');
  const within = await up([{ name: 's', url: server.url, headers: { 'x-key': 'secret-secret' } }]);
  expect((await within.call('s__echo', { text: 'x' })).content).toBe('echo: x');
  await within.servers.close();
  moved(elsewhere.url);
  const beyond = open([{ name: 's', url: server.url, headers: { 'x-key': 'secret-secret' } }]);
  await until(() => beyond.warnings.length > 0, 'the refusal');
  expect(beyond.warnings[0]).toContain('not followed');
  expect(elsewhere.asked).toEqual([]);
});

test('servers that cannot be told apart, or whose address holds credentials, are refused at once', () => {
  const bad = (servers: Record<string, unknown>[]) => () => open(servers, { start: false });
  expect(
    bad([
      { name: 's', url: 'http://127.0.0.1:1' },
      { name: 's', command: 'x' },
    ]),
  ).toThrow('two servers of tools "s"');
  expect(bad([{ name: 's', url: 'http://user:hunter22@127.0.0.1:1' }])).toThrow(/holds a user name or a password/);
  expect(bad([{ name: 's', url: 'http://user:hunter22@127.0.0.1:1' }])).not.toThrow(/hunter22/);
  expect(() => parseConfig({ mcp: [{ name: 's', url: 'http://a', command: 'b' }] })).toThrow(
    'needs either "url" or "command"',
  );
});

test('servers that are not started are reached only for their own tools', async () => {
  const [one, two] = [await fake([echo]), await fake([echo])];
  const { servers, toolbox, call } = open(
    [
      { name: 'one', url: one.url },
      { name: 'two', url: two.url },
    ],
    { start: false },
  );
  await servers.prepare(['calculator', 'two__echo']);
  expect([...toolbox.keys()]).toEqual(['two__echo']);
  expect((await call('two__echo', { text: 'x' })).content).toBe('echo: x');
  await Promise.all([servers.prepare(['two__echo']), servers.prepare(['two__echo'])]);
  expect([one.opened, two.opened]).toEqual([0, 1]);
  await two.down();
  await servers.prepare(['two__other']);
  expect(toolbox.has('two__other')).toBe(false);
});

test('closing ends the session with a word to the server, and a closed one is reached no more', async () => {
  const server = await fake([echo]);
  const { servers, toolbox } = await up([{ name: 's', url: server.url }]);
  const held = toolbox.get('s__echo');
  await servers.close();
  expect(server.asked.map(({ method }) => method)).toContain('DELETE');
  expect(toolbox.size).toBe(0);
  await expect(held?.run({ text: 'x' }, new AbortController().signal)).rejects.toThrow('no longer there');
  expect(server.opened).toBe(1);
});

test('a server that answers nonsense, or lists a tool larger than any prompt, is told of, harmlessly', async () => {
  const server = await fake([{ ...echo, name: 'huge', description: 'x'.repeat(40_000) }, echo]);
  const { toolbox, servers } = await up([{ name: 's', url: server.url }]);
  expect([...toolbox.keys()]).toEqual(['s__echo']);
  expect(servers.parts()[0]?.detail).toContain('s__huge is left out: its definition is longer');
  const mad = await fake();
  mad.instead = (_incoming, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{"hello": "world"}');
    return true;
  };
  const other = open([{ name: 'mad', url: mad.url }]);
  await until(() => other.warnings.length > 0, 'the warning');
  expect(other.servers.parts()[0]).toMatchObject({ ready: false, needed: false });
});
