/** Units of measure by their names, and how many of one are another. Pure. */

interface Unit {
  readonly kind: string;
  /** In the kind's first unit. */
  readonly size: number;
}

const KINDS: Readonly<Record<string, readonly (readonly [number, string])[]>> = {
  length: [
    [1, 'm metre meter'],
    [0.001, 'mm millimetre millimeter'],
    [0.01, 'cm centimetre centimeter'],
    [1000, 'km kilometre kilometer'],
    [0.0254, 'inch inche'],
    [0.3048, 'ft foot feet'],
    [0.9144, 'yd yard'],
    [1609.344, 'mi mile'],
  ],
  mass: [
    [1, 'g gram gramme'],
    [0.001, 'mg milligram'],
    [1000, 'kg kilogram kilo'],
    [28.349523125, 'oz ounce'],
    [453.59237, 'lb pound'],
  ],
  time: [
    [1, 's sec second'],
    [60, 'min minute'],
    [3600, 'h hr hour'],
    [86400, 'day'],
    [604800, 'week'],
  ],
  volume: [
    [1, 'l litre liter'],
    [0.001, 'ml millilitre milliliter'],
  ],
  money: [
    [1, 'dollar'],
    [0.01, 'cent'],
  ],
};

const UNITS: ReadonlyMap<string, Unit> = new Map(
  Object.entries(KINDS).flatMap(([kind, units]) =>
    units.flatMap(([size, names]) => names.split(' ').map((name): [string, Unit] => [name, { kind, size }])),
  ),
);

function unitOf(word: string): Unit | undefined {
  const lower = word.toLowerCase().replace(/\.$/, '');
  return UNITS.get(lower) ?? (lower.length > 2 ? UNITS.get(lower.replace(/s$/, '')) : undefined);
}

/** What a number of the first has to be multiplied with; 1 where one of them is no unit; undefined of two kinds. */
export function sameUnit(stated: string, wanted: string): number | undefined {
  const [from, to] = [unitOf(stated), unitOf(wanted)];
  if (from === undefined || to === undefined) return 1;
  return from.kind === to.kind ? from.size / to.size : undefined;
}
