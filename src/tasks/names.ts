/** Names that nobody knows anything of: made, so that an answer has to be looked up. */
import type { Draw } from './draw.js';

export const FIRST = (
  'Ada Alan Alma Amir Anna Anton Asha Ben Bianca Boris Carla Cem Chloe Clara Dana Daniel Diego Dora ' +
  'Elena Elias Emil Emma Erik Esther Fatima Felix Fiona Georg Gina Hana Hugo Ida Igor Irene Ivan Jana ' +
  'Jonas Julia Kaito Karim Katja Lara Lea Leon Lina Luis Mara Marek Maria Mina Nadia Nils Nina Noor ' +
  'Olga Omar Oscar Paula Pavel Petra Rafael Ravi Rosa Ruth Samir Sara Selma Sofia Sven Tara Theo Tomas ' +
  'Uma Vera Victor Yara Yusuf Zoe'
).split(' ');

export const THINGS = (
  'apples books bottles bricks buttons candles chairs coins cups eggs envelopes figs flowers forks jars ' +
  'keys lamps lemons letters marbles melons mugs nails notebooks oranges pears pencils plates postcards ' +
  'ropes shells shirts spoons stamps stickers stones tickets tiles towels tulips'
).split(' ');

const STARTS =
  'Bal Bren Cor Dal Dun Fen Gar Hal Hol Kel Lor Mar Mol Nor Osk Pel Quen Ras Sel Tar Thol Ul Vel Wen Yar Zem'.split(
    ' ',
  );
const MIDDLES = 'a al an ba da e el en i in ka la li mo na no o or ra ri sa so ta u un va'.split(' ');
const TOWN_ENDS = 'burg dale field ford ham mere mora mouth port stad ton wick'.split(' ');
const SURNAME_ENDS = 'berg der dias kov ling man mann nen ova sen son zani'.split(' ');
const COMPANY_ENDS = ['co', 'dex', 'lin', 'ro', 'tec'];
const TRADES = 'Foods Glass Looms Mills Motors Optics Paper Pumps Rail Ships Steel Tools Toys Works'.split(' ');

/** Names of one part: no other part, and no second call, gives the same. */
export class Names {
  readonly #draw: Draw;
  readonly #given = new Set<string>();

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  #stem(): string {
    // What a name begins with is of this part alone, so all its names are.
    return this.#draw.pick(this.#draw.own(STARTS)) + this.#draw.pick(MIDDLES);
  }

  #fresh(name: () => string): string {
    for (let tries = 0; ; tries += 1) {
      const made = tries < 200 ? name() : `New ${name()}`;
      if (this.#given.has(made)) continue;
      this.#given.add(made);
      return made;
    }
  }

  person(): string {
    return this.#fresh(
      () => `${this.#draw.pick(this.#draw.own(FIRST))} ${this.#stem()}${this.#draw.pick(SURNAME_ENDS)}`,
    );
  }

  town(): string {
    return this.#fresh(() => this.#stem() + this.#draw.pick(TOWN_ENDS));
  }

  company(): string {
    return this.#fresh(
      () => `${this.#stem()}${this.#draw.pick(COMPANY_ENDS)} ${this.#draw.pick(this.#draw.own(TRADES))}`,
    );
  }

  river(): string {
    return this.#fresh(() => `${this.#stem()}${this.#draw.pick(['de', 'le', 'ne', 'se', 'we'])}`);
  }

  /** A family name that is a town's as well. */
  namesake(town: string): string {
    return this.#fresh(() => `${this.#draw.pick(this.#draw.own(FIRST))} ${town}`);
  }
}
