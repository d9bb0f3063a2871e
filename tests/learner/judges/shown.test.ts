/** What a judge is shown of gold: what it will be shown of what it rewards. */
import { writeFileSync } from 'node:fs';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { calibrateVerb } from '../../../src/cli/verbs/judges.js';
import { type Config, parseConfig } from '../../../src/core/config.js';
import type { JudgeStanding } from '../../../src/core/judging/standing.js';
import { newId } from '../../../src/core/ids.js';
import { judgeLog } from '../../../src/learner/judging.js';
import { standingsIn } from '../../../src/run/judges/present.js';
import { withLearner } from '../../../src/run/with_learner.js';
import { openStore } from '../../../src/store/file/db.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { judgeEndpoint, type JudgeEndpoint, type Script } from '../../judge/model/endpoint.js';
import { answer, opened, opening, temporaryFolder, user } from '../../store/fixture.js';
import { goldFile, goldItems, honest } from './sums.js';

let script: Script;
let endpoint: JudgeEndpoint;
let data: string;
beforeEach(async () => {
  script = hindsight;
  endpoint = await judgeEndpoint((asked, times) => script(asked, times));
  data = temporaryFolder();
});
afterEach(() => endpoint.close());

const MARK = /\[\[[0-9a-f]{16}\]\]/;
/** Looks at nothing but what came after. */
const hindsight: Script = ({ body }) => {
  const [, , , , , , , after = ''] = (body.messages[1]?.content ?? '').split(MARK);
  return `I looked at what came after.\n${after.includes('wrong') ? 'BAD' : 'GOOD'}`;
};

/** Users say of every bad step that it is wrong. */
const withAfter = (n: number): readonly object[] =>
  goldItems(n).map((item) => ({
    ...item,
    after: [{ role: 'user', content: item['good'] === true ? 'Thanks.' : 'That is wrong.' }],
  }));

function configOf(mode: string, judges: readonly { readonly name: string }[] = []): Config {
  const critic = { name: 'critic', kind: 'model', url: endpoint.url, model: 'judge-7b', retries: 0 };
  return parseConfig({
    data,
    learning: { mode, rewards: ['critic', ...judges.map(({ name }) => name)] },
    judges: [critic, ...judges],
  });
}

async function calibrated(config: Config, gold: string, name = 'critic'): Promise<Readonly<Record<string, unknown>>> {
  let told: unknown;
  const printer = { result: (value: unknown) => void (told = value), progress: () => undefined, line: () => undefined };
  await withLearner(config, printer, new AbortController().signal, false, (learner) =>
    calibrateVerb(learner, name, gold, printer),
  );
  return told as Readonly<Record<string, unknown>>;
}

function standing(config: Config, name = 'critic'): JudgeStanding | undefined {
  const store = openStore(data);
  try {
    return standingsIn(config, store.db).find((each) => each.name === name);
  } finally {
    store.close();
  }
}

test('one that only reads what came after may not drive resampling, where nothing came', async () => {
  const file = goldFile(data, withAfter(240));
  expect(await calibrated(configOf('resample'), file)).toMatchObject({ may_reward: false, shown: 'alone' });
  expect(standing(configOf('resample'))).toMatchObject({ mayReward: false });
  // Of recorded actions it is right: it is shown what came after them.
  expect(standing(configOf('logged'))?.why).toContain('it was calibrated on actions alone');
  expect(await calibrated(configOf('logged'), file)).toMatchObject({ may_reward: true, shown: 'with_after' });
  expect(standing(configOf('sft'))).toMatchObject({ mayReward: true });
  expect(standing(configOf('resample'))).toMatchObject({ mayReward: false });
});

test('a calibration counts in the modes it was made for, and is there again when the mode is', async () => {
  script = honest;
  const file = goldFile(data, withAfter(240));
  await calibrated(configOf('resample'), file);
  expect(standing(configOf('resample'))).toMatchObject({ mayReward: true });
  expect(standing(configOf('logged'))).toMatchObject({
    mayReward: false,
    why: expect.stringMatching(
      /^it was calibrated on actions alone, and is to reward recorded actions.*calibrate critic/,
    ) as string,
  });
  await calibrated(configOf('logged'), file);
  for (const mode of ['resample', 'logged', 'sft']) expect(standing(configOf(mode))).toMatchObject({ mayReward: true });
});

test('a row that does not say it was made with what came after', async () => {
  script = honest;
  await calibrated(configOf('logged'), goldFile(data, withAfter(240)));
  const store = openStore(data);
  store.sqlite.exec("UPDATE calibrations SET numbers = json_remove(numbers, '$.shown')");
  store.close();
  expect(standing(configOf('logged'))).toMatchObject({ mayReward: true });
  expect(standing(configOf('resample'))).toMatchObject({ mayReward: false });
});

test('a prompt that has no place for what came after is one calibration for all modes', async () => {
  script = honest;
  const prompt = `${data}/blind.md`;
  const blind =
    'Say GOOD or BAD.\n=== user\n{{mark}}{{tools}}{{mark}}\n' +
    '{{mark}}\n{{conversation}}\n{{mark}}\n{{mark}}{{action}}{{mark}}\n';
  writeFileSync(prompt, blind);
  const config = (mode: string): Config =>
    parseConfig({
      data,
      learning: { mode, rewards: ['critic'] },
      judges: [{ name: 'critic', kind: 'model', url: endpoint.url, model: 'judge-7b', retries: 0, prompt }],
    });
  expect(await calibrated(config('resample'), goldFile(data))).toMatchObject({ shown: 'either' });
  expect(standing(config('logged'))).toMatchObject({ mayReward: true });
});

test('a panel is not told by what its member said of a step when it knew what came after', async () => {
  const { store, log } = opened(data);
  let clock = Date.now();
  for (let at = 0; at < 24; at += 1) {
    const good = at % 2 === 0;
    const { steps, turn } = await answer(log, opening([user(`What is ${at} plus 7?`)]), [
      { text: `It is ${at + (good ? 7 : 1)}.` },
    ]);
    const [{ id } = { id: '' }] = steps;
    await answer(log, opening([user(`What is ${at} plus 7?`), turn, user(good ? 'Thanks.' : 'That is wrong.')]), [
      { text: 'Well.' },
    ]);
    saveVerdicts(store.db, [
      {
        ...{ id: newId('vrd'), subjectKind: 'step', subjectId: id, judge: 'person', judgeVersion: 'v1' },
        ...{ score: Number(good), good, rationale: '', createdAt: (clock += 1) },
      },
    ]);
  }
  store.close();
  const panel = { name: 'panel', kind: 'panel', of: ['critic', 'reference'], rule: 'majority' };
  const ofPanel = async (mode: string): Promise<Readonly<Record<string, unknown>>> =>
    calibrated(configOf(mode, [panel]), 'labels', 'panel');
  // Its member has spoken of every step, with what came after.
  const config = configOf('logged', [panel]);
  const printer = { result: () => undefined, progress: () => undefined, line: () => undefined };
  await withLearner(config, printer, new AbortController().signal, false, (learner) => judgeLog(learner));
  expect(await ofPanel('logged')).toMatchObject({ shown: 'with_after', accuracy: { share: 1 } });
  expect(await ofPanel('resample')).toMatchObject({ shown: 'alone', accuracy: { share: 0.5 } });
});
