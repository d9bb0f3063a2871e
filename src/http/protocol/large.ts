/**
 * Checking large values. A schema tells every fault there is: four million numbers where messages belong are four
 * million faults, which take 12 s. Of a large value pieces are checked first, each with a few entries of each long list
 * or object, until one has a fault; only where none has is the whole of it checked, which finds little then.
 */
import { z } from 'zod';

import { furthest, valueAt } from '../../core/check.js';

/** Entries of all lists and objects together from which on a value is large. */
const LARGE = 4_096;
/** Entries of one list in one piece: numbers, of which there are many, and anything else. */
const NUMBERS = 1_024;
const OTHERS = 32;
/** Fields of an object in one piece, beside its first ones: what it must have stands among those. */
const FIELDS = 1_024;

/** As the schema's own, but that of a large value only the first faults are told. */
export function safelyParsed(schema: z.ZodType, value: unknown): ReturnType<z.ZodType['safeParse']> {
  if (entriesIn(value, LARGE) < LARGE) return schema.safeParse(value);
  const pieces = piecesOf(value);
  for (let piece = 0; piece < pieces; piece += 1) {
    const { error } = schema.safeParse(pieceOf(value, piece));
    const issue = furthest(error?.issues[0]);
    if (issue === undefined) continue;
    const path = pathIn(value, piece, issue.path);
    if (isCut(valueAt(value, path))) continue;
    return { success: false, error: new z.ZodError([{ ...issue, path }]) };
  }
  return schema.safeParse(value);
}

/** What is wrong with a list as a whole cannot be told by a piece of it. */
function isCut(value: unknown): boolean {
  return Array.isArray(value) && value.length > sizeOf(value);
}

/** How many there are, up to `most`. */
function entriesIn(value: unknown, most: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  const entries = Array.isArray(value) ? (value as readonly unknown[]) : Object.values(value);
  let count = entries.length;
  for (let at = 0; at < entries.length && count < most; at += 1) count += entriesIn(entries[at], most - count);
  return count;
}

function sizeOf(list: readonly unknown[]): number {
  return typeof list[0] === 'number' ? NUMBERS : OTHERS;
}

/** How many pieces the longest list or object in it has. */
function piecesOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  const entries = Array.isArray(value) ? (value as readonly unknown[]) : Object.values(value);
  let most = Math.ceil(entries.length / (Array.isArray(value) ? sizeOf(entries) : FIELDS));
  for (const entry of entries) if (typeof entry === 'object' && entry !== null) most = Math.max(most, piecesOf(entry));
  return Math.max(1, most);
}

/** Where a piece of so many entries begins; a shorter list is in each piece from its beginning. */
function beginOf(length: number, size: number, piece: number): number {
  const begin = piece * size;
  return begin < length ? begin : 0;
}

function pieceOf(value: unknown, piece: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const list = value as readonly unknown[];
    const size = sizeOf(list);
    const begin = beginOf(list.length, size, piece);
    return list.slice(begin, begin + size).map((entry) => pieceOf(entry, piece));
  }
  const names = Object.keys(value);
  const begin = beginOf(names.length, FIELDS, piece);
  const shown =
    begin === 0 ? names.slice(0, FIELDS) : [...names.slice(0, FIELDS), ...names.slice(begin, begin + FIELDS)];
  return Object.fromEntries(shown.map((name) => [name, pieceOf((value as Record<string, unknown>)[name], piece)]));
}

/** The path in the whole of a path in a piece. */
function pathIn(value: unknown, piece: number, path: readonly PropertyKey[]): PropertyKey[] {
  let inner: unknown = value;
  return path.map((step) => {
    const place =
      Array.isArray(inner) && typeof step === 'number' ? step + beginOf(inner.length, sizeOf(inner), piece) : step;
    inner = (inner as Record<PropertyKey, unknown> | null | undefined)?.[place];
    return place;
  });
}
