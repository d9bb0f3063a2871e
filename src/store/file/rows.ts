/**
 * Tables as the driver sees them: column order, values after drizzle's mapping, and statements made from
 * the schema, so that the hot path binds plain values without a query builder and without SQL of its own.
 */
import { getTableColumns, getTableName, type Column } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';

export type SqlValue = string | number | bigint | Buffer | null;

export interface Shape<T extends SQLiteTable = SQLiteTable> {
  readonly name: string;
  /** SQL names, in the order of every list of values. */
  readonly columns: readonly string[];
  /** A row in drizzle's insert form as values for the driver; what is absent is null. */
  values(row: T['$inferInsert']): SqlValue[];
  /** Position of a column. */
  at(column: string): number;
  readonly insert: string;
  readonly insertOrIgnore: string;
  /** `SELECT every column FROM table`, to be followed by a condition. */
  readonly select: string;
}

export function shapeOf<T extends SQLiteTable>(table: T): Shape<T> {
  const name = getTableName(table);
  const fields: readonly (readonly [string, Column])[] = Object.entries(getTableColumns(table));
  const columns = fields.map(([, column]) => column.name);
  const list = columns.map((column) => `"${column}"`).join(', ');
  const values = `"${name}" (${list}) VALUES (${columns.map(() => '?').join(', ')})`;
  return {
    name,
    columns,
    values: (row) =>
      fields.map(([key, column]) => {
        const value = (row as Record<string, unknown>)[key];
        if (typeof value === 'number') return value;
        return value === undefined || value === null ? null : wellFormed(column.mapToDriverValue(value) as SqlValue);
      }),
    at: (column) => columns.indexOf(column),
    insert: `INSERT INTO ${values}`,
    insertOrIgnore: `INSERT OR IGNORE INTO ${values}`,
    select: `SELECT ${list} FROM "${name}"`,
  };
}

/** UTF-8 has no half characters: they are replaced before hashing, as SQLite would replace them after. */
function wellFormed(value: SqlValue): SqlValue {
  return typeof value === 'string' && !value.isWellFormed() ? value.toWellFormed() : value;
}
