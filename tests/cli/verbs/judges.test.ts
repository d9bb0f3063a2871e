/** `gyre judge calibrate` and `gyre judge list`, over real rows and a scripted endpoint. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { calibrateVerb, judgesVerb, needJudge } from '../../../src/cli/verbs/judges.js';
import { type Config, parseConfig } from '../../../src/core/config.js';
import type { Verdict } from '../../../src/core/learning/judging.js';
import type { Printer } from '../../../src/run/print.js';
import { withLearner } from '../../../src/run/with_learner.js';
import { verify } from '../../../src/store/proof/verify.js';
import { openStore } from '../../../src/store/file/db.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { withdrawResponse } from '../../../src/store/read/remove.js';
import { judgeEndpoint, type JudgeEndpoint, type Script } from '../../judge/model/endpoint.js';
import { goldFile, goldItems, honest, honestOfTwo, liar, obedient, pairedItems } from '../../learner/judges/sums.js';
import { answer, call, opened, opening, temporaryFolder, user } from '../../store/fixture.js';

let script: Script;
let endpoint: JudgeEndpoint;
let data: string;
beforeEach(async () => {
  script = honest;
  endpoint = await judgeEndpoint((asked, times) => script(asked, times));
  data = temporaryFolder();
});
afterEach(() => endpoint.close());

function configOf(judge: object = {}, more: object = {}): Config {
  const critic = { name: 'critic', kind: 'model', url: endpoint.url, model: 'judge-7b', retries: 0, ...judge };
  return parseConfig({ data, learning: { rewards: ['person', 'critic', 'reference'] }, judges: [critic], ...more });
}

interface Told {
  readonly value: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
  readonly beside: readonly string[];
}

async function told(work: (printer: Printer) => Promise<unknown>): Promise<Told> {
  let [value, lines]: [unknown, readonly string[]] = [{}, []];
  const beside: string[] = [];
  await work({
    result: (given, text) => void ([value, lines] = [given, text]),
    progress: () => undefined,
    line: (text) => void beside.push(text),
  });
  return { value: value as Told['value'], lines: lines.map((line) => line.replace(/ {2,}/g, '  ').trim()), beside };
}

const calibrated = (gold: string | undefined, config = configOf(), name = 'critic'): Promise<Told> =>
  told((printer) =>
    withLearner(config, printer, new AbortController().signal, false, (learner) =>
      calibrateVerb(learner, needJudge(config, name), gold, printer),
    ),
  );
const listed = async (config = configOf()): Promise<Readonly<Record<string, unknown>> | undefined> => {
  const { value } = await told((printer) => judgesVerb(config, printer));
  return (value['data'] as Readonly<Record<string, unknown>>[]).find(({ name }) => name === 'critic');
};
function rows(sql: string): readonly unknown[] {
  const store = openStore(data);
  try {
    return store.sqlite.prepare(sql).all();
  } finally {
    store.close();
  }
}

test('one that is right may reward from then on; its row has the numbers, is proven, and counts as spent', async () => {
  expect(await listed()).toMatchObject({ may_reward: false, why: expect.stringContaining('not calibrated') as string });
  const { value, lines } = await calibrated(goldFile(data));
  expect(value).toMatchObject({
    judge: 'critic',
    source: 'file',
    n: 240,
    accuracy: { share: 1, n: 240 },
    false_accept: { share: 0, n: 120 },
    kappa: 1,
    probes: [
      { name: 'injection', tried: 50, moved: 0, bound: 2 },
      { name: 'length', tried: 0, moved: 0, bound: null },
      { name: 'position', tried: 100, moved: 0, bound: null },
    ],
    clusters: [
      { name: 'far', accuracy: { n: 120 } },
      { name: 'near', accuracy: { n: 120 } },
    ],
    self_preference: { own: { share: 0, n: 40 }, others: { share: 0, n: 80 } },
    may_reward: true,
  });
  expect(lines.at(-1)).toMatch(/^"critic" may reward from now on: on 240 gold items it is right in at least 0\.98/);
  expect(lines).toContain('injection  0  50  2');
  expect(await listed()).toMatchObject({ may_reward: true });
  expect(rows('SELECT judge, prompt_tokens AS prompt FROM judge_costs')).toEqual([
    { judge: 'critic', prompt: 100 * endpoint.asked.length },
  ]);
  const store = openStore(data);
  expect(verify(store.db)).toMatchObject({ ok: true, counts: { calibrations: 1 } });
  store.sqlite.exec("UPDATE calibrations SET shortfalls = '[1]'");
  expect(verify(store.db).problems).toMatchObject([{ table: 'calibrations' }]);
  store.close();
});

test('the list says what each took, calibrations as well, and what that cost where its price is told', async () => {
  await calibrated(goldFile(data), configOf({ price: { input: 2, output: 50 } }));
  const [prompt, completion] = [100 * endpoint.asked.length, 20 * endpoint.asked.length];
  const money = (2 * prompt + 50 * completion) / 1e6;
  const { value, lines } = await told((printer) => judgesVerb(configOf(), printer));
  expect(value['data']).toContainEqual(
    expect.objectContaining({
      name: 'critic',
      cost: expect.objectContaining({ prompt_tokens: prompt, completion_tokens: completion }) as unknown,
    }),
  );
  const costs = (value['data'] as { name: string; cost: { money: number | null } }[]).map(
    ({ name, cost }) => [name, cost.money] as const,
  );
  expect(new Map(costs).get('critic')).toBeCloseTo(money);
  expect(new Map(costs).get('reference')).toBeNull();
  expect(lines[0]).toBe('judge  kind  version  tokens  money  may reward  why');
  const shown = `  ${prompt + completion}  ${money.toFixed(2)}  yes`;
  expect(lines.find((line) => line.startsWith('critic'))).toContain(shown);
});

test.each([
  ['lies', liar, /its accuracy is at least 0\.000, and has to be above 0\.75; it accepts at most 1\.000/],
  ['obeys what it reads', obedient, /^"critic" only filters: 50 of 50 words moved by injection, 2 may$/],
])('one that %s only filters, and the sentence says why', async (_, says, why) => {
  script = says;
  const { value, lines } = await calibrated(goldFile(data));
  expect(value['may_reward']).toBe(false);
  expect(lines.at(-1)).toMatch(why);
  expect(rows('SELECT count(*) AS n FROM calibrations')).toEqual([{ n: 1 }]);
});

test('of a panel what the model of a member said is its own', async () => {
  const panel = { name: 'panel', kind: 'panel', of: ['critic', 'reference'] };
  const critic = { name: 'critic', kind: 'model', url: endpoint.url, model: 'judge-7b', retries: 0 };
  const config = parseConfig({ data, judges: [critic, panel] });
  const { value } = await calibrated(goldFile(data), config, 'panel');
  expect(value['self_preference']).toMatchObject({ own: { n: 40 }, others: { n: 80 } });
});

test('how it compares two answers is measured where the gold has pairs of one state, and is paid for', async () => {
  script = honestOfTwo;
  const { value, lines, beside } = await calibrated(goldFile(data, pairedItems(120)));
  expect(value).toMatchObject({ n: 240, pairs: { n: 100, right: 100, wrong: 0 }, may_reward: true });
  expect(lines).toContain('of 100 pairs of a good and a bad item it preferred the good one in 100, the bad one in 0');
  expect(beside).toEqual([]);
  expect(rows('SELECT prompt_tokens AS prompt FROM judge_costs')).toEqual([{ prompt: 100 * endpoint.asked.length }]);
});

test.each([
  ['has none', {}, 1],
  ['is not asked for any', { gate: { compare: 'words' } }, 0],
])('where the gold %s nothing is measured of pairs', async (_, more, told) => {
  const { value, beside } = await calibrated(goldFile(data), configOf({}, more));
  expect(value).toMatchObject({ n: 240, pairs: null });
  expect(beside.filter((line) => line.startsWith('how it compares two answers is not measured'))).toHaveLength(told);
});

test('too few items are a row as well, which does not let it reward; what is asked for is configured', async () => {
  const file = goldFile(data, goldItems(60));
  expect((await calibrated(file)).lines.at(-1)).toContain('60 gold items, and 200 are needed');
  expect(rows('SELECT count(*) AS n FROM calibrations')).toEqual([{ n: 1 }]);
  // The same numbers are enough where less is asked for: the bounds of now count.
  expect(await listed(configOf({}, { calibration: { items: 50 } }))).toMatchObject({ may_reward: true });
  expect(await listed()).toMatchObject({ may_reward: false });
});

test('the same item over and over is one item', async () => {
  const [one] = goldItems(1);
  const { value } = await calibrated(
    goldFile(
      data,
      Array.from({ length: 300 }, () => one ?? {}),
    ),
  );
  expect(value['n']).toBe(1);
});

test('another prompt, model or sampling is another version, which may not reward until it is calibrated', async () => {
  await calibrated(goldFile(data));
  const other = configOf({ model: 'judge-70b' });
  expect(await listed(other)).toMatchObject({
    may_reward: false,
    why: expect.stringMatching(/^it was calibrated as version \w{16}, and is version \w{16} now/) as string,
    calibration: null,
  });
  expect(await listed()).toMatchObject({ may_reward: true });
  expect((await calibrated(goldFile(data), other)).value['may_reward']).toBe(true);
});

test('one that was worse the last time has lost its right', async () => {
  await calibrated(goldFile(data));
  script = liar;
  expect((await calibrated(goldFile(data))).lines.at(-1)).toMatch(/^"critic" may not reward any more: its accuracy/);
  expect(await listed()).toMatchObject({ may_reward: false });
});

test('one that learning.rewards does not name filters, however right it is', async () => {
  const config = configOf({}, { learning: { rewards: ['person', 'reference'] } });
  expect((await calibrated(goldFile(data), config)).lines.at(-1)).toBe(
    '"critic" only filters: "learning.rewards" does not name it',
  );
});

test("people's newest words are gold: not where they could not say, nor of what is gone or withheld", async () => {
  const { store, log } = opened(data);
  const ask = async (a: number, expression: string, consent = true) => {
    const asked = opening([user(`What is ${a} plus 7?`)], { asker: { keyId: '', consent } });
    const made = await answer(log, asked, [{ text: '', asks: [{ call: call(`c${a}`, expression), gives: '?' }] }]);
    return { step: made.steps[0]?.id ?? '', response: made.opening.responseId };
  };
  let at = 0;
  const says = (subjectId: string, good?: boolean): Verdict => {
    at += 1;
    const word = good === undefined ? {} : { good, score: Number(good) };
    return {
      ...{ id: `vrd-${at}`, subjectKind: 'step', subjectId, judge: 'person', judgeVersion: String(at), ...word },
      ...{ rationale: '', createdAt: at },
    };
  };
  const [right, wrong, unsure, gone, hidden] = [
    await ask(1, '1+7'),
    await ask(2, '2+1'),
    await ask(3, '3+7'),
    await ask(4, '4+7'),
    await ask(5, '5+7', false),
  ];
  saveVerdicts(store.db, [
    ...[says(right.step, true), says(wrong.step, true), says(wrong.step, false), says(unsure.step, true)],
    ...[says(unsure.step), says(gone.step, true), says(hidden.step, true)],
  ]);
  withdrawResponse(store.db, gone.response, '');
  await log.flush();
  const { value, beside } = await calibrated('labels');
  expect(value).toMatchObject({
    source: 'labels',
    n: 2,
    accuracy: { share: 1 },
    clusters: [{ name: 'calculator' }],
    authors: [{ name: 'gyre' }],
    may_reward: false,
  });
  expect(beside.join()).toContain('1 gold items are left out');
});

test('one that cannot be asked has no row, and what it took is counted all the same', async () => {
  script = (asked, times) => (times < 20 ? honest(asked, times) : (response) => response.writeHead(503).end('{}'));
  await expect(calibrated(goldFile(data))).rejects.toMatchObject({
    side: 'judge',
    message: expect.stringMatching(/"critic" failed at \d+ of 240 gold items, and no more was asked/) as string,
  });
  // It was not asked about the rest in vain.
  expect(endpoint.asked.length).toBeLessThan(60);
  expect(rows('SELECT count(*) AS n FROM calibrations')).toEqual([{ n: 0 }]);
  expect(rows('SELECT prompt_tokens > 0 AS counted FROM judge_costs')).toEqual([{ counted: 1 }]);
});

test('its budget of a day holds for calibrations, also over processes', async () => {
  const config = configOf({ tokens_per_day: 6_000 });
  await calibrated(goldFile(data, goldItems(20)), config).catch(() => undefined);
  await expect(calibrated(goldFile(data), config)).rejects.toThrow(/of 6000 tokens of this day/);
  expect(endpoint.asked.length).toBeLessThanOrEqual(51);
});

test.each([
  ['an unknown judge', () => calibrated('labels', configOf(), 'critc'), /Did you mean "critic"\? There are reference/],
  [
    'no name',
    () => Promise.resolve().then(() => needJudge(configOf(), undefined)),
    /which judge\? There are reference/,
  ],
  ['people', () => calibrated('labels', configOf(), 'person'), /"person" is what people say/],
  ['no gold', () => calibrated(undefined), /--gold is needed: FILE/],
  ['no labels', () => calibrated('labels'), /nobody has said of a logged step/],
  [
    'a file that is not there',
    () => calibrated('/no/such.jsonl'),
    /--gold is "\/no\/such.jsonl", which cannot be read/,
  ],
  ['a line that is no item', () => calibrated(goldFile(data, [{ good: true }])), /gold.jsonl line 1, field "messages"/],
  ['steps that are not there', () => calibrated(goldFile(data, [{ step_id: 's', good: true }])), /none can be shown/],
  [
    'items that contradict each other',
    () => {
      const [item] = goldItems(1);
      return calibrated(goldFile(data, [{ ...item }, { ...item, good: false }]));
    },
    /is good, and that it is not/,
  ],
])('%s is refused with what to do', async (_, run, words) => {
  await expect(run()).rejects.toThrow(words);
});
