/**
 * Gold items as judges are shown them: their own words, or the logged step that they name, in the state it had. As what
 * is rewarded is shown: where actions are drawn anew, without what came after.
 */
import { operatorError } from '../../core/errors.js';
import { shownWhen } from '../../core/judging/calibration.js';
import { canonicalJson, type Hash, sha256 } from '../../core/text/hash.js';
import type { GoldItem } from '../../judge/calibration/gold.js';
import type { Learner } from '../deps.js';
import { referred } from '../reference.js';
import type { GoldSubject } from './calibrating.js';

export interface Gold {
  readonly subjects: readonly GoldSubject[];
  readonly hash: Hash;
  /** Steps that are gone, or that their keys withhold: no judge is shown them. */
  readonly withheld: number;
}

/**
 * What people have said of steps, as far as it tells something of this judge: of one that is trained here, and of a
 * panel with such a member, only what its version was neither trained on nor fitted to.
 */
export async function goldOfPeople(
  { rows, config }: Pick<Learner, 'rows' | 'config'>,
  name: string,
): Promise<readonly GoldItem[]> {
  const said = await rows.judges.gold();
  const judge = config.judges.find((each) => each.name === name);
  const asked = judge?.kind === 'panel' ? judge.of : [name];
  const learned = config.judges.flatMap((each) => (each.kind === 'learned' && asked.includes(each.name) ? [each] : []));
  const golds = await Promise.all(
    learned.map(async (each) => {
      const serving = (await rows.learned.versions(each.name)).find(({ state }) => state === 'serving');
      return new Set(serving?.gold);
    }),
  );
  return said.filter((item) => golds.every((gold) => 'stepId' in item && gold.has(item.stepId)));
}

/** The same for the same items in whatever order. */
export function goldHash(subjects: readonly Pick<GoldSubject, 'subject' | 'truth'>[]): Hash {
  const said = subjects.map(({ subject, truth }) => `${sha256(canonicalJson({ ...subject }))} ${truth}`).sort();
  return sha256(said.join('\n'));
}

/** The same item twice counts once. Throws an operator error where the two say different things. */
export async function goldFrom(
  { rows, toolbox, config }: Pick<Learner, 'rows' | 'toolbox' | 'config'>,
  items: readonly GoldItem[],
): Promise<Gold> {
  const ids = items.flatMap((item) => ('stepId' in item ? [item.stepId] : []));
  const free = await rows.steps.consented(ids);
  const alone = shownWhen(config['learning.mode']) === 'alone';
  const states = await rows.steps.asked([...free], alone ? undefined : 'after');
  const found = new Map<string, GoldSubject>();
  let withheld = 0;
  for (const item of items) {
    const subject = 'subject' in item ? item.subject : undefined;
    const asked = 'stepId' in item ? states.get(item.stepId) : undefined;
    if (subject === undefined && asked === undefined) {
      withheld += 1;
      continue;
    }
    const { good, cluster, by } = item;
    const whole = subject ?? subjectOf(asked as NonNullable<typeof asked>);
    const made = { subject: alone ? aloneOf(whole) : whole, truth: good, cluster, by };
    const known = found.get(made.subject.id);
    if (known !== undefined && known.truth !== good)
      throw operatorError(
        `the gold items say that ${JSON.stringify(made.subject.id)} is good, and that it is not: take one of them out`,
      );
    found.set(made.subject.id, made);
  }
  const subjects = [...found.values()];
  return { subjects, hash: goldHash(subjects), withheld };

  function subjectOf(asked: NonNullable<ReturnType<typeof states.get>>): GoldSubject['subject'] {
    const { stepId, messages, tools, text, calls, index } = asked.state;
    const task = referred(asked, 'step', toolbox);
    return { kind: 'step', id: stepId, messages, tools, text, calls, after: asked.after, index, ...task };
  }
}

/** As an action that was drawn anew. Of a step a member of a panel may have spoken, and have known what came after. */
function aloneOf({ after: _, ...subject }: GoldSubject['subject']): GoldSubject['subject'] {
  return { ...subject, kind: 'sample' };
}
