/**
 * Which weights answer which name: the alias table of the gateway. It counts what is in flight per
 * version, so that an adapter is unloaded only when nobody holds it, and it loads again what the
 * engine has dropped. It decides nothing: promotion calls {@link VersionTable.setServing}.
 */
import { GyreError, internal, quoted } from '../../core/errors.js';
import { conversationId, isInShare, openingWords } from '../../core/judging/conversation.js';
import type { ServedCanary } from '../../core/judging/live.js';
import type { Message } from '../../core/message.js';
import type { Policy, TokenCounter } from '../../core/policy.js';
import type { Lease, SamplingDefaults, ServedModel, Serving, Source } from '../../core/serving.js';
import { adapterName } from '../../core/learning/version.js';
import { cancelled } from '../engine/fault.js';
import { reloadingCounter, reloadingPolicy } from './reloading.js';
import type { UpstreamModel } from './upstreams.js';

export interface ServingOptions {
  /** The engine that holds the policy's weights. */
  readonly engine: { readonly policy: Policy; readonly counter: TokenCounter };
  /** Versions that exist, with the second each was created. Version 0 is always known. */
  readonly versions?: readonly { readonly version: number; readonly created: number }[] | undefined;
  readonly serving?: number | undefined;
  /** What the engine calls version 0: `base` for our own vLLM, the model id of any other server. */
  readonly baseModel?: string | undefined;
  readonly templateHash?: string | undefined;
  /** Read at each lease: a model may be known only when its engine is. */
  readonly defaults?: (() => SamplingDefaults | undefined) | undefined;
  /** Names that are not the policy's. */
  readonly upstreams?: readonly UpstreamModel[] | undefined;
  /**
   * The words by which the log knows the conversation. Asked while there is a canary; without it, or where it fails,
   * they are the user's last before any answer.
   */
  opening?(messages: readonly Message[], signal: AbortSignal): Promise<string | undefined>;
  /**
   * Loads a version's adapter into the engine. Called once for concurrent leases, so no single caller's abort ends it.
   */
  load(version: number): Promise<void>;
}

export interface VersionTable extends Serving {
  /** Points the alias `gyre` at a known version; requests in flight keep theirs. */
  setServing(version: number): void;
  /** Lets a known version answer a share of the conversations that name the alias; undefined ends that. */
  setCanary(canary: ServedCanary | undefined): void;
  /** Makes a version known. `loaded` says whether the engine holds it already. */
  know(version: number, loaded: boolean, created?: number): void;
  /** Records that the engine no longer holds this version; the next lease loads it again. */
  dropped(version: number): void;
  /** Makes a version unknown, whose weights are gone. */
  forget(version: number): void;
  inFlight(version: number): number;
  /** Resolves when no lease on this version is left. */
  drained(version: number): Promise<void>;
  /** For callers without a lease, such as the learner: an adapter the engine has dropped is loaded again first. */
  readonly policy: Policy;
}

interface Entry {
  readonly version: number;
  readonly source: Source;
  readonly created: number;
  readonly engineModel: string;
  loaded: boolean;
  loading: Promise<void> | undefined;
  leases: number;
  readonly waiting: (() => void)[];
}

export function openServing(options: ServingOptions): VersionTable {
  const entries = new Map<number, Entry>();
  const now = (): number => Math.floor(Date.now() / 1000);
  const since = now();
  const others = new Map(
    (options.upstreams ?? []).map(({ id, host, policy, counter, relay }) => [
      id,
      {
        lease: {
          source: { kind: 'upstream', host },
          engineModel: id,
          policy,
          counter,
          relay,
          release: () => undefined,
        } satisfies Lease,
        served: { id, created: since, source: { kind: 'upstream', host } } satisfies ServedModel,
      },
    ]),
  );
  const nameOf = (version: number): string =>
    version === 0 ? (options.baseModel ?? adapterName(0)) : adapterName(version);

  const know = (version: number, loaded: boolean, created: number = now()): void => {
    const entry = entries.get(version);
    if (entry !== undefined) entry.loaded ||= loaded;
    else
      entries.set(version, {
        version,
        source: { kind: 'policy', version },
        created,
        engineModel: nameOf(version),
        loaded,
        loading: undefined,
        leases: 0,
        waiting: [],
      });
  };
  know(0, true);
  for (const { version, created } of options.versions ?? []) know(version, false, created);

  let serving = options.serving ?? 0;
  if (!entries.has(serving)) throw internal(`version ${serving} is to be served but is not known`);

  let canary: ServedCanary | undefined;
  /** For the alias: the same version for each turn of a conversation, as long as the canary goes on. */
  const drawn = async (trial: ServedCanary, messages: readonly Message[], signal: AbortSignal): Promise<number> => {
    // Without the log each answer in it may be ours.
    const guess = (): string | undefined => openingWords(beforeAnswers(messages));
    const words = await (options.opening?.(messages, signal).catch(guess) ?? guess());
    if (words === undefined || !entries.has(trial.version)) return serving;
    return isInShare(conversationId(trial.salt, words), trial.id, trial.share) ? trial.version : serving;
  };
  const find = (model: string, alias = serving): Entry => {
    const version =
      model === 'gyre'
        ? alias
        : model === 'gyre@base'
          ? 0
          : /^gyre@(0|[1-9]\d{0,8})$/.test(model)
            ? Number(model.slice(5))
            : undefined;
    const entry = version === undefined ? undefined : entries.get(version);
    if (entry !== undefined) return entry;
    throw new GyreError({
      side: 'client',
      status: 404,
      code: 'model_not_found',
      param: 'model',
      message: `The model ${quoted(model)} does not exist. There are: ${names().join(', ')}.`,
    });
  };
  const names = (): string[] => [
    'gyre',
    'gyre@base',
    ...[...entries.keys()].filter((version) => version > 0).map((version) => `gyre@${version}`),
    ...others.keys(),
  ];

  const load = (entry: Entry): Promise<void> => {
    entry.loading ??= options.load(entry.version).then(
      () => {
        entry.loaded = true;
        entry.loading = undefined;
      },
      (cause: unknown) => {
        entry.loading = undefined;
        throw cause;
      },
    );
    return entry.loading;
  };

  const returned = (entry: Entry): void => {
    entry.leases -= 1;
    if (entry.leases === 0) for (const done of entry.waiting.splice(0)) done();
  };

  const reload = async (engineModel: string): Promise<boolean> => {
    const entry = [...entries.values()].find((candidate) => candidate.engineModel === engineModel);
    if (entry === undefined || entry.version === 0) return false;
    entry.loaded = false;
    await load(entry);
    return true;
  };
  const policy = reloadingPolicy(options.engine.policy, reload);
  const counter = reloadingCounter(options.engine.counter, reload);
  const leasedPolicy = (): Policy => policy;

  return {
    policy,
    get version() {
      return serving;
    },
    async lease(model, signal, messages): Promise<Lease> {
      const other = others.get(model);
      if (other !== undefined) return other.lease;
      const trial = model === 'gyre' && messages !== undefined ? canary : undefined;
      let entry = find(model, trial && messages && (await drawn(trial, messages, signal)));
      // Nobody who names no version is refused because the candidate's weights cannot be had.
      if (model === 'gyre' && entry.version !== serving && !entry.loaded) {
        entry.leases += 1;
        const isLoaded = await load(entry).then(
          () => true,
          () => false,
        );
        returned(entry);
        if (!isLoaded) entry = find(model);
      }
      let held = true;
      const release = (): void => {
        if (!held) return;
        held = false;
        returned(entry);
      };
      // Counted before loading, so that nothing unloads it in between.
      entry.leases += 1;
      try {
        if (!entry.loaded) await load(entry);
        if (signal.aborted) throw cancelled();
      } catch (thrown) {
        release();
        throw thrown;
      }
      return {
        source: entry.source,
        engineModel: entry.engineModel,
        templateHash: options.templateHash,
        defaults: options.defaults?.(),
        policy: leasedPolicy,
        counter,
        release,
      };
    },
    models(): readonly ServedModel[] {
      const alias = entries.get(serving);
      return [
        { id: 'gyre', created: alias?.created ?? now(), source: { kind: 'policy', version: serving } },
        ...[...entries.values()].map((entry) => ({
          id: entry.version === 0 ? 'gyre@base' : `gyre@${entry.version}`,
          created: entry.created,
          source: entry.source,
        })),
        ...[...others.values()].map(({ served }) => served),
      ];
    },
    setServing(version) {
      if (!entries.has(version)) throw internal(`version ${version} is to be served but is not known`);
      serving = version;
    },
    setCanary(next) {
      canary = next;
    },
    know,
    dropped(version) {
      const entry = entries.get(version);
      if (entry !== undefined && version !== 0) entry.loaded = false;
    },
    forget(version) {
      if (version !== serving && version !== 0) entries.delete(version);
    },
    inFlight: (version) => entries.get(version)?.leases ?? 0,
    drained(version) {
      const entry = entries.get(version);
      if (entry === undefined || entry.leases === 0) return Promise.resolve();
      return new Promise((resolve) => entry.waiting.push(resolve));
    },
  };
}

function beforeAnswers(messages: readonly Message[]): readonly Message[] {
  const first = messages.findIndex(({ role }) => role === 'assistant');
  return first < 0 ? messages : messages.slice(0, first);
}
