/** The tables of the gate on live traffic: held-out conversations that a judge compares, and the canary. */
import { Random } from '../../chaos/random.js';
import { canaried, compared, firstPromoted, type NoisyJudge, type Traffic, type World } from './live_worlds.js';
import { atMost, CYCLES, LEAST_FOUND, percent, type Table } from './tables.js';

const JUDGES: readonly { readonly name: string; readonly judge: NoisyJudge }[] = [
  { name: 'by words, fa 10 %, fr 10 %', judge: { by: 'words', falseAccept: 0.1, falseReject: 0.1, n: 400 } },
  {
    name: 'by words, fa 12 %, fr 15 %, of 20 % not told',
    judge: { by: 'words', falseAccept: 0.12, falseReject: 0.15, n: 400, untold: 0.2 },
  },
  {
    name: 'by pairs, fa 15 %, fr 10 %, fickle',
    judge: { by: 'pairs', falseAccept: 0.15, falseReject: 0.1, n: 100, fickle: 0.05 },
  },
  {
    name: 'by pairs, fa 12 %, fr 15 %, goes by place 30 %',
    judge: { by: 'pairs', falseAccept: 0.12, falseReject: 0.15, n: 100, position: 0.3 },
  },
  {
    name: 'by pairs, goes by place alone',
    judge: { by: 'pairs', falseAccept: 0.1, falseReject: 0.1, n: 100, position: 1 },
  },
];
const WORLD: Omit<World, 'gain'> = { accuracy: 0.55, same: 0.4 };
const MARGIN = 0.05;

/** Held-out conversations, no two candidates the same ones. */
export function liveGate(all: number): Table {
  const runs = Math.max(1, Math.round(all * 0.4));
  const rows = JUDGES.map(({ name, judge }, at) => {
    const share = (seed: number, of: (random: Random) => boolean): number => {
      const random = new Random(31_000 + 100 * at + seed);
      let found = 0;
      for (let run = 0; run < runs; run += 1) if (of(random)) found += 1;
      return found / runs;
    };
    const ever =
      (gain: number, margin = 0) =>
      (random: Random): boolean =>
        firstPromoted(CYCLES, (candidate) => compared(random, candidate, { ...WORLD, gain }, judge, margin).passed) !==
        undefined;
    const first =
      (gain: number) =>
      (random: Random): boolean =>
        compared(random, 1, { ...WORLD, gain }, judge).passed;
    return {
      name,
      blind: judge.position === 1,
      useless: share(0, ever(0)),
      harmful: share(1, ever(-0.03)),
      atMargin: share(2, ever(MARGIN, MARGIN)),
      better: share(3, first(0.15)),
      ten: share(4, ever(0.1)),
    };
  });
  return {
    title: `Held-out conversations and a judge that errs, ${CYCLES} candidates, ${runs} runs a cell`,
    lines: [
      `| judge | useless: ever | -3: ever | +${100 * MARGIN} where the margin is ${100 * MARGIN}: ever ` +
        '| +15: first | +10: ever |',
      '|---|---|---|---|---|---|',
      ...rows.map(
        ({ name, useless, harmful, atMargin, better, ten }) =>
          `| ${name} | ${percent(useless)} | ${percent(harmful)} | ${percent(atMargin)} | ${percent(better)} | ` +
          `${percent(ten)} |`,
      ),
    ],
    wrong: rows.flatMap(({ name, blind, useless, harmful, atMargin, better, ten }) => [
      ...atMost(`${name}, useless`, useless),
      ...atMost(`${name}, -3`, harmful),
      ...atMost(`${name}, +${100 * MARGIN} at the margin`, atMargin),
      ...(blind
        ? useless + harmful + better + ten === 0
          ? []
          : [`${name}: it promoted somebody`]
        : [
            ...(ten < LEAST_FOUND ? [`${name}, +10: promoted in ${percent(ten)} of runs`] : []),
            ...(better < LEAST_FOUND && judgeIsWhole(name) ? [`${name}, +15: at once in ${percent(better)}`] : []),
          ]),
    ]),
  };
}

/** One that goes by the place in a third of its words, or often cannot tell, says nothing in a third or half. */
function judgeIsWhole(name: string): boolean {
  return !name.includes('place') && !name.includes('not told');
}

const TRAFFIC: Traffic = { good: 0.7, gain: 0, fails: 0.01, failsMore: 0, told: 0.6, wrong: 0.15, drift: 0.1 };

/** A share of the conversations, read as they end. */
export function canary(runs: number): Table {
  const some = Math.max(1, Math.round(runs / 5));
  const many = Math.max(1, Math.round(runs / 3));
  const kinds = [
    { share: 0.1, most: 256 },
    { share: 0.25, most: 512 },
  ];
  const rows = kinds.map(({ share, most }, at) => {
    const random = new Random(57_000 + at);
    const of = (count: number, run: () => boolean): number => {
      let found = 0;
      for (let each = 0; each < count; each += 1) if (run()) found += 1;
      return found / count;
    };
    const once = (traffic: Partial<Traffic>, gatePassed: boolean, candidate = 1): ReturnType<typeof canaried> =>
      canaried(random, candidate, { ...TRAFFIC, ...traffic }, { share, most, gatePassed });
    const withdrawn = (traffic: Partial<Traffic>, gatePassed: boolean): number =>
      of(some, () => !once(traffic, gatePassed).passed);
    return {
      name: `${percent(share)}, ${most}`,
      useless: of(many, () => firstPromoted(10, (candidate) => once({}, false, candidate).passed) !== undefined),
      unharmed: of(some, () => ['worse', 'failing'].includes(once({}, true).stopped)),
      worse: withdrawn({ gain: -0.1 }, true),
      failing: withdrawn({ failsMore: 0.1 }, true),
      harmful: withdrawn({ gain: -0.03 }, false),
      better: of(some, () => once({ gain: 0.2 }, false).passed),
    };
  });
  return {
    title: `The canary, ${some} runs a cell (useless: 10 candidates, ${many} runs)`,
    lines: [
      '| share, compared at most | useless: ever promoted | useless, gate passed: called harmful ' +
        '| -10, gate passed: withdrawn | fails 10 % more, gate passed: withdrawn | -3: withdrawn | +20: promoted |',
      '|---|---|---|---|---|---|---|',
      ...rows.map(
        ({ name, useless, unharmed, worse, failing, harmful, better }) =>
          `| ${name} | ${percent(useless)} | ${percent(unharmed)} | ${percent(worse)} | ${percent(failing)} | ` +
          `${percent(harmful)} | ${percent(better)} |`,
      ),
    ],
    wrong: rows.flatMap(({ name, useless, unharmed, worse, failing, harmful, better }) => [
      ...atMost(`canary ${name}, useless`, useless),
      ...(unharmed > 0.1 ? [`canary ${name}, equal: called harmful in ${percent(unharmed)}`] : []),
      ...Object.entries({ worse, failing, harmful }).flatMap(([what, share]) =>
        share < LEAST_FOUND ? [`canary ${name}, ${what}: withdrawn in ${percent(share)}`] : [],
      ),
      ...(better < LEAST_FOUND ? [`canary ${name}, +20: promoted in ${percent(better)}`] : []),
    ]),
  };
}
