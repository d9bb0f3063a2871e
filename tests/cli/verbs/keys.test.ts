/** `gyre keys`: what is said on the command line is what the gateway holds a key to. */
import { expect, test } from 'vitest';

import type { Printer } from '../../../src/run/print.js';
import { keysVerb, type KeyFlags } from '../../../src/cli/verbs/keys.js';
import { parseConfig, type Config } from '../../../src/core/config.js';
import { NO_USAGE } from '../../../src/core/policy.js';
import { monthOf } from '../../../src/store/keys/usage.js';
import { answer, DONE, opened, opening, temporaryFolder, user } from '../../store/fixture.js';
import { gyre } from '../../run/child.js';
import { knownKeyring } from '../../run/rows.js';

interface Console {
  readonly folder: string;
  readonly config: Config;
  /** Runs `gyre keys WHAT NAME FLAGS`; gives the object and the lines it prints. */
  keys(
    what: string,
    name?: string,
    flags?: KeyFlags,
  ): Promise<{ readonly value: never; readonly lines: readonly string[] }>;
}

function console(): Console {
  const folder = temporaryFolder();
  const config = { ...parseConfig({}), data: folder };
  return {
    folder,
    config,
    async keys(what, name, flags = {}) {
      let said: { value: unknown; lines: readonly string[] } = { value: undefined, lines: [] };
      const printer: Printer = {
        result: (value, lines) => (said = { value, lines }),
        progress: () => undefined,
        line: () => undefined,
      };
      await keysVerb(config, what, name, flags, printer);
      return said as { value: never; lines: readonly string[] };
    },
  };
}

test('a key is made with its limits, shown with them and its use, changed and revoked', async () => {
  const { folder, keys } = console();
  const added = await keys('add', 'ada', {
    role: 'client',
    train: false,
    tools: 'calculator, gyre:search_documents,calculator',
    rpm: '60',
    tpm: '9000',
    concurrent: '4',
    monthlyTokens: '50000',
  });
  const limits = { requestsPerMinute: 60, tokensPerMinute: 9_000, concurrent: 4, monthlyTokens: 50_000 };
  expect(added.value).toMatchObject({
    name: 'ada',
    role: 'client',
    train: false,
    tools: ['calculator', 'search_documents'],
    limits,
  });
  const { secret, id } = added.value as { secret: string; id: string };
  expect(added.lines).toEqual([secret]);
  await keys('add', 'free');

  const { store, log } = opened(folder);
  expect((await knownKeyring(store.db)).find(secret)).toMatchObject({
    id,
    limits,
    tools: ['calculator', 'search_documents'],
  });
  await answer(log, opening([user('q')], { asker: { keyId: id, consent: true } }), [{ text: 'a' }], {
    ...DONE,
    usage: { ...NO_USAGE, prompt_tokens: 1_200, completion_tokens: 34 },
  });
  const listed = await keys('list');
  expect(listed.value).toMatchObject([
    { id, limits, used: { month: monthOf(Date.now()), requests: 1, tokens: 1_234 } },
    { name: 'free', used: { requests: 0, tokens: 0 } },
  ]);
  expect(JSON.stringify(listed)).not.toContain(secret);
  expect(listed.lines[0]).toMatch(
    /^id +name +role +train +tools +rpm +tpm +concurrent +requests this month +tokens this month +created +revoked$/,
  );
  expect(listed.lines[1]).toMatch(/ada +client +no +calculator,search_documents +60 +9000 +4 +1 +1234 of 50000 +2/);
  expect(listed.lines[2]).toMatch(/free +client +yes +any +0 +0 +2/);

  const changed = await keys('set', 'ada', { train: true, tools: 'none', tpm: 'none', rpm: '5' });
  expect(changed.value).toMatchObject({
    id,
    train: true,
    tools: [],
    limits: { requestsPerMinute: 5, concurrent: 4, monthlyTokens: 50_000 },
  });
  expect(changed.lines).toEqual([
    `changed ada (${id}): role client, train, tools none, requestsPerMinute 5, concurrent 4, monthlyTokens 50000`,
  ]);
  expect((await keys('set', id, { tools: 'any', role: 'admin' })).value).not.toHaveProperty('tools');
  expect((await knownKeyring(store.db)).find(secret)).toMatchObject({
    role: 'admin',
    limits: { requestsPerMinute: 5, concurrent: 4, monthlyTokens: 50_000 },
  });

  expect((await keys('revoke', 'ada')).lines).toEqual([`revoked ada (${id})`]);
  expect((await knownKeyring(store.db)).find(secret)).toBeUndefined();
  await expect(keys('set', 'ada', { rpm: '1' })).rejects.toThrow(
    'there is no key "ada" in use; "gyre keys list" shows them',
  );
  await expect(keys('revoke', 'ada')).rejects.toThrow('there is no key "ada" in use');
});

test.each([
  ['add', 'x', { rpm: '0' }, '--rpm is "0"; it must be a whole number of at least 1, or none for no bound'],
  ['add', 'x', { tpm: '1.5' }, '--tpm is "1.5"'],
  ['add', 'x', { concurrent: 'many' }, '--concurrent is "many"'],
  ['set', 'x', { monthlyTokens: '-3' }, '--monthly-tokens is "-3"'],
  ['add', 'x', { role: 'root' }, '--role is "root"; it must be client or admin'],
  ['add', 'x', { tools: 'calculator,,x' }, '--tools names ""'],
  ['add', 'x', { tools: 'rm -rf' }, '--tools names "rm -rf"'],
  ['add', undefined, {}, '"gyre keys add" needs a name'],
  ['set', 'x', {}, 'nothing is said to change of the key "x"'],
  ['drop', 'x', {}, '"gyre keys drop" is not known; it is add, set, list or revoke'],
] as const)('gyre keys %s %s %j is refused, and nothing is made', async (what, name, flags, message) => {
  const { keys } = console();
  await expect(keys(what, name, flags)).rejects.toThrow(message);
  expect((await keys('list')).value).toEqual([]);
});

test('the flags are the ones of the command line', async () => {
  const folder = temporaryFolder();
  const run = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await gyre(['keys', ...args, '--data', folder]).ended;
    expect([code, err]).toEqual([0, '']);
    return out;
  };
  expect(
    await run(
      'add',
      'ada',
      '--no-train',
      '--tools',
      'calculator',
      '--rpm',
      '3',
      '--tpm',
      '4',
      '--concurrent',
      '5',
      '--monthly-tokens',
      '6',
    ),
  ).toMatch(/^gyre_sk_[\w-]{43}\n$/);
  expect(JSON.parse(await run('list', '--json'))).toMatchObject([
    {
      name: 'ada',
      role: 'client',
      train: false,
      tools: ['calculator'],
      limits: { requestsPerMinute: 3, tokensPerMinute: 4, concurrent: 5, monthlyTokens: 6 },
    },
  ]);
  await run('set', 'ada', '--role', 'admin', '--monthly-tokens', 'none');
  const [ada] = JSON.parse(await run('list', '--json')) as { train: boolean; limits: unknown }[];
  // What was not named has not changed, consent least of all.
  expect(ada).toMatchObject({
    role: 'admin',
    train: false,
    limits: { requestsPerMinute: 3, tokensPerMinute: 4, concurrent: 5 },
  });
  await run('set', 'ada', '--train');
  expect(JSON.parse(await run('list', '--json'))).toMatchObject([{ train: true }]);
});
