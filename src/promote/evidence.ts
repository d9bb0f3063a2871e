/**
 * What pairs of answers show, and what the t-th candidate has to show. Pure.
 *
 * Two versions answer the same task. Where exactly one of them is right the task *changed*: the candidate won or lost
 * it. A candidate that is no better wins a changed task with a probability of at most 1/2, whatever came before; all
 * that follows rests on that alone.
 */

/**
 * The logarithm of the evidence that the candidate is better, in nats; 0 before anything changed.
 *
 * The evidence is the mean of 2^n * theta^wins * (1 - theta)^losses over theta from 1/2 to 1: what somebody would own
 * who began with 1 and bet on wins at every changed task, not knowing how often they come. While the candidate is no
 * better it falls on average, so it ever reaches 1/alpha with a probability of at most alpha (Ville's inequality),
 * however often one looks and whenever one stops.
 */
export function logEvidence(wins: number, losses: number): number {
  // The integral is an incomplete beta function of whole numbers, which is a sum of binomial coefficients:
  // E = sum(C(n+1, j), j = 0..wins) / ((n+1) * C(n, wins)).
  const n = requireCount(wins) + requireCount(losses);
  return logAtMost(n + 1, wins) - Math.log(n + 1) - logChoose(n, wins);
}

/** The logarithm of the exact one-sided sign test: how likely fair coins give so many wins or more. */
export function logChance(wins: number, losses: number): number {
  const n = requireCount(wins) + requireCount(losses);
  return Math.min(0, logAtMost(n, losses) - n * Math.LN2);
}

/**
 * The level of the t-th candidate, from 1, since something was promoted. All of them together spend `total`, so however
 * many useless candidates come, one is promoted with a probability of at most `total`.
 */
export function levelOf(total: number, candidate: number): number {
  if (!Number.isInteger(candidate) || candidate < 1)
    throw new RangeError(`candidates are counted from 1, and this is number ${candidate}`);
  return (total * 6) / (Math.PI * candidate) ** 2;
}

function requireCount(value: number): number {
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`${value} is no number of tasks`);
  return value;
}

/** ln sum(C(n, j), j = 0..k). */
function logAtMost(n: number, k: number): number {
  if (k < 0) return -Infinity;
  // Beyond the middle it is what all are less the other tail, whose terms fall from its end.
  if (2 * k > n) return n * Math.LN2 + Math.log1p(-Math.exp(logAtMost(n, n - k - 1) - n * Math.LN2));
  let term = 1;
  let sum = 1;
  for (let j = k; j > 0 && term > sum * Number.EPSILON; j -= 1) {
    term *= j / (n - j + 1);
    sum += term;
  }
  return logChoose(n, k) + Math.log(sum);
}

function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/** ln 0!, ln 1!, ... as far as they were needed. */
const logFactorials = [0];

function logFactorial(n: number): number {
  for (let next = logFactorials.length; next <= n; next += 1)
    logFactorials.push((logFactorials[next - 1] ?? 0) + Math.log(next));
  return logFactorials[n] ?? 0;
}
