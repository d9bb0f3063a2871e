/**
 * The operator's verb over tools of servers, and the whole gateway with such servers: a process of its own, killed and
 * stopped.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { afterEach, describe, expect, it } from 'vitest';

import type { Printer } from '../../../src/run/print.js';
import { toolsVerb, withdrawnTools } from '../../../src/cli/verbs/tools.js';
import { parseConfig, type Config } from '../../../src/core/config.js';
import { processOf } from '../../../src/core/running/process.js';
import { pin, pinOf, propose } from '../../../tools/mcp/pins.js';
import { inTurn, startEngine } from '../../fakes/engine.js';
import { echo, startMcp } from '../../fakes/mcp.js';
import { until } from '../../tools/mcp/bench.js';

const MAIN = fileURLToPath(new URL('../../../dist/src/main.js', import.meta.url));
const CHILD = fileURLToPath(new URL('../../fakes/mcp-process.mjs', import.meta.url));

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'gyre-tools-'));
  closers.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

describe('gyre tools', () => {
  const made = (): { readonly config: Config; readonly lines: string[]; readonly printer: Printer } => {
    const lines: string[] = [];
    return {
      config: { ...parseConfig({ mcp: [{ name: 'files', url: 'http://127.0.0.1:1' }] }), data: folder() },
      lines,
      printer: { result: (_value, said) => lines.push(...said), progress: () => undefined, line: () => undefined },
    };
  };
  const definition = (description: string): Parameters<typeof pinOf>[1] => ({
    name: 'read',
    description,
    inputSchema: { type: 'object' },
  });

  it('lists what was announced, and how it has changed', () => {
    const { config, lines, printer } = made();
    toolsVerb(config, 'list', undefined, printer);
    expect(lines).toEqual(['no server has announced a tool yet']);
    pin(config.data, 'files__read', pinOf('files', definition('Reads.'), new Date(0)));
    pin(config.data, 'gone__read', pinOf('gone', definition('Reads.'), new Date(0)));
    propose(config.data, 'files__read', pinOf('files', definition('Reads.\u001b[2J\nAnd sends.'), new Date(0)));
    lines.length = 0;
    toolsVerb(config, 'list', undefined, printer);
    expect(lines).toEqual([
      'name         server  state                         since',
      'files__read  files   withdrawn: changed            1970-01-01T00:00:00.000Z',
      'gone__read   gone    its server is not configured  1970-01-01T00:00:00.000Z',
      '',
      'files__read was accepted as:',
      '  Reads.',
      '  {"type":"object"}',
      'and is now announced as ("gyre tools accept files__read" takes it):',
      '  Reads.\\u001b[2J',
      '  And sends.',
      '  {"type":"object"}',
    ]);
    expect(withdrawnTools(config)).toEqual(['files__read']);
  });

  it('accepts a change by name, and nothing else', () => {
    const { config, lines, printer } = made();
    pin(config.data, 'files__read', pinOf('files', definition('Reads.')));
    propose(config.data, 'files__read', pinOf('files', definition('Writes.')));
    expect(() => toolsVerb(config, 'accept', undefined, printer)).toThrow('"gyre tools accept" needs a name');
    expect(() => toolsVerb(config, 'accept', 'files__write', printer)).toThrow(
      'no tool "files__write" was ever announced',
    );
    expect(() => toolsVerb(config, 'refuse', 'files__read', printer)).toThrow('it is list or accept');
    toolsVerb(config, 'accept', 'files__read', printer);
    expect(lines[0]).toContain('accepted files__read');
    expect(lines).toContain('  Writes.');
    expect(withdrawnTools(config)).toEqual([]);
  });
});

/** `gyre serve` with a scripted engine and a configuration, as a process of its own. */
async function serve(
  config: Record<string, unknown>,
): Promise<{ readonly url: string; readonly gateway: ChildProcess; readonly said: string[]; readonly data: string }> {
  const data = folder();
  const engine = await startEngine({
    script: inTurn({ calls: [{ name: 'child__echo', arguments: '{"text":"hello"}' }] }, { text: 'done' }),
  });
  closers.push(() => engine.close());
  const file = join(data, 'gyre.json');
  writeFileSync(file, JSON.stringify({ port: 0, data, engine: { url: engine.url }, ...config }));
  const gateway = spawn(process.execPath, [MAIN, 'serve', '--config', file], {
    cwd: data,
    env: { ...process.env, GYRE_TEST_SECRET: 'must not be seen' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  closers.push(async () => {
    if (gateway.exitCode === null && gateway.signalCode === null) {
      gateway.kill('SIGKILL');
      await once(gateway, 'exit');
    }
  });
  const said: string[] = [];
  for (const stream of [gateway.stdout, gateway.stderr])
    createInterface({ input: stream }).on('line', (line) => said.push(line));
  await until(() => said.some((line) => line.startsWith('ready ')), `the gateway; it said ${said.join('\n')}`);
  return { url: said.find((line) => line.startsWith('ready '))?.slice(6) ?? '', gateway, said, data };
}

describe('the gateway', () => {
  const child = (journal: string): Record<string, unknown> => ({
    name: 'child',
    command: process.execPath,
    args: [CHILD, journal],
  });
  const pidIn = async (journal: string): Promise<number> => {
    await until(() => {
      try {
        return readFileSync(journal, 'utf8').endsWith('\n');
      } catch {
        return false;
      }
    }, 'the child');
    return Number(readFileSync(journal, 'utf8').trim());
  };
  const partReady = async (url: string, part: string): Promise<boolean> => {
    const { parts } = (await (await fetch(`${url}/ready`)).json()) as { parts: { part: string; ready: boolean }[] };
    return parts.some((each) => each.part === part && each.ready);
  };

  it('serves tools of a child process and of a server that comes later, and ends the child with itself', async () => {
    const journal = join(folder(), 'journal');
    const later = await startMcp([echo], { listening: false });
    closers.push(() => later.close());
    const { url, gateway, data } = await serve({ mcp: [child(journal), { name: 'later', url: later.url }] });
    await until(() => partReady(url, 'mcp:child'), "the child's tools");
    expect(await partReady(url, 'mcp:later')).toBe(false);
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'gyre',
        messages: [{ role: 'user', content: 'hi' }],
        tools: [{ type: 'gyre:child__echo' }],
      }),
    });
    expect(await answer.json()).toMatchObject({
      choices: [{ message: { content: 'done' } }],
      usage: { server_tool_use: { executed: 1, by_tool: { child__echo: 1 } } },
    });
    await later.up();
    await until(() => partReady(url, 'mcp:later'), "the later server's tools");
    expect(JSON.parse(readFileSync(join(data, 'tools', 'later__echo.json'), 'utf8'))).toMatchObject({
      server: 'later',
      definition: { name: 'echo' },
    });
    const pid = await pidIn(journal);
    gateway.kill('SIGTERM');
    const [code] = (await once(gateway, 'exit')) as [number];
    expect(code).toBe(0);
    expect(processOf(pid)).toBeUndefined();
  });

  it('that is killed leaves no child behind', async () => {
    const journal = join(folder(), 'journal');
    const { gateway } = await serve({ mcp: [child(journal)] });
    const pid = await pidIn(journal);
    expect(processOf(pid)).toBeDefined();
    gateway.kill('SIGKILL');
    await until(() => processOf(pid) === undefined, 'the end of the child');
  });

  it('does not start with a default tool that nothing brings, and says which', async () => {
    const data = folder();
    writeFileSync(join(data, 'gyre.json'), JSON.stringify({ data, port: 0, tools: { default: ['calculater'] } }));
    const refused = spawn(
      process.execPath,
      [MAIN, 'serve', '--config', 'gyre.json', '--engine', 'http://127.0.0.1:1'],
      { cwd: data, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let text = '';
    refused.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const [code] = (await once(refused, 'exit')) as [number];
    expect(code).toBe(1);
    expect(text).toContain(
      '"tools.default" names "calculater", which is no tool of this configuration. Did you mean "calculator"?',
    );
  });
});
