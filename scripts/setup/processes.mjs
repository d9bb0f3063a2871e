// @ts-check
/**
 * The child processes of set-up: each in a group of its own and on record while it runs, so that an interrupt
 * ends it with all it started, and the next run ends what a killed run left behind. A process is known by pid
 * and start time, never by name. (`src/core/running/process.ts` says the same; set-up runs before anything is built.)
 */
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

/**
 * Clock ticks since boot at which the process began; '' where there is no such process (or no /proc).
 * @param {number} pid
 */
export function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name in parentheses may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : (fields[19] ?? '');
  } catch {
    return '';
  }
}

/** @param {{ pid: number, started: string }} process */
export function isAlive({ pid, started }) {
  return started !== '' && startTime(pid) === started;
}

/** @param {number} pid @param {NodeJS.Signals} signal */
function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

/**
 * @typedef {object} Finished
 * @property {number} code
 * @property {string[]} tail The last lines of its output.
 */

/**
 * @param {string} records Folder of the records of running children.
 */
export function childProcesses(records) {
  /** @type {Set<number>} */
  const running = new Set();
  let closed = false;

  return {
    /** Ends what an earlier run left behind. Only for the holder of the set-up lock. */
    endStale() {
      mkdirSync(records, { recursive: true });
      for (const name of readdirSync(records)) {
        const pid = Number(name);
        if (isAlive({ pid, started: readFileSync(join(records, name), 'utf8') })) signalGroup(pid, 'SIGKILL');
        rmSync(join(records, name), { force: true });
      }
    },

    /** Ends what runs; whatever is asked for afterwards is not started. @param {NodeJS.Signals} signal */
    endAll(signal) {
      closed = true;
      for (const pid of running) signalGroup(pid, signal);
    },

    /**
     * Runs a command to its end; its output goes line by line to `onLine` and whole into the log file.
     * @param {string} command @param {string[]} args
     * @param {{ cwd: string, log: string, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void }} options
     * @returns {Promise<Finished>}
     */
    run(command, args, { cwd, log, env, onLine }) {
      if (closed) return Promise.resolve({ code: 130, tail: ['interrupted'] });
      mkdirSync(dirname(log), { recursive: true });
      const whole = createWriteStream(log, { flags: 'a' });
      // A full disk shows itself in the command; a lost log line is no second fault.
      whole.on('error', () => undefined);
      whole.write(`$ ${command} ${args.join(' ')}\n`);
      /** @type {string[]} */
      const tail = [];
      return new Promise((resolve) => {
        const child = spawn(command, args, {
          cwd,
          env: { ...process.env, ...env },
          stdio: ['ignore', 'pipe', 'pipe'],
          detached: true,
        });
        const { pid } = child;
        if (pid !== undefined) {
          running.add(pid);
          mkdirSync(records, { recursive: true });
          writeFileSync(join(records, String(pid)), startTime(pid));
        }
        for (const stream of [child.stdout, child.stderr]) {
          createInterface({ input: stream }).on('line', (line) => {
            whole.write(`${line}\n`);
            if (line.trim() !== '') tail.push(line.trim());
            if (tail.length > 20) tail.shift();
            onLine?.(line);
          });
        }
        let ended = false;
        /** @param {number} code */
        const end = (code) => {
          if (ended) return;
          ended = true;
          if (pid !== undefined) {
            running.delete(pid);
            rmSync(join(records, String(pid)), { force: true });
          }
          whole.end(() => resolve({ code, tail }));
        };
        child.on('error', (fault) => {
          tail.push(fault.message);
          end(127);
        });
        child.on('close', (code) => end(code ?? 1));
      });
    },
  };
}

/** @typedef {ReturnType<typeof childProcesses>} ChildProcesses */
