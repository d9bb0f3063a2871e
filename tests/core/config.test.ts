import { expect, test } from 'vitest';

import { ConfigKeys, parseConfig } from '../../src/core/config.js';
import { nearest } from '../../src/core/text/nearest.js';

test('an empty configuration is all defaults', () => {
  const config = parseConfig({});
  expect(config.port).toBe(8080);
  expect(config['learning.filter']).toBe('prefix');
  expect('engine.url' in config).toBe(false);
});

test('there are at most forty names at the top of the file', () => {
  const names = new Set(Object.keys(ConfigKeys).map((key) => key.split('.')[0]));
  expect(names.size).toBeLessThanOrEqual(40);
});

test('an unknown key is refused with the nearest known name', () => {
  expect(() => parseConfig({ learning: { temprature: 1 } }, {}, 'gyre.yaml')).toThrow(
    /gyre\.yaml: unknown key "learning\.temprature"\. Did you mean "learning\.temperature"\?/,
  );
  expect(() => parseConfig({ prot: 1 })).toThrow(/Did you mean "port"/);
});

test('a wrong value is quoted with its key', () => {
  expect(() => parseConfig({ port: 99999 })).toThrow(/key "port" is 99999/);
  expect(() => parseConfig({ learning: { mode: 'magic' } })).toThrow(/key "learning\.mode" is "magic"/);
  // Of one action nobody can say whether it is better than another.
  expect(() => parseConfig({ learning: { samples: 1 } })).toThrow(/key "learning\.samples" is 1/);
});

test('a retention needs a limit, and keeps only what there is to keep', () => {
  expect(parseConfig({ retention: { days: 90 } }).retention).toEqual({ days: 90, keep: [] });
  expect(parseConfig({ retention: { gib: 0.5, keep: ['labelled'] } }).retention).toEqual({
    gib: 0.5,
    keep: ['labelled'],
  });
  expect(parseConfig({}).retention).toBeUndefined();
  expect(() => parseConfig({ retention: { keep: ['labelled'] } })).toThrow(/needs "days".*or both; example/);
  expect(() => parseConfig({ retention: { days: -1 } })).toThrow(/key "retention"\["days"\] is -1/);
  expect(() => parseConfig({ retention: { days: 1, keep: ['best'] } })).toThrow(/"promoted"\|"trained"\|"labelled"/);
  expect(() => parseConfig({ retention: { weeks: 1 } })).toThrow(/key "retention" is \{"weeks":1\}/);
});

test('how the gate tests is one key, and the key it replaces says so', () => {
  const { gate } = parseConfig({});
  expect(gate).toEqual({
    ...{ max_tasks: 1024, families: [], heldout: 0.05, compare: 'pairs', margin: 0, shadow: false },
    ...{ canary_share: 0, canary_conversations: 512 },
  });
  expect(parseConfig({ gate: { families: [{ name: 'code' }] } }).gate).toEqual({
    ...gate,
    families: [{ name: 'code', margin: 0.05 }],
  });
  for (const raw of [{ gate: { confidence: 0.9 } }, { 'gate.confidence': 0.9 }])
    expect(() => parseConfig(raw, {}, 'gyre.yaml')).toThrow(
      /gyre\.yaml: key "gate\.confidence" is no more: .*gate: \{max_tasks: 1024\}/,
    );
  expect(() => parseConfig({ gate: { families: [{ name: 'a' }, { name: 'a' }] } })).toThrow(/names a family twice/);
  expect(() => parseConfig({ gate: { max_tasks: 3 } })).toThrow(/key "gate"\["max_tasks"\] is 3/);
  for (const [name, value] of Object.entries({ heldout: 0.6, canary_share: 0.7, margin: 0.5 }))
    expect(() => parseConfig({ gate: { [name]: value } })).toThrow(new RegExp(`key "gate"\\["${name}"\\] is ${value}`));
  expect(() => parseConfig({ gate: { judge: 'critic' } })).toThrow(
    /can compare \(model, learned, panel\): there is none/,
  );
  const judges = [{ name: 'critic', kind: 'learned' }];
  expect(parseConfig({ judges, gate: { judge: 'critic', compare: 'words' } }).gate).toMatchObject({ compare: 'words' });
  expect(() => parseConfig({ judges: [{ name: 'ends', kind: 'rollout' }], gate: { judge: 'ends' } })).toThrow(
    /is none/,
  );
});

test('a section may be written nested or dotted', () => {
  expect(parseConfig({ 'limits.steps': 3 })['limits.steps']).toBe(3);
  expect(parseConfig({ limits: { steps: 3 } })['limits.steps']).toBe(3);
});

test('environment variables are filled in, and a missing one is named', () => {
  expect(parseConfig({ engine: { api_key: '${SECRET}' } }, { SECRET: 'x' })['engine.api_key']).toBe('x');
  expect(() => parseConfig({ engine: { api_key: '${NOT_THERE}' } }, {})).toThrow(/environment variable NOT_THERE/);
});

test('the nearest name is found across sections', () => {
  expect(nearest('rate', Object.keys(ConfigKeys))).toBe('learning.rate');
});

test('a list in the file is filled from the environment and refused with the place of what is wrong', () => {
  const upstream = { url: 'https://api.example.com/v1', models: ['small'], api_key: '${KEY}' };
  expect(parseConfig({ upstreams: [upstream] }, { KEY: 'k' }).upstreams).toEqual([{ ...upstream, api_key: 'k' }]);
  expect(() => parseConfig({ upstreams: [upstream] }, {}, 'gyre.yaml')).toThrow('names the environment variable KEY');
  expect(() => parseConfig({ upstreams: [{ ...upstream, models: ['gyre@3'] }] }, { KEY: 'k' }, 'gyre.yaml')).toThrow(
    /gyre.yaml: key "upstreams"\[0\]\["models"\]\[0\] is "gyre@3"/,
  );
  expect(() =>
    parseConfig({
      upstreams: [
        { ...upstream, api_key: 'k' },
        { ...upstream, api_key: 'k', models: ['other', 'small'] },
      ],
    }),
  ).toThrow('key "upstreams"[1]["models"][1] is "small": is listed twice');
  expect(() =>
    parseConfig({ upstreams: [{ ...upstream, api_key: 'k', url: 'https://me:pass@api.example.com' }] }),
  ).toThrow('put the key into "api_key"');
  expect(() => parseConfig({ mcp: [{ name: 'files' }] })).toThrow('needs either "url" or "command"');
  expect(() => parseConfig({ redact: ['('] })).toThrow('key "redact"[0] is "(": is not a regular expression');
});

test('what may be a secret is not quoted, whatever is wrong with it or beside it', () => {
  const upstream = { url: 'https://api.example.com/v1', models: ['small'], api_key: 'sk-secret', keys: 1 };
  const messageOf = (raw: unknown): string => {
    try {
      parseConfig(raw);
    } catch (thrown) {
      return String(thrown);
    }
    return 'no refusal';
  };
  expect(messageOf({ upstreams: [upstream] })).toMatch(
    /key "upstreams"\[0\] is \{.*"api_key":"\(not shown\)","keys":1\}/,
  );
  expect(messageOf({ engine: { api_key: 5_551_234 } })).toMatch(/key "engine\.api_key" is a value that is not shown/);
  expect(messageOf({ mcp: [{ name: 'files', url: 'http://h/', headers: { Authorization: 77_123 } }] })).toMatch(
    /key "mcp"\[0\]\["headers"\]\["Authorization"\] is a value that is not shown/,
  );
  expect(
    [
      { upstreams: [upstream] },
      { engine: { api_key: 5_551_234 } },
      { mcp: [{ name: 'files', headers: { Authorization: 77_123 } }] },
    ]
      .map(messageOf)
      .join(),
  ).not.toMatch(/sk-secret|5551234|77123/);
});

test.each([
  [{ samples: 1 }, /learning\.samples.*at least 2/],
  [{ max_states: 7 }, /learning\.max_states.*at least 8/],
])('what could never train is refused: %j', (learning, says) => {
  expect(() => parseConfig({ learning })).toThrow(says);
});

test('a model judge may have a price for both of its kinds of tokens, and for neither alone', () => {
  const critic = { name: 'critic', kind: 'model', url: 'http://judge', model: 'm' };
  const priced = (price: unknown): unknown => parseConfig({ judges: [{ ...critic, price }] }).judges[0];
  expect(priced({ input: 0, output: 1.5 })).toMatchObject({ price: { input: 0, output: 1.5 } });
  expect(() => priced({ input: 1 })).toThrow(/price/);
  expect(() => priced({ input: 1, output: -1 })).toThrow(/price/);
});
