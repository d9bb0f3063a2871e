#!/usr/bin/env node
/**
 * The command line: reads arguments, environment and signals, runs one verb, ends with 0 or with 1 and one sentence
 * why.
 */
import { setMaxListeners } from 'node:events';

import { Command } from 'commander';

import type { BackupFlags } from './cli/verbs/backup.js';
import type { ExportFlags } from './cli/verbs/export.js';
import type { KeyFlags } from './cli/verbs/keys.js';
import type { LabelFlags } from './cli/verbs/label.js';
import type { LogFlags } from './cli/verbs/log.js';
import type { IndexFlags } from './cli/verbs/operate.js';
import type { PruneFlags } from './cli/verbs/prune.js';
import type { TaskFlags } from './cli/verbs/tasks.js';
import { settings, type Flags } from './run/settings.js';
import { printer } from './run/print.js';
import { asGyreError } from './core/errors.js';
import { shownLines } from './core/text/shown.js';

interface VerbFlags extends Flags, KeyFlags, LogFlags, PruneFlags, BackupFlags {
  readonly json?: boolean | undefined;
  readonly tasks?: string | undefined;
  readonly n?: string | undefined;
  readonly model?: string | undefined;
  readonly cycles?: string | undefined;
  readonly gold?: string | undefined;
  readonly each?: string | undefined;
  readonly steps?: string | undefined;
  readonly from?: string | undefined;
  readonly parallel?: string | undefined;
  readonly mode?: string | undefined;
  readonly full?: boolean | undefined;
  readonly samples?: string | undefined;
}

// Conversations, keys and what is made of them are for this user alone, in everything we and our children write.
process.umask(0o077);
const stopping = new AbortController();
// Everything under way listens to it: many listeners are no leak here.
setMaxListeners(0, stopping.signal);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    // Whoever says it again does not want to wait; children end when they see that we are gone.
    if (stopping.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    stopping.abort(new Error(`stopped by ${signal}`));
  });

const program = new Command('gyre')
  .description('An OpenAI-compatible gateway whose model gets better by being used.')
  .showHelpAfterError();
const verb = (name: string, description: string): Command =>
  program
    .command(name)
    .description(description)
    .option('--config <file>', 'configuration file')
    .option('--data <dir>', 'data folder')
    .option('--json', 'print one JSON object');
const config = (flags: VerbFlags): ReturnType<typeof settings> => settings(flags, process.env, process.cwd());
const wholeNumber = (flag: string, text: string | undefined, fallback: number, least = 1): number => {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isInteger(value) || value < least)
    throw new Error(`${flag} is "${text ?? ''}"; it must be a whole number of at least ${least}`);
  return value;
};

verb('serve', 'start the gateway')
  .option('--host <host>', 'address to serve')
  .option('--port <n>', 'port to serve; 0 takes any free one')
  .option('--engine <url>', 'use this running engine and start none')
  .option('--trainer <url>', 'use this running trainer and its engine')
  .option('--learn <on|off>', 'start learning cycles by itself')
  .action(async (flags: VerbFlags) => {
    const [{ serve }, { openOutput }, { redactorOf }] = await Promise.all([
      import('./run/serve.js'),
      import('./run/lines/output.js'),
      import('./core/text/redact.js'),
    ]);
    const given = config(flags);
    const output = await openOutput(process.env, process, redactorOf(given.redact));
    // A bug outside of any request: what is being answered is finished and logged, and a supervisor starts us again.
    process.on('uncaughtException', (thrown) => {
      const reason = thrown.stack ?? thrown.message;
      output.fault({ reason }, `the gateway met a bug and ends: ${reason}`);
      process.exitCode = 1;
      if (stopping.signal.aborted) process.exit(1);
      stopping.abort(thrown);
    });
    await serve(given, output, stopping.signal, process.env);
  });

type LearningVerb = (
  verbs: typeof import('./cli/verbs/learning.js'),
  learner: import('./learner/deps.js').Learner,
  flags: VerbFlags,
  out: ReturnType<typeof printer>,
) => Promise<void> | void;
/** Whether somebody else than the policy answers. */
const isTaught = ({ from }: VerbFlags): boolean => from !== undefined && from !== 'policy';
/** A verb of the learning clock. */
const learning = (name: string, description: string, engine: boolean, run: LearningVerb): Command =>
  verb(name, description)
    .option('--engine <url>', 'use this running engine')
    .option('--trainer <url>', 'use this running trainer and its engine')
    .action(async (flags: VerbFlags) => {
      const [verbs, { withLearner }] = await Promise.all([
        import('./cli/verbs/learning.js'),
        import('./run/with_learner.js'),
      ]);
      const out = printer(flags.json === true);
      const wanted = engine && flags.cycles !== '0' && !isTaught(flags);
      await withLearner(config(flags), out, stopping.signal, wanted, (learner) => run(verbs, learner, flags, out));
    });
const generate: LearningVerb = async (verbs, learner, flags, out) => {
  const [{ tasksMeant }, { openTeacher }, { busyGateway }] = await Promise.all([
    import('./run/tasks.js'),
    import('./run/teacher.js'),
    import('./run/presence.js'),
  ]);
  if (flags.tasks === undefined) throw new Error('--tasks is needed: a task file, or the name of a family');
  const { toolbox, config: given, rows } = learner;
  const tasks = tasksMeant(flags.tasks, await rows.tasks.of('train'), toolbox, given);
  const teacher = isTaught(flags)
    ? openTeacher(given, flags.from ?? '', process.env, (text) => out.line(text))
    : undefined;
  try {
    await verbs.generateVerb(
      learner,
      tasks,
      {
        each: wholeNumber('--each', flags.each ?? flags.n, 1),
        teacher,
        steps: flags.steps === undefined ? undefined : wholeNumber('--steps', flags.steps, 1),
        tools: flags.tools?.split(',').map((name) => name.trim()),
        parallel: flags.parallel === undefined ? undefined : wholeNumber('--parallel', flags.parallel, 1),
        busy: () => busyGateway(given.data),
        model: flags.model,
      },
      out,
    );
  } finally {
    await teacher?.close();
  }
};
type Tasks = import('./core/learning/task.js').Task[];
const tasksOf = async (
  { toolbox, config }: import('./learner/deps.js').Learner,
  { tasks }: VerbFlags,
): Promise<Tasks | undefined> => {
  const { readTasks } = await import('./run/tasks.js');
  return tasks === undefined ? undefined : readTasks(tasks, toolbox, config);
};
const needTasks = async (learner: import('./learner/deps.js').Learner, flags: VerbFlags): Promise<Tasks> => {
  const tasks = await tasksOf(learner, flags);
  if (tasks === undefined)
    throw new Error('--tasks FILE is needed: JSON lines of {"prompt" | "messages", "reference"?, "split"?}');
  return tasks;
};

learning('generate', 'run the loop on tasks and log it; run again, it goes on', true, generate)
  .option('--tasks <file>', 'task file, or the name of a family')
  .option('--each <n>', 'trajectories a task; 1 by default')
  .option('--n <n>', 'the same')
  .option('--steps <n>', "steps one may take; the task's max_steps without it, else limits.steps")
  .option('--from <who>', 'policy, or a model of "upstreams" that answers in its place')
  .option('--tools <names>', "server tools, with commas between, instead of the tasks' own")
  .option('--parallel <n>', 'so many at once while no client is answered, when it is one; 24 by default')
  .option('--model <name>', 'gyre, gyre@N or gyre@base; the head by default');
verb('judge [what] [name]', 'judge what no judge has seen; list: who may reward; calibrate NAME: measure a judge')
  .option('--gold <from>', 'of calibrate: a file of gold items, or "labels": what people have said of steps')
  .option('--engine <url>', 'use this running engine')
  .option('--trainer <url>', 'use this running trainer and its engine')
  .action(async (what: string | undefined, name: string | undefined, flags: VerbFlags) => {
    const [{ withLearner }, judges, { judgeVerb }] = await Promise.all([
      import('./run/with_learner.js'),
      import('./cli/verbs/judges.js'),
      import('./cli/verbs/learning.js'),
    ]);
    const [given, out] = [config(flags), printer(flags.json === true)];
    if (what === 'list') return judges.judgesVerb(given, out);
    if (what !== undefined && what !== 'calibrate')
      throw new Error(`"judge ${what}" is no verb; there are judge, judge list and judge calibrate NAME --gold FROM`);
    if (what === undefined)
      return withLearner(given, out, stopping.signal, false, (learner) => judgeVerb(learner, out));
    const judge = judges.needJudge(given, name);
    return withLearner(given, out, stopping.signal, judges.needsEngine(given, judge), (learner) =>
      judges.calibrateVerb(learner, judge, flags.gold, out),
    );
  });
learning('filter', 'show what every filter keeps and drops', false, (verbs, learner, { mode }, out) => {
  if (mode !== undefined && mode !== 'resample' && mode !== 'logged' && mode !== 'sft')
    throw new Error(`--mode is "${mode}"; it must be resample, logged or sft`);
  return verbs.filterVerb(learner, out, mode);
}).option('--mode <mode>', 'as if learning.mode were resample, logged or sft');
learning('train', 'one cycle on what the log holds', true, (verbs, learner, _, out) =>
  verbs.learnVerb(learner, { cycles: 1, perTask: 1 }, out),
);
learning('evaluate', 'answer held-out tasks with one version', true, async (verbs, learner, flags, out) =>
  verbs.evaluateVerb(learner, await needTasks(learner, flags), flags.model, out, {
    full: flags.full,
    samples: flags.samples === undefined ? undefined : wholeNumber('--samples', flags.samples, 1),
  }),
)
  .option('--tasks <file>', 'task file')
  .option('--full', 'without tools as well, and what the trajectories were like: a row for each')
  .option('--samples <n>', 'so many answers a task at learning.temperature as well, and pass@k of them')
  .option('--model <name>', 'gyre, gyre@N or gyre@base; the head by default');
learning('learn', 'whole learning cycles', true, async (verbs, learner, flags, out) => {
  const tasks = await tasksOf(learner, flags);
  await verbs.learnVerb(
    learner,
    {
      tasks,
      cycles: wholeNumber('--cycles', flags.cycles, 1, 0),
      perTask: wholeNumber('--n', flags.n, 1),
    },
    out,
  );
})
  .option('--tasks <file>', 'task file')
  .option('--cycles <n>', 'how many')
  .option('--n <n>', 'trajectories per task and cycle');

verb('status', 'versions, and what learning waits for').action(async (flags: VerbFlags) =>
  (await import('./cli/verbs/operate.js')).statusVerb(config(flags), printer(flags.json === true)),
);
verb('versions', 'every version, what was decided about it, and whether its weights are there').action(
  async (flags: VerbFlags) =>
    (await import('./cli/verbs/operate.js')).versionsVerb(config(flags), printer(flags.json === true)),
);
verb('promote <version>', 'serve a version that passed the gate').action(async (version: string, flags: VerbFlags) =>
  (await import('./cli/verbs/operate.js')).promoteVerb(config(flags), version, printer(flags.json === true)),
);
verb('rollback', 'serve the weights that served before, under a new number')
  .option('--trainer <url>', 'use this running trainer')
  .action(async (flags: VerbFlags) =>
    (await import('./cli/verbs/operate.js')).rollbackVerb(config(flags), printer(flags.json === true), stopping.signal),
  );
verb('restart [version]', 'go on from a version that the trainer has, after it has lost the head')
  .option('--trainer <url>', 'use this running trainer')
  .action(async (version: string | undefined, flags: VerbFlags) =>
    (await import('./cli/verbs/operate.js')).restartVerb(
      config(flags),
      version,
      printer(flags.json === true),
      stopping.signal,
    ),
  );
verb('label', 'say what is good and bad: the queue, one key a label; or one label; or a file of them')
  .option('--step <id>', 'the step to label, without the queue')
  .option('--trajectory <id>', 'the conversation whose last answer to label')
  .option('--good', 'it is good')
  .option('--bad', 'it is bad')
  .option('--unsure', 'nobody can tell')
  .option('--comment <text>', 'why')
  .option('--demonstration <text>', 'what should have been answered')
  .option('--withdraw <id>', 'take a label back')
  .option('--file <file>', 'JSON lines as POST /gyre/v1/labels takes them; - is standard input')
  .option('--count <n>', 'end after so many labels')
  .action(async (flags: VerbFlags & LabelFlags) =>
    (await import('./cli/verbs/label.js')).labelVerb(config(flags), flags, printer(flags.json === true)),
  );
verb('verify', 'prove the log').action(async (flags: VerbFlags) => {
  if (!(await (await import('./cli/verbs/operate.js')).verifyVerb(config(flags), printer(flags.json === true))))
    process.exitCode = 1;
});
verb('log <verb>', 'settle: read again what was set aside because it could not be committed')
  .option('--discard', 'delete what still cannot be')
  .action(async (what: string, flags: VerbFlags) => {
    const { logVerb } = await import('./cli/verbs/log.js');
    if (!(await logVerb(config(flags), what, flags, printer(flags.json === true)))) process.exitCode = 1;
  });
verb('prune', 'take out of the log what is old, or what makes it too large')
  .option('--days <n>', 'how long the log is kept; retention.days without it')
  .option('--gib <n>', 'how large the log may be; retention.gib without it')
  .option('--keep <which>', 'promoted, trained or labelled, with commas between, or none; retention.keep without it')
  .option('--dry-run', 'only say what would go')
  .option('--compact', 'write the whole file anew, without what is free in it; no gateway may run')
  .action(async (flags: VerbFlags) =>
    (await import('./cli/verbs/prune.js')).pruneVerb(
      config(flags),
      flags,
      printer(flags.json === true),
      stopping.signal,
    ),
  );
verb('backup <file>', 'everything needed to go on into one file, also while a gateway runs')
  .option('--no-weights', 'without adapters and the state of training')
  .action(async (file: string, flags: VerbFlags) =>
    (await import('./cli/verbs/backup.js')).backupVerb(config(flags), file, flags, printer(flags.json === true)),
  );
verb('restore <file>', 'a data folder from a backup')
  .option('--replace', 'put a log that is there aside')
  .action(async (file: string, flags: VerbFlags) =>
    (await import('./cli/verbs/backup.js')).restoreVerb(config(flags), file, flags, printer(flags.json === true)),
  );
verb('export', 'take trajectories out as JSON lines, newest first')
  .option('--out <file>', 'file to write; standard output by default')
  .option('--format <format>', 'jsonl, as the API tells them; chat, {messages, tools} as for fine-tuning')
  .option('--view <view>', 'client, policy or summary: whose conversation; client by default, policy for chat')
  .option('--include <what>', 'tokens: token ids and log-probabilities as well')
  .option('--limit <n>', 'at most so many')
  .option('--version <n>', 'only where this version of the policy took a step')
  .option('--outcome <outcome>', 'only completed, incomplete, failed or cancelled')
  .option('--origin <origin>', 'only live, generate or evaluate')
  .option('--key <key>', 'only what this key asked, by id or name; none is without a key')
  .option('--task <id>', 'only what answers this task')
  .option('--good <said>', 'only what is judged good: true, false, or none for no verdict')
  .option('--feedback <rating>', 'only what was rated good, bad, any or none')
  .option('--trainable <bool>', 'only where a step may be trained on (true), or none may (false)')
  .option('--since <time>', 'only from this time on: a date, seconds since 1970, or 7d for so long ago')
  .option('--until <time>', 'only before this time')
  .option('--q <text>', 'only where somebody said this, in whatever case')
  .action(async (flags: VerbFlags & ExportFlags) =>
    (await import('./cli/verbs/export.js')).exportVerb(
      config(flags),
      flags,
      printer(flags.json === true),
      stopping.signal,
    ),
  );
verb('doctor', 'find what is wrong with the installation')
  .option('--engine <url>', 'look for this running engine')
  .action(async (flags: VerbFlags) => {
    if (!(await (await import('./cli/verbs/doctor.js')).doctorVerb(config(flags), printer(flags.json === true))))
      process.exitCode = 1;
  });
verb('index <dir>', 'index a folder of .md and .txt files for search_documents')
  .option('--as <name>', 'as a collection of its own, which the tool search_NAME finds')
  .option('--about <words>', 'what the collection is about, for the policy')
  .action(async (dir: string, flags: VerbFlags & IndexFlags) => {
    (await import('./cli/verbs/operate.js')).indexVerb(config(flags), dir, flags, printer(flags.json === true));
  });
verb('tasks <verb> [name] [file]', 'list families; make FAMILY; load FORMAT FILE; score TASKS')
  .option('--out <file>', 'task file to write')
  .option('--seed <n>', 'make: the same seed gives the same tasks; 1 by default')
  .option('--n <n>', 'make: training tasks, 256 by default; load: at most so many rows')
  .option('--heldout <n>', 'make: held-out tasks; 128 by default')
  .option('--shots <n>', 'make: worked examples before each question; none by default')
  .option('--metric <name>', 'load: exact_match or f1, by which answers are judged; else by what they state')
  .option('--documents <dir>', 'folder for documents to be indexed; FILE.documents by default, for load none')
  .option('--split <split>', 'load: train or heldout; train by default')
  .option('--answers <file>', 'score: JSON lines of {"id", "answer"}')
  .action(async (what: string, name: string | undefined, file: string | undefined, flags: VerbFlags & TaskFlags) => {
    (await import('./cli/verbs/tasks.js')).tasksVerb(what, name, file, flags, printer(flags.json === true));
  });
verb(
  'tools <verb> [name]',
  'list what servers of tools announce, or accept NAME: take a changed tool as it is now',
).action(async (what: string, name: string | undefined, flags: VerbFlags) => {
  (await import('./cli/verbs/tools.js')).toolsVerb(config(flags), what, name, printer(flags.json === true));
});
verb('keys <verb> [name]', 'add NAME, set NAME, list, or revoke NAME')
  .option('--role <role>', 'client or admin; client when nothing is said')
  .option('--train', 'consent to train on what this key asks, as a new key does')
  .option('--no-train', 'withhold that consent for everything this key asks')
  .option(
    '--tools <names>',
    'server tools it may use and is offered, with commas between; none, or any as the gateway has them',
  )
  .option('--rpm <n>', 'requests it may begin in a minute; none for no bound, as for the next three')
  .option('--tpm <n>', 'tokens it may use in a minute')
  .option('--concurrent <n>', 'requests of it answered at once')
  .option('--monthly-tokens <n>', 'tokens it may use in a month of UTC')
  .action(async (what: string, name: string | undefined, flags: VerbFlags) =>
    (await import('./cli/verbs/keys.js')).keysVerb(config(flags), what, name, flags, printer(flags.json === true)),
  );

try {
  await program.parseAsync();
} catch (thrown) {
  // Being asked to stop is not a fault.
  if (!stopping.signal.aborted) {
    process.stderr.write(`gyre: ${shownLines(asGyreError(thrown).message.replace(/^unexpected fault: /, ''))}\n`);
    process.exitCode = 1;
  }
}
