/**
 * The order in which a model judge puts several actions of one state, out of the last two lines of its answer. Whatever
 * else it wrote is no order: a judge that cannot be understood has abstained. Pure.
 */

interface Ranked {
  readonly good: boolean;
  /** The share of the others that it stands above, a tie as half; from 0.5 where it is good, below where it is not. */
  readonly score: number;
}

export type ReadRanking =
  { readonly ranked: readonly Ranked[]; readonly rationale: string } | { readonly unclear: string };

const LINE = (name: string): RegExp => new RegExp(`^[\\s*_#>\`-]*${name}[*_\`\\s]*:[*_\`\\s]*(.*?)[\\s*_\`.]*$`, 'i');
const [ORDER, GOOD] = [LINE('ORDER'), LINE('GOOD')];
const NONE = /^(none|-)?$/i;
const MAX_RATIONALE = 2_000;

/** `count`: actions it was shown, numbered from 1; in the order in which it was shown them. */
export function rankingOf(text: string, count: number): ReadRanking {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const goods = GOOD.exec(lines.pop() ?? '')?.[1];
  const order = ORDER.exec(lines.pop() ?? '')?.[1];
  if (goods === undefined || order === undefined)
    return { unclear: 'its answer does not end with the lines ORDER and GOOD' };
  const places = order.split('>').map((place) => place.split(/[=,]/).map(numberOf));
  const listed = places.flat();
  const all = Array.from({ length: count }, (_, at) => at + 1);
  if (listed.length !== count || !all.every((each) => listed.includes(each)))
    return { unclear: `its order "${order.slice(0, 100)}" does not name each of the ${count} actions once` };
  const good = NONE.test(goods) ? [] : goods.split(/[\s,;]+/).map(numberOf);
  if (!good.every((each) => listed.includes(each)))
    return { unclear: `its list "${goods.slice(0, 100)}" of good actions names one that is not there` };
  const placeOf = (action: number): number => places.findIndex((place) => place.includes(action));
  const lastGood = Math.max(-1, ...good.map(placeOf));
  if (all.some((action) => !good.includes(action) && placeOf(action) < lastGood))
    return { unclear: 'it puts an action that is not good above one that is' };
  return {
    ranked: all.map((action) => {
      const above = shareBelow(placeOf(action), all.map(placeOf));
      const isGood = good.includes(action);
      return { good: isGood, score: isGood ? 0.5 + above / 2 : above / 2 };
    }),
    rationale: lines.join('\n').trim().slice(0, MAX_RATIONALE),
  };
}

/** NaN for anything but a number. */
function numberOf(text: string): number {
  return /^\s*\d{1,3}\s*$/.test(text) ? Number(text) : NaN;
}

/** Of all others; alone it stands above nobody and below nobody. */
function shareBelow(place: number, places: readonly number[]): number {
  if (places.length === 1) return 0.5;
  const below = places.filter((other) => other > place).length;
  const level = places.filter((other) => other === place).length - 1;
  return (below + level / 2) / (places.length - 1);
}
