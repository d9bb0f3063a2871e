/** What the learning clock leaves in a log: verdicts, feedback, cycles with their samples, batches and versions. */
import { assemble, hyperDefaults } from '../../src/batch/assemble.js';
import { newId } from '../../src/core/ids.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import type { Sample } from '../../src/core/learning/sample.js';
import type { Task } from '../../src/core/learning/task.js';
import type { Verdict } from '../../src/core/learning/judging.js';
import type { Db } from '../../src/store/file/db.js';
import { moveBatch, saveBatch } from '../../src/store/learning/batches.js';
import { claim } from '../../src/store/learning/claims.js';
import { moveCycle, saveCycle } from '../../src/store/learning/cycles.js';
import { decide } from '../../src/store/learning/decisions.js';
import { saveTasks } from '../../src/store/learning/tasks.js';
import { saveSamples } from '../../src/store/learning/samples.js';
import { saveVerdicts } from '../../src/store/learning/verdicts.js';
import { saveVersion } from '../../src/store/learning/versions.js';
import { addFeedback } from '../../src/store/read/feedback.js';
import type { Random } from '../chaos/random.js';
import type { Words } from './conversation.js';

/** A step that may be learned from. */
export interface Taken {
  readonly stepId: string;
  readonly prompt: readonly number[];
}

const GROUP = 8;
const STATES = 12;
/** Cycles over all of the log. */
const CYCLES = 200;
const TASKS = 100;

export class Learning {
  /** The version that samples and serves now. */
  version = 0;
  #newest = 0;
  #cycles = 0;
  readonly #db: Db;
  readonly #random: Random;
  readonly #words: Words;

  constructor(db: Db, random: Random, words: Words) {
    this.#db = db;
    this.#random = random;
    this.#words = words;
    saveTasks(
      db,
      Array.from({ length: TASKS }, (_, at): Task => ({
        id: `task-${at}`,
        split: at % 2 === 0 ? 'train' : 'heldout',
        messages: [{ role: 'user', content: words.text(random, 40, 200) }],
        metadata: {},
      })),
    );
  }

  feedback(responseId: string, keyId: string, at: number): void {
    const value = this.#random.next() < 0.7 ? 1 : -1;
    addFeedback(this.#db, { responseId, keyId, within: keyId, value, comment: 'as I think', at });
  }

  /** Judges these steps, but for the last of the log, and where it is due makes a cycle of some; `done` is of 1. */
  wave(taken: readonly Taken[], at: number, done: number): void {
    if (done < 0.98)
      saveVerdicts(
        this.#db,
        taken.flatMap(({ stepId }) => this.#judged('step', stepId, at)),
      );
    if (Math.floor(done * CYCLES) <= this.#cycles) return;
    this.#cycles += 1;
    this.#cycle(taken.slice(0, STATES), at);
  }

  #judged(subjectKind: Verdict['subjectKind'], subjectId: string, at: number): Verdict[] {
    const good = this.#random.next() < 0.6;
    const absent = { judge: 'reference', judgeVersion: '3', rationale: 'there is no reference', createdAt: at };
    return [
      { id: newId('vrd', at), subjectKind, subjectId, ...absent },
      {
        id: newId('vrd', at),
        subjectKind,
        subjectId,
        judge: 'well_formed',
        judgeVersion: '1',
        score: good ? 1 : 0,
        good,
        rationale: good ? 'every call is well formed' : 'a call is not well formed',
        createdAt: at,
      },
    ];
  }

  #cycle(states: readonly Taken[], at: number): void {
    const [db, random, words] = [this.#db, this.#random, this.#words];
    const id = newId('cyc', at);
    const target = this.#newest + 1;
    const base = { mode: 'resample' as const, baseVersion: this.version };
    saveCycle(db, GYRE_POLICY, {
      ...base,
      id,
      state: 'running',
      stage: 'filter',
      filter: 'prefix',
      counts: { states: states.length },
      note: '',
      startedAt: at,
      updatedAt: at,
    });
    const stepIds = states.map(({ stepId }) => stepId);
    claim(
      db,
      GYRE_POLICY,
      id,
      'resample',
      stepIds.map((stepId) => ({ stepId, same: [] })),
    );
    const samples = states.flatMap(({ stepId, prompt }) =>
      Array.from({ length: GROUP }, (): Sample => {
        const { ids, logprobs } = words.tokens(random, 12, 140);
        return {
          id: newId('smp', at),
          cycleId: id,
          stepId,
          policyVersion: this.version,
          text: words.text(random, 60, 500),
          calls: [],
          promptTokenIds: prompt,
          tokenIds: ids,
          logprobs,
          temperature: 1,
          cut: false,
          createdAt: at,
        };
      }),
    );
    saveSamples(db, GYRE_POLICY, samples);
    saveVerdicts(
      db,
      samples.flatMap((sample) => this.#judged('sample', sample.id, at)),
    );
    const examples = samples.map((sample) => ({
      ...sample,
      trajectoryId: sample.stepId,
      advantage: random.next() - 0.5,
    }));
    const batchId = newId('bat', at);
    saveBatch(
      db,
      GYRE_POLICY,
      id,
      assemble(
        {
          ...base,
          batchId,
          targetVersion: target,
          templateHash: 'g1:template',
          hyper: hyperDefaults('resample', 1e-5, 0),
        },
        examples,
      ),
      examples.map(({ id: itemId, stepId, advantage }) => ({ itemId, stepId, advantage })),
    );
    moveBatch(db, GYRE_POLICY, batchId, 'sent');
    moveBatch(db, GYRE_POLICY, batchId, 'applied');
    saveVersion(db, GYRE_POLICY, {
      version: target,
      kind: 'trained',
      parent: this.version,
      batchId,
      metrics: { loss: random.next() },
      createdAt: at,
    });
    this.#newest = target;
    const passed = random.next() < 0.3;
    const decision = { version: target, against: this.version, passed, numbers: { win: random.next() } };
    decide(db, GYRE_POLICY, { ...decision, kind: 'gate', reason: passed ? 'better' : 'not better' });
    if (passed) decide(db, GYRE_POLICY, { ...decision, kind: 'promotion', reason: 'the gate passed' });
    if (passed) this.version = target;
    moveCycle(db, GYRE_POLICY, id, {
      state: 'done',
      stage: passed ? 'promote' : 'gate',
      note: passed ? 'promoted' : 'refused',
    });
  }
}
